"""Four people at one ``stemforge app`` at once, each in a browser: how long a click takes, and who sees what.

Needs Chromium and playwright.

python benchmarks/app_users.py            # 6 images of 512² each, then clicks while the images are worked on
"""

import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from app_page import DRAWN, chromium, wait
from app_server import server, spots
from cyclopts import App
from playwright.sync_api import Page

from stemforge.console import say

SAVED = "document.querySelector('#saved').textContent === 'All changes are saved.'"
READY = "!document.querySelector('#threshold').disabled"
app = App()


def clicks(page: Page, names: list[str], number: int) -> list[tuple[str, float]]:
    """Choose images, add atoms and move the slider in turn; return how long each took to be shown, or kept [s]."""
    times = []
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    for step in range(number):
        name = names[step % 2]
        start = time.perf_counter()
        page.click(f"#list button[title='{name}']")
        wait(page, DRAWN % name)
        times.append(("choose", time.perf_counter() - start))
        wait(page, READY)
        start = time.perf_counter()
        page.click("#tools [data-tool=add]")
        page.mouse.click(box["x"] + box["width"] / 2 + 8 * step, box["y"] + 20)
        wait(page, SAVED)
        times.append(("add", time.perf_counter() - start))
        before = page.inner_text("#answers [data-answer=Atoms] .value")
        start = time.perf_counter()
        page.locator("#threshold").fill("0.95" if step % 4 < 2 else "0.2")
        wait(page, f"document.querySelector('#answers [data-answer=Atoms] .value').innerText !== '{before}'")
        times.append(("slider", time.perf_counter() - start))
        wait(page, SAVED)
    return times


def work(
    address: str, folder: Path, user: int, images: int, number: int
) -> tuple[list[tuple[str, float]], list[str]]:
    """Be one of the users; return the times of clicks, and the names of all images that the page lists."""
    names = [f"user{user}-{index}.tif" for index in range(images)]
    paths = [spots(folder / name, 512, 100 * user + index) for index, name in enumerate(names)]
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(address)
        page.wait_for_selector("#start:not([hidden])")
        # Two are ready before the first click; the others are worked on beside the clicks.
        page.set_input_files("#files", list(map(str, paths[:2])))
        wait(page, "document.querySelectorAll('#list .done').length === 2")
        page.set_input_files("#files", list(map(str, paths[2:])))
        times = clicks(page, names[:2], number)
        wait(page, f"document.querySelectorAll('#list .done').length === {images}")
        return times, [one.get_attribute("title") or "" for one in page.locator("#list button").all()]


@app.default
def users(*, number: int = 4, images: int = 6, rounds: int = 8) -> None:
    """Print the times of clicks [s], and how many images anybody saw of somebody else's."""
    with (
        tempfile.TemporaryDirectory() as name,
        server() as (address, _, _),
        ThreadPoolExecutor(number) as pool,
    ):
        jobs = [pool.submit(work, address, Path(name), user, images, rounds) for user in range(number)]
        results = [job.result() for job in jobs]
    times = [one for result in results for one in result[0]]
    foreign = sum(
        not title.startswith(f"user{user}-") for user, (_, titles) in enumerate(results) for title in titles
    )
    found = {
        kind: {
            "median": float(np.median(values)),
            "p95": float(np.quantile(values, 0.95)),
            "number": len(values),
        }
        for kind in ("choose", "add", "slider")
        for values in [[seconds for what, seconds in times if what == kind]]
    }
    found["all"] = {"p95": float(np.quantile([seconds for _, seconds in times], 0.95)), "number": len(times)}
    listed = sum(len(titles) for _, titles in results)
    say(json.dumps(found | {"images_listed": listed, "of_somebody_else": foreign}, indent=2))


if __name__ == "__main__":
    app()
