"""The macros for ImageJ: what is written, and ImageJ itself running it."""

import csv
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from stemforge import Corpus
from stemforge.__main__ import main
from stemforge.infer import write_macros
from stemforge.infer.portable import macro
from stemforge.infer.weights import load_finder
from stemforge.micrograph.writers import write_tiff

SAMPLING = 0.3
ATOMS = np.array([[40.0, 30.0], [90.0, 100.0], [20.0, 110.0]])


def test_the_macro_starts_this_python_and_offers_detectors_that_are_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(macro.sys, "executable", 'C:\\Jürgen "b"\\python.exe')
    assert main(["imagej-macro", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().err.replace("\n", "")
    texts = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(texts) == set(macro.MACROS.values())
    assert all(name in printed and text.isascii() and b"@" not in text for name, text in texts.items())
    text = texts["Find_Atoms_stemforge.ijm"].decode()
    assert r'python = "C:\\J" + fromCharCode(252) + "rgen \"b\"\\python.exe";' in text
    (names,) = re.findall(r'"Detector", newArray\((.*)\)\)', text)
    for name in names.split(", "):
        load_finder(name.strip('"'), "atoms")


def test_this_python_is_named(tmp_path):
    find, _ = write_macros(tmp_path)
    assert f'python = "{sys.executable}";' in find.read_text(encoding="ascii")


def test_a_detector_of_ones_own_is_offered(tmp_path):
    mine = tmp_path / "mine.safetensors"
    shutil.copy(Path(macro.__file__).parents[2] / "train" / "pretrained" / "atom-net.safetensors", mine)
    assert f'"sac-cnn", "{mine}"))' in write_macros(tmp_path, mine)[0].read_text(encoding="ascii")


def test_what_is_refused(tmp_path, capsys):
    older = tmp_path / "Save_Atoms_stemforge.ijm"
    older.write_text("mine")
    restorer = Path(macro.__file__).parents[2] / "train" / "pretrained" / "divaesr.safetensors"
    for words, says in (
        (["--out", tmp_path / "none"], "no such folder"),
        (["--out", tmp_path], "exists already"),
        (["--out", tmp_path, "--overwrite", "--weights", restorer], "divaesr"),
        (["--out", tmp_path, "--overwrite", "--weights", "any-atom"], "offered anyway"),
    ):
        assert main(["imagej-macro", *map(str, words)]) == 2
        assert says in " ".join(capsys.readouterr().err.split())
    assert older.read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.fixture
def with_macro(imagej, tmp_path, monkeypatch):
    """Return what runs ImageJ with the macros in its menu; they start a Python in a folder of a difficult name."""
    python = tmp_path / "Jörg \"it's" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(macro.sys, "executable", str(python))
    (tmp_path / "plugins").mkdir()
    write_macros(tmp_path / "plugins")
    return imagej


def _film(shape=(128, 128), atoms=ATOMS):
    y, x = np.indices(shape)
    counts = np.full(shape, 100.0)
    for a, b in atoms:
        counts += 120 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 2 / 3.7**2)
    return np.random.default_rng(0).poisson(counts).astype(np.float32)


FIND = 'run("Find Atoms stemforge", "detector=any-atom");'  # the pixel size is the image's


@pytest.mark.slow
def test_imagej_finds_atoms_and_saves_them_as_labels(with_macro, tmp_path):
    write_tiff(tmp_path / "film.tif", _film(), sampling=SAMPLING)
    write_tiff(tmp_path / "noise.tif", _film(atoms=()), sampling=SAMPLING)
    out = with_macro(
        f'open("{tmp_path}/film.tif");',
        # What the user has drawn stays.
        'makeRectangle(5, 5, 9, 9); Roi.setName("mine"); Overlay.addSelection;',
        FIND,
        FIND,  # again: rings of the first time go
        f'Table.save("{tmp_path}/table.csv", "Atoms of film.tif");',
        'print("drawn", Overlay.size, "kind", selectionType());',
        "getSelectionCoordinates(x, y);",
        'for (i = 0; i < x.length; i++) print("at", x[i], y[i]);',
        'Overlay.activateSelection(0); print("first", Roi.getName);',
        # One atom is taken out by hand.
        'makeSelection("points", Array.slice(x, 1), Array.slice(y, 1));',
        f'run("Save Atoms stemforge", "folder=[{tmp_path}/labels]");',
        # Control: an image without atoms.
        f'open("{tmp_path}/noise.tif");',
        FIND,
        'print("control", Overlay.size, selectionType());',
        'print(getInfo("log"));',
    )
    found = np.array([line.split()[1:] for line in out.splitlines() if line.startswith("at ")], dtype=float)
    assert len(found) == len(ATOMS), out
    assert np.hypot(*(found[:, None] - ATOMS).T).min(axis=0).max() < 0.5
    for line in ("drawn 4 kind 10", "first mine", "control 0 -1"):
        assert line in out
    assert re.search(r"film\.tif: 3 atoms at 0\.3000 .* per pixel", out)
    assert re.search(r"expected F1 0\.\d\d; visible atoms per nm\^2: \d\.\d\d \(", out)
    assert "noise.tif: hardly anything looks like an atom" in out  # named as the user knows it
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert np.allclose([[float(row["x_px"]), float(row["y_px"])] for row in rows], found, atol=2e-3)
    words = [
        "ingest",
        f"{tmp_path}/film.tif",
        "--labels",
        f"{tmp_path}/labels",
        "--out",
        f"{tmp_path}/corpus",
    ]
    assert main(words) == 0
    np.testing.assert_allclose(Corpus(tmp_path / "corpus")[0].labels.points, found[1:], atol=1e-4)


@pytest.mark.slow
def test_imagej_takes_the_values_of_the_frame_that_is_shown(with_macro, tmp_path):
    write_tiff(tmp_path / "film.tif", _film(), sampling=SAMPLING)
    stack = np.stack([_film(atoms=ATOMS[:1]), _film(), _film(atoms=())]).astype(np.uint16)
    tifffile.imwrite(tmp_path / "stack.tif", stack, imagej=True)
    channels = {"imagej": True, "metadata": {"axes": "CYX", "mode": "composite"}}
    tifffile.imwrite(tmp_path / "channels.tif", stack[:2], **channels)
    ask = 'run("Find Atoms stemforge", "pixel=0.3 detector=any-atom");'
    shown = "print(getTitle(), Overlay.size, getSliceNumber());"
    out = with_macro(
        # However it is coloured.
        *(
            f'open("{tmp_path}/film.tif"); {colours} {FIND} {shown} close();'
            for colours in (
                'setOption("ScaleConversions", true); run("8-bit"); run("Fire");',
                'run("16-bit"); run("Invert LUT");',
            )
        ),
        f'open("{tmp_path}/stack.tif"); setSlice(2); {ask} {shown}',
        f"setSlice(1); {ask} {shown}",  # rings of slice 2 stay
        "for (i = 0; i < Overlay.size; i++) { Overlay.activateSelection(i); Roi.getPosition(c, z, t);",
        'print("ring", maxOf(c, maxOf(z, t))); }',
        f'close(); open("{tmp_path}/channels.tif"); Stack.setChannel(2); {ask} {shown}',
    )
    lines = [line for line in out.splitlines() if line.startswith(("film", "stack", "channels"))]
    assert [line for line in lines if ":" not in line] == [
        "film.tif 3 1", "film.tif 3 1", "stack.tif 3 2", "stack.tif 4 1", "channels.tif 3 2",
    ]  # fmt: skip
    assert [line for line in out.splitlines() if line.startswith("ring")] == ["ring 2"] * 3 + ["ring 1"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            ['newImage("flat $1 (a", "16-bit black", 64, 64, 1);'],
            "flat $1 (a: every pixel has the same value",
        ),
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


@pytest.mark.slow
def test_a_python_that_is_gone_and_points_that_are_missing(with_macro, tmp_path):
    shutil.rmtree(next(tmp_path.glob("J*")))
    flat = 'newImage("flat", "16-bit black", 64, 64, 1);'
    assert "imagej-macro --out FOLDER --overwrite" in with_macro(
        flat, 'run("Find Atoms stemforge", "pixel=1");'
    )
    assert "Select points first" in with_macro(flat, f'run("Save Atoms stemforge", "folder={tmp_path}");')


@pytest.mark.slow
@pytest.mark.parametrize(
    ("meanwhile", "says"),
    [
        ('selectImage("noise.tif");', ["film.tif 3 10", "noise.tif 1 -1"]),
        ("close();", ["film.tif was closed meanwhile; its atoms are in"]),
    ],
)
def test_another_image_is_chosen_while_stemforge_works(with_macro, tmp_path, meanwhile, says):
    write_tiff(tmp_path / "film.tif", _film(), sampling=SAMPLING)
    write_tiff(tmp_path / "noise.tif", _film(atoms=()), sampling=SAMPLING)
    find = tmp_path / "plugins" / "Find_Atoms_stemforge.ijm"
    lines = find.read_text(encoding="ascii").partition("gone = File.delete(recorded);\n")
    find.write_text(f"{lines[0]}{lines[1]}{meanwhile}\n{lines[2]}", encoding="ascii")
    shown = "print(getTitle(), Overlay.size, selectionType());"
    out = with_macro(
        f'open("{tmp_path}/noise.tif"); makeRectangle(5, 5, 9, 9); Overlay.addSelection; run("Select None");',
        f'open("{tmp_path}/film.tif"); {FIND} {shown}',
        f'selectImage("noise.tif"); {shown}',
    )
    assert [line for line in says if line not in out] == [], out
