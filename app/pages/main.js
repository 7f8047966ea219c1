/* The page: the state that its parts share, and what happens when one of them or the server changes it. */
import * as server from "./server.js";
import { Adding } from "./adding.js";
import { Edits } from "./edits.js";
import { counted, digits, find, notice, say } from "./format.js";
import { listenToKeys } from "./keys.js";
import { byName, List } from "./list.js";
import { recall, remember } from "./memory.js";
import { FIRST, OF_IMAGES, Places } from "./places.js";
import { Pointer } from "./pointer.js";
import { Pyramids } from "./pyramid.js";
import { Results } from "./results.js";
import { Side } from "./side.js";
import { Toolbar } from "./toolbar.js";
import { explain, tell } from "./tooltip.js";
import { Weights } from "./weights.js";
import { View } from "./view.js";

const AGAIN = 3000; // until a change that was not taken is sent again [ms]

const images = new Map();
const kept = new Map(); // edits with their past, of images that were shown
let chosen = null; // id of the image shown
let loading = null; // the request for its atoms
let timer = null;
let lost = false; // the server did not answer when it was asked last

const view = new View(find("canvas"), find("scale-bar"));
const pyramids = new Pyramids(() => view.draw(), (error) => notice(error.message));
const list = new List((id) => choose(id));
const results = new Results();
const places = new Places(moved);
const side = new Side({
  changed: (image) => known(image),
  others: () => [...images.values()].filter((image) => image.id !== chosen),
  confirm: (text) => window.confirm(text),
});
const adding = new Adding((image) => { known(image); if (chosen === null || !images.has(chosen)) choose(image.id); }, (text) => notice(text), taken);
const weights = new Weights(() => images.get(chosen), (image, detector) => side.apply([image], { detector }));
const pointer = new Pointer(view, { told: hovered, acted: () => toolbar.instruct() });
const toolbar = new Toolbar(view, pointer);

function hovered(atom, event) {
  if (!atom || !event || !atom.x) { tell(""); return; }
  const likelihood = atom.likelihood === null ? "added by hand" : `likelihood ${atom.likelihood.toFixed(2)}`;
  const nm = view.sampling / 10;
  const place = nm ? `x ${digits(atom.x * nm)} nm, y ${digits(atom.y * nm)} nm` : `x ${digits(atom.x)}, y ${digits(atom.y)} px`;
  tell(`${likelihood} · ${place}`, event.clientX, event.clientY);
}

/* Another place has been opened: the first shows the image it had, and its address. */
function moved(name) {
  results.open(false);
  tell("");
  if (!find("notice-act").hidden) notice(""); // what it offers was of the place before
  if (name !== FIRST) return;
  history.replaceState(null, "", chosen === null ? location.pathname : `#${encodeURIComponent(chosen)}`);
  if (chosen === null && images.size) choose(ordered()[0]);
  view.resize();
}

/* Whether a place other than the first has taken files that were dropped or pasted, its script waited for; else the
   first does. */
async function taken(files) {
  const name = places.current;
  if (name === FIRST) return false;
  if (!OF_IMAGES.includes(name)) { places.open(FIRST); return false; }
  try {
    (await places.loaded(name)).dropped(files);
  } catch (error) {
    notice(error.message); // dropped again, they are taken once the script can be had
  }
  return true;
}

/* The server's word on an image: new, changed, or the one that is shown. */
function known(image) {
  if (image.place !== FIRST) { if (images.has(image.id)) gone(image.id); return; } // it was moved to another place
  const before = images.get(image.id);
  if (before && before.version > image.version) return;
  images.set(image.id, image);
  list.update(image, chosen);
  screens();
  if (image.id === chosen) showImage(image, before);
}

function screens() {
  find("start").hidden = images.size > 0;
  find("work").hidden = images.size === 0;
  find("add-images").hidden = images.size === 0;
  results.button.hidden = images.size === 0 || !results.offered;
  const all = [...images.values()];
  const done = all.filter((image) => image.status === "done");
  const atoms = done.reduce((sum, image) => sum + image.count, 0);
  const busy = all.filter((image) => image.status === "waiting" || image.status === "working").length;
  const parts = [counted(all.length, "image"), counted(atoms, "atom"), busy ? `${busy} still to be worked on` : ""];
  find("summary").textContent = all.length ? parts.filter(Boolean).join(" · ") : "";
}

