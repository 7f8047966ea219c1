/* One tooltip for all: explanations on hover and focus, the likelihood of the atom under the pointer. */
import { find } from "./format.js";

const GAP = 14;

const place = (tooltip, left, top) => {
  const { offsetWidth, offsetHeight } = tooltip;
  tooltip.style.left = `${Math.max(6, Math.min(left, innerWidth - offsetWidth - 6))}px`;
  tooltip.style.top = `${Math.max(6, Math.min(top, innerHeight - offsetHeight - 6))}px`;
};

export const tell = (text, x, y) => {
  const tooltip = find("tooltip");
  tooltip.hidden = !text;
  if (!text) return;
  tooltip.textContent = text;
  const height = tooltip.offsetHeight;
  place(tooltip, x + GAP, y + GAP + height < innerHeight ? y + GAP : y - GAP - height);
};

/* Beside the panel, at the height of what it explains: on the image, where it hides no number. In a narrow window,
   whose panel has nothing beside it, below. */
const tellBeside = (target, panel) => {
  const tooltip = find("tooltip");
  tell(target.dataset.explains, 0, 0);
  const box = target.getBoundingClientRect();
  const left = panel.getBoundingClientRect().left - tooltip.offsetWidth - 8;
  if (left >= 6) place(tooltip, left, box.top);
  else place(tooltip, box.left, box.bottom + 4);
};

/* Elements that explain themselves carry the text in data-explains. */
export const explain = (root) => {
  const of = (event) => event.target.closest?.("[data-explains]");
  root.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch") return;
    const target = of(event);
    if (target) tellBeside(target, root);
    else tell("");
  });
  root.addEventListener("pointerleave", () => tell(""));
  root.addEventListener("focusin", (event) => {
    const target = of(event);
    if (target) tellBeside(target, root);
    else tell("");
  });
  root.addEventListener("focusout", () => tell(""));
  // What comes to the focus, or below the pointer, is scrolled into view after that.
  root.addEventListener("scroll", () => {
    const pointed = [...root.querySelectorAll("[data-explains]:hover")].at(-1);
    const target = pointed ?? root.querySelector("[data-explains]:focus");
    if (target) tellBeside(target, root);
    else tell("");
  }, true);
};
