/* The place of a watched folder: the newest image with its atoms, what it shows, and those before it. */
import * as server from "./server.js";
import { fillCards, showVerdict, verdictBadge } from "./cards.js";
import { Edits } from "./edits.js";
import { counted, element, find, notice, say } from "./format.js";
import { FIRST, TITLES } from "./places.js";
import { Pyramids } from "./pyramid.js";
import { plotSeries } from "./series.js";
import { explain } from "./tooltip.js";
import { View } from "./view.js";

const PAUSE = 120; // so that changes that come together are asked for once [ms]
const STRIP = 40, SERIES = 60; // images
const NAMED = 3; // files that are waited for by name: more would leave the image no room
const NUMBERS = [
  { name: "count", title: "Atoms", most: null, unit: "", explanation: "Atoms shown on each image, oldest to newest." },
  { name: "expected_f1", title: "Expected F1", most: 1, unit: "", explanation: "How well the detector expects to do on each image: 1 finds every visible atom and nothing else." },
  { name: "focus", title: "Focus", most: 1, unit: "", explanation: "Finest width that pixels and a good probe allow over the finest detail of each image: 1 is sharp." },
];

let view, pyramids, live = null, timer = null, shown = "", asked = "", judged = "";

const place = () => find("place-live");
const taken = () => live.items.filter((item) => item.image).map((item) => item.image);
const images = () => taken().filter((image) => image.place === FIRST); // others were moved: no atoms are looked for on them

export async function start(session) {
  view = new View(find("live-canvas"), find("live-bar"));
  pyramids = new Pyramids(() => view.draw(), (error) => notice(error.message));
  offer(session);
  find("live-form").addEventListener("submit", (event) => { event.preventDefault(); begin(); });
  find("live-stop").addEventListener("click", () => act(server.endLive));
  find("live-open").addEventListener("click", () => { location.hash = images().at(-1).id; });
  explain(find("live-side"));
}

export function opened() { refresh(); }

export function again(session) { offer(session); soon(); }

export function changed({ kind }) {
  if (kind === "detectors" || kind === "job") server.session().then(offer, (error) => notice(error.message));
  if (kind === "live" || kind === "image") soon();
}

function offer({ detectors }) {
  const select = find("live-detector");
  const before = select.value;
  select.replaceChildren(...detectors.map((one) => element("option", { value: one.name }, one.label)));
  if (detectors.some((one) => one.name === before)) select.value = before;
}

function soon() {
  if (place().hidden) return;
  timer ??= setTimeout(() => { timer = null; refresh(); }, PAUSE);
}

async function act(request) {
  try {
    await request();
    say(find("live-error"), "");
  } catch (error) {
    say(find("live-error"), error.message);
  }
  await refresh();
}

function begin() {
  act(() => server.beginLive({
    folder: Number(find("live-folder").value), existing: find("live-existing").checked, detector: find("live-detector").value,
  }));
}

async function refresh() {
  try {
    live = await server.getLive();
  } catch (error) {
    notice(error.message);
    return;
  }
  showForm();
  showWaiting();
  showNewest();
  showSeries();
  showStrip();
}

function showForm() {
  const folder = find("live-folder");
  if (folder.options.length !== live.folders.length) {
    folder.replaceChildren(...live.folders.map((one) => element("option", { value: String(one.number) }, one.name)));
  }
  if (live.active && live.folder !== null) folder.value = String(live.folder);
  if (live.active) find("live-detector").value = live.detector;
  folder.disabled = find("live-detector").disabled = live.active;
  find("live-existing-row").hidden = find("live-start").hidden = live.active;
  find("live-stop").hidden = !live.active;
  const failed = live.items.filter((item) => item.error).length;
  const parts = [counted(taken().length, "image"), failed ? `${counted(failed, "file")} could not be read` : ""];
  find("live-state").textContent = live.active ? `Watching · ${parts.filter(Boolean).join(" · ")}` : "Not watching.";
  find("live-empty").textContent = live.active
    ? "Waiting for an image. It appears here as soon as its file does not grow any more."
    : "Choose the folder that the microscope writes and press Watch. New images appear here as soon as they are written.";
}

function showWaiting() {
  const list = find("live-waiting");
  const lines = live.waiting.map(({ file, why }) => `${file} ${why}`);
  if (live.note) lines.unshift(live.note);
  list.hidden = !lines.length;
  list.replaceChildren(...lines.slice(0, NAMED).map((line) => element("li", {}, line)));
  if (lines.length > NAMED) list.append(element("li", {}, `and ${lines.length - NAMED} more`));
}

