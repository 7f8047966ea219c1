/* The plot of the statistics, drawn as SVG: bars, and a line for what random places would give. */
import { digits, element, round } from "./format.js";

const WIDTH = 300, HEIGHT = 150, LEFT = 30, RIGHT = 8, TOP = 8, BOTTOM = 34;

export const svg = (name, settings, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(settings)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

const largest = (values) => values.reduce((a, b) => Math.max(a, b), 0);

export const ticks = (low, high) => {
  const step = round((high - low) / 3 || 1);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-6; at += step) found.push(Number(at.toPrecision(6)));
  return found;
};

const axes = (label, across, up, high, top) => {
  const group = svg("g", {});
  const bottom = HEIGHT - BOTTOM;
  group.append(svg("path", { class: "axis", d: `M${LEFT} ${TOP}V${bottom}H${WIDTH - RIGHT}` }));
  for (const value of ticks(0, high)) group.append(svg("text", { x: across(value), y: bottom + 14, "text-anchor": "middle" }, digits(value)));
  for (const value of ticks(0, top)) group.append(svg("text", { x: LEFT - 5, y: up(value) + 4, "text-anchor": "end" }, digits(value)));
  group.append(svg("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 3, "text-anchor": "middle" }, label));
  return group;
};

const bars = ({ edges, counts }, across, up) => counts.map((value, index) => {
  const left = across(edges[index]) + 0.5;
  const width = Math.max(across(edges[index + 1]) - left - 0.5, 1);
  return svg("rect", { class: "bar", x: left, y: up(value), width, height: Math.max(up(0) - up(value), 0) });
});

const expectation = ({ edges, expected }, across, up) => {
  const points = expected.map((value, index) => `${across((edges[index] + edges[index + 1]) / 2)},${up(value)}`);
  return svg("polyline", { class: "expected", points: points.join(" ") });
};

const legend = () => svg("g", {},
  svg("rect", { class: "bar", x: WIDTH - 116, y: TOP + 2, width: 10, height: 8 }), svg("text", { x: WIDTH - 101, y: TOP + 10 }, "these atoms"),
  svg("path", { class: "expected", d: `M${WIDTH - 117} ${TOP + 21}h12` }), svg("text", { x: WIDTH - 101, y: TOP + 25 }, "random places"));

/* How far each atom's nearest neighbour is, beside what as many atoms at random places would have. */
export const plotDistances = (series) => {
  const title = "Distance to the nearest neighbour";
  const explanation = "How many atoms have their nearest neighbour how far away. The line is what as many atoms at random places on this specimen would have.";
  const top = largest([...series.counts, ...series.expected]) * 1.08 || 1;
  const high = series.edges.at(-1);
  const across = (value) => LEFT + (value / high) * (WIDTH - LEFT - RIGHT);
  const up = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP);
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title },
    ...bars(series, across, up), expectation(series, across, up), axes(`distance (${series.unit})`, across, up, high, top), legend());
  const figure = element("figure", { tabIndex: 0 }, element("figcaption", {}, title), picture, element("p", { class: "unseen" }, explanation));
  figure.dataset.explains = explanation;
  return figure;
};
