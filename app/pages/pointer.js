/* Mouse, pen and fingers on the image: drag and two fingers move and zoom, the tool chosen does the rest. */

const CLICK = 5; // CSS pixels that a click may move
const STEP = 6; // between corners of a mask drawn by hand [CSS px]
const CLOSE = 12; // from the first corner: the mask is closed [CSS px]
const LEAST = 20; // around a click in which an atom is meant [CSS px], by a finger more

export class Pointer {
  /* `told(atom, event)` when the pointer is over an atom (or none), `acted` when a mask was begun or given up. */
  constructor(view, { told, acted }) {
    Object.assign(this, { view, told, acted, tool: "look", active: false, space: false });
    this.pointers = new Map();
    const { canvas } = view;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", (event) => this.release(event));
    canvas.addEventListener("pointerleave", () => this.hover(null));
    canvas.addEventListener("dblclick", () => {
      if (this.tool === "look") view.fit();
      else if (view.draft?.corners.length > 3) this.close();
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0018)), ...this.place(event));
    }, { passive: false });
  }

  get edits() { return this.active ? this.view.edits : null; }

  choose(tool) {
    this.tool = tool;
    this.giveUp();
    this.view.canvas.dataset.tool = tool;
    this.view.removedShown = tool !== "look";
    this.hover(null);
    this.view.draw();
  }

  giveUp() {
    const begun = Boolean(this.view.draft || this.carried);
    this.view.draft = this.carried = null;
    this.view.draw();
    if (begun) this.acted();
    return begun;
  }

  place(event) {
    const box = this.view.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  reach(touch = false) { return Math.max(this.view.radius() * 1.2, touch ? LEAST * 1.4 : LEAST * 0.6) / this.view.scale; }

  under(event) {
    const [x, y] = this.view.toImage(...this.place(event));
    return this.view.edits?.nearest(this.view.edits.atoms, x, y, this.reach(event.pointerType === "touch")) ?? null;
  }

  hover(atom, event) {
    this.view.canvas.classList.toggle("over", Boolean(atom));
    if (this.view.hovered !== atom) { this.view.hovered = atom; this.view.draw(); }
    this.told(atom, event);
  }

  down(event) {
    this.view.canvas.focus({ preventScroll: true, focusVisible: false });
    this.view.cross = false;
    this.view.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    this.travelled = this.pointers.size > 1 ? Infinity : 0;
    this.panning = event.button === 1 || this.space || this.pointers.size > 1 || !this.edits || this.tool === "look";
    if (this.pointers.size > 1) { this.carried = null; if (this.drawing) this.giveUp(); }
    if (this.panning || event.button > 1) return;
    if (this.tool === "move") this.carried = this.under(event);
    if (this.tool === "mask") this.corner(event);
  }

  corner(event) {
    const [left, top] = this.place(event);
    const point = this.view.toImage(left, top);
    this.drawing = !this.view.draft;
    if (this.view.draft) {
      const [x, y] = this.view.toCanvas(...this.view.draft.corners[0]);
      if (Math.hypot(x - left, y - top) < CLOSE) { this.close(); return; }
      this.view.draft.corners.push(point);
    } else {
      this.view.draft = { corners: [point], tip: null };
    }
    this.view.draw();
    this.acted();
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) { this.float(event); return; }
    const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
    this.travelled += Math.hypot(dx, dy);
    if (this.pointers.size === 2) this.pinch(event, before);
    else if (this.carried) this.carry(event);
    else if (this.tool === "mask" && !this.panning) this.draw(event);
    else if (this.travelled > CLICK) {
      this.view.canvas.classList.add("dragged");
      this.hover(null);
      this.view.pan(dx, dy);
    }
    this.pointers.set(event.pointerId, event);
  }

  float(event) {
    if (this.view.draft) {
      this.view.draft.tip = this.view.toImage(...this.place(event));
      this.view.draw();
      return;
    }
    this.hover(this.under(event), event);
  }

  pinch(event, before) {
    const other = [...this.pointers.values()].find((one) => one.pointerId !== event.pointerId);
    const distance = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    const middle = this.place({ clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 });
    this.view.zoom(distance(event) / Math.max(distance(before), 1), ...middle);
    this.view.pan((event.clientX - before.clientX) / 2, (event.clientY - before.clientY) / 2);
  }

  carry(event) {
    const [x, y] = this.view.toImage(...this.place(event));
    this.view.hovered = { x, y };
    this.view.draw();
  }

  draw(event) {
    const { draft } = this.view;
    if (!draft || !this.drawing || this.travelled < CLICK) return;
    const [left, top] = this.place(event);
    const [x, y] = this.view.toCanvas(...draft.corners.at(-1));
    if (Math.hypot(x - left, y - top) >= STEP) draft.corners.push(this.view.toImage(left, top));
    this.view.draw();
  }

  up(event) {
    const { carried, edits } = this;
    const clicked = this.travelled <= CLICK && event.button === 0;
    const point = this.view.toImage(...this.place(event));
    if (carried && !clicked) edits?.move(carried, ...this.onImage(point));
    else if (this.tool === "mask" && this.drawing && this.travelled > 3 * CLOSE) this.close();
    else if (clicked && !this.panning) this.use(point, event.pointerType === "touch");
    else if (clicked && this.tool === "look") this.hover(this.under(event), event);
    this.release(event);
    if (carried) this.hover(null);
  }

  /* The point of the image that is nearest: an atom that is dragged over the edge stays on it. */
  onImage([x, y]) {
    const { width, height } = this.view.pyramid;
    return [Math.min(Math.max(x, -0.5), width - 0.5), Math.min(Math.max(y, -0.5), height - 0.5)];
  }

  release(event) {
    this.pointers.delete(event.pointerId);
    this.view.canvas.classList.remove("dragged");
    this.carried = null;
    this.drawing = false;
  }

  /* A click of the tool on a point of the image, also by Enter on the cross. */
  use([x, y], touch = false) {
    const { edits } = this;
    const { width, height } = this.view.pyramid ?? { width: 0, height: 0 };
    if (!edits || x < -0.5 || y < -0.5 || x > width - 0.5 || y > height - 0.5) return;
    if (this.tool === "add") edits.add(x, y, (this.view.radius() * 0.7) / this.view.scale);
    else if (this.tool === "delete") this.takeAway(edits, x, y, touch);
  }

  takeAway(edits, x, y, touch) {
    const reach = this.reach(touch);
    const atom = edits.nearest(edits.atoms, x, y, reach);
    const removed = edits.nearest(edits.removed(), x, y, reach);
    const mask = edits.maskAt(x, y);
    this.hover(null);
    if (atom) edits.remove(atom);
    else if (mask >= 0) edits.unmask(mask);
    else if (removed) edits.restore(removed.index);
  }

  /* Close the mask that is being drawn; one of two corners is none. */
  close() {
    const corners = this.view.draft?.corners ?? [];
    this.view.draft = null;
    this.drawing = false;
    if (corners.length > 2) this.edits?.mask(corners);
    this.view.draw();
    this.acted();
  }

  key(event) {
    const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    const step = event.shiftKey ? 0.2 : 1;
    if (moves[event.key]) {
      this.view.cross = true;
      this.view.pan(...moves[event.key].map((one) => one * step));
    } else if (event.key === "Enter" && this.view.draft && !event.repeat) {
      if (this.view.cross && this.view.draft.byKey && !event.shiftKey) this.cornerByKey(); else this.close();
    } else if (event.key === "Enter") {
      this.view.cross = true;
      if (this.tool === "mask") this.cornerByKey();
      else this.use(this.view.toImage(this.view.width / 2, this.view.height / 2));
      this.view.draw();
    } else return false;
    return true;
  }

  /* With keys, Enter sets a corner at the cross; one near the first closes, as Shift-Enter does anywhere. */
  cornerByKey() {
    const { view } = this;
    if (!this.edits) return;
    const point = view.toImage(view.width / 2, view.height / 2);
    const first = view.draft?.corners[0];
    if (first && view.draft.corners.length > 2) {
      const [x, y] = view.toCanvas(...first);
      if (Math.hypot(x - view.width / 2, y - view.height / 2) < CLOSE) { this.close(); return; }
    }
    if (view.draft) view.draft.corners.push(point);
    else view.draft = { corners: [point], tip: null, byKey: true };
    view.draw();
    this.acted();
  }
}
