/* Keys: of the whole page, of the place of atoms, and of another place that takes its part. */
import { find } from "./format.js";
import { FIRST } from "./places.js";

const TOOLS = { v: "look", a: "add", d: "delete", m: "move", r: "mask" };

/* `neighbour(step)` chooses the image after or before the one shown. */
export const listenToKeys = ({ view, pointer, toolbar, places, results, images, neighbour }) => {
  const escape = () => {
    if (!results.panel.hidden) { results.open(false); results.button.focus(); } else if (!pointer.giveUp()) toolbar.choose("look");
  };
  const acts = {
    escape, h: () => toolbar.rings(), "+": () => view.zoom(1.3), "=": () => view.zoom(1.3), "-": () => view.zoom(1 / 1.3), 0: () => view.fit(),
    "[": () => neighbour(-1), "]": () => neighbour(1),
    ...Object.fromEntries(Object.entries(TOOLS).map(([key, name]) => [key, () => toolbar.choose(name)])),
  };

  const undone = (key, shift) => {
    if (!pointer.active || places.current !== FIRST) return; // what is not shown is not changed
    if (key === "y" || shift) view.edits.redo(); else view.edits.undo();
  };

  /* Whether the key meant something here. */
  const press = (event) => {
    const key = event.key.toLowerCase();
    if (event.ctrlKey || event.metaKey) {
      if (key !== "z" && key !== "y") return false;
      undone(key, event.shiftKey);
    } else if (event.target === view.canvas && pointer.key(event)) return true;
    else if (key === "?") find("help").showModal();
    else if (places.current !== FIRST) return Boolean(places.module?.key?.(event));
    else if (!images.size) return false;
    else if (key === " " && (event.target === view.canvas || event.target === document.body)) pointer.space = true;
    else if (key === "enter" && view.draft) pointer.close();
    else if (Object.hasOwn(acts, key)) acts[key]();
    else return false;
    return true;
  };

  addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=range]), select, textarea, dialog");
    if (!typing && !event.altKey && press(event)) event.preventDefault();
  });
  addEventListener("keyup", (event) => { if (event.key === " ") pointer.space = false; });
};
