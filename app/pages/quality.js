/* What triage says of the recording of an image: verdict, focus, drift, electrons, contamination, vacuum. */
import { fillCards, showVerdict } from "./cards.js";
import { find } from "./format.js";
import { getQuality } from "./server.js";

export class Quality {
  show(image) {
    const key = `${image.id} ${image.status} ${image.verdict} ${image.reasons.join()} ${image.sampling}`;
    if (this.key === key) return;
    this.key = key;
    find("quality").hidden = !(image.status === "done" && image.verdict);
    showVerdict(find("quality-verdict"), image);
    if (image.status === "done" && image.verdict) this.load(image);
    else this.clear();
  }

  clear() {
    this.asking?.abort();
    find("quality-answers").replaceChildren();
  }

  async load({ id }) {
    this.asking?.abort();
    this.asking = new AbortController();
    try {
      fillCards(find("quality-answers"), (await getQuality(id, this.asking.signal)).answers);
    } catch (error) {
      if (error.name !== "AbortError") this.clear(); // judged again: its event comes
    }
  }
}
