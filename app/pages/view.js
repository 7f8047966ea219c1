/* The image on a canvas: where it is looked at, and one drawing a frame at most. Points are image pixels (x, y). */
import { drawRings, drawMasks, drawDraft, drawCross } from "./marks.js";
import { round } from "./format.js";

const LARGEST = 48; // device pixels an image pixel
const SHARP = 6; // from here on pixels are shown as squares
const DIMMED = 0.86; // so that rings stand out on bright specimen
const RING = 2.3; // radius of a ring [Å]

export class View {
  constructor(canvas, bar) {
    this.canvas = canvas;
    this.bar = bar;
    this.context = canvas.getContext("2d", { alpha: false });
    this.pyramid = null;
    this.sampling = null;
    this.edits = null;
    this.rings = true;
    this.hovered = null;
    this.draft = null; // a mask being drawn
    this.cross = false;
    this.removedShown = false;
    this.scale = 1; // CSS pixels an image pixel
    this.x = this.y = 0; // the image's pixel at the canvas's left upper corner
    this.frames = 0;
    this.ratio = Math.min(devicePixelRatio || 1, 2); // device pixels a CSS pixel
    new ResizeObserver(() => this.resize()).observe(canvas);
    addEventListener("theme", () => this.draw());
  }

  get width() { return this.canvas.clientWidth; }
  get height() { return this.canvas.clientHeight; }

  show(pyramid, sampling) {
    const other = this.pyramid !== pyramid;
    this.pyramid = pyramid;
    this.sampling = sampling;
    if (other) { this.edits = this.hovered = this.draft = null; this.fit(); }
    this.draw();
  }

  resize() {
    if (!this.width) return; // in a place that is not shown
    const ratio = Math.min(devicePixelRatio || 1, 2); // another screen, another zoom of the browser
    const fitted = this.fitted;
    this.canvas.width = Math.max(1, Math.round(this.width * ratio));
    this.canvas.height = Math.max(1, Math.round(this.height * ratio));
    this.ratio = ratio;
    if (fitted) this.fit(); else this.clamp();
    this.paint();
  }

  least() {
    return this.pyramid ? Math.min(this.width / this.pyramid.width, this.height / this.pyramid.height) : 1;
  }

  fit() {
    this.fitted = true;
    if (!this.pyramid || !this.width) return;
    this.scale = this.least();
    this.clamp();
    this.draw();
  }

  /* An image smaller than the canvas stands in its middle; a larger one does not leave it. */
  clamp() {
    if (!this.pyramid) return;
    const place = (from, size, frame) => (size <= frame ? (size - frame) / 2 : Math.min(Math.max(from, 0), size - frame));
    this.x = place(this.x, this.pyramid.width, this.width / this.scale);
    this.y = place(this.y, this.pyramid.height, this.height / this.scale);
  }

  pan(dx, dy) {
    this.x -= dx / this.scale;
    this.y -= dy / this.scale;
    this.clamp();
    this.draw();
  }

  /* Zoom so that what is under (left, top), in CSS pixels of the canvas, stays there. */
  zoom(factor, left = this.width / 2, top = this.height / 2) {
    const least = this.least();
    const next = Math.min(Math.max(this.scale * factor, least), Math.max(LARGEST, least));
    this.x += left / this.scale - left / next;
    this.y += top / this.scale - top / next;
    this.scale = next;
    this.fitted = next <= least * 1.0001;
    this.clamp();
    this.draw();
  }

  /* Pixel (0, 0) has its centre at (0, 0). */
  toImage(left, top) { return [this.x + left / this.scale - 0.5, this.y + top / this.scale - 0.5]; }
  toCanvas(x, y) { return [(x + 0.5 - this.x) * this.scale, (y + 0.5 - this.y) * this.scale]; }

  /* Radius of a ring [CSS px]; where nobody knows the pixel size, as if a side were 15 nm. */
  radius() {
    const size = Math.max(this.pyramid.width, this.pyramid.height);
    const pixels = RING / (this.sampling ?? 150 / size);
    return Math.min(Math.max(pixels * this.scale, 4), 48);
  }

  draw() {
    if (this.planned) return;
    this.planned = requestAnimationFrame(() => { this.planned = null; this.paint(); });
  }

  paint() {
    if (!this.width) return;
    if (!this.ratio) { this.resize(); return; } // its place is shown for the first time
    const { context, canvas } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#0b0d10";
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (!this.pyramid) return;
    this.paintImage();
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    if (this.edits) {
      drawMasks(this, this.edits.now.masks);
      if (this.rings) drawRings(this);
    }
    if (this.draft) drawDraft(this);
    if (this.cross) drawCross(this);
    this.placeBar();
    this.frames += 1;
  }

  paintImage() {
    if (!this.paintPyramid(this.pyramid)) return;
    const { canvas } = this;
    if (canvas.dataset.shows !== this.pyramid.id) canvas.dataset.shows = this.pyramid.id; // tests wait for it
  }

  /* `finer`: how many pixels of it lie along one of the image. */
  paintPyramid(pyramid, finer = 1) {
    const { context, canvas } = this;
    const scale = this.scale * this.ratio;
    const level = pyramid.best(scale / finer);
    if (!level) return false;
    const { bitmap } = level, step = level.step / finer;
    const left = Math.max(0, Math.floor(this.x / step)), top = Math.max(0, Math.floor(this.y / step));
    const right = Math.min(bitmap.width, Math.ceil((this.x + canvas.width / scale) / step) + 1);
    const bottom = Math.min(bitmap.height, Math.ceil((this.y + canvas.height / scale) / step) + 1);
    context.globalAlpha = DIMMED;
    context.imageSmoothingEnabled = scale * step < SHARP;
    context.drawImage(bitmap, left, top, right - left, bottom - top,
      (left * step - this.x) * scale, (top * step - this.y) * scale, (right - left) * step * scale, (bottom - top) * step * scale);
    context.globalAlpha = 1;
    return true;
  }

  placeBar() {
    const perPixel = this.sampling ? this.sampling / 10 : 1;
    const shown = Math.min(this.width / this.scale, this.pyramid.width) * perPixel;
    const length = round(shown / 4);
    this.bar.style.left = `${16 + Math.max(0, -this.x * this.scale)}px`; // in the image's corner, not beside it
    this.bar.style.width = `${(length / perPixel) * this.scale}px`;
    this.bar.firstElementChild.textContent = `${Number(length.toPrecision(1))} ${this.sampling ? "nm" : "px"}`;
  }
}
