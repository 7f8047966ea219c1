"""How long the place of molecules of ``stemforge app`` takes, and its picture in the documents.

Needs Chromium and playwright.

python benchmarks/app_molecules.py                # simulating both samples; each until restored and its channels told
python benchmarks/app_molecules.py --out FOLDER   # draws app-molecules.png elsewhere than in docs/images
"""

import json
import time
from pathlib import Path
from typing import Any

from app_page import chromium, picture, wait
from app_server import server
from cyclopts import App
from playwright.sync_api import Page

from stemforge.console import say

DONE = "document.querySelectorAll('#m-list .done').length === %d"
ANSWERED = "document.querySelectorAll('#m-groups .answer').length > 8"
DRAWN = "document.querySelector('#m-canvas').dataset.restored"
app = App()


def sample(page: Page, number: int, button: str) -> dict[str, Any]:
    """Ask for a sample; return how long it took to simulate it, and then to look at it [s], and what was found."""
    start = time.perf_counter()
    page.click(button)
    wait(page, f"document.querySelectorAll('#m-list li').length === {number}")
    simulated = time.perf_counter() - start
    wait(page, DONE % number)
    done = time.perf_counter() - start
    wait(page, ANSWERED)
    wait(page, DRAWN)
    names = ("Filled", "Empty", "Open", "Boxes")
    found = {one: page.inner_text(f"#m-groups [data-answer={one}] .value") for one in names}
    return {"simulated": simulated, "looked_at": done - simulated, **found}


@app.default
def measure(*, out: Path = Path("docs/images")) -> None:
    """Print times [s] and what was found on both samples, and draw the picture."""
    with chromium() as browser, server() as (address, _, _):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(f"{address}#molecules")
        page.wait_for_selector("#m-start:not([hidden])")
        found = {"pyridine": sample(page, 1, "#m-sample"), "empty": sample(page, 2, "#m-sample-more")}
        page.click("#m-list li:has-text('pyridine') button")
        wait(page, ANSWERED)
        wait(page, DRAWN)
        page.click("#m-boxes")
        page.hover("#m-groups [data-answer=Open]")
        picture(page, out / "app-molecules.png")
        found["pyridine again"] = sample(page, 3, "#m-sample-more")
        say(json.dumps(found, indent=2))


if __name__ == "__main__":
    app()
