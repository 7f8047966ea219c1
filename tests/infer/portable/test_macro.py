"""The macro for ImageJ: what is written, and ImageJ itself running it."""

import csv
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from stemforge.__main__ import main
from stemforge.infer import write_macro
from stemforge.infer.portable import macro
from stemforge.infer.weights import load_finder
from stemforge.micrograph.writers import write_tiff

SAMPLING = 0.3
ATOMS = np.array([[40.0, 30.0], [90.0, 100.0], [20.0, 110.0]])


def test_the_macro_starts_this_python_and_offers_detectors_that_are_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(macro.sys, "executable", 'C:\\a "b"\\python.exe')
    assert main(["imagej-macro", "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.iterdir()
    assert str(path) in capsys.readouterr().err.replace("\n", "")
    text = path.read_bytes()
    assert text.isascii()  # ImageJ reads macros in the system's encoding
    assert rb'python = "C:\\a \"b\"\\python.exe";' in text
    assert b"@" not in text
    (names,) = re.findall(r'"Detector", newArray\((.*)\)\)', text.decode())
    for name in names.split(", "):
        load_finder(name.strip('"'), "atoms")


def test_a_detector_of_ones_own_is_offered(tmp_path):
    mine = tmp_path / "mine.safetensors"
    shutil.copy(Path(macro.__file__).parents[2] / "train" / "pretrained" / "atom-net.safetensors", mine)
    assert f'"sac-cnn", "{mine}"))' in write_macro(tmp_path, mine).read_text(encoding="utf-8")


def test_what_is_refused(tmp_path, capsys):
    (tmp_path / macro.NAME).write_text("mine")
    for words, says in (
        (["--out", tmp_path / "none"], "no such folder"),
        (["--out", tmp_path], "exists already"),
        (["--out", tmp_path, "--overwrite", "--weights", "divaesr"], "divaesr"),
    ):
        assert main(["imagej-macro", *map(str, words)]) == 2
        assert says in " ".join(capsys.readouterr().err.split())
    assert (tmp_path / macro.NAME).read_text() == "mine"


@pytest.fixture
def with_macro(imagej, tmp_path):
    """Return what runs ImageJ with the macro in its menu."""
    (tmp_path / "plugins").mkdir()
    write_macro(tmp_path / "plugins")
    return imagej


def _film(shape=(128, 128), atoms=ATOMS):
    y, x = np.indices(shape)
    counts = np.full(shape, 100.0)
    for a, b in atoms:
        counts += 120 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 2 / 3.7**2)
    return np.random.default_rng(0).poisson(counts).astype(np.float32)


@pytest.mark.slow
def test_imagej_finds_atoms(with_macro, tmp_path):
    write_tiff(tmp_path / "film.tif", _film(), sampling=SAMPLING)
    write_tiff(tmp_path / "noise.tif", _film(atoms=()), sampling=SAMPLING)
    ask = 'run("Find Atoms stemforge", "detector=any-atom");'  # the pixel size is the image's
    out = with_macro(
        f'open("{tmp_path}/film.tif");',
        ask,
        "getSelectionCoordinates(x, y);",
        f'Table.save("{tmp_path}/table.csv", "Atoms of film.tif");',
        'for (i = 0; i < x.length; i++) print("at", x[i], y[i]);',
        'print("rings", Overlay.size, "kind", selectionType());',
        # Control: an image without atoms.
        f'open("{tmp_path}/noise.tif");',
        ask,
        'print("control", Overlay.size, selectionType());',
        'print(getInfo("log"));',
    )
    found = np.array([line.split()[1:] for line in out.splitlines() if line.startswith("at ")], dtype=float)
    assert len(found) == len(ATOMS)
    nearest = np.hypot(*(found[:, None] - ATOMS).T).min(axis=0)
    assert nearest.max() < 0.5, out
    assert "rings 3 kind 10" in out
    assert "control 0 -1" in out
    assert re.search(r"film\.tif: 3 atoms at 0\.3000 .* per pixel", out)
    assert re.search(r"expected F1 0\.\d\d; visible atoms per nm\^2: \d\.\d\d \(", out)
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert np.allclose([[float(row["x_px"]), float(row["y_px"])] for row in rows], found, atol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (['newImage("flat", "16-bit black", 64, 64, 1);'], "the image holds no signal"),
        (['newImage("picture", "RGB white", 64, 64, 1);'], "colour picture"),
        ([], "Open an image first"),
    ],
)
def test_imagej_says_why_not(with_macro, lines, says):
    assert says in with_macro(*lines, 'run("Find Atoms stemforge", "pixel=0.3");')


@pytest.mark.slow
def test_imagej_asks_for_a_pixel_size(with_macro, tmp_path):
    write_tiff(tmp_path / "film.tif", _film())
    out = with_macro(f'open("{tmp_path}/film.tif");', 'run("Find Atoms stemforge", "pixel=0");')
    assert "Give the pixel size" in out


def test_this_python_is_named(tmp_path):
    assert f'python = "{sys.executable}";' in write_macro(tmp_path).read_text(encoding="utf-8")