function showNewest() {
  const image = images().at(-1);
  find("live-empty").hidden = Boolean(image);
  find("live-open").hidden = !image;
  if (!image) {
    view.show(null, null);
    view.canvas.setAttribute("aria-label", "No image yet");
    find("live-name").textContent = "No image yet";
    find("live-verdict").hidden = true;
    find("live-answers").replaceChildren();
    return;
  }
  find("live-name").textContent = image.name;
  view.show(pyramids.of(image), image.sampling);
  const states = { waiting: "Waiting: other images come first.", working: "Looking for atoms …", failed: image.error };
  say(find("live-busy"), states[image.status]);
  view.canvas.setAttribute("aria-label", `${image.name}, ${image.status === "done" ? counted(image.count, "atom") : "atoms are not known yet"}`);
  showVerdict(find("live-verdict"), image);
  if (shown !== image.id) { shown = image.id; judged = ""; }
  if (image.status === "done") {
    showAtoms(image);
    showNumbers(image);
    return;
  }
  view.edits = null;
  asked = judged = "";
  find("live-answers").replaceChildren();
}

async function showAtoms(image) {
  const key = `${image.id} ${image.version}`;
  if (asked === key) return;
  asked = key;
  try {
    const candidates = await server.getAtoms(image.id);
    if (asked !== key || view.pyramid?.id !== image.id) return;
    view.edits = new Edits(image, candidates, {});
    view.draw();
    find("live-canvas").dataset.atoms = image.id; // tests wait for it
  } catch (error) {
    asked = "";
    if (error.status !== 404) notice(error.message);
  }
}

/* What is known at once; the rest when the recording was judged. */
async function showNumbers(image) {
  const first = [
    { label: "Atoms", value: image.count, explanation: "Atoms from the likelihood on that the detector chose for this image." },
    { label: "Expected F1", value: image.expected_f1, explanation: NUMBERS[1].explanation },
  ];
  const key = `${image.id} ${image.verdict} ${image.count} ${image.expected_f1}`;
  if (judged === key) return;
  judged = key;
  if (!image.verdict) { fillCards(find("live-answers"), first); return; }
  try {
    const { answers } = await server.getQuality(image.id);
    if (judged === key) fillCards(find("live-answers"), [...first, ...answers.filter((one) => LIVE.has(one.label))]);
  } catch {
    judged = ""; // judged again: its event comes
  }
}

const LIVE = new Set(["Focus", "Lines jitter by", "Electrons", "Vacuum"]);

function showSeries() {
  const done = images().filter((image) => image.status === "done").slice(-SERIES);
  find("live-series").hidden = done.length < 2;
  const plots = NUMBERS.map((one) => plotSeries(one, done.map((image) => ({ value: image[one.name] }))));
  const list = find("live-series");
  const at = [...list.children].indexOf(document.activeElement);
  list.replaceChildren(...plots);
  list.children[at]?.focus();
}

function showStrip() {
  const strip = find("live-strip");
  const focused = document.activeElement?.dataset?.image;
  const items = live.items.filter((item) => item.image || item.error).slice(-STRIP).reverse();
  strip.replaceChildren(...items.map((item) => element("li", {}, item.image ? picture(item) : failure(item))));
  if (focused) strip.querySelector(`[data-image="${focused}"]`)?.focus();
  find("live-past").hidden = !items.length;
}

/* State and badge of an image; one that was moved is looked at in its place, and not judged here. */
function stateOf(image) {
  const words = { waiting: "waiting", working: "looking …", failed: "failed", done: counted(image.count, "atom") };
  if (image.place !== FIRST) return ["moved", element("span", { class: "badge none" }, `in ${TITLES[image.place]}`)];
  const badge = image.status === "done" && image.verdict ? verdictBadge(image.verdict)
    : element("span", { class: "badge none" }, image.status === "done" ? "being judged" : "…");
  return [words[image.status], badge];
}

function picture({ file, image }) {
  const [state, badge] = stateOf(image);
  const why = image.place === FIRST ? `${[image.verdict, ...image.reasons].filter(Boolean).join("; ") || "not judged yet"}. ` : "";
  const button = element("button", { type: "button", title: `${file}: ${why}Opens in ${TITLES[image.place]}.` },
    element("img", { alt: "", width: 92, height: 68, src: server.addresses(image.id).thumbnail }),
    element("span", { class: "label" }, image.name), element("span", { class: "state" }, state), badge);
  button.dataset.image = image.id;
  button.addEventListener("click", () => { location.hash = image.id; });
  return button;
}

function failure({ file, error }) {
  return element("div", { class: "failure", tabIndex: 0, title: `${file}: ${error}` },
    element("span", { class: "label" }, file), verdictBadge("cannot be read"), element("span", { class: "why" }, error));
}
