"""Every reader on damaged files: refused with a message or read, never a traceback, a hang or a full memory.

``python tests/fuzz/fuzz.py`` does the work in processes of its own, and repeats single cases.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).with_name("fuzz.py")


def fuzz(out, *options):
    """Run the fuzzer; return its result, and what it printed."""
    command = [sys.executable, str(FUZZ), "--out", str(out), *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (out / "result.json").is_file(), done.stderr
    return json.loads((out / "result.json").read_text()), done.stdout


@pytest.mark.slow
def test_some_hundred_files_of_all_formats(tmp_path):
    result, text = fuzz(tmp_path, "--cases", 300, "--seed", 3)
    assert result["findings"] == [], text
    assert result["cases"] == 300
    # Sound files are read, or nothing would have been tested. Plain XYZ has no cell, and is always refused.
    unread = {name for name, number in result["seeds_read"].items() if number == 0}
    assert unread <= {"xyz"}


@pytest.mark.long
@pytest.mark.slow
def test_twenty_thousand_files(tmp_path):
    result, text = fuzz(tmp_path, "--cases", 20_000, "--seed", 15)
    assert result["findings"] == [], text
    assert result["cases"] == 20_000
    read = sum(counts.get("read", 0) for counts in result["counts"].values())
    # Damage that no reader can see, and damage that all see at once, would be worth little.
    assert 0.1 < read / result["cases"] < 0.7


@pytest.mark.slow
def test_files_that_were_made_to_do_harm(tmp_path):
    result, text = fuzz(tmp_path, "--hostile", "--workers", 1)
    assert result["findings"] == [], text
    assert result["cases"] >= 20


@pytest.mark.slow
def test_the_same_seed_gives_the_same_files(tmp_path):
    results = [fuzz(tmp_path / name, "--cases", 0)[0] for name in "ab"]
    assert results[0]["seeds_sha256"] == results[1]["seeds_sha256"]


def planted(out, limit, *faults):
    table = FUZZ.with_name("planted.py")
    options = ("--table", table, "--formats", ",".join(faults), "--cases", len(faults), "--limit", limit)
    result, text = fuzz(out, *options)
    assert all(Path(finding["file"]).exists() for finding in result["findings"]), text
    return result["counts"], {finding["case"]: finding["kind"] for finding in result["findings"]}


@pytest.mark.slow
def test_faults_that_were_planted_are_reported(tmp_path):
    """The control: readers that hang, raise, end their process or read nonsense, and two that do nothing wrong."""
    faults = ("traceback", "nameless", "wrong", "hang", "died")
    counts, found = planted(tmp_path, 1, "sound", "refused", "sleep", *faults)
    assert found == {f"{kind}:0": kind for kind in faults} | {"sleep:0": "hang"}
    assert (counts["sound"], counts["refused"]) == ({"read": 1}, {"refused": 1})


@pytest.mark.slow
def test_memory_that_is_filled_is_reported(tmp_path):
    """By the reader itself, and by a process that it starts."""
    _, found = planted(tmp_path, 30, "memory", "child-memory")
    assert found == {"memory:0": "memory", "child-memory:0": "memory"}
