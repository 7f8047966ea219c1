"""Focal series in, depths out: stacks and folders of frames; and what is refused before work starts."""

import csv
import json

import numpy as np
import pytest
import tifffile
from ase import Atoms

from stemforge.evaluate.depth.files import read_foci
from stemforge.simulate import Degradation, Kernels, Microscope, degrade
from stemforge.simulate.scan import Scan

SIDE, SAMPLING = 104, 0.25
FOCI = np.array([-50.0, -25.0, 0.0, 25.0, 50.0])
PLACES = np.array([[7.8, 8.4, -12.0], [17.1, 16.2, 18.0]])
OPTICS = ("--element", "Pt", "--recipe", "nion-ultrastem-100", "--source-size", "1.0")


@pytest.fixture(scope="module")
def frames():
    """Two Pt atoms at −12 and 18 Å."""
    rng, length = np.random.default_rng(0), SIDE * SAMPLING
    atoms = Atoms("Pt2", positions=PLACES, cell=[length, length, 1.0])
    scan = Scan.of_any_size((SIDE, SIDE), SAMPLING)
    microscope = Microscope(preset="nion-ultrastem-100", detectors={"rings": {"HAADF": (90.0, 185.0)}})
    made = [Kernels(broadening=False).image(atoms, microscope, scan, float(focus)) + 0.0025 for focus in FOCI]
    recording = Degradation(dose=1e5, source_size=1.0)
    return np.array([degrade(one, recording, SAMPLING, rng).image[0] for one in made])


@pytest.fixture
def depth(cli, tmp_path):
    def run(*words, focus=(-50, -25, 0, 25, 50), optics=OPTICS):
        return cli("depth", *words, "--focus", *focus, *optics, "--out", tmp_path / "out", "--quiet")

    return run


def _stack(path, frames, sampling=SAMPLING):
    unit = {} if sampling is None else {"unit": "nm"}
    scale = {} if sampling is None else {"resolution": (10 / sampling,) * 2}
    tifffile.imwrite(path, frames.astype("float32"), imagej=True, metadata={"axes": "TYX", **unit}, **scale)
    return path


def _rows(tmp_path, name):
    rows = list(csv.DictReader((tmp_path / "out" / f"{name}_depths.csv").open()))
    return sorted(rows, key=lambda row: float(row["x_nm"]))


@pytest.mark.slow
def test_a_stack(depth, frames, tmp_path):
    code, printed = depth(_stack(tmp_path / "film.tif", frames))
    assert code == 0, printed
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["film_depths.csv", "film_depths.json", "film_depths.png", "run.json"]
    rows = _rows(tmp_path, "film")
    assert [row["state"] for row in rows] == ["depth", "depth"]
    for row, (x, y, z) in zip(rows, PLACES, strict=True):
        assert float(row["x_nm"]) == pytest.approx(x / 10, abs=0.02)
        assert float(row["y_nm"]) == pytest.approx(y / 10, abs=0.02)
        assert abs(float(row["depth_angstrom"]) - z) < 4 * float(row["depth_error_angstrom"]) < 8
    assert "2 atoms on 5 frames: depth known of 2" in printed
    assert "2 atoms in 1 of 1 series" in printed
    record = json.loads((tmp_path / "out" / "run.json").read_text())["depth"]["film"]
    assert record["foci_angstrom"] == FOCI.tolist()
    assert record["frames"] == [f"film_{number:03d}" for number in range(5)]
    assert record["microscope"]["semiangle_cutoff"] == 32
    code, printed = depth(tmp_path / "film.tif")
    assert code == 2
    assert "already holds film_depths.csv" in printed


def test_a_folder_whose_frames_come_by_numbers_and_foci_by_a_file(depth, write_image, frames, tmp_path):
    for number in (10, 9, 1, 2, 3):  # 10 is the last, not the second
        order = [1, 2, 3, 9, 10].index(number)
        tifffile.imwrite(_made(tmp_path / "film") / f"f{number}.tif", frames[order])
    (tmp_path / "foci.txt").write_text("# Å\n-50\n-25\n0 # sharp\n25\n\n5e1\n")
    optics = ("--element", "Pt", "--energy", "60e3", "--semiangle", "32", "--detector", "90,185")
    words = ("--sampling", SAMPLING, "--source-size", "1.0")
    code, printed = depth(tmp_path / "film", *words, focus=[tmp_path / "foci.txt"], optics=optics)
    assert code == 0, printed
    found = [float(row["depth_angstrom"]) for row in _rows(tmp_path, "film")]
    assert found == pytest.approx(PLACES[:, 2], abs=4)


