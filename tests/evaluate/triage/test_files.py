"""What the table holds: every file that is there, and no other; and which of them ended a process."""

import csv
import json
import re
import signal
import threading
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest

from stemforge.evaluate.triage import watching
from stemforge.evaluate.triage.examiners import Examination, Examiners, examined
from stemforge.evaluate.triage.files import triage_folders
from stemforge.evaluate.triage.folders import ImageFile
from stemforge.evaluate.triage.result import ImageTriage
from stemforge.evaluate.triage.watching import Watch
from stemforge.micrograph.writers import write_tiff
from stemforge.outputs.folder import ResultFolder


@pytest.fixture
def noise(tmp_path):
    (tmp_path / "in").mkdir()
    counts = np.random.default_rng(0).poisson(30.0, (96, 96)).astype(np.float32)
    write_tiff(tmp_path / "in" / "noise.tif", counts, 0.25)
    return tmp_path / "in" / "noise.tif"


@pytest.fixture
def watch(tmp_path, noise, monkeypatch):
    """Watch the folder for some seconds; ``between`` is called at the second look."""

    def run(seconds, settle=0.1, between=None):
        looks = []

        def sleep(_):
            looks.append(1)
            if between is not None and len(looks) == 5:
                between()
            original(0.1)

        original = watching.time.sleep
        with monkeypatch.context() as patch:
            patch.setattr(watching.time, "sleep", sleep)
            out = ResultFolder(tmp_path / "out")
            return triage_folders([tmp_path / "in"], out, watch=Watch(seconds, 0.1, settle), workers=1)

    return run


def table(tmp_path):
    with (tmp_path / "out" / "triage.csv").open(encoding="utf-8") as stream:
        return {row["image"]: (row["verdict"], row["why"]) for row in csv.DictReader(stream)}


def recorded(tmp_path):
    entries = json.loads((tmp_path / "out" / "run.json").read_text())["triage"]
    return sorted(Path(name).name for name in entries)


def test_what_is_pending_at_the_end_has_a_row(watch, noise, tmp_path):
    half = noise.with_name("half.tif")
    half.write_bytes(noise.read_bytes()[:2000])
    assert len(watch(1.5).failed) == 1
    verdict, why = table(tmp_path)["half.tif"]
    assert verdict == "cannot be read"
    assert why
    assert "written" not in why  # it says what is wrong with it
    assert table(tmp_path)["noise.tif"][0] == "no atoms"


def test_what_was_never_still_has_a_row(watch, tmp_path):
    watch(0.5, settle=30.0)
    assert table(tmp_path)["noise.tif"][0] == "cannot be read"
    assert "still being written" in table(tmp_path)["noise.tif"][1]


def test_remembered_failures_stay_until_they_were_tried(watch, noise, tmp_path):
    half = noise.with_name("half.tif")
    half.write_bytes(noise.read_bytes()[:2000])
    out = ResultFolder(tmp_path / "out")
    triage_folders([noise.parent], out, workers=1, quiet=True)
    before = table(tmp_path)
    during = []
    watch(1.0, settle=30.0, between=lambda: during.append(table(tmp_path)))
    assert during == [before]


def test_files_that_are_gone_lose_their_row(watch, noise, tmp_path):
    during = []

    def rename():
        during.append(table(tmp_path))
        noise.rename(noise.with_name("renamed.tif"))

    watch(2.0, between=rename)
    assert list(during[0]) == ["noise.tif"]
    assert list(table(tmp_path)) == ["renamed.tif"]
    assert recorded(tmp_path) == ["renamed.tif"]


def test_files_that_went_between_two_runs_are_no_longer_recorded(noise, tmp_path):
    """Those of a folder that is not looked at now, or is out of reach, stay."""
    other = tmp_path / "other" / "kept.tif"
    other.parent.mkdir()
    for path in (noise.with_name("gone.tif"), other):
        path.write_bytes(noise.read_bytes())
    out = ResultFolder(tmp_path / "out")
    triage_folders([noise.parent, other.parent], out, workers=1, quiet=True)
    assert recorded(tmp_path) == ["gone.tif", "kept.tif", "noise.tif"]
    noise.with_name("gone.tif").unlink()
    other.parent.rename(tmp_path / "moved")
    triage_folders([noise.parent], out, workers=1, quiet=True)
    assert recorded(tmp_path) == ["kept.tif", "noise.tif"]


class Crashing(Examiners):
    """Two processes of which one file ends every one, with all that was given to it by then."""

    def __init__(self, culprit):
        self.workers, self.culprit = 2, culprit
        self._attempts, self.given, self.pending = {}, [], []

    def submit(self, file):
        future = Future()
        self.pending.append(future)
        self.given.append(file.name)
        if file.name == self.culprit:
            threading.Timer(0.05, self.crash).start()
        else:
            threading.Timer(0.2, self.finish, (future, file)).start()
        return future

    def crash(self):
        for future in self.pending:
            if not future.done():
                future.set_exception(BrokenProcessPool())

    def finish(self, future, file):
        if not future.done():
            future.set_result([ImageTriage(file.name, str(file.path), verdict="no atoms")])


def test_only_the_file_that_ends_its_process_is_blamed():
    files = [ImageFile(Path(f"/{name}.tif"), name, "1-1") for name in "abcdefgh"]
    examiners = Crashing("d")
    found = {file.name: images[0] for file, images in examined(files, examiners)}
    assert sorted(found) == list("abcdefgh")
    assert [name for name, one in found.items() if one.verdict == "cannot be read"] == ["d"]
    assert "memory is short" in found["d"].why
    assert examiners.given.count("d") == 4  # once beside others, three times alone


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="signals of other processes are read there"
)
def test_a_ctrl_c_reaches_no_process_while_it_is_started(noise):
    """Processes come one by one, with the files: each of them must be started with SIGINT blocked."""
    file = ImageFile(noise, "noise.tif", "")
    with Examiners(Examination(), 2) as examiners:
        futures = [examiners.submit(file) for _ in range(2)]
        started = list(examiners._pool._processes)
        status = [Path(f"/proc/{number}/status").read_text() for number in started]
        for future in futures:
            future.result()
    blocked = [int(re.search(r"SigBlk:\s*(\w+)", one)[1], 16) for one in status]
    assert len(blocked) == 2
    assert all(mask & 1 << signal.SIGINT - 1 for mask in blocked)
