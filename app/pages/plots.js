/* Small plots of the statistics, drawn as SVG: bars, or a line with the band that random places would give. */
import { digits, element, round } from "./format.js";

const WIDTH = 300, HEIGHT = 150, LEFT = 36, RIGHT = 8, TOP = 8, BOTTOM = 34;

const svg = (name, settings, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(settings)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

const known = (values) => (values ?? []).filter(Number.isFinite);
const largest = (values) => values.reduce((a, b) => Math.max(a, b), 0);

const ticks = (low, high) => {
  const step = round((high - low) / 3 || 1);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-6; at += step) found.push(Number(at.toPrecision(6)));
  return found;
};

const axes = (series, across, up, low, high, top) => {
  const group = svg("g", {});
  const bottom = HEIGHT - BOTTOM;
  group.append(svg("path", { class: "axis", d: `M${LEFT} ${TOP}V${bottom}H${WIDTH - RIGHT}` }));
  for (const value of ticks(low, high)) group.append(svg("text", { x: across(value), y: bottom + 14, "text-anchor": "middle" }, digits(value)));
  for (const value of ticks(0, top)) group.append(svg("text", { x: LEFT - 5, y: up(value) + 4, "text-anchor": "end" }, digits(value)));
  group.append(svg("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 3, "text-anchor": "middle" }, series.x_label));
  return group;
};

const bars = ({ x, y }, across, up) => y.map((value, index) => {
  const left = across(x[index]) + 0.5;
  const width = Math.max(across(x[index + 1]) - left - 0.5, 1);
  return svg("rect", { class: "bar", x: left, y: up(value), width, height: Math.max(up(0) - up(value), 0) });
});

const line = ({ x, y, low, high }, across, up) => {
  const parts = [];
  const point = (values) => (at, index) => (Number.isFinite(values[index]) ? `${across(at)},${up(values[index])}` : "");
  if (low && high) {
    const back = x.map(point(low)).reverse();
    parts.push(svg("polygon", { class: "band", points: [...x.map(point(high)), ...back].filter(Boolean).join(" ") }));
  }
  parts.push(svg("polyline", { class: "curve", points: x.map(point(y)).filter(Boolean).join(" ") }));
  return parts;
};

export const plot = (series) => {
  const top = largest([...known(series.y), ...known(series.high)]) * 1.05 || 1;
  const low = series.x[0] ?? 0, high = series.x.at(-1) ?? 1;
  const across = (value) => LEFT + ((value - low) / (high - low || 1)) * (WIDTH - LEFT - RIGHT);
  const up = (value) => HEIGHT - BOTTOM - (Math.max(value, 0) / top) * (HEIGHT - BOTTOM - TOP);
  const drawn = (series.kind === "bars" ? bars : line)(series, across, up);
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${series.title}: ${series.y_label} over ${series.x_label}` },
    ...drawn, axes(series, across, up, low, high, top));
  const figure = element("figure", { tabIndex: 0 }, element("figcaption", {}, series.title), picture,
    element("p", { class: "unseen" }, series.explanation ?? ""));
  figure.dataset.explains = series.explanation ?? "";
  return figure;
};
