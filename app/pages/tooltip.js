/* One tooltip for all: explanations on hover and focus, the likelihood of the atom under the pointer. */
import { find } from "./format.js";

const GAP = 14;

export const tell = (text, x, y) => {
  const tooltip = find("tooltip");
  tooltip.hidden = !text;
  if (!text) return;
  tooltip.textContent = text;
  const { offsetWidth, offsetHeight } = tooltip;
  tooltip.style.left = `${Math.max(6, Math.min(x + GAP, innerWidth - offsetWidth - 6))}px`;
  tooltip.style.top = `${y + GAP + offsetHeight < innerHeight ? y + GAP : Math.max(6, y - GAP - offsetHeight)}px`;
};

/* Elements that explain themselves carry the text in data-explains. */
export const explain = (root) => {
  const of = (event) => event.target.closest?.("[data-explains]");
  root.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch") return;
    tell(of(event)?.dataset.explains, event.clientX, event.clientY);
  });
  root.addEventListener("pointerleave", () => tell(""));
  root.addEventListener("focusin", (event) => {
    const target = of(event);
    if (!target) { tell(""); return; }
    const box = target.getBoundingClientRect();
    tell(target.dataset.explains, box.left, box.bottom - 6);
  });
  root.addEventListener("focusout", () => tell(""));
  root.addEventListener("scroll", () => tell(""), true);
};
