/* Weights that a user brings along: checked by the server, then a detector of the session. */
import { find, say } from "./format.js";
import { uploadWeights } from "./server.js";

export class Weights {
  /* `image()` that is shown, `use(image, detector)` looks for its atoms with another detector. */
  constructor(image, use) {
    Object.assign(this, { image, use });
    find("weights-add").addEventListener("click", () => find("weights-file").click());
    find("weights-file").addEventListener("change", (event) => this.send(event.target));
  }

  offer({ features, limits }) {
    find("weights-row").hidden = !features.includes("weights");
    this.most = limits?.weights_bytes ?? Infinity;
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
