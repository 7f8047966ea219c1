/* Sliders, made from what the server says of the settings: names, units, ranges, words. Values are those of the page. */
import { element, find, figures } from "./format.js";

const STEPS = 200; // of a slider that moves by equal ratios

/* Of one name there is one control for a support. */
const identity = ({ name, supports }) => `${name} ${supports.join()}`;

const written = (number) => (number >= 1000 ? number.toLocaleString("en") : figures(number));

export class Controls {
  /* `moved(control, final)` for each movement; `final` when the slider is let go. */
  constructor(place, known, moved) {
    Object.assign(this, { known: known.controls, moved, chosen: new Map(), rows: new Map() });
    const groups = new Map();
    for (const control of this.known) {
      if (!groups.has(control.group)) groups.set(control.group, element("fieldset", {}, element("legend", {}, control.group)));
      groups.get(control.group).append(this.row(control));
    }
    place.append(...groups.values());
  }

  /* Show the controls of a support, at their defaults where it did not have them before. */
  offer(support) {
    this.support = support;
    for (const [control, { row }] of this.rows) row.hidden = !control.supports.includes(support);
    for (const control of this.shown) this.set(control, this.chosen.get(control) ?? control.default);
  }

  get shown() { return this.known.filter((one) => one.supports.includes(this.support)); }

  /* Values of the controls that are shown, by name. */
  get values() { return Object.fromEntries(this.shown.map((one) => [one.name, this.chosen.get(one)])); }

  /* All that was set, also for other supports; what is given back is taken as far as it is allowed. */
  get kept() { return Object.fromEntries([...this.chosen].map(([control, value]) => [identity(control), value])); }

  restore(kept) {
    for (const control of this.known) {
      const value = kept[identity(control)];
      const { choices, low, high } = control;
      if (choices.length ? choices.includes(value) : value >= low && value <= high) this.chosen.set(control, value);
    }
  }

  /* Names of all controls of some groups. */
  names(groups) { return this.known.filter((one) => groups.includes(one.group)).map((one) => one.name); }

  reset() {
    this.chosen.clear();
    this.offer(this.support);
  }

  row(control) {
    const id = `sim-${this.rows.size}`;
    const slider = element("input", { type: "range", id });
    slider.dataset.name = control.name;
    slider.setAttribute("aria-describedby", `${id}-about`);
    const [low, high, step] = this.scale(control);
    Object.assign(slider, { min: String(low), max: String(high), step: String(step) });
    const value = element("output", {});
    value.htmlFor.add(id);
    const about = element("span", { id: `${id}-about`, className: "unseen" }, control.explanation);
    const row = element("div", { className: "control" }, element("label", { htmlFor: id }, control.label), value, slider, about);
    const range = `${written(control.low)} to ${written(control.high)} ${control.unit}`.trim();
    row.dataset.explains = `${control.explanation} ${control.choices.length ? control.choices.join(", ") + ` ${control.unit}` : range}.`;
    slider.addEventListener("input", () => this.slid(control, false));
    slider.addEventListener("change", () => this.slid(control, true));
    this.rows.set(control, { row, slider, value });
    return row;
  }

  /* A slider's own numbers: places in a list of choices, equal ratios, or values. */
  scale(control) {
    if (control.choices.length) return [0, control.choices.length - 1, 1];
    if (!control.step) return [0, STEPS, 1];
    return [control.low, control.high, control.step];
  }

  read(control, number) {
    if (control.choices.length) return control.choices[number];
    if (!control.step) return Number((control.low * (control.high / control.low) ** (number / STEPS)).toPrecision(3));
    return Number(number.toPrecision(6));
  }

  set(control, value) {
    const { slider } = this.rows.get(control);
    if (control.choices.length) slider.value = String(control.choices.indexOf(value));
    else if (!control.step) slider.value = String(Math.round((STEPS * Math.log(value / control.low)) / Math.log(control.high / control.low)));
    else slider.value = String(value);
    this.chosen.set(control, value);
    this.write(control);
  }

  write(control) {
    const { slider, value } = this.rows.get(control);
    const number = this.chosen.get(control);
    const decimals = control.step && !control.choices.length ? Math.max(0, Math.ceil(-Math.log10(control.step) - 1e-9)) : 0;
    const text = control.step && !control.choices.length ? number.toFixed(Math.min(decimals, 4)) : written(number);
    const shown = `${text} ${control.unit}`.trim();
    value.textContent = shown.replace(/^-/, "−");
    slider.setAttribute("aria-valuetext", shown);
  }

  slid(control, final) {
    const value = this.read(control, Number(this.rows.get(control).slider.value));
    this.chosen.set(control, value);
    this.write(control);
    this.moved(control, final);
  }
}

/* Options of a list, the chosen one first known. */
export const fill = (id, options, chosen) => {
  const list = find(id);
  list.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
  list.value = chosen;
  return list;
};
