/* What is drawn on the image: rings by likelihood, masks, the mask being drawn, the cross of the keyboard. */

const KINDS = {
  sure: { colour: "#f0e442", dash: [] },
  likely: { colour: "#e69f00", dash: [] },
  weak: { colour: "#ff8a3d", dash: [3, 2] },
  added: { colour: "#56b4e9", dash: [] },
};
const MANY = 400; // atoms from which on rings are kept on a layer
const LAYER = 16e6; // largest layer [device pixels]
const STROKE = 1.7, EDGE = 3.4; // widths of a ring and of the dark line behind it [CSS px]

export const kindOf = (likelihood) =>
  likelihood === null ? "added" : likelihood >= 0.8 ? "sure" : likelihood >= 0.5 ? "likely" : "weak";

/* A ring of each kind is drawn once and then stamped: thousands of them in a frame would take too long to draw. */
const stamps = { key: "", kinds: {} };

const stampsOf = (radius, ratio) => {
  const key = `${radius} ${ratio}`;
  if (stamps.key === key) return stamps.kinds;
  stamps.key = key;
  const half = Math.ceil((radius + EDGE) * ratio);
  for (const [kind, { colour, dash }] of Object.entries(KINDS)) {
    const canvas = new OffscreenCanvas(2 * half, 2 * half);
    const context = canvas.getContext("2d");
    context.translate(half, half);
    context.scale(ratio, ratio);
    context.setLineDash(dash);
    const path = new Path2D();
    path.arc(0, 0, radius, 0, 7);
    stroke(context, path, "rgb(0 0 0 / .55)", EDGE);
    stroke(context, path, colour, STROKE);
    stamps.kinds[kind] = canvas;
  }
  return stamps.kinds;
};

/* Stamp the rings that fall on a canvas whose left upper corner is at (x, y) of the image. */
const stampRings = (context, view, [x, y], [width, height], radius) => {
  const scale = view.scale * view.ratio;
  const kinds = stampsOf(radius, view.ratio);
  const half = kinds.sure.width / 2;
  for (const atom of view.edits.atoms) {
    const left = Math.round((atom.x + 0.5 - x) * scale - half), top = Math.round((atom.y + 0.5 - y) * scale - half);
    if (left < -2 * half || top < -2 * half || left > width || top > height) continue;
    context.drawImage(kinds[kindOf(atom.likelihood)], left, top);
  }
};

/* Thousands of rings are kept on a layer of the whole image while the image moves without growing. */
const layer = { canvas: null };

const layerOf = (view, radius) => {
  const margin = Math.ceil(radius + EDGE) / view.scale;
  const scale = view.scale * view.ratio;
  const size = [view.pyramid.width, view.pyramid.height].map((side) => Math.ceil((side + 2 * margin) * scale));
  if (view.edits.atoms.length < MANY || size[0] * size[1] > LAYER) return null;
  if (layer.atoms !== view.edits.atoms || layer.scale !== scale) {
    Object.assign(layer, { atoms: view.edits.atoms, scale, margin, canvas: new OffscreenCanvas(...size) });
    stampRings(layer.canvas.getContext("2d"), view, [-margin, -margin], size, radius);
  }
  return layer;
};

export const drawRings = (view) => {
  const { context, canvas, ratio } = view;
  const radius = Math.round(view.radius() * 8) / 8;
  const many = layerOf(view, radius);
  context.setTransform(1, 0, 0, 1, 0, 0); // stamps lie on whole device pixels
  if (many) context.drawImage(many.canvas, ...[view.x, view.y].map((from) => Math.round(-(from + many.margin) * many.scale)));
  else stampRings(context, view, [view.x, view.y], [canvas.width, canvas.height], radius);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  if (view.removedShown) drawRemoved(view);
  if (view.hovered) drawHovered(view, radius);
};

const stroke = (context, path, colour, width) => {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke(path);
};

const drawHovered = (view, radius) => {
  const { context, hovered } = view;
  const path = new Path2D();
  const [x, y] = view.toCanvas(hovered.x, hovered.y);
  path.arc(x, y, radius + 2.5, 0, 7);
  stroke(context, path, "#ffffff", 2.5);
};

/* Atoms taken away show as crosses while a tool is chosen: they can be brought back. */
const drawRemoved = (view) => {
  const path = new Path2D();
  for (const { x: px, y: py } of view.edits.removed()) {
    const [x, y] = view.toCanvas(px, py);
    path.moveTo(x - 4, y - 4); path.lineTo(x + 4, y + 4);
    path.moveTo(x + 4, y - 4); path.lineTo(x - 4, y + 4);
  }
  stroke(view.context, path, "rgb(0 0 0 / .6)", 3.4);
  stroke(view.context, path, "#ffffffb0", 1.4);
};

const outline = (view, corners, closed) => {
  const path = new Path2D();
  corners.forEach(([px, py], index) => {
    const [x, y] = view.toCanvas(px, py);
    if (index) path.lineTo(x, y); else path.moveTo(x, y);
  });
  if (closed) path.closePath();
  return path;
};

export const drawMasks = (view, masks) => {
  const { context } = view;
  for (const corners of masks) {
    const path = outline(view, corners, true);
    context.fillStyle = "rgb(86 180 233 / .22)";
    context.fill(path);
    context.save();
    context.clip(path);
    hatch(view, corners);
    context.restore();
    context.setLineDash([6, 4]);
    stroke(context, path, "#8fd0f7", 1.6);
    context.setLineDash([]);
  }
};

/* Lines across a mask, so that it is told from bright specimen without its colour. */
const hatch = (view, corners) => {
  const places = corners.map(([x, y]) => view.toCanvas(x, y));
  const among = (axis, end) => places.map((place) => place[axis]).reduce((a, b) => Math[end](a, b));
  const left = Math.max(0, among(0, "min")), right = Math.min(view.width, among(0, "max"));
  const top = Math.max(0, among(1, "min")), bottom = Math.min(view.height, among(1, "max"));
  const path = new Path2D();
  const start = Math.floor((left + top) / 12) * 12;
  for (let sum = start; sum < right + bottom; sum += 12) {
    path.moveTo(sum - top, top);
    path.lineTo(sum - bottom, bottom);
  }
  stroke(view.context, path, "rgb(143 208 247 / .35)", 1);
};

export const drawDraft = (view) => {
  const { context, draft } = view;
  const corners = draft.tip ? [...draft.corners, draft.tip] : draft.corners;
  const path = outline(view, corners, false);
  stroke(context, path, "rgb(0 0 0 / .6)", 4);
  stroke(context, path, "#8fd0f7", 2);
  const [x, y] = view.toCanvas(...draft.corners[0]);
  const dot = new Path2D();
  dot.arc(x, y, 5, 0, 7);
  context.fillStyle = "#8fd0f7";
  context.fill(dot);
};

export const drawCross = (view) => {
  const x = view.width / 2, y = view.height / 2;
  const path = new Path2D(`M${x - 14} ${y}H${x - 4}M${x + 4} ${y}H${x + 14}M${x} ${y - 14}V${y - 4}M${x} ${y + 4}V${y + 14}`);
  stroke(view.context, path, "#000000", 4);
  stroke(view.context, path, "#ffffff", 1.8);
};
