/* The place of molecules: images of zeolites, restored beside raw, and which channels hold a molecule. */
import * as server from "./server.js";
import { Sending } from "./adding.js";
import { Comparison, ReadingPointer } from "./comparison.js";
import { counted, find, notice, say } from "./format.js";
import { byName, List } from "./list.js";
import { recall, remember } from "./memory.js";
import { MoleculesSide } from "./molecules-side.js";
import { Pyramid, Pyramids } from "./pyramid.js";
import { explain, tell } from "./tooltip.js";

const PLACE = "molecules";
const images = new Map();
let chosen = null;
let shown = ""; // image and version whose answers are shown

const view = new Comparison(find("m-canvas"), find("m-scale-bar"), find("m-divider"));
const failed = (error) => notice(error.message);
const pyramids = new Pyramids(() => view.draw(), failed);
const list = new List((id) => choose(id), "m-list", stateOf);
const side = new MoleculesSide((image) => known(image));
const sending = new Sending((image) => { known(image); if (!images.has(chosen)) choose(image.id); }, notice, PLACE, "m-sending");
const pointer = new ReadingPointer(view, { told: hovered, acted: () => {} });

function stateOf(image) {
  if (image.status === "waiting") return "waiting";
  if (image.status === "working") return image.progress === null ? "beginning …" : `${Math.round(100 * image.progress)} %`;
  if (image.status === "failed") return "not usable";
  return image.doing || `${counted(image.count, "channel")} filled`;
}

function hovered(found, event) {
  if (!found || !event) { tell(""); return; }
  const lines = [];
  const { channels, boxes } = view.found;
  if (found.channel >= 0) {
    const at = (name) => channels[name][found.channel];
    lines.push(`${at("state")} · probability of a molecule ${at("probability").toFixed(2)} · ${at("content").toFixed(2)} ± ${at("content_error").toFixed(2)} molecules a cell`);
  }
  if (found.box >= 0) lines.push(`box, likelihood ${boxes.likelihood[found.box].toFixed(2)}`);
  tell(lines.join(" · "), event.clientX, event.clientY);
}

function known(image) {
  if (image.place !== PLACE) { if (images.has(image.id)) gone(image.id); return; }
  const before = images.get(image.id);
  if (before && before.version > image.version) return;
  images.set(image.id, image);
  list.update(image, chosen);
  screens();
  if (image.id === chosen) showImage(image);
}

function screens() {
  find("m-start").hidden = images.size > 0;
  find("m-work").hidden = images.size === 0;
}

function choose(id) {
  if (!images.has(id)) return;
  chosen = id;
  remember(PLACE, { chosen });
  for (const image of images.values()) list.update(image, chosen);
  showImage(images.get(id));
}

function showImage(image) {
  side.show(image);
  view.show(pyramids.of(image), image.sampling);
  const busy = { waiting: "Waiting: other images come first.", working: image.doing ? `${image.doing}.` : "Reading the framework …" };
  say(find("m-busy-text"), busy[image.status] ?? "");
  find("m-busy").hidden = !busy[image.status];
  const bar = find("m-progress");
  if (image.status === "working" && image.progress !== null) bar.value = image.progress; else bar.removeAttribute("value");
  const key = `${image.id} ${image.version}`;
  if (shown !== key) {
    const other = shown.split(" ")[0] !== image.id;
    shown = key;
    if (image.status === "done") load(image, key);
    else if (other || view.found) { side.clear(); forget(); }
  }
  view.canvas.setAttribute("aria-label", `${image.name}, ${stateOf(image)}`);
  controls();
}

function forget() {
  view.restored?.close();
  view.compare(null, null);
  delete view.canvas.dataset.restored;
}

async function load(image, key) {
  side.clear();
  forget();
  const found = await side.load();
  if (!found || shown !== key) return;
  const restored = found.restored && new Pyramid(image.id, found.restored.shape, () => view.draw(), failed, server.restored);
  const [version, threshold] = recall(PLACE).thresholds?.[image.id] ?? [];
  view.threshold = (version === image.version ? threshold : found.boxes?.threshold) ?? 0;
  view.compare(restored, found);
  answers();
  controls();
  view.canvas.setAttribute("aria-label", `${image.name}, ${side.summary()}`);
}

function answers() { if (side.found) side.answers(view.boxes.length, view.threshold); }

function controls() {
  const { found } = view;
  find("m-channels").disabled = !found?.channels;
  find("m-boxes").disabled = !found?.boxes;
  find("m-channels").setAttribute("aria-pressed", String(view.channelsShown));
  find("m-boxes").setAttribute("aria-pressed", String(view.boxesShown));
  const slider = find("m-threshold");
  slider.disabled = !found?.boxes;
  slider.value = String(view.threshold);
  find("m-threshold-value").textContent = found?.boxes ? view.threshold.toFixed(2) : "–";
  const suggested = found?.boxes?.threshold;
  find("m-suggested").hidden = suggested === undefined || Math.abs(suggested - view.threshold) < 0.005;
}

