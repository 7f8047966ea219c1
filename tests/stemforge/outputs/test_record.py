"""run.json keeps an entry for each image, whichever run made it."""

import json
import subprocess
import sys

import pytest

from stemforge import InputError
from stemforge.outputs.folder import ResultFolder
from stemforge.outputs.record import RECORD, RunRecord


def _read(folder):
    return json.loads((folder / RECORD).read_text())


@pytest.fixture
def record(tmp_path):
    return lambda command="infer atoms", overwrite=False: RunRecord(
        ResultFolder(tmp_path, overwrite), command
    )


def test_entries_are_added_and_replaced_by_image_and_command(record, tmp_path):
    first = record()
    first.add("a", {"threshold": 0.5, "results": ["a.csv"]})
    first.add("b", {"threshold": 0.6, "results": ["b.csv"]})
    first.save()
    second = record()
    second.add("b", {"threshold": 0.7, "results": ["b.csv"]})
    second.save()
    other = record("infer restore")
    other.add("a", {"overlap": 16, "results": ["a_restored.tif"]})
    other.save()
    assert _read(tmp_path) == {
        "infer atoms": {
            "a": {"threshold": 0.5, "results": ["a.csv"]},
            "b": {"threshold": 0.7, "results": ["b.csv"]},
        },
        "infer restore": {"a": {"overlap": 16, "results": ["a_restored.tif"]}},
    }


def test_an_image_that_fails_has_an_entry_and_keeps_what_is_known_of_earlier_results(record, tmp_path):
    first = record()
    first.add("a", {"threshold": 0.5, "results": ["a.csv"]})
    first.fail("bad", {"file": "bad.tif", "failed": "bad.tif: truncated"})
    first.save()
    assert _read(tmp_path)["infer atoms"]["bad"] == {"file": "bad.tif", "failed": "bad.tif: truncated"}
    second = record()
    second.fail("a", {"file": "a.tif", "failed": "a.tif: truncated"})
    second.add("bad", {"file": "bad.tif", "results": ["bad.csv"]})
    second.save()
    assert _read(tmp_path)["infer atoms"] == {
        "a": {"threshold": 0.5, "results": ["a.csv"], "failed": "a.tif: truncated"},
        "bad": {"file": "bad.tif", "results": ["bad.csv"]},
    }


def test_nothing_is_written_without_a_folder_or_without_entries(tmp_path):
    RunRecord(ResultFolder(tmp_path), "infer atoms").save()
    record = RunRecord(ResultFolder(tmp_path / "out"), "infer atoms")
    record.fail("a", {"failed": "no such file"})
    record.save()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"weights": "atom-net", "images": ["a.tif"]}', '{"a": {"b": 1}}']
)
def test_another_programs_file_is_refused_before_work(record, tmp_path, text):
    (tmp_path / RECORD).write_text(text)
    with pytest.raises(InputError, match=r"run\.json in it is no record"):
        record().check()
    record(overwrite=True).check()
    (tmp_path / RECORD).unlink()
    record().check()


def test_names_that_are_no_text_can_be_read_back(record, tmp_path):
    name = b"a\xff\n%".decode(errors="surrogateescape")
    made = record()
    made.add(name, {"file": tmp_path / name, "results": [f"{name}.csv"]})
    made.save()
    assert _read(tmp_path)["infer atoms"][name]["results"] == [f"{name}.csv"]


def test_runs_at_the_same_time_lose_no_entry(tmp_path):
    """Processes that add to one file, many times each."""
    code = """
import sys
from pathlib import Path
from stemforge.outputs.folder import ResultFolder
from stemforge.outputs.record import RunRecord
record = RunRecord(ResultFolder(Path(sys.argv[1])), "infer atoms")
for i in range(20):
    record.add(f"{sys.argv[2]}{i}", {"results": []})
    record.save()
"""
    runs = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), letter]) for letter in "abc"]
    assert [run.wait(60) for run in runs] == [0, 0, 0]
    assert len(_read(tmp_path)["infer atoms"]) == 60
