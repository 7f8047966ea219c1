"""How fast ``stemforge app`` answers, and how much memory it takes, without a browser.

python benchmarks/app.py                    # all of them
python benchmarks/app.py start              # from the command to the first answer
python benchmarks/app.py atoms              # atoms and statistics of an image of 512²
python benchmarks/app.py large              # pictures of an image of 4096²
python benchmarks/app.py many --images 40   # memory of the server and its workers over images of 2048²
python benchmarks/app.py users              # four sessions at once
"""

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from app_server import Memory, server, spots
from cyclopts import App

from stemforge.console import say

app = App()


@contextmanager
def open_session(address: str) -> Iterator[httpx.Client]:
    """Open a session."""
    with httpx.Client(base_url=address, timeout=300) as browser:
        browser.get("/api/session")
        yield browser


def drawn(size: int, seed: int = 0) -> bytes:
    """Return an image of spots as a TIFF file."""
    with tempfile.TemporaryDirectory() as folder:
        return spots(Path(folder) / "image.tif", size, seed).read_bytes()


def send(browser: httpx.Client, content: bytes, name: str = "image.tif") -> str:
    """Give a file to the server; return the image's id."""
    answer = browser.post("/api/images", files={"file": (name, content)})
    answer.raise_for_status()
    return str(answer.json()["id"])


def wait(browser: httpx.Client, image: str) -> dict[str, Any]:
    """Wait until the atoms of an image are known."""
    while True:
        found: dict[str, Any] = browser.get(f"/api/images/{image}").json()
        if found["status"] == "failed":
            raise SystemExit(found["error"])
        if found["status"] == "done":
            return found
        time.sleep(0.02)


@app.command
def start() -> None:
    """Print times from the command to the first answer [s]."""
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        with server() as (address, _, _):
            httpx.get(address + "api/session").raise_for_status()
            times.append(time.perf_counter() - begin)
    say("start to the first answer [s]: " + " ".join(f"{one:.2f}" for one in times))


@app.command
def atoms() -> None:
    """Print times until atoms and statistics of an image of 512² are known, the network warm [s]."""
    with server() as (address, _, _), open_session(address) as browser:
        wait(browser, send(browser, drawn(512)))
        times = []
        for seed in range(1, 8):
            content = drawn(512, seed)
            begin = time.perf_counter()
            wait(browser, send(browser, content))
            times.append(time.perf_counter() - begin)
        say(
            f"512² sent to atoms known, warm [s]: median {np.median(times):.2f}, longest {max(times):.2f}, of 7"
        )
        image = wait(browser, send(browser, drawn(512, 20)))
        browser.get(f"/api/images/{image['id']}/statistics")
        begin = time.perf_counter()
        browser.get(f"/api/images/{image['id']}/statistics").raise_for_status()
        say(f"statistics, warm [s]: {time.perf_counter() - begin:.2f}")


@app.command
def large() -> None:
    """Print times until pictures of an image of 4096² are there [s]."""
    with server() as (address, _, _), open_session(address) as browser:
        content = drawn(4096)
        begin = time.perf_counter()
        image = send(browser, content)
        middle = time.perf_counter()
        for level in (4, 2, 0):
            browser.get(f"/api/images/{image}/picture?level={level}").raise_for_status()
            say(f"4096²: level {level} {time.perf_counter() - begin:.2f} s after the drop")
        say(f"4096²: of these {middle - begin:.2f} s for sending and reading")


@app.command
def many(*, images: int = 8, size: int = 2048) -> None:
    """Print memory [MB] after each of many images that were sent at once: most so far, now, and of each process."""
    with server() as (address, process, _), open_session(address) as browser, Memory(process) as memory:
        content = drawn(size)
        names = [send(browser, content, f"{number}.tif") for number in range(images)]
        begin = time.perf_counter()
        for number, image in enumerate(names, start=1):
            wait(browser, image)
            each = [round(one) for one in memory.now().values()]
            say(
                f"{size}²: {number} images after {time.perf_counter() - begin:.0f} s: at most {memory.most:.0f} MB, "
                f"shared pages counted once {memory.once:.0f}; now {sum(each)}, of which the server's first {each}"
            )


@app.command
def users(*, people: int = 4, images: int = 6) -> None:
    """Let sessions send images at once, and print what a request takes meanwhile [s]."""
    with server() as (address, _, _):
        with open_session(address) as first:
            wait(first, send(first, drawn(256)))
        times, right = [], []

        def use(seed: int) -> None:
            with open_session(address) as browser:
                names = [send(browser, drawn(512, seed * 100 + n)) for n in range(images)]
                while True:
                    begin = time.perf_counter()
                    found = browser.get("/api/session").json()["images"]
                    browser.get(f"/api/images/{names[0]}/thumbnail").raise_for_status()
                    times.append((time.perf_counter() - begin) / 2)
                    if all(one["status"] == "done" for one in found):
                        break
                    time.sleep(0.1)
                right.append([one["id"] for one in found] == names)

        threads = [threading.Thread(target=use, args=(seed,)) for seed in range(people)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if right != [True] * people:
            raise SystemExit("a session was shown another one's images")
        say(
            f"{people} sessions of {images} images each: p95 of {len(times)} requests {np.quantile(times, 0.95):.3f} s"
        )


@app.default
def every() -> None:
    """Print all of them."""
    for measure in (start, atoms, large, many, users):
        measure()


if __name__ == "__main__":
    app()
