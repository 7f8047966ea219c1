/* Files dropped, pasted or chosen go to the server, three at a time; what it refuses is said in sentences. */
import { upload } from "./server.js";
import { bytes, counted, element, find } from "./format.js";

const AT_ONCE = 3;
const NAMED = 6; // refusals that are written out

/* Files on their way to a place of the page. */
export class Sending {
  /* `arrived(image)` for each image that the server took, `trouble(text)` for what it refused; `line` says how far it is. */
  constructor(arrived, trouble, place = "atoms", line = "sending") {
    Object.assign(this, { arrived, trouble, place, line, limits: {}, waiting: [], busy: 0, sent: 0, total: 0, refused: [] });
    addEventListener("beforeunload", (event) => { if (this.busy) event.preventDefault(); });
  }

  add(files) {
    if (!this.busy) { this.sent = this.total = 0; this.refused = []; }
    const most = this.limits.upload_bytes;
    for (const file of files) {
      this.total += 1;
      if (most && file.size > most) this.refuse(file, `it has ${bytes(file.size)}, and ${bytes(most)} are allowed`);
      else this.waiting.push(file);
    }
    while (this.busy < AT_ONCE && this.waiting.length) this.next();
    this.progress();
  }

  async next() {
    this.busy += 1;
    while (this.waiting.length) {
      const file = this.waiting.shift();
      try {
        this.arrived(await this.send(file));
      } catch (error) {
        this.refuse(file, error.message);
      }
      this.sent += 1;
      this.progress();
    }
    this.busy -= 1;
    this.progress();
  }

  /* Of a stack the user says which image is meant. */
  async send(file) {
    try {
      return await upload(file, undefined, this.place);
    } catch (error) {
      if (!(error.frames > 1)) throw error;
      const chosen = Number(window.prompt(`${file.name} holds ${error.frames} images. Which one shall be added (1 to ${error.frames})?`, "1"));
      if (!(chosen >= 1 && chosen <= error.frames)) throw error;
      return upload(file, Math.round(chosen) - 1, this.place);
    }
  }

  refuse(file, reason) {
    this.refused.push(reason.startsWith(file.name) ? reason : `${file.name}: ${reason}`);
    const rest = this.refused.length - NAMED;
    const lines = this.refused.slice(0, NAMED);
    if (rest > 0) lines.push(`… and ${counted(rest, "other file")}`);
    this.trouble(`Not added:\n${lines.join("\n")}`);
  }

  progress() {
    const line = find(this.line);
    line.replaceChildren();
    if (!this.busy || this.total < 2) { line.textContent = this.busy ? "Reading the image …" : ""; return; }
    line.append(`Adding ${this.sent + 1} of ${this.total} …`, element("progress", { max: this.total, value: this.sent, ariaLabel: "Images added" }));
  }
}

/* What is dropped, pasted or chosen on the page; `elsewhere(files)` promises to say whether another place of it took that. */
export class Adding extends Sending {
  constructor(arrived, trouble, elsewhere) {
    super(arrived, trouble);
    this.elsewhere = elsewhere;
    const files = find("files");
    for (const id of ["add-images", "choose"]) find(id).addEventListener("click", () => files.click());
    files.addEventListener("change", () => { this.add([...files.files]); files.value = ""; });
    this.dropping();
    addEventListener("paste", (event) => { if (event.clipboardData?.files.length) this.given([...event.clipboardData.files]); });
  }

  dropping() {
    let depth = 0; // dragenter and dragleave come for each element crossed
    const veil = find("veil");
    const withFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    const end = () => { depth = 0; veil.hidden = true; };
    addEventListener("dragenter", (event) => { if (withFiles(event)) { depth += 1; veil.hidden = false; } });
    addEventListener("dragleave", () => { depth -= 1; if (depth <= 0) end(); });
    addEventListener("dragover", (event) => { if (withFiles(event)) event.preventDefault(); });
    addEventListener("drop", (event) => {
      event.preventDefault();
      end();
      this.given([...(event.dataTransfer?.files ?? [])]);
    });
  }

  async given(files) { if (!await this.elsewhere(files)) this.add(files); }
}
