"""What is printed where no progress bar can be drawn."""

import pytest

from stemforge import console
from stemforge.console import ProgressLog, progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when a test says so."""
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_soon_and_then_one_a_minute(clock, capsys):
    with progress("simulate pt-nc", 100, "images") as advance:
        for _ in range(50):
            clock[0] += 3
            advance(1)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "simulate pt-nc: 4 of 100 images, 12 s elapsed, about 5 min left",
        "simulate pt-nc: 24 of 100 images, 72 s elapsed, about 4 min left",
        "simulate pt-nc: 44 of 100 images, 2 min elapsed, about 3 min left",
    ]


def test_a_notebook_shows_bars(monkeypatch):
    assert not console.shows_bars()
    monkeypatch.setattr(console.console, "is_jupyter", True)
    assert console.shows_bars()


def test_quiet_work_leaves_no_line(clock, capsys):
    with progress("simulate pt-nc", 100, "images", quiet=True) as advance:
        clock[0] += 300
        advance(50)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("limit", "line"),
    [
        (None, "train: 10 of 1000 batches, 60 s elapsed, about 99 min left"),
        (600.0, "train: 10 batches, 60 s elapsed, about 9 min left"),
        (1e6, "train: 10 of 1000 batches, 60 s elapsed, about 99 min left"),
    ],
)
def test_work_that_ends_by_its_time_says_when(limit, line):
    assert ProgressLog("train", 1000, "batches", limit).line(10, elapsed=60.0) == line
