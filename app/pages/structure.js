/* Atoms in space on a canvas: balls with their depth, turned by mouse, touch and keys.
   Drawn by the processor, pixel by pixel with a depth buffer: 40 000 balls take a few milliseconds, and it looks the
   same where there is no graphics card. A library (three.js, 3Dmol) would be a hundred times as much to ship. */

const LEVELS = 64; // brightnesses of a colour
const BALL = 0.95; // of the covalent radius
const TURN = 0.12; // that an arrow key turns [rad]
const BEHIND = 0.38; // brightness of what is farthest away
const FILLED = 0.9; // of the canvas by the cell's diagonal: the arrow of the beam has room above
const RATIO = 1.5; // device pixels a CSS pixel, at most

const bytesOf = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));

/* From the side, the beam entering above; and as the beam sees it, as the image lies. Rows: right, down, to the eye. */
const SIDE = [[1, 0, 0], [0, 0, 1], [0, 1, 0]];
const BEAM = [[1, 0, 0], [0, 1, 0], [0, 0, -1]];

export class StructureView {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.atoms = null;
    this.support = true;
    this.zoom = 1;
    this.look("side");
    this.pointers = new Map();
    new ResizeObserver(() => this.draw()).observe(canvas);
    addEventListener("theme", () => this.draw());
    this.listen();
  }

  show(answer) {
    const bytes = bytesOf(answer.places.bytes);
    this.atoms = { ...answer, places: new Int16Array(bytes.buffer), kinds: bytesOf(answer.kinds.bytes) };
    this.draw();
  }

  look(from) {
    this.axes = (from === "beam" ? BEAM : SIDE).map((row) => [...row]);
    if (from === "side") { this.turn(-0.5, 0); this.turn(0, 0.3); }
    this.zoom = 1;
    this.draw();
  }

  turn(across, down) {
    const mix = (one, other, angle) => {
      const cos = Math.cos(angle), sin = Math.sin(angle);
      for (let axis = 0; axis < 3; axis += 1) {
        const a = this.axes[one][axis], b = this.axes[other][axis];
        this.axes[one][axis] = a * cos + b * sin;
        this.axes[other][axis] = b * cos - a * sin;
      }
    };
    mix(0, 2, across);
    mix(1, 2, down);
    this.draw();
  }

  enlarge(factor) {
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.5), 12);
    this.draw();
  }

  listen() {
    const { canvas, pointers } = this;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
    });
    canvas.addEventListener("pointermove", (event) => this.moved(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => pointers.delete(event.pointerId));
    canvas.addEventListener("wheel", (event) => { event.preventDefault(); this.enlarge(Math.exp(-event.deltaY / 400)); }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const act = {
        ArrowLeft: () => this.turn(-TURN, 0), ArrowRight: () => this.turn(TURN, 0),
        ArrowUp: () => this.turn(0, -TURN), ArrowDown: () => this.turn(0, TURN),
        "+": () => this.enlarge(1.25), "=": () => this.enlarge(1.25), "-": () => this.enlarge(0.8),
        0: () => this.look("side"), b: () => this.look("beam"),
      }[event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act();
    });
  }

  moved(event) {
    const { pointers } = this;
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const gap = () => { const [[ax, ay], [bx, by]] = [...pointers.values()]; return Math.hypot(ax - bx, ay - by); };
    const first = pointers.size === 2 ? gap() : 0;
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (pointers.size === 2) this.enlarge(gap() / Math.max(first, 1));
    else this.turn((event.clientX - before[0]) / 120, (event.clientY - before[1]) / 120);
  }

  draw() {
    if (this.planned) return;
    this.planned = requestAnimationFrame(() => { this.planned = null; this.paint(); });
  }

  paint() {
    const { canvas, context, atoms } = this;
    const ratio = Math.min(devicePixelRatio || 1, RATIO);
    const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    context.clearRect(0, 0, width, height);
    if (!atoms) return;
    const reach = Math.hypot(...atoms.cell) / 2;
    this.scale = (this.zoom * FILLED * Math.min(width, height)) / 2 / reach; // pixels an ångström
    this.balls(width, height, reach);
    this.box(width, height, ratio);
    canvas.dataset.drawn = String(Number(canvas.dataset.drawn ?? 0) + 1); // tests wait for it
  }

  /* One ball of each kind: its pixels, how far each stands out, and how bright it is. */
  stamps() {
    return this.atoms.radii.map((angstrom, kind) => {
      const single = this.atoms.names[kind].includes("single");
      const radius = Math.max(angstrom * BALL * this.scale * (single ? 1.25 : 1), single ? 2.2 : 0.8);
      const ball = [];
      const whole = Math.ceil(radius);
      for (let y = -whole; y <= whole; y += 1) {
        for (let x = -whole; x <= whole; x += 1) {
          const out = radius * radius - x * x - y * y;
          if (out <= 0 && (x || y)) continue;
          const z = Math.sqrt(Math.max(out, 0)) / radius;
          const light = 0.45 + 0.55 * Math.max(0, 0.8 * z - (0.35 * x) / radius - (0.45 * y) / radius + 0.1);
          ball.push([x, y, z * radius, Math.min(light, 1)]);
        }
      }
      return { ball, whole, single, colours: this.shades(this.atoms.colours[kind]) };
    });
  }

  shades(colour) {
    const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    const lift = colour === "#555555" ? 1.9 : 1.25; // greys of carbon are dark on a screen
    return Uint32Array.from({ length: LEVELS }, (_, level) => {
      const [red, green, blue] = parts.map((part) => Math.min(255, Math.round((part * lift * level) / (LEVELS - 1))));
      return (255 << 24 | blue << 16 | green << 8 | red) >>> 0;
    });
  }

  /* Where colours and depths are gathered, with a rim so that no ball reaches beyond it. */
  buffers(wide, high) {
    if (this.buffer?.wide !== wide || this.buffer.high !== high) {
      const pixels = new Uint32Array(wide * high);
      this.buffer = { wide, high, pixels, depths: new Float32Array(wide * high), image: new ImageData(new Uint8ClampedArray(pixels.buffer), wide, high) };
    }
    this.buffer.pixels.fill(0);
    this.buffer.depths.fill(-1e9);
    return this.buffer;
  }

  balls(width, height, reach) {
    const { scale, axes: [[ax, ay, az], [bx, by, bz], [cx, cy, cz]], atoms: { places, kinds } } = this;
    const stamps = this.stamps();
    const rim = Math.max(...stamps.map((one) => one.whole));
    const wide = width + 2 * rim;
    const { pixels, depths, image } = this.buffers(wide, height + 2 * rim);
    const flat = stamps.map(({ ball }) => ({
      steps: Int32Array.from(ball, ([x, y]) => y * wide + x), out: Float32Array.from(ball, ([, , z]) => z), light: Float32Array.from(ball, ([, , , light]) => light),
    }));
    const per = scale / 100; // places are in hundredths of an ångström
    const dark = BEHIND * (LEVELS - 1), gain = ((1 - BEHIND) * (LEVELS - 1)) / (2 * reach * scale);
    const middle = dark + gain * reach * scale;
    for (let kind = 0; kind < stamps.length; kind += 1) {
      const { single, colours } = stamps[kind], { steps, out, light } = flat[kind];
      if (!single && !this.support) continue;
      for (let atom = 0; atom < kinds.length; atom += 1) {
        if (kinds[atom] !== kind) continue;
        const x = places[3 * atom] * per, y = places[3 * atom + 1] * per, z = places[3 * atom + 2] * per;
        const left = (width / 2 + ax * x + ay * y + az * z + 0.5) | 0, top = (height / 2 + bx * x + by * y + bz * z + 0.5) | 0;
        if (left < 0 || top < 0 || left >= width || top >= height) continue;
        const depth = cx * x + cy * y + cz * z, bright = middle + gain * depth;
        const base = (top + rim) * wide + left + rim;
        for (let at = 0; at < steps.length; at += 1) {
          const index = base + steps[at], near = depth + out[at];
          if (near > depths[index]) { depths[index] = near; pixels[index] = colours[(light[at] * bright) | 0]; }
        }
      }
    }
    this.context.putImageData(image, -rim, -rim, rim, rim, width, height);
  }

  /* The cell's edges, and the beam. */
  box(width, height, ratio) {
    const { context, scale } = this;
    const [a, b, c] = this.atoms.cell.map((length) => length / 2);
    const at = (x, y, z) => this.axes.slice(0, 2).map(([u, v, w], row) => (u * x + v * y + w * z) * scale + (row ? height : width) / 2);
    const line = (from, to) => { context.moveTo(...at(...from)); context.lineTo(...at(...to)); };
    const style = getComputedStyle(this.canvas);
    context.strokeStyle = style.color;
    context.fillStyle = style.color;
    context.globalAlpha = 0.45;
    context.lineWidth = ratio;
    context.beginPath();
    for (const u of [-1, 1]) for (const v of [-1, 1]) {
      line([-a, u * b, v * c], [a, u * b, v * c]);
      line([u * a, -b, v * c], [u * a, b, v * c]);
      line([u * a, v * b, -c], [u * a, v * b, c]);
    }
    context.stroke();
    context.globalAlpha = 1;
    const long = Math.max(a, b, c) * 0.22;
    const [x0, y0] = at(0, 0, -c - 1.6 * long), [x1, y1] = at(0, 0, -c - 0.3 * long);
    const angle = Math.atan2(y1 - y0, x1 - x0), size = 5 * ratio;
    if (Math.hypot(x1 - x0, y1 - y0) < 2 * size) return; // seen along the beam
    context.lineWidth = 2 * ratio;
    context.beginPath();
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
    for (const side of [-0.5, 0.5]) { context.moveTo(x1, y1); context.lineTo(x1 - 2 * size * Math.cos(angle + side), y1 - 2 * size * Math.sin(angle + side)); }
    context.stroke();
    context.font = `${12 * ratio}px system-ui, sans-serif`;
    context.fillText("beam", x0 + 7 * ratio, y0 + 4 * ratio);
  }
}
