import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile

from stemforge import InputError, read_micrograph
from stemforge.console import INTERVALS
from stemforge.infer.batch import Batch
from stemforge.infer.pictures import Artist, drawing_beside
from stemforge.micrograph.writers import write_tiff
from stemforge.options import Reading


@pytest.fixture
def images(tmp_path):
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.random.default_rng(0).random((8, 9), "float32"))
    return [tmp_path / "a.tif", tmp_path / "b.tif"]


def _work(batch):
    def work(micrograph, results):
        if micrograph.name == "b":
            raise InputError("b: is bad")
        results.path(".txt").write_text("x")
        return 3

    return work


def test_what_fails_is_left_out(images, tmp_path, capsys):
    batch = Batch(images, tmp_path / "out", [".txt"], quiet=True)
    outcome = batch.run("test", _work(batch), "things", {"weights": "w"})
    assert (outcome.images, outcome.found, outcome.failed, outcome.exit_code) == (2, 3, ("b: is bad",), 1)
    printed = capsys.readouterr().err
    assert "b: is bad" in printed
    assert "3 things on 1 of 2 images" in printed
    entries = _entries(tmp_path / "out")
    assert entries["b"] == {"file": str(tmp_path / "b.tif"), "failed": "b: is bad"}
    assert (entries["a"]["weights"], entries["a"]["results"]) == ("w", ["a.txt"])
    alone = Batch(images[1:], tmp_path / "none", [".txt"], quiet=True)
    assert alone.run("test", _work(alone), "things", {}).exit_code == 2
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("printed", [True, False])
def test_what_intervals_are_is_printed_once(images, tmp_path, capsys, printed):
    def work(micrograph, results):
        if printed:
            results.remark(INTERVALS)
        return 1

    Batch(images, tmp_path / "out", [".txt"], quiet=True).run("test", work, "things", {})
    assert capsys.readouterr().err.count("95 % intervals") == printed


def test_a_result_must_not_replace_its_image(images, tmp_path):
    with pytest.raises(InputError, match=r"a\.tif"):
        Batch(images, tmp_path, [".tif"]).check_out()
    Batch(images, tmp_path, ["_restored.tif"]).check_out()


def _entries(out):
    return json.loads((out / "run.json").read_text())["test"]


def _note(micrograph, results):
    results.path(".txt").write_text("x")
    results.facts["mean"] = float(micrograph.image.mean())
    return 1


def test_a_second_run_keeps_what_is_known_of_the_firsts_images(images, tmp_path):
    out = tmp_path / "out"
    for image, options in zip(images, ({"threshold": 0.5}, {"threshold": 0.7}), strict=True):
        batch = Batch([image], out, [".txt"], Reading(sampling=0.2), quiet=True)
        batch.check_out()
        batch.run("test", _note, "things", options)
    entries = _entries(out)
    assert {name: entry["threshold"] for name, entry in entries.items()} == {"a": 0.5, "b": 0.7}
    assert entries["a"]["file"] == str(images[0])
    assert entries["a"]["sampling"] == 0.2
    assert entries["a"]["results"] == ["a.txt"]
    again = Batch(images[:1], out, [".txt"], overwrite=True, quiet=True)
    again.check_out()
    again.run("test", _note, "things", {"threshold": 0.9})
    entries = _entries(out)
    assert {name: entry["threshold"] for name, entry in entries.items()} == {"a": 0.9, "b": 0.7}
    assert "sampling" not in entries["a"]


def test_results_of_an_image_that_fails_half_way_are_not_left(images, tmp_path):
    def work(micrograph, results):
        results.path(".txt").write_text("x")
        if micrograph.name == "b":
            raise InputError("b: is bad")
        return 1

    Batch(images, tmp_path / "out", [".txt"], quiet=True).run("test", work, "things", {})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.txt", "run.json"]