def _made(folder):
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"focus": (0, 0, 0, 0, 0)}, "all frames have the same focus (0 Å)"),
        ({"focus": (0, 10)}, "2 different foci; depth needs 3 at least"),
        ({"focus": (0, 10, "x")}, "'x' (entry 3) is no number"),
        ({"focus": (-20, 0, 20)}, "5 frames, 3 foci"),
        (
            {"optics": ("--element", "Pt")},
            "give a recipe (--recipe), or also (--energy), (--semiangle), (--detector)",
        ),
        (
            {"optics": ("--element", "Xx", *OPTICS[2:])},
            "--element must be a chemical symbol such as Pt, not 'Xx'",
        ),
        (
            {"optics": (*OPTICS, "--detector", "90")},
            "--detector must be two angles [mrad] such as 60,200, not '90'",
        ),
        ({"optics": ("--element", "Pt", "--recipe", "zsm5-idpc")}, "depths need one annular detector"),
    ],
)
def test_what_cannot_be_is_refused(depth, frames, tmp_path, options, message):
    code, printed = depth(_stack(tmp_path / "film.tif", frames), **options)
    assert code == 2
    assert message in printed
    assert not (tmp_path / "out").exists()


def test_a_file_of_foci_needs_no_ending(tmp_path):
    (tmp_path / "foci").write_text("-50 # first\n\n0\n50\n", encoding="utf-8-sig")
    assert read_foci([str(tmp_path / "foci")]) == [-50, 0, 50]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is neither numbers nor a file"),
        (b"-50\n\xff\xfe3\n", "cannot be read as text"),
        (b"# no number\n", "holds no number"),
        (b"-50\nten\n", "'ten' (entry 2) is no number"),
    ],
)
def test_a_file_of_foci_that_cannot_be_is_refused(depth, tmp_path, content, message):
    if content is not None:
        (tmp_path / "foci.txt").write_bytes(content)
    code, printed = depth(tmp_path / "film.tif", focus=[tmp_path / "foci.txt"])
    assert code == 2
    assert message in printed.replace("\n", " ")


def test_frames_without_pixel_size_are_refused(depth, frames, tmp_path):
    code, printed = depth(_stack(tmp_path / "film.tif", frames, sampling=None))
    assert code == 2
    assert "has no pixel size; give it in Å" in printed


@pytest.mark.parametrize("frame", [0, 2, 4])
@pytest.mark.parametrize(
    ("value", "message"), [(7, "has the same value (7)"), (np.nan, "are NaN or infinite")]
)
def test_a_series_is_refused_for_one_frame_that_cannot_be_used(
    depth, frames, tmp_path, frame, value, message
):
    spoilt = frames.astype(float)
    spoilt[frame] = value
    code, printed = depth(_stack(tmp_path / "film.tif", spoilt))
    assert code == 2
    assert f"film.tif: frame {frame}: " in printed
    assert message in printed
    assert "foci" not in printed


def test_frames_whose_names_differ_by_more_than_a_number_are_listed(depth, frames, tmp_path):
    """Without that, a minus in names would put frames in another order unseen."""
    for focus, frame in zip(FOCI, frames, strict=True):
        tifffile.imwrite(_made(tmp_path / "film") / f"f{focus:.0f}.tif", frame)
    _, printed = depth(tmp_path / "film", "--sampling", SAMPLING)
    assert "in this order: f0.tif, f25.tif, f50.tif, f-25.tif, f-50.tif" in " ".join(printed.split())
    assert "left out: film: the atoms do not sharpen and blur as the foci say" in printed


@pytest.mark.slow
def test_a_bad_series_is_left_out_and_the_others_go_on(depth, frames, tmp_path):
    noise = np.random.default_rng(0).poisson(15, frames.shape)
    code, printed = depth(_stack(tmp_path / "noise.tif", noise), _stack(tmp_path / "film.tif", frames))
    assert code == 1
    assert "left out: noise: no atom stands out" in printed
    assert (tmp_path / "out" / "film_depths.csv").is_file()
