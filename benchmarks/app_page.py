"""How fast the page of ``stemforge app`` is in a browser, and its pictures in the documents.

Needs Chromium and playwright.

python benchmarks/app_page.py times                # first page; dropped images: atoms of 512², 4096² shown; frames
python benchmarks/app_page.py many --images 100    # dropped at once: until all are worked on; memory of the server
python benchmarks/app_page.py simulate             # a slider of the place Simulate moved: until its image is drawn
python benchmarks/app_page.py pictures             # app-simulate.png
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from app_server import Memory, server, spots
from cyclopts import App
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from stemforge.console import say

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 300.0  # for one thing to happen [s]
FRAMES = """async () => {
  const canvas = document.querySelector("#canvas"), box = canvas.getBoundingClientRect(), times = [];
  const act = (name, x, y) => canvas.dispatchEvent(new PointerEvent(name,
    { pointerId: 1, button: 0, clientX: box.left + x, clientY: box.top + y, bubbles: true }));
  canvas.setPointerCapture = () => {};
  act("pointerdown", 400, 300);
  await new Promise((done) => {
    const step = (now) => {
      times.push(now);
      const turn = times.length / 12;
      act("pointermove", 400 + 180 * Math.cos(turn), 300 + 180 * Math.sin(turn));
      if (now - times[0] < 3000) requestAnimationFrame(step); else done();
    };
    requestAnimationFrame(step);
  });
  act("pointerup", 400, 300);
  const gaps = times.slice(1).map((one, index) => one - times[index]).sort((a, b) => a - b);
  const mean = 1000 * gaps.length / (times.at(-1) - times[0]);
  return { mean, slowest_twentieth: 1000 / gaps[Math.floor(0.95 * gaps.length)] };
}"""
app = App()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"needs one of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        yield opened
        opened.close()


def wait(page: Page, condition: str) -> float:
    """Wait until a condition holds in the page; return how long that took [s]."""
    start = time.perf_counter()
    while not page.evaluate(condition):
        if time.perf_counter() - start > PATIENCE:
            raise SystemExit(f"did not come: {condition}")
        page.wait_for_timeout(10)
    return time.perf_counter() - start


def drop(page: Page, path: Path, shown: str) -> float:
    """Give a file to the page; return how long it took until a condition held [s]."""
    start = time.perf_counter()
    page.set_input_files("#files", str(path))
    wait(page, shown)
    return time.perf_counter() - start


NAMED = "document.querySelector('#name').textContent === '%s' && "
DRAWN = NAMED + "document.querySelector('#canvas').dataset.shows === location.hash.slice(1)"
FOUND = NAMED + "!document.querySelector('#threshold').disabled"


@app.command
def times() -> None:
    """Print times [s] and frames a second."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name, chromium() as browser, server() as (address, _, started):
        folder = Path(name)
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(address)
        page.wait_for_selector("#start:not([hidden])")
        timing = "performance.getEntriesByType('navigation')[0].loadEventEnd / 1000"
        found |= {"server_starts": started, "page": page.evaluate(timing)}
        drop(page, spots(folder / "first.tif", 512), FOUND % "first.tif")
        runs = []
        for seed in range(1, 6):
            path = spots(folder / f"{seed}.tif", 512, seed)
            page.goto("about:blank")
            page.goto(f"{address}#none")
            wait(page, "document.querySelectorAll('#list li').length > 0")
            runs.append(drop_chosen(page, path, FOUND))
        found["atoms_512"] = {"median": float(np.median(runs)), "worst": max(runs)}
        found["shown_4096"] = drop_chosen(page, spots(folder / "large.tif", 4096), DRAWN)
        wait(page, FOUND % "large.tif")
        wait(page, "document.querySelector('#plots figure') !== null")
        found["atoms"] = page.inner_text("#answers [data-answer=Atoms] .value")
        found["frames_whole"] = page.evaluate(FRAMES)
        for zoomed in ("frames_half", "frames_pixels"):
            for _ in range(4):
                page.click("#zoom-in")
            page.wait_for_timeout(4000)
            found[zoomed] = page.evaluate(FRAMES)
    say(json.dumps(found, indent=2))


def drop_chosen(page: Page, path: Path, condition: str) -> float:
    """Give a file to a page that shows another image, choose it as soon as it is in the list; return the time [s]."""
    start = time.perf_counter()
    page.set_input_files("#files", str(path))
    wait(page, f"[...document.querySelectorAll('#list button')].some((one) => one.title === '{path.name}')")
    page.click(f"#list button[title='{path.name}']")
    wait(page, condition % path.name)
    return time.perf_counter() - start


JUDGED = """async () => {
  const session = await (await fetch("/api/session")).json();
  return session.images.filter((one) => one.verdict || one.reasons.length).length;
}"""


@app.command
def many(*, images: int = 100, size: int = 256) -> None:
    """Drop many images at once; print the time until all are there and worked on [s], and memory on the way [MB].

    Memory is the most at any moment so far, and at rest after all recordings were judged.
    """
    with tempfile.TemporaryDirectory() as name, chromium() as browser, server() as (address, process, _):
        paths = [str(spots(Path(name) / f"{index}.tif", size, index)) for index in range(images)]
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(address)
        start = time.perf_counter()
        page.set_input_files("#files", paths)
        wait(page, f"document.querySelectorAll('#list li').length === {images}")
        sent = time.perf_counter() - start
        with Memory(process) as memory:
            for number in sorted({max(1, round(images * tenth / 10)) for tenth in range(11)}):
                while page.locator("#list .done").count() < number:
                    page.wait_for_timeout(200)
                say(
                    f"{number} images after {time.perf_counter() - start:.0f} s: at most {memory.most:.0f} MB"
                )
            done = time.perf_counter() - start
            while page.evaluate(JUDGED) < images:
                page.wait_for_timeout(500)
            judged = time.perf_counter() - start
            page.wait_for_timeout(5000)
            rest = memory.now()
            say(f"processes, the server's first: at rest {[round(one) for one in rest.values()]} MB")
            say(f"most that each had: {memory.peaks()} MB")
        found = {"images": images, "sent": sent, "done": done, "judged": judged, "memory_mb": memory.most}
        say(json.dumps({**found, "shared_once_mb": memory.once, "at_rest_mb": sum(rest.values())}))


