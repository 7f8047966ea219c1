/* The right side of the place of molecules: the image, its pixel size and framework, the answers, the files. */
import { changeImage, getMolecules, giveFramework, moleculeFile } from "./server.js";
import { answerCard } from "./cards.js";
import { counted, digits, element, find, say } from "./format.js";
import { tellMoved } from "./places.js";

const SOURCES = { file: "as the file says", user: "as you set it", estimated: "from the crystal's lattice" };
const UNKNOWN = "not known: the lattice is asked";
const FRAMEWORKS = { mfi: "MFI (ZSM-5, silicalite-1)", fau: "FAU (zeolite Y)", cha: "CHA (chabazite)", mor: "MOR (mordenite)", bea: "BEA (beta)" };
const OWN = "Own CIF file …";
const FILES = [
  ["channels.csv", "Channels (CSV)", "channels"], ["channels.png", "Map of channels (PNG)", "channels"],
  ["boxes.csv", "Boxes (CSV)", "boxes"], ["boxes.png", "Picture with boxes (PNG)", "boxes"],
  ["restored.tif", "Restored (TIFF)", "restored"], ["all.zip", "All of it (ZIP)", null],
];

export class MoleculesSide {
  /* `changed(image)` when the server took a change. */
  constructor(changed) {
    Object.assign(this, { changed, image: null, found: null });
    find("m-scale").addEventListener("submit", (event) => { event.preventDefault(); this.setScale(); });
    find("m-framework").addEventListener("change", (event) => this.chooseFramework(event.target));
    find("m-cif").addEventListener("change", (event) => this.giveFile(event.target));
    find("m-move").addEventListener("click", () => this.apply({ place: "atoms" }));
  }

  show(image) {
    const other = this.image?.id !== image.id;
    this.image = image;
    find("m-name").textContent = image.name;
    const [rows, columns] = image.shape;
    const size = image.sampling ? `, ${digits((columns * image.sampling) / 10)}\u00a0×\u00a0${digits((rows * image.sampling) / 10)}\u00a0nm` : "";
    find("m-about").textContent = `${columns} × ${rows} pixels${size}`;
    say(find("m-error"), image.status === "failed" ? image.error ?? "This image could not be worked on." : "");
    const remarks = find("m-remarks");
    remarks.replaceChildren(...image.remarks.map((text) => element("li", {}, text)));
    remarks.hidden = !image.remarks.length;
    const input = find("m-pixel-size");
    if (other || document.activeElement !== input) input.value = image.sampling ? digits(image.sampling / 10, 5) : "";
    if (other) { this.problem("m-pixel-error", ""); this.problem("m-framework-error", ""); }
    find("m-pixel-source").textContent = image.sampling ? SOURCES[image.sampling_source] ?? "" : UNKNOWN;
    this.showFrameworks(image);
  }

  showFrameworks({ framework, framework_name: name }) {
    const options = Object.entries(FRAMEWORKS).map(([value, label]) => element("option", { value }, label));
    if (name) options.push(element("option", { value: "cif" }, name));
    options.push(element("option", { value: "own" }, OWN));
    const select = find("m-framework");
    select.replaceChildren(...options);
    select.value = framework;
  }

  problem(id, text) { say(find(id), text); }

  setScale() {
    const text = find("m-pixel-size").value.trim().replace(",", ".");
    const value = Number(text);
    if (text && !(value > 0)) {
      this.problem("m-pixel-error", "Type a number of nanometres a pixel, for example 0.025; or nothing, to take the file's.");
      return;
    }
    this.apply({ sampling: text ? value * 10 : null }, "m-pixel-error");
  }

  chooseFramework(select) {
    if (select.value !== "own") { this.apply({ framework: select.value }, "m-framework-error"); return; }
    select.value = this.image.framework;
    find("m-cif").click();
  }

  async giveFile(input) {
    const [file] = input.files;
    input.value = "";
    if (!file) return;
    const { id } = this.image;
    this.problem("m-framework-error", "");
    find("m-reading").hidden = false;
    try {
      const { crystal, ...image } = await giveFramework(id, file);
      this.changed(image);
      find("m-crystal").textContent = crystal.join("");
    } catch (error) {
      if (this.image?.id === id) this.problem("m-framework-error", error.message);
    }
    find("m-reading").hidden = true;
  }

  async apply(changes, trouble = "m-error") {
    this.problem(trouble, "");
    const { id, place } = this.image;
    try {
      const known = await changeImage(id, changes);
      this.changed(known);
      if (known.place !== place) tellMoved(known);
    } catch (error) {
      this.problem(trouble, error.message);
      this.show(this.image);
    }
  }

  clear() {
    this.found = null;
    this.asking?.abort();
    find("m-groups").replaceChildren();
    find("m-downloads").hidden = true;
    find("m-crystal").textContent = "";
  }

  /* Asks for what was found on the image; null where something else is shown by now, or nothing was found. */
  async load() {
    this.asking?.abort();
    this.asking = new AbortController();
    const { id } = this.image;
    try {
      const found = await getMolecules(id, this.asking.signal);
      if (this.image?.id !== id) return null;
      this.found = found;
      return found;
    } catch (error) {
      if (error.name !== "AbortError" && error.status !== 404 && this.image?.id === id) this.problem("m-error", error.message);
      return null;
    }
  }

  /* `boxes`: how many are shown from the chosen likelihood on. */
  answers(boxes, threshold) {
    const { groups, boxes: known } = this.found;
    const focused = document.activeElement?.dataset?.answer;
    find("m-groups").replaceChildren(...groups.map(({ title, answers }, index) => {
      const cards = answers.map(answerCard);
      if (index === 0 && known) {
        const explanation = "Boxes of the detector from the chosen likelihood on, in channels that are not empty. The channels above are asked of the image as it was recorded.";
        cards.push(answerCard({ label: "Boxes", value: boxes, unit: "", explanation }));
      }
      return element("section", {}, element("h3", {}, title), element("dl", { class: "answers" }, ...cards));
    }));
    if (focused) find("m-groups").querySelector(`[data-answer="${CSS.escape(focused)}"]`)?.focus();
    this.links(threshold);
  }

  links(threshold) {
    const offered = FILES.filter(([, , needs]) => !needs || this.found[needs]);
    find("m-downloads").hidden = false;
    find("m-links").replaceChildren(...offered.map(([name, label, needs]) => {
      const limit = needs === "boxes" || !needs ? threshold : undefined;
      return element("a", { href: moleculeFile(this.image.id, name, this.found.boxes ? limit : undefined), download: "" }, label);
    }));
  }

  summary() {
    const [channels] = this.found?.groups ?? [];
    if (!channels) return "";
    const number = (label) => channels.answers.find((one) => one.label === label).value;
    return `${counted(number("Filled"), "channel")} filled, ${number("Empty")} empty, ${number("Open")} open`;
  }
}