def test_a_full_disk_ends_the_batch_and_keeps_what_was_finished(images, tmp_path, capsys):
    worked = []

    def work(micrograph, results):
        worked.append(micrograph.name)
        results.path(".png")
        if micrograph.name == "b":
            raise OSError(errno.ENOSPC, "No space left on device")
        return _note(micrograph, results)

    third = Path(shutil.copy(images[0], tmp_path / "c.tif"))
    outcome = Batch([*images, third], tmp_path / "out", [".txt"], quiet=True).run("test", work, "things", {})
    assert outcome.exit_code == 1
    assert worked == ["a", "b"]
    assert (
        "disk is full; make room, then run the command with the images that are left"
        in capsys.readouterr().err
    )
    assert list(_entries(tmp_path / "out")) == ["a"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.txt", "run.json"]


@pytest.mark.parametrize("names", [("a.tif", "a.TIF"), ("a.tif", "more/a.tif"), ("a.tif", "a.dm4")])
def test_two_images_whose_results_have_one_name_are_refused(tmp_path, names):
    paths = [tmp_path / name for name in names]
    with pytest.raises(InputError, match=r"would overwrite each other \(a\.txt\)"):
        Batch(paths, tmp_path / "out", [".txt"]).check_out()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_frame_does_not_replace_the_results_of_an_image_of_its_name(images, tmp_path, overwrite):
    stack = tmp_path / "s.tif"
    tifffile.imwrite(stack, np.random.default_rng(0).random((2, 8, 9), "float32"), photometric="minisblack")
    single = Path(shutil.copy(images[0], tmp_path / "s_001.tif"))
    batch = Batch([single, stack], tmp_path / "out", [".txt"], Reading(stack=True), overwrite, quiet=True)
    batch.check_out()
    outcome = batch.run("test", _note, "things", {})
    assert len(outcome.failed) == 1
    assert "would replace those of" in outcome.failed[0]
    entries = _entries(tmp_path / "out")
    assert entries["s_001"]["file"] == str(single)
    assert "failed" in entries["s"]


def test_what_a_run_beside_this_one_wrote_is_kept(images, tmp_path):
    batch = Batch(images[:1], tmp_path / "out", [".txt"], quiet=True)
    batch.check_out()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("of another run")
    outcome = batch.run("test", _note, "things", {})
    assert "already holds a.txt" in outcome.failed[0]
    assert (tmp_path / "out" / "a.txt").read_text() == "of another run"


def test_a_name_that_leaves_no_room_for_endings_is_refused_before_work(tmp_path):
    with pytest.raises(InputError, match="longer than"):
        Batch([tmp_path / f"{'x' * 250}.tif"], tmp_path / "out", ["_likelihood.tif"]).check_out()


@pytest.mark.parametrize("stack", [True, False])
def test_existing_results_are_kept(images, tmp_path, stack):
    Path(tmp_path / ("a_003.txt" if stack else "a.txt")).write_text("x")
    reading = Reading(stack=stack)
    with pytest.raises(InputError, match="overwrite"):
        Batch(images, tmp_path, [".txt"], reading).check_out()
    Batch(images, tmp_path, [".txt"], reading, overwrite=True).check_out()


@pytest.mark.parametrize("sampling", [0.125, None])
def test_tiffs_carry_their_pixel_size(tmp_path, sampling):
    write_tiff(tmp_path / "x.tif", np.eye(5), sampling)
    found = read_micrograph(tmp_path / "x.tif").sampling
    assert found == (None if sampling is None else pytest.approx(sampling, rel=1e-4))


def test_what_takes_long_is_added_to_results_that_are_there(images, tmp_path):
    def work(micrograph, results):
        results.path(".txt").write_text("x")
        results.facts["atoms"] = 1
        results.further = add
        return 1

    def add(results):
        out = tmp_path / "out"
        assert (out / f"{results.name}.txt").exists()
        assert _entries(out)[results.name]["results"] == [f"{results.name}.txt"]
        if results.name == "b":
            raise KeyboardInterrupt
        results.path("_more.txt").write_text("y")
        results.facts["more"] = 2

    batch = Batch(images, tmp_path / "out", [".txt", "_more.txt"], quiet=True)
    with pytest.raises(KeyboardInterrupt):
        batch.run("test", work, "things", {})
    entries = _entries(tmp_path / "out")
    assert (entries["a"]["atoms"], entries["a"]["more"]) == (1, 2)
    assert [entries[name]["results"] for name in "ab"] == [["a.txt", "a_more.txt"], ["b.txt"]]
    names = ["a.txt", "a_more.txt", "b.txt", "run.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names


def test_pictures_are_drawn_by_another_process(images, tmp_path, capsys):
    """An image that cannot be drawn has no results; those before it do, and the one that was worked on meanwhile."""
    third, fourth = (Path(shutil.copy(images[0], tmp_path / f"{name}.tif")) for name in "cd")
    (tmp_path / "picture").write_text("drawn")

    def work(micrograph, results):
        results.path(".txt").write_text("x")
        if micrograph.name == "b":
            results.draw(".png", "math:sqrt", -1.0)  # takes no file
        else:
            results.draw(".png", "shutil:copyfile", tmp_path / "picture")
        return 1

    with Artist("shutil") as artist:
        batch = Batch([*images, third, fourth], tmp_path / "out", [".txt", ".png"], quiet=True, artist=artist)
        with pytest.raises(TypeError):
            batch.run("test", work, "things", {})
    names = ["a.png", "a.txt", "c.png", "c.txt", "run.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert list(_entries(tmp_path / "out")) == ["a", "c"]
    assert (tmp_path / "out" / "c.png").read_text() == "drawn"


def test_a_picture_for_which_there_is_no_room_is_its_images_failure(images, tmp_path, capsys):
    def work(micrograph, results):
        results.path(".txt").write_text("x")
        results.draw(".png", "shutil:copyfile", tmp_path / ("a.tif" if micrograph.name == "a" else "missing"))
        return 1

    with Artist() as artist:
        batch = Batch(images, tmp_path / "out", [".txt", ".png"], quiet=True, artist=artist)
        outcome = batch.run("test", work, "things", {})
    assert (outcome.exit_code, outcome.found) == (1, 1)
    assert "cannot be written" in outcome.failed[0]
    assert "1 things on 1 of 2 images" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "a.txt", "run.json"]


def test_a_drawing_process_that_is_ended_loses_nothing(images, tmp_path):
    with Artist() as artist:
        artist.draw("shutil:copyfile", images[0], tmp_path / "before")()
        for child in psutil.Process().children():
            if "spawn_main" in " ".join(child.cmdline()):
                child.kill()
                child.wait()
        artist.draw("shutil:copyfile", images[0], tmp_path / "after")()
        artist.draw("shutil:copyfile", images[0], tmp_path / "later")()
    for name in ("before", "after", "later"):
        assert (tmp_path / name).read_bytes() == images[0].read_bytes()


def test_nobody_waits_for_a_drawing_process_that_is_not_ready():
    """What is refused at once must not wait for what a picture would need."""
    with Artist("torch", "scipy.stats", "matplotlib.pyplot"):
        process = next(c for c in psutil.Process().children() if "spawn_main" in " ".join(c.cmdline()))
    assert not process.is_running()


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSYS, "no semaphores"), RuntimeError("no thread"), InputError("a daemonic process")],
)
def test_where_no_process_can_be_started_this_one_draws(monkeypatch, error):
    def none(*_):
        raise error

    monkeypatch.delitem(sys.modules, "matplotlib", raising=False)
    monkeypatch.setattr("stemforge.infer.pictures.ProcessPoolExecutor", none)
    with drawing_beside("stemforge.files") as artist:
        assert artist is None