SIMULATED = "Number(document.querySelector('#sim-image').dataset.images ?? 0)"
TURNED = """async () => {
  const canvas = document.querySelector("#sim-structure"), begun = performance.now();
  const before = Number(canvas.dataset.drawn);
  await new Promise((done) => {
    const step = (now) => {
      canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft" }));
      if (now - begun < 3000) requestAnimationFrame(step); else done();
    };
    requestAnimationFrame(step);
  });
  return (1000 * (Number(canvas.dataset.drawn) - before)) / (performance.now() - begun);
}"""
SLIDERS = {
    "recording": ("dose", "source_size", "degradation.line_jitter"),
    "microscope": ("microscope.defocus", "microscope.C3", "focus"),
    "specimen": ("seed", "thickness", "density"),
    "scattering": ("energy", "outer", "inner", "semiangle"),
    "short waves": ("energy", "energy"),
}


def open_simulations(page: Page, address: str, rest: float = 0.0) -> float:
    """Open the page, and the place after a rest [s]; return the time from there to its first image [s]."""
    if rest:
        page.goto(address)
        wait(page, "!document.querySelector('#tab-simulate').hidden")
        page.wait_for_timeout(1000 * rest)
    start = time.perf_counter()
    if rest:
        page.click("#tab-simulate")
    else:
        page.goto(f"{address}#simulate")
    wait(page, f"{SIMULATED} > 0 && document.querySelector('#sim-structure').dataset.drawn !== undefined")
    wait(page, "document.querySelector('#sim-status').hidden")
    return time.perf_counter() - start


@app.command
def simulate(*, repeats: int = 3, rest: float = 10.0) -> None:
    """Print times from a slider's movement to its image of 256², 15 nm of carbon [s], and frames a second of atoms.

    Nothing is kept of earlier runs: each value of ``scattering`` and ``short waves`` (200 and 300 keV) is the first of
    its kind on the machine. The place is opened on three servers: on a machine that never simulated; again, both at
    once after the start; and ``rest`` seconds after the page, where the sliders are then moved.
    """
    with tempfile.TemporaryDirectory() as cache, chromium() as browser:
        os.environ["STEMFORGE_CACHE_DIR"] = cache
        found = {}
        for name in ("opened", "opened_again"):
            with server() as (address, _, _):
                found[name] = open_simulations(browser.new_page(), address)
        found |= _simulated(browser, repeats, rest)
    say(json.dumps(found, indent=2))


def _simulated(browser: Browser, repeats: int, rest: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with server() as (address, _, _):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        found["opened_after_a_rest"] = open_simulations(page, address, rest)
        for group, names in SLIDERS.items():
            runs = []
            for name in names * (1 if group == "short waves" else repeats):
                before = page.evaluate(SIMULATED)
                page.focus(f".control:not([hidden]) [data-name='{name}']")
                start = time.perf_counter()
                page.keyboard.press("ArrowRight")
                wait(page, f"{SIMULATED} > {before}")
                runs.append(time.perf_counter() - start)
                wait(page, "document.querySelector('#sim-status').hidden")
            found[group] = {"median": float(np.median(runs)), "worst": max(runs), "runs": len(runs)}
        found["atoms"] = page.inner_text("#sim-drawn")
        found["frames"] = page.evaluate(TURNED)
    return found


@app.command
def pictures(*, out: Path = Path("docs/images")) -> None:
    """Draw the picture of the place Simulate in the documents; app_walk.py draws those of Atoms."""
    with chromium() as browser, server() as (address, _, _):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        open_simulations(page, address)
        page.locator(".control:not([hidden]) [data-name=source_size]").scroll_into_view_if_needed()
        page.hover(".control:not([hidden]):has([data-name=dose]) label")
        page.wait_for_timeout(300)
        picture(page, out / "app-simulate.png")


def mask(page: Page) -> None:
    """Mask a corner of the image that is shown."""
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    page.click("#tools [data-tool=mask]")
    for x, y in ((0.64, 0.04), (0.83, 0.04), (0.83, 0.3), (0.72, 0.26)):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.keyboard.press("Enter")


def picture(page: Page, path: Path) -> None:
    """Write what the page shows as a PNG of 256 colours, greys for images and as many for what is drawn on them."""
    with tempfile.TemporaryDirectory() as name:
        page.screenshot(path=f"{name}/page.png")
        shown = Image.open(f"{name}/page.png").convert("RGB")
    pixels = np.asarray(shown).reshape(-1, 3)
    coloured = pixels[np.ptp(pixels.astype(int), axis=1) > 16]
    colours = Image.fromarray(coloured[None]).quantize(128).getpalette() or []
    greys = np.linspace(0, 255, 128).astype(int).repeat(3).tolist()
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours[: 3 * 128] + greys)
    shown.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)
    say(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    app()
