/* Results of all images together: what can be asked for, jobs with their progress, files to take away. */
import { listJobs, removeJob, startJob } from "./server.js";
import { bytes, element, find, say } from "./format.js";

const KINDS = {
  report: ["Report", "One page with figures, methods and all numbers."],
  zip: ["ZIP", "Images, tables and pictures with all corrections, in one file."],
  labels: ["Labels", "Your corrected atoms as labels, to train on."],
  "fine-tune": ["Fine-tune", "Teach the detector by your corrections. It takes minutes."],
};
const UNDER_WAY = ["waiting", "working"];

export class Results {
  constructor() {
    this.jobs = [];
    this.asked = 0;
    this.panel = find("results");
    this.button = find("results-button");
    this.button.addEventListener("click", () => this.open(this.panel.hidden));
    addEventListener("pointerdown", (event) => {
      if (!this.panel.hidden && !this.panel.contains(event.target) && !this.button.contains(event.target)) this.open(false);
    });
  }

  open(on) {
    this.panel.hidden = !on;
    this.button.setAttribute("aria-expanded", String(on));
  }

  /* How many detectors were trained further. */
  get trained() { return this.jobs.filter((job) => job.kind === "fine-tune" && job.status === "done").length; }

  offer(features) {
    const offered = Object.keys(KINDS).filter((kind) => features.includes(kind));
    find("kinds").replaceChildren(...offered.map((kind) => {
      const [label, text] = KINDS[kind];
      const button = element("button", { type: "button" }, label);
      button.dataset.kind = kind;
      button.addEventListener("click", () => this.start(kind, button));
      return element("div", {}, button, element("span", { class: "hint" }, text));
    }));
    this.offered = offered.length > 0;
  }

  async start(kind, button) {
    const problem = find("results-error");
    say(problem, "");
    button.disabled = true;
    try {
      this.update(await startJob(kind, null));
    } catch (error) {
      say(problem, error.message);
    } finally {
      button.disabled = false;
    }
  }

  async refresh() {
    this.asked += 1;
    const place = this.asked;
    try {
      const jobs = await listJobs();
      if (place === this.asked) this.show(jobs); // an older answer that comes late is none
    } catch (error) {
      say(find("results-error"), error.message);
    }
  }

  update(job) { this.show([job, ...this.jobs.filter((other) => other.id !== job.id)]); }

  show(jobs) {
    this.jobs = [...jobs].sort((a, b) => String(b.created).localeCompare(String(a.created), undefined, { numeric: true }));
    const running = this.jobs.filter((job) => UNDER_WAY.includes(job.status)).length;
    const sign = find("running");
    sign.hidden = !running;
    sign.textContent = String(running);
    sign.setAttribute("aria-label", `${running} under way`);
    const focused = document.activeElement?.dataset?.job;
    find("jobs").replaceChildren(...this.jobs.map((job) => this.row(job)));
    if (focused) find("jobs").querySelector(`[data-job="${CSS.escape(focused)}"]`)?.focus();
  }

  row(job) {
    const [label] = KINDS[job.kind] ?? [job.kind];
    const running = UNDER_WAY.includes(job.status);
    const button = element("button", { type: "button", ariaLabel: `${running ? "Stop" : "Remove"} ${label}` }, running ? "Stop" : "Remove");
    button.dataset.job = job.id;
    button.addEventListener("click", async () => {
      try { await removeJob(job.id); } catch (error) { say(find("results-error"), error.message); }
      this.refresh();
    });
    const row = element("li", {}, element("b", {}, label), button);
    if (running) {
      const bar = element("progress", { max: 1, ariaLabel: `${label}: progress` });
      if (Number.isFinite(job.progress)) bar.value = job.progress;
      row.append(bar);
    }
    if (job.message) row.append(element("p", { class: job.status === "failed" ? "error" : "hint" }, job.message));
    if (job.files?.length) row.append(this.files(job.files));
    return row;
  }

  files(files) {
    const list = element("p", { class: "files" });
    for (const file of files) {
      const link = element("a", {}, file.name);
      const page = file.name.endsWith(".html");
      if (file.url.startsWith("/api/")) link.href = page ? `${file.url}?show=true` : file.url;
      if (page) link.target = "_blank"; else link.download = file.name;
      link.rel = "noopener";
      list.append(element("span", {}, link, Number.isFinite(file.bytes) ? ` ${bytes(file.bytes)}` : ""));
    }
    return list;
  }
}
