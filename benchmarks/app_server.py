"""What the benchmarks of ``stemforge app`` share: a server in a new folder, images to send, the memory it takes."""

import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import numpy as np
import psutil

from stemforge.micrograph.writers import write_tiff

SAMPLING = 0.3  # of images made here [Å]


@contextmanager
def server(*options: str) -> Iterator[tuple[str, int, float]]:
    """Start the app in a folder of its own; give its address, process and the time it took to start [s]."""
    with tempfile.TemporaryDirectory() as name, (Path(name) / "log").open("wb") as log:
        start = time.perf_counter()
        words = ["app", "--port", "0", "--no-browser", "--folder", f"{name}/kept", *options]
        process = subprocess.Popen([sys.executable, "-m", "stemforge", *words], stdout=log, stderr=log)
        try:
            while not (found := re.search(r"http://127\.0\.0\.1:\d+/\S*", (Path(name) / "log").read_text())):
                time.sleep(0.02)
            yield found[0], process.pid, time.perf_counter() - start
        finally:
            process.terminate()
            process.wait(timeout=30)


def spots(path: Path, size: int, seed: int = 0) -> Path:
    """Write an image with a bright spot every 40 pixels or so."""
    rng = np.random.default_rng(seed)
    image = rng.normal(100, 4, (size, size)).astype(np.float32)
    yy, xx = np.mgrid[-12:13, -12:13]
    for x, y in rng.uniform(20, size - 20, (size * size // 4000, 2)):
        column, row = int(x), int(y)
        spot = np.exp(-((xx - x + column) ** 2 + (yy - y + row) ** 2) / 32)
        image[row - 12 : row + 13, column - 12 : column + 13] += rng.uniform(12, 40) * spot
    write_tiff(path, image, SAMPLING)
    return path


class Memory:
    """Memory of a process and of all that it started [MB], looked at four times a second while a block runs.

    Parameters
    ----------
    process
        The server.
    """

    def __init__(self, process: int) -> None:
        self._server = psutil.Process(process)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.most = 0.0
        """Largest sum of resident memory so far; pages that processes share count in each."""
        self.once = 0.0
        """The same with shared pages counted once."""

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._ended.set()
        self._thread.join()

    def now(self) -> dict[int, float]:
        """Return the resident memory of each process."""
        return {number: kept / 1e6 for number, kept in self._each("rss").items()}

    def peaks(self) -> list[int]:
        """Return the most that each process that lives had so far, the server's first."""
        texts = [Path(f"/proc/{number}/status").read_text() for number in self.now()]
        return [round(int(text.partition("VmHWM:")[2].split()[0]) * 1.024e-3) for text in texts]

    def _each(self, kind: str) -> dict[int, int]:
        found = {}
        for one in (self._server, *self._server.children(recursive=True)):
            with suppress(psutil.Error):
                found[one.pid] = getattr(one.memory_full_info() if kind == "pss" else one.memory_info(), kind)
        return found

    def _watch(self) -> None:
        while not self._ended.wait(0.25):
            self.most = max(self.most, sum(self._each("rss").values()) / 1e6)
            self.once = max(self.once, sum(self._each("pss").values()) / 1e6)
