/* An image at several sizes, each half the one before, fetched when a zoom needs it. Level k is binned by 2^k. */
import { picture } from "./server.js";

const SMALLEST = 256; // longer side of the coarsest level [px]
const FIRST = 1100; // longer side of what is shown at once [px]
const KEPT = 4; // images whose levels are kept

export class Pyramid {
  /* `source(id, level)` gives the picture of a level. */
  constructor(id, [rows, columns], arrived, failed, source = picture) {
    this.source = source;
    this.id = id;
    this.width = columns;
    this.height = rows;
    this.levels = new Map();
    this.asked = new Set();
    this.arrived = arrived;
    this.failed = failed;
    const longer = Math.max(rows, columns);
    this.coarsest = Math.max(0, Math.floor(Math.log2(longer / SMALLEST)));
    this.fetch(Math.min(this.coarsest, Math.max(0, Math.ceil(Math.log2(longer / FIRST)))));
  }

  async fetch(level) {
    if (this.asked.has(level)) return;
    this.asked.add(level);
    try {
      const bitmap = await this.source(this.id, level);
      if (this.closed) { bitmap.close(); return; }
      this.levels.set(level, bitmap);
      this.arrived();
    } catch (error) {
      if (!this.closed) this.failed(error, level);
    }
  }

  /* The level for so many device pixels an image pixel; the next best until it is here. */
  best(scale) {
    const wanted = Math.min(this.coarsest, Math.max(0, Math.floor(Math.log2(1 / scale) + 0.2)));
    this.fetch(wanted);
    const known = [...this.levels.keys()];
    if (!known.length) return null;
    const level = known.reduce((a, b) => (Math.abs(b - wanted) < Math.abs(a - wanted) ? b : a));
    return { bitmap: this.levels.get(level), step: 2 ** level };
  }

  close() {
    this.closed = true;
    for (const bitmap of this.levels.values()) bitmap.close();
    this.levels.clear();
  }
}

/* The pyramids of the images shown last. */
export class Pyramids {
  constructor(arrived, failed) {
    this.kept = new Map();
    this.arrived = arrived;
    this.failed = failed;
  }

  of(image) {
    const known = this.kept.get(image.id) ?? new Pyramid(image.id, image.shape, this.arrived, this.failed);
    this.kept.delete(image.id);
    this.kept.set(image.id, known); // the last is the newest
    while (this.kept.size > KEPT) this.drop(this.kept.keys().next().value);
    return known;
  }

  drop(id) {
    this.kept.get(id)?.close();
    this.kept.delete(id);
  }
}
