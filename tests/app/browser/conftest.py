"""Pages of one server in Chromium, each with cookies of its own; hands that work on a page."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from stemforge.micrograph.writers import write_tiff

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SPOTS = 24
PATIENCE = 180_000  # for what a busy machine may delay [ms]


@pytest.fixture(scope="session")
def browser():
    """Chromium as the system has it."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if BROWSER is None:
        pytest.skip("no chromium here: it opens the page")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def address(start_server, tmp_path_factory):
    """Address of a server."""
    pytest.importorskip("fastapi")
    with start_server(tmp_path_factory.mktemp("app") / "kept") as server:
        yield server.address


@pytest.fixture(scope="session")
def entrance(address):
    """What is opened: the address, with its token where it needs one."""
    return address


@dataclass
class Hands:
    """What a user does, and what they read.

    Parameters
    ----------
    page
        In the browser.
    asked
        Addresses that were asked for.
    errors
        What the page's scripts complained of.
    """

    page: object
    asked: list
    errors: list

    def drop(self, *files):
        """Give files to the page, and wait until atoms were found on all images."""
        self.page.set_input_files("#files", [str(one) for one in files])
        self.wait(
            "document.querySelector('#list .done') && !document.querySelector('#list .waiting, #list .working')"
        )
        self.wait("!document.querySelector('#threshold').disabled")

    def wait(self, condition):
        """Wait until a condition holds in the page, whose policy forbids to have the page itself look."""
        end = time.monotonic() + PATIENCE / 1000
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, condition
            self.page.wait_for_timeout(30)

    def answer(self, name):
        """Text of one of the answers."""
        return self.page.locator(f"#answers [data-answer='{name}'] .value").inner_text()

    def count(self):
        """How many atoms the page says are in force."""
        return int(self.answer("Atoms"))

    def chosen(self):
        """Identity of the image that is shown."""
        return self.page.evaluate("location.hash.slice(1)")

    def stored(self, what="atoms"):
        """What the server has of the image that is shown."""
        path = f"/api/images/{self.chosen()}" + (f"/{what}" if what else "")
        return self.page.evaluate("path => fetch(path).then((one) => one.json())", path)

    def saved(self):
        """Wait until the server has all changes."""
        self.wait("document.querySelector('#saved').textContent === 'All changes are saved.'")

    def place(self, x, y):
        """Where a pixel of the image stands in the window, while all of it is shown."""
        rows, columns = self.stored("")["shape"]
        box = self.page.locator("#canvas").bounding_box()
        scale = min(box["width"] / columns, box["height"] / rows)
        left = box["x"] + (box["width"] - columns * scale) / 2
        top = box["y"] + (box["height"] - rows * scale) / 2
        return left + (x + 0.5) * scale, top + (y + 0.5) * scale

    def click(self, x, y):
        """Click on a pixel of the image."""
        self.page.mouse.click(*self.place(x, y))

    def tool(self, name):
        """Choose a tool."""
        self.page.click(f"#tools [data-tool={name}]")

    def threshold(self, value):
        """Move the slider."""
        self.page.locator("#threshold").fill(f"{value}")


@pytest.fixture
def open_page(browser, address, entrance):
    """Function that opens the page as somebody new, and holds that it asks nobody else and complains of nothing."""
    contexts, all_hands = [], []

    def open_one(width=1280, height=720, context=None, **settings):
        if context is None:
            context = browser.new_context(viewport={"width": width, "height": height}, **settings)
            context.set_default_timeout(PATIENCE)
            contexts.append(context)
        page = context.new_page()
        hands = Hands(page, [], [])
        all_hands.append(hands)
        page.on("request", lambda request: hands.asked.append(request.url))
        page.on("pageerror", lambda error: hands.errors.append(str(error)))
        page.goto(entrance)
        page.wait_for_selector("main:not([hidden])")
        return hands

    yield open_one
    for hands in all_hands:
        # An answer that a test replaces may be under way: its error would come up in the test that is next.
        if not hands.page.is_closed():
            hands.page.unroute_all(behavior="ignoreErrors")
    for context in contexts:
        context.close()
    for hands in all_hands:
        assert not [one for one in hands.asked if not one.startswith((address, "blob:" + address))]
        assert not hands.errors


@pytest.fixture(scope="session")
def serious():
    """Function that returns what axe finds on a page that is serious or critical."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")

    def find(page):
        found = axe.Axe().run(page).response["violations"]
        return [
            (one["id"], node["html"])
            for one in found
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]

    return find


@pytest.fixture(scope="session")
def spots(tmp_path_factory):
    """Function that writes an image with bright spots where atoms could be, and returns its file."""
    folder = tmp_path_factory.mktemp("images")

    def write(name="spots.tif", size=256, seed=0, sampling=0.3) -> Path:
        rng = np.random.default_rng(seed)
        yy, xx = np.mgrid[:size, :size]
        side = int(np.ceil(SPOTS**0.5))
        step = size / side
        image = rng.normal(100, 4, (size, size))
        for index in range(SPOTS):
            x, y = (np.array([index % side, index // side]) + 0.5) * step + rng.uniform(-4, 4, 2)
            image += rng.uniform(12, 40) * np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (2 * 4**2))
        path = folder / name
        write_tiff(path, image.astype(np.float32), sampling)
        return path

    return write
