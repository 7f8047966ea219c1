/* The place where images are simulated: sliders, the image of what they say, and the structure that is imaged. */
import { Controls, fill } from "./controls.js";
import { counted, digits, element, find, notice, round, say } from "./format.js";
import { recall, remember } from "./memory.js";
import * as server from "./server.js";
import { StructureView } from "./structure.js";
import { explain } from "./tooltip.js";

const PLACE = "simulate";
const LATE = 350, LATER = 4000; // until it is said that an image is on its way, and why it is not there yet [ms]

const state = { support: "carbon", element: "Pt", labels: true };
let controls = null, view = null, supports = new Map();
let shown = null; // the answer that is drawn
let busy = false, sent = null, next = null; // at most one is under way; of those that come meanwhile the newest is sent
let late = 0; // for how long it has been under way, where that is to be told [ms]
let drawnStructure = "", asked = "", newest = "";

const wanted = () => ({ support: state.support, element: state.element, values: controls.values });
const slow = () => supports.get(state.support)?.slow;

/* What of a request something depends on: its specimen, and the controls of some groups. */
const key = ({ support, element: kind, values }, groups) =>
  JSON.stringify([support, kind, controls.names(groups).map((name) => values[name])]);
const signal = () => key(wanted(), ["Specimen", "Microscope", "Image"]);
const drawn = (body) => key(body, ["Specimen", "Image"]); // of the structure
const stale = () => slow() && signal() !== asked; // a crystal whose button was not pressed

/* Ask for an image of what the sliders say. Those of crystals take long: a button asks for them. */
function ask({ pressed = false } = {}) {
  remember(PLACE, { ...state, values: controls.kept });
  const waits = stale() && !pressed;
  // A slider tells of its last movement twice, while it moves and when it is let go.
  const known = JSON.stringify(wanted()) === newest && !pressed;
  if (!waits) asked = signal();
  if (!waits && !known) {
    next = wanted();
    newest = JSON.stringify(next);
    if (!busy) send();
  }
  links();
  status();
}

/* What stands on the image, and whether it is of other settings. */
function status() {
  find("sim-run").hidden = !slow();
  find("sim-run").disabled = busy && !stale();
  const { classList } = find("simulation");
  classList.toggle("stale", Boolean(stale()));
  classList.toggle("other", Boolean(stale()) && drawn(wanted()) !== drawnStructure);
  const waits = stale() ? "An image of a crystal takes half a minute or so. Press Simulate when all is set." : "";
  say(find("sim-status"), waits || lateness());
}

/* What is being waited for, once it is late. */
function lateness() {
  if (!late) return "";
  if (supports.get(sent.support)?.slow) return "Simulating a crystal: half a minute or so …";
  return late < LATER ? "Simulating …" : "Simulating single atoms for this beam and detector, once on this machine …";
}

async function send() {
  busy = true;
  const timers = [LATE, LATER].map((time) => setTimeout(() => { late = time; status(); }, time));
  while (next) {
    const body = sent = next;
    next = null;
    status();
    try {
      const begun = performance.now();
      shown = await server.simulate(body);
      shown.took = performance.now() - begun;
      say(find("sim-error"), "");
      draw();
      if (!next) await structure(body);
    } catch (error) {
      say(find("sim-error"), error.message);
      newest = "";
    }
  }
  timers.forEach(clearTimeout);
  busy = false;
  late = 0;
  status();
}

/* The structure changes with the specimen and the field of view, and not with the microscope. */
async function structure(body) {
  const now = drawn(body);
  if (now === drawnStructure) return;
  const answer = await server.simulatedStructure(body);
  drawnStructure = now;
  view.show(answer);
  legend(answer);
}

function legend(answer) {
  find("sim-legend").replaceChildren(...answer.names.map((name, kind) => {
    const dot = element("span", { className: "dot" });
    dot.style.background = answer.colours[kind];
    return element("li", {}, dot, `${name} ${answer.counts[kind].toLocaleString("en")}`);
  }));
  const rest = answer.drawn < answer.atoms ? `${answer.drawn.toLocaleString("en")} of ${answer.atoms.toLocaleString("en")} atoms are drawn.` : "";
  say(find("sim-drawn"), rest);
}

function draw() {
  const canvas = find("sim-image");
  const [height, width] = shown.grey.shape;
  const grey = atob(shown.grey.bytes);
  const pixels = new Uint8ClampedArray(4 * width * height);
  for (let at = 0; at < width * height; at += 1) {
    const value = grey.charCodeAt(at);
    pixels[4 * at] = pixels[4 * at + 1] = pixels[4 * at + 2] = value;
    pixels[4 * at + 3] = 255;
  }
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
  canvas.setAttribute("aria-label", `Simulated image with ${counted(shown.x.length, "single atom")}`);
  canvas.dataset.took = String(shown.took); // measurements and tests read it
  canvas.dataset.images = String(Number(canvas.dataset.images ?? 0) + 1);
  rings();
  bar(width);
  facts();
}

