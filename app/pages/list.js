/* The images on the left: thumbnail, name, count or state. */
import { addresses } from "./server.js";
import { counted, element, find } from "./format.js";

export const stateOf = (image) => {
  if (image.status === "waiting") return "waiting";
  if (image.status === "working") return "looking for atoms …";
  if (image.status === "failed") return "failed";
  const edited = image.added || image.removed || image.masks;
  return `${counted(image.count, "atom")}${edited ? " · edited" : ""}`;
};

/* Files arrive in any order; they are shown in that of their names. */
export const byName = (one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }) || (one.id < other.id ? -1 : 1);

export class List {
  /* `state(image)` in words. */
  constructor(choose, list = "list", state = stateOf) {
    this.list = find(list);
    this.state = state;
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
    row.state.textContent = this.state(image);
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
    const after = [...this.rows.values()].filter((row) => byName(image, row.image) < 0).reduce((a, b) => (!a || byName(b.image, a.image) < 0 ? b : a), null);
    this.list.insertBefore(item, after?.item ?? null);
    const row = { item, button, label, state, image };
    this.rows.set(image.id, row);
    return row;
  }
}
