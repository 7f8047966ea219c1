/* What is drawn on an image of a zeolite: channels filled, empty and open, told apart by shape and by word as by colour. */

const COLOURS = { filled: "#f0e442", empty: "#56b4e9", open: "#e69f00" };
const BOX = "#ff9ad5";
const DARK = "rgb(0 0 0 / .6)";
const LEAST = 4, MOST = 40; // radius of a mark [CSS px]
const WORDS = 20; // radius from which on a probability is written [CSS px]

const stroke = (context, path, colour, width, dash = []) => {
  context.setLineDash(dash);
  context.strokeStyle = DARK;
  context.lineWidth = width + 2.4;
  context.stroke(path);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke(path);
  context.setLineDash([]);
};

const ring = (x, y, radius) => {
  const path = new Path2D();
  path.arc(x, y, radius, 0, 7);
  return path;
};

/* Filled: a ring with a disc in it; empty: a ring alone; open: a dashed one. */
const mark = (context, state, x, y, radius) => {
  const width = Math.min(2.4, Math.max(1.4, radius / 7));
  stroke(context, ring(x, y, radius), COLOURS[state], width, state === "open" ? [4, 3] : []);
  if (state !== "filled") return;
  context.fillStyle = DARK;
  context.fill(ring(x, y, radius * 0.34 + 1.2));
  context.fillStyle = COLOURS.filled;
  context.fill(ring(x, y, radius * 0.34));
};

const write = (context, text, x, y) => {
  context.font = "600 11px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "top";
  context.lineWidth = 3;
  context.lineJoin = "round";
  context.strokeStyle = "rgb(0 0 0 / .75)";
  context.strokeText(text, x, y);
  context.fillStyle = "#ffffff";
  context.fillText(text, x, y);
};

export const drawChannels = (view) => {
  const { context, ratio, found: { channels } } = view;
  if (!channels) return;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const radius = Math.min(Math.max(channels.radius * view.scale, LEAST), MOST);
  channels.x.forEach((left, index) => {
    const [x, y] = view.toCanvas(left, channels.y[index]);
    if (x < -radius || y < -radius || x > view.width + radius || y > view.height + radius) return;
    const state = channels.state[index];
    mark(context, state, x, y, radius);
    if (radius >= WORDS) write(context, `${state} ${channels.probability[index].toFixed(2)}`, x, y + radius + 3);
  });
};

/* Solid where the channel is filled, dotted where the image does not tell. */
export const drawBoxes = (view) => {
  const { context, ratio, found: { boxes } } = view;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  for (const index of view.boxes) {
    const [x0, y0, x1, y1] = boxes.corners[index];
    const [left, top] = view.toCanvas(x0, y0), [right, bottom] = view.toCanvas(x1, y1);
    const path = new Path2D();
    path.rect(left, top, right - left, bottom - top);
    stroke(context, path, BOX, 1.6, boxes.state[index] === "filled" ? [] : [2, 3]);
  }
};
