"""Where time is short: tests that have not begun are skipped, and another part of them has it each turn."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

FILES = [f"test_{letter}.py" for letter in "abcdefgh"]


@pytest.fixture
def run(tmp_path):
    shutil.copy(Path(__file__).parents[1] / "conftest.py", tmp_path)
    (tmp_path / "empty.ini").write_text("[pytest]\n")
    for name in FILES:
        (tmp_path / name).write_text("def test_one():\n    pass\n\n\ndef test_two():\n    pass\n")

    def pytest_in(*words):
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-v",
            "-ra",
            "-p",
            "no:zarr",
            "-p",
            "no:anyio",
            "-p",
            "no:xdist",
        ]
        done = subprocess.run(
            [*command, "-c", "empty.ini", *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return pytest_in


def order(text):
    begun = [line.partition("::")[0] for line in text.splitlines() if "::test_one" in line]
    assert sorted(begun) == FILES
    return begun


@pytest.mark.slow
def test_what_has_not_begun_in_time_is_skipped_and_counted(run):
    now = time.time()
    in_time = run("--until", str(now + 300))
    assert "16 passed" in in_time
    assert order(in_time) == FILES
    late = run("--until", str(now - 1))
    assert "16 skipped" in late
    assert "SKIPPED [16] conftest.py" in late
    assert "no time was left" in late


@pytest.mark.slow
def test_each_turn_begins_elsewhere_and_runs_everything(run):
    begins = set()
    for turn in range(1, 4):
        begun = order(run("--turn", str(turn)))
        place = FILES.index(begun[0])
        assert begun == FILES[place:] + FILES[:place]
        begins.add(place)
    assert len(begins) == 3
