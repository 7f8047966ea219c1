/* The places of the page, one shown at a time: tabs in its head, the address that keeps the place on reload, and what
   each place is told. The scripts of a place are loaded when it is opened first. A place's module may export
   start(session), opened(), left(), changed(event), again(session), dropped(files), key(event), show(image). */
import { find, notice } from "./format.js";
import { session } from "./server.js";

export const FIRST = "atoms";
export const TITLES = { atoms: "Atoms", molecules: "Molecules", simulate: "Simulate", live: "Live" };
const NAMES = Object.keys(TITLES);
export const OF_IMAGES = [FIRST, "molecules"]; // that take files: their modules have dropped(files)

/* An image has changed its place: say where it is, and offer to open it. */
export const tellMoved = (image) =>
  notice(`${image.name} is in ${TITLES[image.place]} now.`, "Open it", () => dispatchEvent(new CustomEvent("image", { detail: image })));

export class Places {
  /* `moved(name)` is called whenever another place is shown. */
  constructor(moved) {
    Object.assign(this, { moved, current: FIRST, modules: new Map(), loading: new Map(), session: null });
    this.row = find("places");
    this.tabs = new Map(NAMES.map((name) => [name, find(`tab-${name}`)]));
    for (const [name, tab] of this.tabs) tab.addEventListener("click", () => this.open(name));
    this.row.addEventListener("keydown", (event) => this.walk(event));
  }

  /* The name of a place that the address asks for; null where it names none. */
  static named(hash) { return NAMES.includes(hash.slice(1)) ? hash.slice(1) : null; }

  get offered() { return NAMES.filter((name) => !this.tabs.get(name).hidden); }

  /* Called at the start and after each interruption: tabs for what the server has. */
  async offer(session) {
    const before = this.session;
    this.session = session;
    for (const [name, tab] of this.tabs) tab.hidden = name !== FIRST && !session.features.includes(name);
    this.row.hidden = this.offered.length < 2;
    if (before) for (const module of this.modules.values()) module.again?.(session);
    else await this.open(Places.named(location.hash) ?? FIRST);
  }

  async open(name) {
    const next = this.offered.includes(name) ? name : FIRST;
    const before = this.current;
    if (next !== before) this.modules.get(before)?.left?.();
    this.current = next;
    for (const [one, tab] of this.tabs) {
      tab.setAttribute("aria-selected", String(one === next));
      tab.tabIndex = one === next ? 0 : -1;
      find(`place-${one}`).hidden = one !== next;
    }
    document.body.dataset.place = next;
    if (next !== FIRST) history.replaceState(null, "", `#${next}`);
    if (next !== before) this.moved(next);
    if (next !== FIRST) await this.load(next);
  }

  async load(name) {
    try {
      const module = await this.loaded(name);
      if (this.current === name) module.opened?.();
    } catch (error) {
      notice(error.message); // it is tried again when the place is opened again
    }
  }

  /* The module of a place, once its script runs. */
  async loaded(name) {
    if (!this.modules.has(name)) await (this.loading.get(name)?.started ?? this.begin(name));
    return this.modules.get(name);
  }

  /* Until its script runs, nothing in a place can be pressed: forms would be sent, and what is pressed would be lost. */
  begin(name) {
    const early = []; // what changes meanwhile
    const start = async () => {
      const module = await import(`./${name}.js`);
      await module.start?.(await session()); // the images of now, not those of when the page was opened
      this.modules.set(name, module);
      find(`place-${name}`).inert = false;
      for (const event of early) module.changed?.(event);
    };
    const started = start().finally(() => this.loading.delete(name));
    this.loading.set(name, { started, early });
    return started;
  }

  /* The module of the place that is shown. */
  get module() { return this.modules.get(this.current); }

  changed(event) {
    for (const module of this.modules.values()) module.changed?.(event);
    for (const { early } of this.loading.values()) early.push(event);
  }

  walk(event) {
    const names = this.offered;
    const at = names.indexOf(this.current);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const name = names[(to + names.length) % names.length];
    this.open(name);
    this.tabs.get(name).focus();
  }
}
