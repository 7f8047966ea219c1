/* A number with its name and unit, and the sentence that explains it; and a verdict. */
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

/* Put cards into a list; the one that had the focus keeps it. */
export const fillCards = (list, answers) => {
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.answer : null;
  list.replaceChildren(...answers.map(answerCard));
  if (focused) list.querySelector(`[data-answer="${CSS.escape(focused)}"]`)?.focus();
};

/* Told by its word and sign; the colour only helps. */
const VERDICTS = { "open first": ["good", "✓"], doubtful: ["doubtful", "?"], "no atoms": ["none", "–"], "cannot be read": ["bad", "!"] };

export const verdictBadge = (verdict) => {
  const [kind, sign] = VERDICTS[verdict] ?? ["none", "·"];
  return element("span", { class: `badge ${kind}` }, element("span", { class: "sign", ariaHidden: "true" }, sign), ` ${verdict}`);
};

/* An image's verdict with its reasons; what is being done until there is one. */
export const showVerdict = (target, image) => {
  const reasons = image.reasons.join("; ");
  target.hidden = image.status !== "done";
  if (image.verdict) target.replaceChildren(verdictBadge(image.verdict), reasons ? ` ${reasons}` : "");
  else target.textContent = reasons ? `Could not be judged: ${reasons}` : "Focus and drift are being judged …";
};