function choose(id) {
  if (!images.has(id)) return;
  const changed = chosen !== id;
  chosen = id;
  remember(FIRST, { chosen });
  if (places.current === FIRST && location.hash.slice(1) !== id) history.replaceState(null, "", `#${encodeURIComponent(id)}`);
  for (const image of images.values()) list.update(image, chosen);
  if (changed) pointer.giveUp();
  showImage(images.get(id), null);
}

function showImage(image, before) {
  if (image.status !== "done") side.clear();
  side.show(image);
  view.canvas.setAttribute("aria-label", `${image.name}, ${counted(image.count, "atom")}`);
  view.show(pyramids.of(image), image.sampling);
  const done = image.status === "done";
  const busy = { waiting: "Waiting: other images come first.", working: "Looking for atoms …" };
  say(find("busy"), busy[image.status]);
  if (done) view.edits ??= kept.get(image.id) ?? null;
  else { view.edits = null; kept.delete(image.id); }
  const current = view.edits?.id === image.id;
  pointer.active = done && current;
  if (current && !before) edited();
  if (done && (!current || (view.edits.version < image.version && !view.edits.saving))) loadAtoms(image);
  else if (done && before?.expected_f1 !== image.expected_f1) side.ask();
  toolbar.show();
}

async function loadAtoms(image) {
  loading?.abort();
  loading = new AbortController();
  try {
    const candidates = await server.getAtoms(image.id, loading.signal);
    if (chosen !== image.id || images.get(image.id)?.status !== "done") return;
    const known = kept.get(image.id);
    if (known) known.refreshed(image, candidates);
    else kept.set(image.id, new Edits(image, candidates, { changed: edited, saved, trouble: refused }));
    view.edits = kept.get(image.id);
    pointer.active = true;
    edited();
    side.ask();
  } catch (error) {
    if (error.name !== "AbortError") notice(error.message);
  }
}

function edited() {
  view.draw();
  if (view.edits) side.showEdits(view.edits);
  if (view.edits && !view.edits.waiting && !view.edits.before) side.ask();
  toolbar.show();
}

function saved(image) {
  answered();
  known(image);
}

async function refused(error, edits) {
  if (error.status !== 409) {
    away(new Error(`Your last change is not kept yet: ${error.message}`));
    clearTimeout(timer);
    timer = setTimeout(() => edits.save(), AGAIN);
    return;
  }
  notice("This image was changed in another window. Its newest state is shown; your last change was not taken.");
  try {
    const image = await server.getImage(edits.id);
    kept.delete(edits.id);
    if (chosen === edits.id) view.edits = null;
    known(image);
    if (chosen === edits.id) showImage(image, null);
  } catch (problem) {
    notice(problem.message);
  }
}

function ordered() { return [...images.values()].sort(byName).map((image) => image.id); }

function neighbour(step) {
  const ids = ordered();
  choose(ids[Math.min(Math.max(ids.indexOf(chosen) + step, 0), ids.length - 1)]);
}

async function removeChosen() {
  const image = images.get(chosen);
  const edited = image.added || image.removed || image.masks;
  if (edited && !window.confirm(`${image.name} has corrections by hand. Take it off the list with them?`)) return;
  try {
    await server.removeImage(image.id);
    gone(image.id);
  } catch (error) {
    notice(error.message);
  }
}

function gone(id) {
  const ids = ordered();
  const place = ids.indexOf(id);
  images.delete(id);
  pyramids.drop(id);
  kept.delete(id);
  list.show([...images.values()], chosen);
  if (id === chosen) {
    chosen = null;
    view.edits = null;
    side.clear();
    side.image = null;
    const next = ids[place + 1] ?? ids[place - 1];
    if (next) choose(next);
    else if (places.current === FIRST) history.replaceState(null, "", location.pathname); // it names nothing here any more
  }
  screens();
}

