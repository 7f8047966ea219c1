/* The hand's corrections of one image: what is in force, what came before (undo), and their way to the server. */
import { putEdits } from "./server.js";

const inside = (polygon, x, y) => {
  let odd = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i, i += 1) {
    const [ax, ay] = polygon[i], [bx, by] = polygon[j];
    if ((ay > y) !== (by > y) && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
};

const alike = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const tidy = (value) => Math.round(value * 100) / 100;
const KEEPALIVE = 60000; // bytes that a closing tab may still send

export class Edits {
  /* `changed` after each change, `saved(image)` when the server has it, `trouble(error, edits)` when it refuses. */
  constructor(image, candidates, { changed, saved, trouble }) {
    this.id = image.id;
    this.version = image.version;
    this.candidates = candidates;
    this.now = candidates.edits;
    this.past = [];
    this.future = [];
    Object.assign(this, { changed, saved, trouble });
    this.sent = this.now;
    this.settle();
  }

  /* The atoms in force; `index` of a candidate, `place` of one added by hand. */
  settle() {
    const { x, y, likelihood } = this.candidates;
    const { threshold, removed, added, masks } = this.now;
    const away = new Set(removed);
    const free = (px, py) => !masks.some((mask) => inside(mask, px, py));
    this.atoms = [];
    for (let index = 0; index < x.length; index += 1) {
      if (likelihood[index] < threshold || away.has(index) || !free(x[index], y[index])) continue;
      this.atoms.push({ x: x[index], y: y[index], likelihood: likelihood[index], index });
    }
    added.forEach(([px, py], place) => {
      if (free(px, py)) this.atoms.push({ x: px, y: py, likelihood: null, place });
    });
  }

  get count() { return this.atoms.length; }
  get waiting() { return !alike(this.now, this.sent) || Boolean(this.saving); }

  removed() {
    const { x, y, likelihood } = this.candidates;
    return this.now.removed.filter((index) => likelihood[index] >= this.now.threshold)
      .map((index) => ({ x: x[index], y: y[index], index }));
  }

  nearest(atoms, x, y, reach) {
    let best = null, least = reach * reach;
    for (const atom of atoms) {
      const distance = (atom.x - x) ** 2 + (atom.y - y) ** 2;
      if (distance <= least) { best = atom; least = distance; }
    }
    return best;
  }

  maskAt(x, y) { return this.now.masks.findLastIndex((mask) => inside(mask, x, y)); }

  change(parts) {
    this.past.push(this.before ?? this.now);
    this.before = null;
    this.future = [];
    this.now = { ...this.now, ...parts };
    this.finish();
  }

  finish() {
    this.settle();
    this.changed();
    this.save();
  }

  /* A slider being moved: shown at once, kept as one step when it is let go. */
  preview(threshold) {
    this.before ??= this.now;
    this.now = { ...this.now, threshold };
    this.settle();
    this.changed();
  }

  /* Near a spot that the detector saw but that is no atom in force, its place is better than the hand's. */
  add(x, y, reach) {
    const { candidates } = this;
    const spots = Array.from(candidates.x, (px, index) => ({ x: px, y: candidates.y[index], index }));
    const spot = this.nearest(spots, x, y, reach);
    if (this.nearest(this.atoms, x, y, reach)) return false;
    const place = spot ? [spot.x, spot.y] : [tidy(x), tidy(y)];
    this.change({ added: [...this.now.added, place] });
    return true;
  }

  without(atom) {
    return atom.place === undefined
      ? { removed: [...this.now.removed, atom.index] }
      : { added: this.now.added.filter((_, place) => place !== atom.place) };
  }

  remove(atom) { this.change(this.without(atom)); }
  restore(index) { this.change({ removed: this.now.removed.filter((other) => other !== index) }); }

  move(atom, x, y) {
    const parts = this.without(atom);
    this.change({ ...parts, added: [...(parts.added ?? this.now.added), [tidy(x), tidy(y)]] });
  }

  mask(corners) { this.change({ masks: [...this.now.masks, corners.map(([x, y]) => [tidy(x), tidy(y)])] }); }
  unmask(place) { this.change({ masks: this.now.masks.filter((_, other) => other !== place) }); }

  undo() { this.step(this.past, this.future); }
  redo() { this.step(this.future, this.past); }

  step(from, to) {
    if (!from.length) return;
    to.push(this.now);
    this.now = from.pop();
    this.finish();
  }

  /* One request at a time; what changed meanwhile goes with the next. */
  async save() {
    if (this.saving) return;
    while (!alike(this.now, this.sent) && !this.before) {
      const sending = this.now;
      this.sending = sending;
      this.saving = putEdits(this.id, this.version, sending);
      this.changed();
      try {
        const image = await this.saving;
        this.version = image.version;
        this.sent = sending;
        this.saving = null;
        this.saved(image);
      } catch (error) {
        this.saving = null;
        this.trouble(error, this);
        return;
      }
    }
    this.changed();
  }

  /* The tab is being closed: what is not sent yet goes now, after what is on its way. */
  flush() {
    if (alike(this.now, this.sent) || (this.saving && alike(this.now, this.sending))) return;
    const small = JSON.stringify(this.now).length < KEEPALIVE;
    putEdits(this.id, this.version + (this.saving ? 1 : 0), this.now, small).catch(() => {});
  }

  /* The image as the server has it now; the past is kept where nothing else changed it. */
  refreshed(image, candidates) {
    this.version = image.version;
    const same = alike(candidates.edits, this.sent) && candidates.x.length === this.candidates.x.length;
    this.candidates = candidates;
    if (!same) {
      this.past = [];
      this.future = [];
      this.now = this.sent = candidates.edits;
    }
    this.settle();
    this.changed();
    return same;
  }
}
