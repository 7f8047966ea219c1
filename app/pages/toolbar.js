/* Tools and buttons on the image, the slider of the likelihood, and the bubble that says what the tool wants. */
import { find, say } from "./format.js";

const INSTRUCTIONS = {
  add: "Click where an atom is.",
  delete: "Click an atom to delete it, a cross to bring it back, a mask to take it away.",
  move: "Drag an atom to its place.",
  mask: "Draw round an area, or click its corners.",
};
const CORNERS = "Click the first corner again, or press Enter, to close the area. Esc gives up.";

const READING = 5000; // how long an instruction stands on the image [ms]

export class Toolbar {
  constructor(view, pointer) {
    Object.assign(this, { view, pointer, instructed: "", fading: null }); // what the bubble says or said; its end
    for (const button of find("tools").children) button.addEventListener("click", () => this.choose(button.dataset.tool));
    const click = (id, act) => find(id).addEventListener("click", act);
    click("undo", () => view.edits?.undo());
    click("redo", () => view.edits?.redo());
    click("zoom-in", () => view.zoom(1.4));
    click("zoom-out", () => view.zoom(1 / 1.4));
    click("zoom-fit", () => view.fit());
    click("rings", () => this.rings());
    click("suggested", () => view.edits?.change({ threshold: view.edits.candidates.threshold }));
    const slider = find("threshold");
    slider.addEventListener("input", () => view.edits?.preview(Number(slider.value)));
    slider.addEventListener("change", () => view.edits?.change({ threshold: Number(slider.value) }));
  }

  choose(tool) {
    if (tool !== "look" && !this.pointer.active) return;
    this.pointer.choose(tool);
    this.show();
  }

  rings() {
    this.view.rings = !this.view.rings;
    this.show();
    this.view.draw();
  }

  /* Buttons and slider as the state has them. */
  show() {
    const { view, pointer } = this, { edits } = view;
    const active = Boolean(edits && pointer.active);
    for (const button of find("tools").children) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === pointer.tool));
      button.disabled = !active && button.dataset.tool !== "look";
    }
    find("undo").disabled = !active || !edits.past.length;
    find("redo").disabled = !active || !edits.future.length;
    find("rings").setAttribute("aria-pressed", String(view.rings));
    this.showThreshold(active ? edits : null);
    find("saved").textContent = active && (edits.past.length || edits.waiting) ? (edits.waiting ? "Saving …" : "All changes are saved.") : "";
    this.instruct();
  }

  showThreshold(edits) {
    const slider = find("threshold"), suggested = find("suggested");
    slider.disabled = !edits;
    suggested.hidden = !edits;
    find("threshold-value").textContent = edits ? edits.now.threshold.toFixed(2) : "–";
    if (!edits) return;
    const { threshold, likelihood } = edits.candidates;
    slider.min = String(Math.floor(100 * likelihood.reduce((a, b) => Math.min(a, b), 0.5)) / 100);
    slider.value = String(edits.now.threshold);
    suggested.hidden = Math.abs(edits.now.threshold - threshold) < 0.005;
    suggested.title = `Back to ${threshold.toFixed(2)}, the detector's own`;
  }

  /* What the tool wants, for a while: it covers some of the image. */
  instruct() {
    const { view, pointer } = this;
    const text = view.draft ? CORNERS : pointer.active ? INSTRUCTIONS[pointer.tool] ?? "" : "";
    if (text === this.instructed) return;
    this.instructed = text;
    say(find("instruction"), text);
    clearTimeout(this.fading);
    if (text) this.fading = setTimeout(() => { find("instruction").hidden = true; }, READING);
  }
}
