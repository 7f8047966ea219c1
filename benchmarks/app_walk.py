"""Ten actions of who opens ``stemforge app`` for the first time: each timed, with the documents' pictures.

Needs Chromium and playwright.

python benchmarks/app_walk.py                               # three simulated images; times of actions [s]
python benchmarks/app_walk.py a.dm4 b.dm4 --pixel-size 0.3  # others, whose pixel size is corrected [Å]
python benchmarks/app_walk.py --pictures docs/images        # and app-start.png, app-atoms.png, app-results.png
"""

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app_page import chromium, mask, picture, wait
from app_server import server
from cyclopts import App
from playwright.sync_api import Page

from stemforge.app.analysis.samples import write_atoms
from stemforge.console import say
from stemforge.micrograph.readers import read_micrograph
from stemforge.micrograph.writers import write_tiff

SIZE = (1280, 720)
SAMPLING = 0.293  # of the samples [Å]
WRONG = 0.36  # what their files say, as of a microscope that was calibrated for another magnification [Å]
FRESH = "!document.querySelector('#answers.old') && document.querySelector('#answers [data-answer=Density]')"
SAVED = "document.querySelector('#saved').textContent === 'All changes are saved.'"
app = App()


class Walk:
    """A page, and how long each action on it took.

    Parameters
    ----------
    page
        In the browser.
    pictures
        Folder for pictures; without it none is made.
    """

    def __init__(self, page: Page, pictures: Path | None) -> None:
        self.page = page
        self.pictures = pictures
        self.times: dict[str, float] = {}

    @contextmanager
    def action(self, name: str) -> Iterator[None]:
        """Time an action, of which all that it is to bring is waited for."""
        start = time.perf_counter()
        yield
        self.times[name] = round(time.perf_counter() - start, 2)

    def wait(self, condition: str) -> None:
        """Wait until a condition holds in the page."""
        wait(self.page, condition)

    def picture(self, name: str) -> None:
        """Keep what the page shows."""
        if self.pictures is not None:
            picture(self.page, self.pictures / name)

    def stored(self, path: str) -> Any:
        """What the server answers."""
        return self.page.evaluate("path => fetch(path).then((one) => one.json())", path)

    def atoms(self) -> Any:
        """Candidates and corrections of the image that is shown."""
        return self.stored(f"/api/images/{self.page.evaluate('location.hash.slice(1)')}/atoms")

    def count(self) -> int:
        """How many atoms the page counts."""
        return int(self.page.inner_text("#answers [data-answer=Atoms] .value"))

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel of the image stands in the window, while all of it is shown."""
        rows, columns = self.stored(f"/api/images/{self.page.evaluate('location.hash.slice(1)')}")["shape"]
        box = self.page.locator("#canvas").bounding_box()
        assert box is not None
        scale = min(box["width"] / columns, box["height"] / rows)
        left = box["x"] + (box["width"] - columns * scale) / 2
        top = box["y"] + (box["height"] - rows * scale) / 2
        return left + (x + 0.5) * scale, top + (y + 0.5) * scale

    def job(self, kind: str) -> str:
        """Have a result made of all images; return what its first file is called."""
        before = {one["id"] for one in self.stored("/api/jobs")}
        self.page.click(f"#kinds [data-kind={kind}]")
        while True:
            made = [one for one in self.stored("/api/jobs") if one["id"] not in before]
            if made and made[0]["status"] not in ("waiting", "working"):
                break
            self.page.wait_for_timeout(100)
        if made[0]["status"] != "done":
            raise SystemExit(f"{kind}: {made[0]['message']}")
        return str(made[0]["files"][0]["name"])


def correct(walk: Walk, sampling: float) -> None:
    """Correct the image that is shown: its scale, an area, single atoms, the threshold."""
    page = walk.page
    with walk.action("scale"):
        page.fill("#pixel-size", f"{sampling / 10:g}")
        page.click("#set-scale")
        walk.wait("document.querySelector('#pixel-source').textContent === 'as you set it'")
        page.click("#scale-all")
        walk.wait("!document.querySelector('#list .waiting, #list .working')")
        walk.wait("!document.querySelector('#threshold').disabled")
    with walk.action("mask"):
        mask(page)
        walk.wait(SAVED)
    atoms, before = walk.atoms(), walk.count()
    # Far enough from the others that a click means this one, and outside of the mask, which is at the right above.
    places = list(zip(atoms["x"], atoms["y"], atoms["likelihood"], strict=True))
    lonely = [
        (x, y)
        for x, y, likelihood in places
        if likelihood >= atoms["edits"]["threshold"]
        and x < 0.6 * max(atoms["x"])
        and sum((x - u) ** 2 + (y - v) ** 2 < 400 for u, v, _ in places) == 1
    ]
    if len(lonely) < 2:
        raise SystemExit("the image shows fewer than two atoms that stand alone")
    with walk.action("delete two"):
        page.click("#tools [data-tool=delete]")
        for x, y in lonely[:2]:
            page.mouse.click(*walk.place(x, y))
        walk.wait(SAVED)
    with walk.action("add one"):
        page.click("#tools [data-tool=add]")
        page.mouse.click(*walk.place(*lonely[0]))
        walk.wait(SAVED)
    if walk.count() != before - 1:
        raise SystemExit(f"two deleted of {before} and one added make {walk.count()}")
    with walk.action("threshold"):
        page.locator("#threshold").fill("0.9")
        strict = walk.count()
        page.click("#suggested")
        walk.wait(SAVED)
    if not strict < walk.count() == before - 1:
        raise SystemExit(f"{strict} atoms from a likelihood of 0.9 on, {walk.count()} as suggested")


def conclude(walk: Walk) -> None:
    """Read the numbers, and have a report, a ZIP file and a detector made."""
    page = walk.page
    with walk.action("statistics"):
        walk.wait(FRESH)
        walk.wait("document.querySelector('#plots figure') !== null")
        page.hover("#answers [data-answer=Density]")
    walk.wait("document.querySelector('#instruction').hidden")
    walk.picture("app-atoms.png")
    page.click("#results-button")
    with walk.action("report"):
        name = walk.job("report")
        with page.context.expect_page() as opened:
            page.locator("#jobs a", has_text=name).first.click()
        opened.value.wait_for_selector("figure.overlay")
        opened.value.close()
    with walk.action("zip"), page.expect_download() as download:
        page.locator("#jobs a", has_text=walk.job("zip")).first.click()
    if download.value.path().stat().st_size < 10_000:
        raise SystemExit("the ZIP file holds no images")
    detectors = page.locator("#detector option").count()
    with walk.action("fine-tune"):
        walk.job("fine-tune")
        walk.wait(f"document.querySelectorAll('#detector option').length === {detectors + 1}")
    walk.picture("app-results.png")


@app.default
def walk(*images: Path, pixel_size: float = SAMPLING, pictures: Path | None = None) -> None:
    """Go through the page as somebody new, and print how long each action took.

    Parameters
    ----------
    images
        Files to drop; three simulated ones are made where none is named.
    pixel_size
        To which their pixel size is corrected [Å].
    pictures
        Folder for the pictures of the documents.
    """
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name, chromium() as browser, server() as (address, _, _):
        files = list(images)
        for number in () if files else range(3):
            files.append(Path(name) / f"sample-{number + 1}.tif")
            write_atoms(number, str(files[-1]))
            write_tiff(files[-1], read_micrograph(files[-1]).image, WRONG)
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
        page.on("pageerror", lambda error: say(f"error in the page: {error}"))
        page.goto(address)
        page.wait_for_selector("#start:not([hidden])")
        steps = Walk(page, pictures)
        steps.picture("app-start.png")
        with steps.action("drop"):
            page.set_input_files("#files", list(map(str, files)))
            steps.wait(f"document.querySelectorAll('#list .done').length === {len(files)}")
            steps.wait("!document.querySelector('#threshold').disabled")
        correct(steps, pixel_size)
        conclude(steps)
    say(json.dumps(steps.times | {"all": round(time.perf_counter() - start, 1)}, indent=2))


if __name__ == "__main__":
    app()
