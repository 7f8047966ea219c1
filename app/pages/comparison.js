/* An image before and after: as it was recorded left of a divider, restored right of it; and marks on channels. */
import { View } from "./view.js";
import { Pointer } from "./pointer.js";
import { find } from "./format.js";
import { drawBoxes, drawChannels } from "./channels.js";

const STEP = 0.02, LARGE_STEP = 0.1; // of the divider by keys

export class Comparison extends View {
  constructor(canvas, bar, divider) {
    super(canvas, bar);
    Object.assign(this, { divider, restored: null, share: 0.5, found: null, threshold: 0, channelsShown: true, boxesShown: false, divided: () => {} });
    divider.addEventListener("pointerdown", (event) => { divider.setPointerCapture(event.pointerId); event.preventDefault(); divider.focus(); });
    divider.addEventListener("pointermove", (event) => {
      if (!divider.hasPointerCapture(event.pointerId)) return;
      const box = canvas.getBoundingClientRect();
      this.divide((event.clientX - box.left) / box.width);
    });
    divider.addEventListener("keydown", (event) => this.keys(event));
  }

  keys(event) {
    const steps = { ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP, PageDown: -LARGE_STEP, PageUp: LARGE_STEP };
    const next = { Home: 0, End: 1 }[event.key] ?? (steps[event.key] && this.share + steps[event.key]);
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.divide(next);
  }

  /* What part of the canvas, from the left, shows the image as it was recorded. */
  divide(share) {
    this.share = Math.min(Math.max(share, 0), 1);
    const percent = Math.round(100 * this.share);
    this.divider.style.left = `${100 * this.share}%`;
    this.label();
    this.divider.setAttribute("aria-valuenow", String(percent));
    this.divider.setAttribute("aria-valuetext", `${percent} % as recorded, ${100 - percent} % restored`);
    this.divided(this.share);
    this.draw();
  }

  /* At the edges the handle stays on the image, and a side that is not shown has no label. */
  label() {
    const edge = this.share * this.width, handle = this.divider.firstElementChild;
    const half = handle.getBoundingClientRect().width / 2;
    const inside = Math.min(Math.max(edge, half), Math.max(this.width - half, half));
    handle.style.translate = `${inside - edge}px`;
    const before = find("m-before"), after = find("m-after");
    before.classList.toggle("away", edge < before.offsetLeft + before.offsetWidth);
    after.classList.toggle("away", edge > after.offsetLeft);
  }

  resize() {
    super.resize();
    this.label();
  }

  /* The restored pyramid, or null; what was found, or null. */
  compare(restored, found) {
    this.restored = restored;
    this.found = found;
    this.divider.hidden = !restored;
    for (const id of ["m-before", "m-after"]) find(id).hidden = !restored;
    this.label();
    this.draw();
  }

  get boxes() {
    const { boxes } = this.found ?? {};
    return boxes ? boxes.likelihood.flatMap((likelihood, index) => (likelihood >= this.threshold ? [index] : [])) : [];
  }

  /* Number of the channel at a point, or -1. */
  channelAt(x, y) {
    const { channels } = this.found ?? {};
    if (!channels || !this.channelsShown) return -1;
    let best = -1, least = Math.max(channels.radius, 12 / this.scale);
    channels.x.forEach((left, index) => {
      const distance = Math.hypot(left - x, channels.y[index] - y);
      if (distance < least) { best = index; least = distance; }
    });
    return best;
  }

  boxAt(x, y) {
    if (!this.boxesShown) return -1;
    return this.boxes.find((index) => { const [x0, y0, x1, y1] = this.found.boxes.corners[index]; return x >= x0 && x <= x1 && y >= y0 && y <= y1; }) ?? -1;
  }

  paintImage() {
    super.paintImage();
    if (!this.restored) return;
    const { context, canvas } = this;
    const left = Math.round(this.share * canvas.width);
    context.save();
    context.beginPath();
    context.rect(left, 0, canvas.width - left, canvas.height);
    context.clip();
    const drawn = this.paintPyramid(this.restored, this.restored.width / this.pyramid.width);
    context.restore();
    if (drawn) canvas.dataset.restored = this.restored.id; // tests wait for it
  }

  paint() {
    super.paint();
    if (!this.width || !this.pyramid || !this.found) return;
    if (this.boxesShown) drawBoxes(this);
    if (this.channelsShown) drawChannels(this);
  }
}

/* The pointer of the other place without its tools: it moves, zooms, and reads what is under it. */
export class ReadingPointer extends Pointer {
  under(event) {
    const [x, y] = this.view.toImage(...this.place(event));
    const box = this.view.boxAt(x, y), channel = this.view.channelAt(x, y);
    if (channel >= 0) return { x, y, channel, box };
    return box >= 0 ? { x, y, channel: -1, box } : null;
  }

  hover(found, event) {
    this.view.canvas.classList.toggle("over", Boolean(found));
    this.told(found, event);
  }
}
