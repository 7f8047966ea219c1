"""From a folder of DM4 files to a report and a detector of one's own, as somebody new does it."""

import importlib
import json
import subprocess
import sys

import numpy as np
import pytest

from stemforge.app.analysis.samples import write_atoms
from stemforge.micrograph.readers import read_micrograph

pytestmark = pytest.mark.browser
SAMPLING = 0.293  # of the samples [Å], where the files say 0.2
ACTIONS = [
    "drop",
    "scale",
    "mask",
    "delete two",
    "add one",
    "threshold",
    "statistics",
    "report",
    "zip",
    "fine-tune",
]


@pytest.fixture
def microscope_files(pytestconfig, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(pytestconfig.rootpath / "tests" / "fuzz")
    made = importlib.import_module("microscope_files")
    folder = tmp_path / "microscope"
    folder.mkdir()
    for number in range(2):
        write_atoms(number, str(tmp_path / "sample.tif"))
        image = read_micrograph(tmp_path / "sample.tif").image
        counts = np.rint(1000 * image / image.max()).astype(np.uint16)
        (folder / f"{number}.dm4").write_bytes(made.digital_micrograph(4, image=counts))
    return sorted(folder.glob("*.dm4"))


def test_ten_actions_of_a_first_time_user(browser, pytestconfig, microscope_files, tmp_path):
    assert browser.is_connected()  # or the fixture has skipped
    script = pytestconfig.rootpath / "benchmarks" / "app_walk.py"
    words = [*microscope_files, "--pixel-size", SAMPLING, "--pictures", tmp_path]
    done = subprocess.run(
        [sys.executable, script, *map(str, words)], capture_output=True, text=True, check=False
    )
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    assert "error in the page" not in text
    assert list(json.loads(text[text.index("{") :])) == [*ACTIONS, "all"]
    for name in ("app-start.png", "app-atoms.png", "app-results.png"):
        assert (tmp_path / name).stat().st_size > 10_000