@pytest.mark.skipif(os.name != "posix", reason="no signals are sent here")
def test_a_drawing_process_ends_with_its_parent():
    code = (
        "import os, signal, psutil\n"
        "from stemforge.infer.pictures import Artist\n"
        "artist = Artist()\n"
        "artist.draw('os:getcwd')()\n"
        "print(*[one.pid for one in psutil.Process().children()], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    children = [psutil.Process(int(pid)) for pid in done.stdout.split() if psutil.pid_exists(int(pid))]
    assert not psutil.wait_procs(children, timeout=10)[1]


def test_what_cannot_be_added_leaves_what_is_there(images, tmp_path, capsys):
    def add(results):
        results.path("_more.txt").write_text("y")
        raise InputError(f"{results.name}: not enough memory")

    def work(micrograph, results):
        results.path(".txt").write_text("x")
        results.further = add
        return 1

    outcome = Batch(images, tmp_path / "out", [".txt"], quiet=True).run("test", work, "things", {})
    assert (outcome.found, outcome.exit_code) == (2, 1)
    printed = capsys.readouterr().err
    assert "left out" not in printed
    assert "a: not enough memory; the other results are there" in printed
    assert "2 things on 2 of 2 images" in printed
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.txt", "b.txt", "run.json"]
    assert "failed" not in _entries(tmp_path / "out")["a"]


def test_a_full_disk_is_said_once(images, tmp_path, capsys):
    def work(micrograph, results):
        results.path(".txt").write_text("x")
        results.draw(".png", "shutil:copyfile", tmp_path / "missing")
        return 1

    with Artist() as artist:
        batch = Batch(images, tmp_path / "out", [".txt", ".png"], quiet=True, artist=artist)
        outcome = batch.run("test", work, "things", {})
    printed = capsys.readouterr().err
    assert printed.count("left out") == 1
    assert "0 things on 0 of 2 images" in printed
    assert outcome.exit_code == 1
    assert list((tmp_path / "out").iterdir()) == []


def test_replaced_results_leave_none_of_an_earlier_run(images, tmp_path):
    def work(micrograph, results):
        for ending in endings:
            results.path(ending).write_text("x")
        return 1

    (tmp_path / "kept.txt").write_text("somebody's")
    for endings in ([".txt", "_more.txt"], [".txt"]):
        Batch(images, tmp_path / "out", endings, overwrite=True, quiet=True).run("test", work, "things", {})
        record = tmp_path / "out" / "run.json"
        record.write_text(record.read_text().replace('"a_more.txt"', '"a_more.txt", "a_/../../kept.txt"'))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.txt", "b.txt", "run.json"]
    assert (tmp_path / "kept.txt").exists()
