/* Weights that a user brings along: checked by the server, then a detector of the session. */
import { element, find, say } from "./format.js";
import { removeWeights, uploadWeights } from "./server.js";

const OWN = "weights:"; // how the session names detectors that a user brought

export class Weights {
  /* `image()` that is shown, `use(image, detector)` looks for its atoms with another detector. */
  constructor(image, use) {
    Object.assign(this, { image, use });
    find("weights-add").addEventListener("click", () => find("weights-file").click());
    find("weights-file").addEventListener("change", (event) => this.send(event.target));
  }

  offer({ features, limits, detectors }) {
    const own = detectors.filter((one) => one.name.startsWith(OWN));
    find("weights-list").replaceChildren(...own.map((one) => {
      const remove = element("button", { type: "button", title: "Remove this detector; images whose atoms it found need another one first" }, "Remove");
      remove.setAttribute("aria-label", `Remove ${one.label}`);
      remove.addEventListener("click", () => this.remove(one, remove));
      return element("li", {}, element("span", {}, one.label), remove);
    }));
    find("weights-row").hidden = !features.includes("weights");
    this.most = limits?.weights_bytes ?? Infinity;
  }

  /* The session tells its pages that the detectors changed, which draws the list anew. */
  async remove({ name, label }, button) {
    button.disabled = true;
    say(find("weights-error"), "");
    find("weights-state").textContent = "";
    try {
      await removeWeights(name.slice(OWN.length));
      find("weights-state").textContent = `${label} is removed.`;
    } catch (error) {
      say(find("weights-error"), error.message);
      button.disabled = false;
    }
  }

  async send(input) {
    const [file] = input.files;
    input.value = "";
    if (!file) return;
    say(find("weights-error"), "");
    if (file.size > this.most) {
      say(find("weights-error"), `The file is too large: at most ${Math.round(this.most / 2 ** 20)} MB are taken.`);
      return;
    }
    find("weights-add").disabled = true;
    find("weights-state").textContent = "The file is being checked …";
    try {
      const detector = await uploadWeights(file);
      find("weights-state").textContent = `${detector.label} can be chosen now.`;
      if (this.image()) this.use(this.image(), detector.name);
    } catch (error) {
      find("weights-state").textContent = "";
      say(find("weights-error"), error.message);
    }
    find("weights-add").disabled = false;
  }
}
