/* An answer: what it is, its number with unit and interval, and a sentence that explains it. */
import { element, figures } from "./format.js";

export const answerCard = ({ label, value, low, high, unit, explanation, digits }) => {
  const known = Number.isFinite(value);
  const number = element("dd", { class: "value" }, known || value === null ? figures(value, digits) : String(value));
  if (known && unit) number.append(" ", element("small", {}, unit.replace(/^per /, "/ ")));
  const card = element("div", { class: "answer", tabIndex: 0 }, element("dt", {}, label), number);
  if (Number.isFinite(low) && Number.isFinite(high)) card.append(element("dd", { class: "range" }, `${figures(low)}–${figures(high)}`));
  card.append(element("dd", { class: "unseen" }, explanation ?? ""));
  card.dataset.answer = label;
  card.dataset.explains = explanation ?? "";
  return card;
};