function threshold(value) {
  view.threshold = value;
  view.boxesShown = true;
  const { id, version } = images.get(chosen);
  remember(PLACE, { boxesShown: true, thresholds: { ...recall(PLACE).thresholds, [id]: [version, value] } });
  controls();
  answers();
  view.draw();
}

function toggle(name) {
  view[name] = !view[name];
  remember(PLACE, { [name]: view[name] });
  controls();
  view.draw();
}

const ordered = () => [...images.values()].sort(byName).map((image) => image.id);

function neighbour(step) {
  const ids = ordered();
  choose(ids[Math.min(Math.max(ids.indexOf(chosen) + step, 0), ids.length - 1)]);
}

function gone(id) {
  const ids = ordered();
  const place = ids.indexOf(id);
  images.delete(id);
  pyramids.drop(id);
  list.show([...images.values()], chosen);
  if (id === chosen) {
    chosen = null;
    shown = "";
    side.clear();
    forget();
    const next = ids[place + 1] ?? ids[place - 1];
    if (next) choose(next);
  }
  screens();
}

async function remove() {
  const id = chosen;
  try { await server.removeImage(id); gone(id); } catch (error) { notice(error.message); }
}

async function sample(event) {
  const button = event.target;
  button.disabled = true;
  say(find("m-simulating"), "An image is simulated: about half a minute the first time.");
  try { const image = await server.sample(PLACE); known(image); choose(image.id); } catch (error) { notice(error.message); }
  say(find("m-simulating"), "");
  button.disabled = false;
}

function wire() {
  const click = (id, act) => find(id).addEventListener("click", act);
  const files = find("m-files");
  for (const id of ["m-choose", "m-add"]) click(id, () => files.click());
  for (const id of ["m-sample", "m-sample-more"]) click(id, sample);
  files.addEventListener("change", () => { dropped([...files.files]); files.value = ""; });
  click("m-zoom-in", () => view.zoom(1.4));
  click("m-zoom-out", () => view.zoom(1 / 1.4));
  click("m-zoom-fit", () => view.fit());
  click("m-channels", () => toggle("channelsShown"));
  click("m-boxes", () => toggle("boxesShown"));
  click("m-remove-image", remove);
  click("m-suggested", () => threshold(view.found.boxes.threshold));
  find("m-threshold").addEventListener("input", (event) => threshold(Number(event.target.value)));
  explain(find("m-side"));
  const { share, channelsShown = view.channelsShown, boxesShown = view.boxesShown } = recall(PLACE);
  Object.assign(view, { channelsShown, boxesShown, divided: (at) => remember(PLACE, { share: at }) });
  view.divide(Number.isFinite(share) ? share : 0.5);
}

/* What the page's places call, see places.js. */
export function start(session) {
  wire();
  again(session);
}

export function again(session) {
  sending.limits = session.limits ?? {};
  for (const id of [...images.keys()]) if (!session.images.some((image) => image.id === id)) gone(id);
  for (const image of session.images) known(image);
  screens();
  const { chosen: before } = recall(PLACE);
  if (!images.has(chosen)) choose(images.has(before) ? before : ordered()[0]);
}

export function opened() { view.resize(); }

export function show(image) { known(image); choose(image.id); }

export async function changed({ kind, id, version, place }) {
  if (kind !== "image") return;
  if (version === null || place !== PLACE) { if (images.has(id)) gone(id); return; }
  if (images.get(id)?.version >= version) return;
  try {
    known(await server.getImage(id));
    if (!images.has(chosen)) choose(ordered()[0]);
  } catch (error) {
    if (error.status === 404 && images.has(id)) gone(id);
  }
}

export function dropped(files) { sending.add(files); }

export function key(event) {
  const name = event.key.toLowerCase();
  if (!images.size) return false;
  if (event.target === view.canvas && name !== "enter" && pointer.key(event)) { view.cross = false; return true; }
  const acts = {
    "+": () => view.zoom(1.3), "=": () => view.zoom(1.3), "-": () => view.zoom(1 / 1.3), 0: () => view.fit(),
    c: () => toggle("channelsShown"), b: () => toggle("boxesShown"), "[": () => neighbour(-1), "]": () => neighbour(1),
    ",": () => view.divide(view.share - 0.1), ".": () => view.divide(view.share + 0.1),
  };
  acts[name]?.();
  return name in acts;
}
