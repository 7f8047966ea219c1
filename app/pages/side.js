/* The right side: what the image is, its pixel size and detector, the answers and where to take them. */
import { addresses, changeImage, getStatistics } from "./server.js";
import { answerCard } from "./cards.js";
import { counted, digits, element, find, say } from "./format.js";
import { tellMoved } from "./places.js";
import { plotDistances } from "./plots.js";
import { Quality } from "./quality.js";

const SOURCES = {
  file: "as the file says",
  user: "as you set it",
  estimated: "estimated from the image: please check it",
};
const UNKNOWN = "not known: please type it";
const PAUSE = 250; // after a change, before the statistics are asked for [ms]
const COUNT = "Atoms from the chosen likelihood on, without those deleted or masked, with those added by hand.";

export class Side {
  /* `changed(image)` when the server took a change, `others()` all images but this. */
  constructor({ changed, others, confirm }) {
    Object.assign(this, { changed, others, confirm, image: null, features: [], detectors: [], statistics: null });
    this.quality = new Quality();
    find("scale").addEventListener("submit", (event) => { event.preventDefault(); this.setScale([this.image]); });
    find("scale-all").addEventListener("click", () => this.setScale([this.image, ...this.others()]));
    find("move-image").addEventListener("click", () => this.apply([this.image], { place: "molecules" }));
    find("detector").addEventListener("change", (event) => this.apply([this.image], { detector: event.target.value }));
  }

  offer({ features, detectors }) {
    this.features = features;
    this.detectors = detectors;
    find("detector").replaceChildren(...detectors.map((one) => element("option", { value: one.name }, one.label)));
    find("detector-row").hidden = detectors.length === 0;
    find("move-image").hidden = !features.includes("molecules");
  }

  show(image) {
    const other = this.image?.id !== image.id;
    if (other) this.clear();
    this.image = image;
    find("name").textContent = image.name;
    find("about").textContent = this.about(image);
    say(find("error"), image.status === "failed" ? image.error ?? "This image could not be worked on." : "");
    const remarks = find("remarks");
    remarks.replaceChildren(...image.remarks.map((text) => element("li", {}, text)));
    remarks.hidden = !image.remarks.length;
    this.showScale(image, other);
    find("detector").value = image.detector;
    const about = this.detectors.find((one) => one.name === image.detector)?.description ?? "";
    find("detector-about").textContent = find("detector-row").dataset.explains = about;
    if (this.features.includes("quality")) this.quality.show(image);
    const { csv, overlay } = addresses(image.id);
    find("csv").href = csv;
    find("overlay").href = overlay;
    find("downloads").hidden = !this.features.includes("downloads") || image.status !== "done";
  }

  /* Its size in pixels and, where known, in nanometres. */
  about({ shape: [rows, columns], sampling }) {
    const pixels = `${columns} × ${rows} pixels`;
    return sampling ? `${pixels}, ${digits((columns * sampling) / 10)}\u00a0×\u00a0${digits((rows * sampling) / 10)}\u00a0nm` : pixels;
  }

  showScale(image, other) {
    const input = find("pixel-size");
    const key = `${image.id} ${image.sampling}`;
    if (this.scaleKey !== key) {
      if (other || document.activeElement !== input) input.value = image.sampling ? digits(image.sampling / 10, 5) : "";
      this.scaleKey = key;
    }
    if (other) this.scaleProblem("");
    find("pixel-source").textContent = image.sampling ? SOURCES[image.sampling_source] ?? "" : UNKNOWN;
    find("scale-all").hidden = this.others().length === 0;
  }

  scaleProblem(text) {
    say(find("pixel-error"), text);
    find("pixel-size").setAttribute("aria-invalid", String(Boolean(text)));
  }

  setScale(images) {
    const value = Number(find("pixel-size").value.trim().replace(",", "."));
    if (!(value > 0)) {
      this.scaleProblem("Type a number of nanometres a pixel, for example 0.025.");
      return;
    }
    this.scaleProblem("");
    this.apply(images, { sampling: value * 10 }, (text) => this.scaleProblem(text));
  }

  async apply(images, changes, trouble = (text) => say(find("error"), text)) {
    const deleted = images.reduce((sum, image) => sum + image.removed, 0);
    if (deleted && !this.confirm(`Atoms will be looked for again. What you added and masked stays; ${counted(deleted, "deleted atom")} may come back. Go on?`)) {
      this.show(this.image);
      return;
    }
    for (const image of images) {
      try {
        const known = await changeImage(image.id, changes);
        this.changed(known);
        if (known.place !== image.place) tellMoved(known);
      } catch (error) {
        trouble(images.length > 1 ? `${image.name}: ${error.message}` : error.message);
      }
    }
  }

  clear() {
    this.statistics = null;
    clearTimeout(this.pause);
    this.asking?.abort();
    find("answers").replaceChildren();
    find("plots").replaceChildren();
    find("statistics-remarks").hidden = true;
    find("edited").textContent = "";
    say(find("statistics-error"), "");
    say(find("error"), "");
  }

  /* What the page knows itself, at once; the rest is asked of the server when the changes are there. */
  showEdits(edits) {
    const { removed, added, masks } = edits.now;
    const parts = [[removed.length, "deleted"], [added.length, "added"], [masks.length, "masked"]];
    const found = parts.filter(([number]) => number).map(([number, word]) => `${number} ${word}`);
    find("edited").textContent = found.length ? `By hand: ${found.join(", ")}.` : "";
    this.count = edits.count;
    find("answers").classList.toggle("old", edits.waiting || Boolean(edits.before));
    this.showAnswers();
  }

  ask() {
    if (!this.features.includes("statistics") || this.image?.status !== "done") return;
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.load(), PAUSE);
  }

  async load() {
    this.asking?.abort();
    this.asking = new AbortController();
    const { id } = this.image;
    try {
      const statistics = await getStatistics(id, this.asking.signal);
      if (this.image?.id !== id) return;
      this.statistics = statistics;
      find("answers").classList.remove("old");
      say(find("statistics-error"), "");
      this.showAnswers();
      this.showPlots();
    } catch (error) {
      if (error.name !== "AbortError" && this.image?.id === id) say(find("statistics-error"), error.message);
    }
  }

  showAnswers() {
    const answers = this.statistics?.answers ?? [];
    const counted = answers.find((one) => one.label === "Atoms");
    const first = { ...counted, label: "Atoms", value: this.count, explanation: counted?.explanation ?? COUNT };
    const cards = [first, ...answers.filter((one) => one !== counted)].map((one) => answerCard(one));
    if (counted && counted.value !== this.count) cards[0].append(element("dd", { class: "range" }, `${counted.value} on the specimen`));
    cards[0].classList.add("live");
    const list = find("answers");
    const focused = document.activeElement?.dataset?.answer;
    list.replaceChildren(...cards);
    if (focused) list.querySelector(`[data-answer="${CSS.escape(focused)}"]`)?.focus();
  }

  showPlots() {
    const { series, remarks } = this.statistics;
    find("plots").replaceChildren(...(series ? [plotDistances(series)] : []));
    find("statistics-remarks").replaceChildren(...(remarks ?? []).map((text) => element("li", {}, text)));
    find("statistics-remarks").hidden = !remarks?.length;
  }
}
