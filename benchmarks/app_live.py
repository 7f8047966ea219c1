"""How fast the place Live of ``stemforge app`` shows what a microscope writes, and its picture in the documents.

Needs Chromium and playwright.

python benchmarks/app_live.py times --images 10   # file finished: to its atoms on the page, to its verdict
python benchmarks/app_live.py pictures            # app-live.png, of simulated samples
"""

import os
import tempfile
import time
from pathlib import Path

import numpy as np
from app_page import chromium, picture, wait
from app_server import server, spots
from cyclopts import App
from playwright.sync_api import Page
from scipy import ndimage

from stemforge import read_micrograph
from stemforge.app.analysis import samples
from stemforge.console import say
from stemforge.micrograph.writers import write_tiff

NAMED = "document.querySelector('#live-name').textContent === '%s' && "
NEWEST = "document.querySelector('#live-strip [data-image]')?.dataset.image"
ATOMS = f"{NAMED}document.querySelector('#live-canvas').dataset.atoms === {NEWEST}"
JUDGED = f"{NAMED}Boolean(document.querySelector('#live-verdict .badge'))"
app = App()


def watch(page: Page, address: str) -> None:
    """Open the place and begin to watch."""
    page.goto(address)
    page.click("#tab-live")
    wait(page, "document.querySelectorAll('#live-folder option').length > 0")
    page.click("#live-start")
    wait(page, "!document.querySelector('#live-stop').hidden")


@app.command
def times(*, images: int = 10, size: int = 512) -> None:
    """Print times from a file's end to its atoms on the page and to its verdict [s], after one image to warm up."""
    atoms, verdicts = [], []
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name) / "microscope"
        folder.mkdir()
        with server("--watch-folder", str(folder)) as (address, _, _):
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            watch(page, address)
            for index in range(images + 1):
                made = spots(Path(name) / f"{index}.tif", size, index)
                start = time.perf_counter()
                made.rename(folder / made.name)
                wait(page, ATOMS % made.name)
                atoms.append(time.perf_counter() - start)
                wait(page, JUDGED % made.name)
                verdicts.append(time.perf_counter() - start)
    for what, found in (("atoms on the page", atoms[1:]), ("verdict", verdicts[1:])):
        say(
            f"file finished to {what}: median {np.median(found):.2f} s, longest {max(found):.2f} s, of {images}"
        )
    say(
        f"first image, cold: atoms {atoms[0]:.2f} s, verdict {verdicts[0]:.2f} s; load {os.getloadavg()[0]:.1f}"
    )


@app.command
def pictures(*, out: Path = Path("docs/images")) -> None:
    """Draw the picture of the documents."""
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name) / "microscope"
        folder.mkdir()
        with server("--watch-folder", str(folder)) as (address, _, _):
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            watch(page, address)
            for index, (number, blur) in enumerate([(0, 0), (1, 0), (2, 6), (1, 0), (0, 0), (2, 0)]):
                file = _sample(Path(name), number, blur, f"scan_{index + 1:03d}.tif", turn=index in (3, 4))
                file.rename(folder / file.name)
                wait(page, JUDGED % file.name)
                if index == 3:
                    (folder / "scan_005_half.tif").write_bytes(b"II*\0 half a file")
            wait(page, "document.querySelector('#live-strip').textContent.includes('half')")
            page.mouse.move(5, 5)
            picture(page, out / "app-live.png")


def _sample(folder: Path, number: int, blur: float, name: str, turn: bool) -> Path:
    """Write a simulated image, turned about, or blurred and with noise where wished."""
    path = folder / name
    samples.write_atoms(number, str(path))
    micrograph = read_micrograph(path)
    if turn:
        write_tiff(path, micrograph.image[::-1, ::-1], micrograph.sampling)
    if blur:
        blurred = ndimage.gaussian_filter(micrograph.image, blur)
        noise = np.random.default_rng(number).normal(0, 0.3 * micrograph.image.std(), blurred.shape)
        write_tiff(path, (blurred + noise).astype(np.float32), micrograph.sampling)
    return path


if __name__ == "__main__":
    app()
