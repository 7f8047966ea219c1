/* What the page asks of the server, and how a refusal becomes a sentence. */

export class Refusal extends Error {
  constructor(sentence, status, frames) {
    super(sentence);
    this.status = status;
    this.frames = frames; // of a stack of which one must be chosen
  }
}

const UNREACHABLE = "stemforge does not answer. Is it still running? What is shown here is the last that it sent.";

const refusal = async (response) => {
  const { status } = response;
  try {
    const { error, frames } = await response.json();
    if (typeof error === "string") return new Refusal(error, status, frames);
  } catch { /* no JSON: the sentence below is all there is */ }
  return new Refusal(`stemforge refused this (${status}).`, status);
};

const ask = async (method, path, { body, headers = {}, ...rest } = {}) => {
  let response;
  try {
    response = await fetch(path, { method, body, headers, ...rest });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(UNREACHABLE, 0);
  }
  if (!response.ok) throw await refusal(response);
  return response;
};

const json = async (method, path, value, headers = {}, rest = {}) => {
  const body = value === undefined ? undefined : JSON.stringify(value);
  const kind = value === undefined ? {} : { "Content-Type": "application/json" };
  const response = await ask(method, path, { body, headers: { ...kind, ...headers }, ...rest });
  return response.status === 204 ? null : response.json();
};

const image = (id) => `/api/images/${encodeURIComponent(id)}`;

export const session = () => json("GET", "/api/session");
export const getImage = (id) => json("GET", image(id));
export const changeImage = (id, changes) => json("PATCH", image(id), changes);
export const removeImage = (id) => ask("DELETE", image(id));
export const getAtoms = (id, signal) => json("GET", `${image(id)}/atoms`, undefined, {}, { signal });
export const getStatistics = (id, signal) => json("GET", `${image(id)}/statistics`, undefined, {}, { signal });
export const getQuality = (id, signal) => json("GET", `${image(id)}/quality`, undefined, {}, { signal });
export const getLive = () => json("GET", "/api/live");
export const beginLive = (wanted) => json("POST", "/api/live", wanted);
export const endLive = () => ask("DELETE", "/api/live");
export const sample = (place = "atoms") => json("POST", `/api/samples?place=${place}`);
export const startJob = (kind, images) => json("POST", "/api/jobs", { kind, images });
export const listJobs = () => json("GET", "/api/jobs");
export const removeJob = (id) => ask("DELETE", `/api/jobs/${encodeURIComponent(id)}`);
export const addresses = (id) => ({
  thumbnail: `${image(id)}/thumbnail`, csv: `${image(id)}/atoms.csv`, overlay: `${image(id)}/overlay.png`,
});

export const simulation = () => json("GET", "/api/simulation");
export const simulate = (wanted) => json("POST", "/api/simulation", wanted);
export const simulatedStructure = (wanted) => json("POST", "/api/simulation/structure", wanted);
export const useSimulated = (wanted) => json("POST", "/api/simulation/image", wanted);

/* `keepalive` lets the last change reach the server although the tab is being closed. */
export const putEdits = (id, version, edits, keepalive = false) =>
  json("PUT", `${image(id)}/edits`, edits, { "If-Match": String(version) }, { keepalive });

const bitmap = async (path) => createImageBitmap(await (await ask("GET", path)).blob());
export const picture = (id, level) => bitmap(`${image(id)}/picture?level=${level}`);
export const restored = (id, level) => bitmap(`${image(id)}/restored?level=${level}`);

const send = async (path, file) => {
  const form = new FormData();
  form.append("file", file, file.name);
  return (await ask("POST", path, { body: form })).json();
};

export const uploadWeights = (file) => send("/api/weights", file);
export const removeWeights = (id) => ask("DELETE", `/api/weights/${encodeURIComponent(id)}`);

/* `frame` of a stack, counted from 0; `place` of the page to which the image belongs. */
export const upload = (file, frame, place = "atoms") => send(`/api/images?place=${place}${frame === undefined ? "" : `&frame=${frame}`}`, file);

export const getMolecules = (id, signal) => json("GET", `${image(id)}/molecules`, undefined, {}, { signal });
export const giveFramework = (id, file) => send(`${image(id)}/framework`, file);
export const moleculeFile = (id, name, threshold) => `${image(id)}/molecules/${name}${threshold === undefined ? "" : `?threshold=${threshold}`}`;

/* Tells of changes; `opened` is called at the start and after each interruption, `lost` when one begins. */
export const listen = (changed, opened, lost) => {
  const source = new EventSource("/api/events");
  source.addEventListener("open", opened);
  source.addEventListener("error", () => lost(new Refusal(UNREACHABLE, 0)));
  source.addEventListener("message", (event) => {
    try { changed(JSON.parse(event.data)); } catch { /* a line that is no event */ }
  });
  return source;
};
