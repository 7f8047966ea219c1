/* The images on the left: thumbnail, name, count or state. */
import { addresses } from "./server.js";
import { counted, element, find } from "./format.js";

export const stateOf = (image) => {
  if (image.status === "waiting") return "waiting";
  if (image.status === "working") return "looking for atoms …";
  if (image.status === "failed") return "could not be worked on";
  const edited = image.added || image.removed || image.masks;
  return `${counted(image.count, "atom")}${edited ? " · edited" : ""}`;
};

export class List {
  constructor(choose) {
    this.list = find("list");
    this.rows = new Map();
    this.choose = choose;
  }

  show(images, chosen) {
    const ids = new Set(images.map((image) => image.id));
    for (const [id, row] of this.rows) {
      if (!ids.has(id)) { row.item.remove(); this.rows.delete(id); }
    }
    images.forEach((image) => this.update(image, chosen));
  }

  update(image, chosen) {
    const row = this.rows.get(image.id) ?? this.add(image);
    row.label.textContent = image.name;
    row.state.textContent = stateOf(image);
    row.button.className = image.status;
    row.button.title = image.name;
    const current = image.id === chosen;
    row.button.setAttribute("aria-current", String(current));
    if (current && !row.current) row.button.scrollIntoView({ block: "nearest", inline: "nearest" });
    row.current = current;
  }

  add(image) {
    const picture = element("img", { alt: "", loading: "lazy", decoding: "async", width: 54, height: 54, src: addresses(image.id).thumbnail });
    picture.addEventListener("error", () => { picture.style.visibility = "hidden"; });
    const label = element("span", { class: "label" });
    const state = element("span", { class: "state" });
    const button = element("button", { type: "button" }, picture, label, state);
    button.addEventListener("click", () => this.choose(image.id));
    const item = element("li", {}, button);
    this.list.append(item);
    const row = { item, button, label, state };
    this.rows.set(image.id, row);
    return row;
  }
}