async function refresh(id) {
  try {
    known(await server.getImage(id));
    if (!images.has(chosen)) choose(id); // the first one, moved here from another place
  } catch (error) {
    if (error.status === 404) gone(id);
  }
}

/* A detector that was trained further can be chosen once it is done. */
async function jobs() {
  const before = results.trained;
  await results.refresh();
  if (results.trained !== before) await detectors();
}

async function detectors() {
  try {
    const session = await server.session();
    side.offer(session);
    weights.offer(session);
    if (images.has(chosen)) side.show(images.get(chosen));
  } catch (error) {
    away(error);
  }
}

function changed(event) {
  const { kind, id, version, place } = event;
  places.changed(event);
  if (kind === "job") jobs();
  else if (kind === "detectors") detectors();
  else if (version === null) { if (images.has(id)) gone(id); }
  else if (kind === "image" && place !== FIRST) { if (images.has(id)) gone(id); }
  else if (kind === "image" && !(images.get(id)?.version >= version)) refresh(id);
}

function answered() {
  if (lost) notice("");
  lost = false;
}

function away(error) {
  lost = true;
  notice(error.message);
}

async function start() {
  let session;
  try {
    session = await server.session();
  } catch (error) {
    away(error);
    return;
  }
  answered();
  places.offer(session); // before an image is chosen, which would change the address
  adding.limits = session.limits ?? {};
  const most = adding.limits.upload_bytes;
  find("limits").textContent = most ? ` and more, up to ${Math.floor(most / 2 ** 20)} MB each` : " and more";
  find("sample").hidden = !session.features.includes("samples");
  find("version").textContent = `stemforge ${session.version}`;
  side.offer(session);
  weights.offer(session);
  results.offer(session.features);
  results.show(session.jobs);
  for (const id of [...images.keys()]) if (!session.images.some((image) => image.id === id && image.place === FIRST)) gone(id);
  for (const image of session.images) known(image);
  screens();
  const wished = decodeURIComponent(location.hash.slice(1));
  if (!images.has(chosen)) choose([wished, recall(FIRST).chosen].find((id) => images.has(id)) ?? ordered()[0]);
  const elsewhere = session.images.find((image) => image.id === wished && image.place !== FIRST);
  if (elsewhere) reveal(elsewhere);
}

/* Opens an image in the place to which it belongs. */
async function reveal(image) {
  known(image);
  await places.open(image.place);
  if (image.place === FIRST) choose(image.id);
  else if (places.current === image.place) places.module?.show(image);
}

/* Opens the image or the place that the address names. */
async function follow(hash) {
  const id = decodeURIComponent(hash.slice(1));
  if (!id || Places.named(hash)) { places.open(Places.named(hash) ?? FIRST); return; }
  try {
    await reveal(images.get(id) ?? await server.getImage(id));
  } catch (error) {
    await places.open(FIRST);
    notice(error.message);
  }
}

function wire() {
  const click = (id, act) => find(id).addEventListener("click", act);
  click("help-button", () => find("help").showModal());
  click("remove-image", removeChosen);
  find("notice").lastElementChild.addEventListener("click", () => notice(""));
  click("sample", async () => {
    const button = find("sample"), name = button.textContent;
    button.disabled = true;
    button.textContent = "Simulating an image …";
    try { const image = await server.sample(); known(image); choose(image.id); } catch (error) { notice(error.message); }
    Object.assign(button, { disabled: false, textContent: name });
  });
  listenToKeys({ view, pointer, toolbar, places, results, images, neighbour });
  addEventListener("pagehide", () => { for (const edits of kept.values()) edits.flush(); });
  addEventListener("hashchange", () => follow(location.hash));
  // A place has made an image of this session, or moved it, and wants it to be looked at.
  addEventListener("image", ({ detail: image }) => reveal(image));
  explain(find("side"));
}

wire();
await start(); // the first answer is that which makes the session
server.listen(changed, start, away);
