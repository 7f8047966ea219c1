/* Small plots of one number over the images of a watched folder, oldest to newest. */
import { digits, element } from "./format.js";
import { svg, ticks } from "./plots.js";

const WIDTH = 320, HEIGHT = 58, LEFT = 34, RIGHT = 10, TOP = 8, BOTTOM = 10;

/* `points` are {value, name}; a missing value leaves a gap. `most` is the top of the axis, null where values say it. */
export const plotSeries = ({ title, explanation, most, unit }, points) => {
  const values = points.map((one) => one.value).filter((one) => Number.isFinite(one));
  const top = most ?? Math.max(1, ...values) * 1.1;
  const across = (index) => LEFT + ((index + 0.5) / Math.max(points.length, 1)) * (WIDTH - LEFT - RIGHT);
  const up = (value) => HEIGHT - BOTTOM - (Math.min(value, top) / top) * (HEIGHT - BOTTOM - TOP);
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" },
    svg("path", { class: "axis", d: `M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}` }));
  for (const value of ticks(0, top).filter((_, index, all) => index === 0 || index === all.length - 1)) {
    picture.append(svg("text", { x: LEFT - 5, y: up(value) + 4, "text-anchor": "end" }, digits(value)));
  }
  picture.append(svg("path", { class: "line", d: lines(points, across, up) }));
  points.forEach(({ value }, index) => {
    if (!Number.isFinite(value)) return;
    const last = index === points.length - 1;
    picture.append(svg("circle", { class: last ? "dot last" : "dot", cx: across(index), cy: up(value), r: last ? 4 : 2.4 }));
  });
  const newest = points.at(-1)?.value;
  const caption = element("figcaption", {}, title, element("b", {}, Number.isFinite(newest) ? `${digits(newest)}${unit}` : "–"));
  const said = values.length ? `${title} over ${values.length} images: from ${digits(Math.min(...values))} to ${digits(Math.max(...values))}, newest ${digits(newest)}. ` : "";
  const figure = element("figure", { tabIndex: 0 }, caption, picture, element("p", { class: "unseen" }, said + explanation));
  figure.dataset.explains = explanation;
  return figure;
};

const lines = (points, across, up) => {
  let path = "", drawn = false;
  points.forEach(({ value }, index) => {
    const known = Number.isFinite(value);
    if (known) path += `${drawn ? "L" : "M"}${across(index).toFixed(1)} ${up(value).toFixed(1)}`;
    drawn = known;
  });
  return path;
};
