"""Where time for tests is short: those that have not begun by then are skipped, and others have it the next time."""

import time

import pytest


def pytest_addoption(parser):
    """Take the two options of whose time is short."""
    group = parser.getgroup("time")
    group.addoption(
        "--until", type=float, help="tests that have not begun by then [s since 1970] are skipped"
    )
    group.addoption("--turn", type=int, default=0, help="which file begins: another one each turn")


def in_turn(files, turn):
    """Files in their order, from another one on each turn, far from where the last turns began."""
    golden = (5**0.5 - 1) / 2  # its multiples, less their whole numbers, leave the smallest gaps
    first = int(turn * golden % 1 * len(files))
    return files[first:] + files[:first]


def pytest_collection_modifyitems(config, items):
    """Put the files in their turn; tests of a file keep their order, and share what they set up."""
    files = in_turn(list(dict.fromkeys(item.path for item in items)), config.option.turn)
    place = {path: number for number, path in enumerate(files)}
    items.sort(key=lambda item: place[item.path])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Skip what begins too late, before anything is set up for it."""
    if item.config.option.until is not None and time.time() > item.config.option.until:
        pytest.skip("no time was left")
