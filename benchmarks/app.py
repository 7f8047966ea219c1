"""How fast `stemforge app` answers, and how much memory it takes: start, atoms of an image, many images, four sessions.

Usage: python benchmarks/app.py [start] [atoms] [large] [many] [users]
"""

import io
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager

import httpx
import numpy as np
import psutil
import tifffile


def tiff(side, seed=0):
    """Return a TIFF of Gaussian atoms (0.3 per nm²) on noise."""
    rng = np.random.default_rng(seed)
    image = rng.normal(100, 8, (side, side)).astype(np.float32)
    for x, y in rng.uniform(10, side - 10, (int(0.3 * (side * 0.0293) ** 2), 2)):
        rows, columns = np.mgrid[int(y) - 9 : int(y) + 10, int(x) - 9 : int(x) + 10]
        image[rows, columns] += 40 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 3.7**2))
    stream = io.BytesIO()
    tifffile.imwrite(stream, image, imagej=True, resolution=(1e4 / 0.293,) * 2, metadata={"unit": "um"})
    return stream.getvalue()


@contextmanager
def server():
    """Start a server in a new folder; yield its address, its process and how long it took."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "stemforge",
            "app",
            "--port",
            "0",
            "--no-browser",
            "--folder",
            folder,
        ]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        address = process.stderr.readline().split()[3]
        httpx.get(address + "api/session")
        try:
            yield address, psutil.Process(process.pid), time.perf_counter() - begin
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def open_session(address):
    with httpx.Client(base_url=address, timeout=300) as browser:
        browser.get("/api/session")
        yield browser


def send(browser, content, name="image.tif"):
    answer = browser.post("/api/images", files={"file": (name, content)})
    answer.raise_for_status()
    return answer.json()["id"]


def wait(browser, image):
    while True:
        found = browser.get(f"/api/images/{image}").json()
        if found["status"] in ("done", "failed"):
            assert found["status"] == "done", found
            return found
        time.sleep(0.02)


def memory(process):
    """Return the memory of the server, and of all its processes [MB]."""
    every = [process, *process.children(recursive=True)]
    return process.memory_info().rss / 1e6, sum(one.memory_full_info().uss for one in every) / 1e6


def start():
    times = []
    for _ in range(3):
        with server() as (_, _, seconds):
            times.append(seconds)
    print("start to the first answer [s]:", " ".join(f"{one:.2f}" for one in times))


def atoms():
    with server() as (address, _, _), open_session(address) as browser:
        wait(browser, send(browser, tiff(512)))
        times = []
        for seed in range(1, 8):
            content = tiff(512, seed)
            begin = time.perf_counter()
            wait(browser, send(browser, content))
            times.append(time.perf_counter() - begin)
        print(
            f"512² sent to atoms known, warm [s]: median {np.median(times):.2f}, longest {max(times):.2f}, of 7"
        )
        image = wait(browser, send(browser, tiff(512, 20)))
        browser.get(f"/api/images/{image['id']}/statistics")
        begin = time.perf_counter()
        browser.get(f"/api/images/{image['id']}/statistics").raise_for_status()
        print(f"statistics, warm [s]: {time.perf_counter() - begin:.2f}")


def large():
    with server() as (address, _, _), open_session(address) as browser:
        content = tiff(4096)
        begin = time.perf_counter()
        image = send(browser, content)
        middle = time.perf_counter()
        for level in (4, 2, 0):
            browser.get(f"/api/images/{image}/picture?level={level}").raise_for_status()
            print(f"4096²: level {level} {time.perf_counter() - begin:.2f} s after the drop")
        print(f"4096²: of these {middle - begin:.2f} s for sending and reading")


def many(number=8):
    with server() as (address, process, _), open_session(address) as browser:
        content = tiff(2048)
        images = [send(browser, content, f"{n}.tif") for n in range(number)]
        for done, image in enumerate(images):
            wait(browser, image)
            if done in (0, number // 2, number - 1):
                alone, together = memory(process)
                print(
                    f"2048²: after {done + 1} images {alone:.0f} MB server, {together:.0f} MB with its workers"
                )


def users(number=4, images=6):
    """Let four sessions send images at once, and measure what a click takes meanwhile."""
    with server() as (address, _, _):
        with open_session(address) as first:
            wait(first, send(first, tiff(256)))
        times, counts = [], []

        def use(seed):
            with open_session(address) as browser:
                names = [send(browser, tiff(512, seed * 100 + n)) for n in range(images)]
                while True:
                    begin = time.perf_counter()
                    found = browser.get("/api/session").json()["images"]
                    browser.get(f"/api/images/{names[0]}/thumbnail").raise_for_status()
                    times.append((time.perf_counter() - begin) / 2)
                    if all(one["status"] == "done" for one in found):
                        break
                    time.sleep(0.1)
                counts.append([one["id"] for one in found] == names)

        threads = [threading.Thread(target=use, args=(seed,)) for seed in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counts == [True] * number, "a session saw another one's images"
        print(
            f"{number} sessions of {images} images each: p95 of {len(times)} requests {np.quantile(times, 0.95):.3f} s"
        )


if __name__ == "__main__":
    chosen = [globals()[name] for name in sys.argv[1:]] or [start, atoms, large, many, users]
    for measure in chosen:
        measure()
        sys.stdout.flush()