/* True atoms, on a canvas above the image so that rings stay sharp. */
function rings() {
  const canvas = find("sim-rings");
  const ratio = Math.min(devicePixelRatio || 1, 2), side = canvas.clientWidth;
  canvas.width = canvas.height = Math.max(1, Math.round(side * ratio));
  find("sim-labels").setAttribute("aria-pressed", String(state.labels));
  if (!shown || !state.labels) return;
  const context = canvas.getContext("2d");
  const scale = (side / shown.grey.shape[1]) * ratio;
  const visible = atob(shown.visible.bytes);
  const radius = Math.max(5 * ratio, (2.3 / shown.sampling) * scale);
  for (let at = 0; at < shown.x.length; at += 1) {
    const sees = visible.charCodeAt(at) === 1;
    for (const [style, width, dash] of [["#0b0d10", 3.6, []], [sees ? "#e69f00" : "#56b4e9", 2, sees ? [] : [6 * ratio, 2.5 * ratio]]]) {
      context.beginPath();
      context.setLineDash(dash);
      context.strokeStyle = style;
      context.lineWidth = width * ratio;
      context.arc((shown.x[at] + 0.5) * scale, (shown.y[at] + 0.5) * scale, radius, 0, 2 * Math.PI);
      context.stroke();
    }
  }
}

function bar(width) {
  const field = (width * shown.sampling) / 10;
  const length = round(field / 4);
  find("sim-bar").style.width = `${(100 * length) / field}%`;
  find("sim-bar").firstElementChild.textContent = `${Number(length.toPrecision(1))} nm`;
}

function facts() {
  const { facts: known, x } = shown;
  const sees = [...atob(shown.visible.bytes)].filter((one) => one === "\u0001").length;
  const field = (shown.grey.shape[1] * shown.sampling) / 10;
  const parts = [
    `${digits(field)} × ${digits(field)} nm, ${digits(known.thickness)} nm thick`,
    `${digits(known.electrons)} electrons a pixel`,
    x.length ? `${counted(x.length, "single atom")}, of which ${sees} ${sees === 1 ? "stands" : "stand"} out` : "no single atoms",
  ];
  find("sim-facts").textContent = parts.join(" · ");
}

function links() {
  const asking = encodeURIComponent(JSON.stringify(wanted()));
  for (const ending of ["yaml", "tif", "xyz"]) find(`sim-${ending}`).href = `/api/simulation/files/${ending}?wanted=${asking}`;
}

async function use() {
  const button = find("sim-use");
  button.disabled = true;
  try {
    dispatchEvent(new CustomEvent("image", { detail: await server.useSimulated(wanted()) }));
  } catch (error) {
    notice(error.message);
  }
  button.disabled = false;
}

function moved(control, final) {
  if (control.measures && !final) return;
  ask();
}

function wire() {
  const click = (id, act) => find(id).addEventListener("click", act);
  click("sim-labels", () => { state.labels = !state.labels; remember(PLACE, state); rings(); });
  click("sim-run", () => ask({ pressed: true }));
  click("sim-use", use);
  click("sim-reset", () => { controls.reset(); ask(); });
  click("sim-side", () => view.look("side"));
  click("sim-beam", () => view.look("beam"));
  click("sim-hide", () => {
    view.support = !view.support;
    find("sim-hide").setAttribute("aria-pressed", String(view.support));
    view.draw();
  });
  find("sim-support").addEventListener("change", (event) => { state.support = event.target.value; controls.offer(state.support); ask(); });
  find("sim-element").addEventListener("change", (event) => { state.element = event.target.value || null; ask(); });
  new ResizeObserver(rings).observe(find("sim-rings"));
  explain(find("sim-controls"));
}

export async function start() {
  say(find("sim-status"), "Starting: some seconds the first time …");
  const known = await server.simulation();
  supports = new Map(known.supports.map((one) => [one.name, one]));
  const { support, element: kind = state.element, labels = true, values = {} } = recall(PLACE);
  if (supports.has(support)) state.support = support;
  if (kind === null || known.elements.includes(kind)) state.element = kind;
  state.labels = labels;
  fill("sim-support", known.supports.map((one) => [one.name, one.label]), state.support);
  fill("sim-element", [["", "none"], ...known.elements.map((one) => [one, one])], state.element ?? "");
  controls = new Controls(find("sim-sliders"), known, moved);
  controls.restore(values);
  controls.offer(state.support);
  view = new StructureView(find("sim-structure"));
  wire();
  find("simulation").hidden = false;
  ask();
}

