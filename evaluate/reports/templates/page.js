(() => {
  "use strict";
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  /* One small sign for all images: what a circle stands for. Text only: nothing of it is read as markup. */
  const tooltip = document.createElement("div");
  tooltip.id = "tooltip";
  tooltip.hidden = true;
  document.body.append(tooltip);
  const tell = (circle, event) => {
    const score = circle.dataset.score;
    const place = `x ${circle.getAttribute("cx")}, y ${circle.getAttribute("cy")} px`;
    tooltip.textContent = score === undefined ? place : `likelihood ${score} · ${place}`;
    tooltip.hidden = false;
    const left = Math.min(event.clientX + 14, innerWidth - tooltip.offsetWidth - 6);
    const top = event.clientY + 14 + tooltip.offsetHeight > innerHeight ? event.clientY - 14 - tooltip.offsetHeight : event.clientY + 14;
    tooltip.style.left = `${left}px`;
    tooltip.style.top = `${top}px`;
  };

  /* The longest of 1, 2, 5, 10 … that is at most a quarter of what is in view. */
  const round = (most) => {
    const step = 10 ** Math.floor(Math.log10(most));
    return [5, 2, 1].find((one) => one * step <= most) * step;
  };

  const view = (figure) => {
    const frame = figure.querySelector(".view");
    const svg = frame.querySelector("svg");
    const bar = frame.querySelector(".bar");
    const button = frame.querySelector(".enlarge");
    const width = Number(figure.dataset.width);
    const height = Number(figure.dataset.height);
    const sampling = Number(figure.dataset.sampling) || 0;
    const perPixel = sampling ? sampling / 10 : 1;
    const largest = Math.max(8, Math.min(width, height) / 12);
    let x = 0, y = 0, zoom = 1;
    const pointers = new Map();

    const draw = () => {
      const w = width / zoom, h = height / zoom;
      x = Math.min(Math.max(x, 0), width - w);
      y = Math.min(Math.max(y, 0), height - h);
      svg.setAttribute("viewBox", `${x} ${y} ${w} ${h}`);
      const length = round((w * perPixel) / 4);
      bar.style.width = `${(100 * length) / (w * perPixel)}%`;
      bar.firstElementChild.textContent = `${Number(length.toPrecision(1))} ${sampling ? "nm" : "px"}`;
      frame.classList.toggle("zoomed", zoom > 1 || figure.classList.contains("large"));
    };
    const place = (clientX, clientY) => {
      const box = frame.getBoundingClientRect();
      return [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
    };
    /* Zoom so that what is under (u, v), in shares of the frame, stays there. */
    const scale = (factor, u = 0.5, v = 0.5) => {
      const next = Math.min(Math.max(zoom * factor, 1), largest);
      x += (u * width) / zoom - (u * width) / next;
      y += (v * height) / zoom - (v * height) / next;
      zoom = next;
      draw();
    };
    const reset = () => { x = y = 0; zoom = 1; draw(); };
    const enlarge = (on) => {
      figure.classList.toggle("large", on);
      document.body.classList.toggle("covered", on);
      button.textContent = on ? "Close" : "⤢";
      reset();
      frame.focus({ preventScroll: true });
    };

    frame.tabIndex = 0;
    figure.style.setProperty("--ratio", String(width / height));
    button.hidden = false;
    button.addEventListener("click", () => enlarge(!figure.classList.contains("large")));
    frame.addEventListener("wheel", (event) => {
      /* Of an image that was not chosen the wheel moves the page. */
      if (!event.ctrlKey && document.activeElement !== frame && !figure.classList.contains("large")) return;
      event.preventDefault();
      scale(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0018)), ...place(event.clientX, event.clientY));
    }, { passive: false });
    frame.addEventListener("pointerdown", (event) => {
      if (event.target === button) return;
      frame.focus({ preventScroll: true });
      pointers.set(event.pointerId, event);
      if (zoom > 1 || pointers.size > 1) frame.setPointerCapture(event.pointerId);
    });
    frame.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) {
        if (event.target.tagName === "circle") tell(event.target, event); else tooltip.hidden = true;
        return;
      }
      const box = frame.getBoundingClientRect();
      if (pointers.size === 2) {
        const other = [...pointers.values()].find((one) => one.pointerId !== event.pointerId);
        const distance = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
        scale(distance(event) / Math.max(distance(before), 1), ...place((event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2));
      } else if (zoom > 1) {
        frame.classList.add("dragged");
        x -= ((event.clientX - before.clientX) / box.width) * (width / zoom);
        y -= ((event.clientY - before.clientY) / box.height) * (height / zoom);
        draw();
      }
      pointers.set(event.pointerId, event);
    });
    const release = (event) => { pointers.delete(event.pointerId); frame.classList.remove("dragged"); };
    for (const name of ["pointerup", "pointercancel"]) frame.addEventListener(name, release);
    frame.addEventListener("pointerleave", () => { tooltip.hidden = true; });
    frame.addEventListener("click", (event) => { if (event.target.tagName === "circle") tell(event.target, event); });
    frame.addEventListener("dblclick", (event) => { if (event.target !== button) reset(); });
    frame.addEventListener("keydown", (event) => {
      const step = 0.15 / zoom;
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      if (event.key === "+" || event.key === "=") scale(1.3);
      else if (event.key === "-") scale(1 / 1.3);
      else if (event.key === "0") reset();
      else if (event.key === "Escape" && figure.classList.contains("large")) enlarge(false);
      else if (moves[event.key] && zoom > 1) {
        x += moves[event.key][0] * step * width;
        y += moves[event.key][1] * step * height;
        draw();
      } else return;
      event.preventDefault();
    });
    addEventListener("beforeprint", () => { if (figure.classList.contains("large")) enlarge(false); reset(); });
    draw();
  };

  const choose = () => {
    const tools = document.querySelector(".tools");
    if (!tools) return;
    const circles = all(".overlay circle");
    const scores = circles.map((one) => Number(one.dataset.score ?? NaN));
    const known = scores.filter(Number.isFinite);
    const slider = document.getElementById("likelihood");
    const show = () => {
      const least = Number(slider.value);
      let shown = 0;
      circles.forEach((circle, index) => {
        const hidden = scores[index] < least;
        circle.style.display = hidden ? "none" : "";
        shown += hidden ? 0 : 1;
      });
      document.getElementById("likelihood-value").textContent = least.toFixed(2);
      document.getElementById("shown").textContent = `${shown} of ${circles.length} atoms`;
    };
    if (known.length) {
      slider.min = slider.value = String(Math.floor(100 * known.reduce((a, b) => Math.min(a, b))) / 100);
      slider.addEventListener("input", show);
    } else {
      slider.parentElement.hidden = true;
    }
    document.getElementById("circles").addEventListener("change", (event) => {
      for (const group of all(".overlay .atoms")) group.style.display = event.target.checked ? "" : "none";
    });
    tools.hidden = false;
    show();
  };

  const sortable = (table) => {
    const body = table.tBodies[0];
    const value = (row, column) => {
      const cell = row.cells[column];
      return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
    };
    const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b
      : typeof a === "number" ? -1 : typeof b === "number" ? 1 : a.localeCompare(b, undefined, { numeric: true });
    all("thead th", table).forEach((header, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.title = "Sort";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => {
        const up = header.getAttribute("aria-sort") !== "ascending";
        all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
        header.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...body.rows].sort((a, b) => (up ? 1 : -1) * compare(value(a, column), value(b, column)));
        body.append(...rows);
      });
    });
  };

  const copy = (button) => {
    const source = document.getElementById(button.dataset.copies);
    const select = () => {
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
    };
    button.hidden = false;
    button.addEventListener("click", async () => {
      let done = false;
      try {
        await navigator.clipboard.writeText(source.innerText.trim());
        done = true;
      } catch {
        select();
        done = document.execCommand("copy");
      }
      button.textContent = done ? "Copied" : "Press Ctrl-C";
      setTimeout(() => { button.textContent = "Copy"; }, 2500);
    });
  };

  all(".overlay").forEach(view);
  choose();
  all("table.sortable").forEach(sortable);
  all("button.copy").forEach(copy);
})();
