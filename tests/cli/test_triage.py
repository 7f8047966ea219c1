"""The command triage: every file has a row, tables are whole, and what was measured is kept."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest
from PIL import Image


@pytest.fixture
def atoms(blobs):
    """Image of 49 spots with counting noise."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(16, 180, 24)] * 2), -1).reshape(-1, 2)
    clean = blobs(grid + rng.uniform(-5, 5, grid.shape), (192, 192), sigma=3.0, height=70.0, noise=0)
    return rng.poisson(clean / 2).astype(np.float32)


@pytest.fixture
def folder(write_image, atoms, tmp_path):
    """Folder with an image of atoms, one of noise, one of one value, and one that ends too early."""
    write_image("in/session/atoms.tif", atoms)
    write_image("in/noise.tif", np.random.default_rng(0).poisson(30.0, (192, 192)))
    write_image("in/flat.tif", np.full((64, 64), 7.0))
    cut = write_image("in/cut.tif", atoms)
    cut.write_bytes(cut.read_bytes()[:5000])
    return tmp_path / "in"


def rows(out):
    with (out / "triage.csv").open(encoding="utf-8") as stream:
        return {row["image"]: row for row in csv.DictReader(stream)}


def running(group):
    """Say whether a process of a group still runs."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def read(out):
    return (out / "triage.csv").read_text(encoding="utf-8") if (out / "triage.csv").exists() else ""


def words(folder, out, *more):
    return ("triage", folder, "--out", out, "--workers", "1", "--quiet", *more)


def test_every_file_has_a_row(cli, folder, tmp_path):
    out = tmp_path / "out"
    code, printed = cli(*words(folder, out))
    assert code == 1, printed  # two files cannot be read
    assert "4 images: 1 open first, 1 no atoms, 2 cannot be read" in printed
    found = rows(out)
    assert next(iter(found)) == "session/atoms.tif"
    assert {name: row["verdict"] for name, row in found.items()} == {
        "session/atoms.tif": "open first",
        "noise.tif": "no atoms",
        "flat.tif": "cannot be read",
        "cut.tif": "cannot be read",
    }
    assert "same value" in found["flat.tif"]["why"]
    assert float(found["session/atoms.tif"]["atoms_probability"]) > 0.95
    content = json.loads((out / "triage.json").read_text())
    assert content["verdicts"] == {"open first": 1, "doubtful": 0, "no atoms": 1, "cannot be read": 2}
    assert list(content["columns"]) == list(found["noise.tif"])
    assert content["columns"]["electrons_per_px"]["unit"] == "1/pixel"
    width, height = Image.open(out / "contact-sheet.png").size
    assert min(width, height) > 400


def test_what_did_not_change_is_not_measured_again(cli, folder, write_image, atoms, tmp_path):
    out = tmp_path / "out"
    cli(*words(folder, out))
    before = rows(out)
    write_image("in/late.tif", atoms)
    printed = cli(*words(folder, out))[1]
    assert "2 images did not change" in printed  # what cannot be read is tried again
    assert rows(out) == before | {"late.tif": rows(out)["late.tif"]}
    assert rows(out)["late.tif"]["verdict"] == "open first"
    # Other options, and --overwrite, measure anew; files that are gone have no row.
    (folder / "late.tif").unlink()
    assert "did not change" not in cli(*words(folder, out, "--sampling", "0.3"))[1]
    assert rows(out)["noise.tif"]["sampling_angstrom"] == "0.3"
    assert "late.tif" not in rows(out)
    assert "did not change" not in cli(*words(folder, out, "--sampling", "0.3", "--overwrite"))[1]


def test_stacks_have_a_row_a_frame(cli, write_image, atoms, tmp_path):
    import tifffile

    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "movie.tif", np.stack([atoms, atoms[::-1]]), imagej=True)
    code, printed = cli(*words(tmp_path / "in", tmp_path / "out", "--stack", "--sampling", "0.293"))
    assert code == 0, printed
    assert sorted(rows(tmp_path / "out")) == ["movie.tif [0]", "movie.tif [1]"]


def test_refused(refuse, folder, spot_weights, tmp_path, tree):
    out = tmp_path / "out"
    (tmp_path / "empty").mkdir()
    out.mkdir()
    (out / "triage.csv").write_text("mine")
    before = tree()
    refuse(words(folder, out), "triage.csv", "--overwrite")
    refuse(words(tmp_path / "empty", tmp_path / "new"), "no image file")
    refuse(words(tmp_path / "none", tmp_path / "new"), "no such folder")
    refuse(words(folder, tmp_path / "new", "--weights", spot_weights), "not calibrated")
    refuse(words(folder, tmp_path / "new", "--sampling", "auto"), "--sampling")
    refuse(("triage", folder, "--workers", "0", "--out", tmp_path / "new"), "--workers")
    refuse(words(folder, tmp_path / "new", "--watch-for", "-1"), "--watch-for must be a positive")
    assert tree() == before
    assert (out / "triage.csv").read_text() == "mine"


@pytest.mark.slow
def test_a_folder_that_is_being_written(cli, write_image, atoms, tmp_path):
    whole = write_image("whole.tif", atoms)
    (tmp_path / "in").mkdir()
    target = tmp_path / "in" / "scan.tif"

    def write():
        content = whole.read_bytes()
        target.write_bytes(content[:20000])
        time.sleep(3.5)  # longer than a file must be still: half of it cannot be read, and is tried again
        with target.open("ab") as stream:
            stream.write(content[20000:])

    writer = threading.Thread(target=write)
    writer.start()
    code, printed = cli(*words(tmp_path / "in", tmp_path / "out", "--watch-for", "11"))
    writer.join()
    assert code == 0, printed
    assert "scan.tif: open first" in printed
    assert rows(tmp_path / "out")["scan.tif"]["verdict"] == "open first"


@pytest.mark.slow
def test_ctrl_c_leaves_whole_tables_and_no_process(folder, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "stemforge", "triage", folder, "--out", out, "--watch", "--workers", "2"]
    with subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, start_new_session=True) as process:
        end = time.monotonic() + 90
        while "atoms.tif" not in read(out) and time.monotonic() < end:
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it: to every process
        _, printed = process.communicate(timeout=60)
    assert b"Traceback" not in printed, printed.decode()
    assert process.returncode in (0, 1)
    assert rows(out)["session/atoms.tif"]["verdict"] == "open first"
    assert (out / "contact-sheet.png").exists()
    assert json.loads((out / "run.json").read_text())["triage"]
    # The processes that open files end when those that they serve have ended.
    end = time.monotonic() + 30
    while running(process.pid) and time.monotonic() < end:
        time.sleep(0.2)
    assert not running(process.pid)


@pytest.mark.slow
def test_results_among_the_images(cli, folder, tmp_path):
    for out in (folder, tmp_path):  # the folder itself, and one that holds it
        code, printed = cli(*words(folder, out))
        assert "4 images" in printed, printed
        assert code == 1
        assert (out / "contact-sheet.png").exists()
        assert len(rows(out)) == 4
        assert "4 images" in cli(*words(folder, out))[1]  # the sheet is none of them
        (out / "run.json").unlink()
        (out / "contact-sheet.png").unlink()
