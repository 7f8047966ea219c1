"""Tables of atoms in, statistics of their places out."""

import json

import numpy as np
import pytest
from PIL import Image

from stemforge import Annotations


@pytest.fixture
def table(tmp_path, write_image):
    """Function that writes an image and a table of atoms at random places of its left part, 0.5 Å a pixel."""

    def write(name, atoms=30, seed=0, sampling=0.5, columns=200):
        rng = np.random.default_rng(seed)
        write_image(f"images/{name}.tif", rng.normal(100, 10, (200, 240)), sampling)
        path = tmp_path / "found" / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        Annotations(rng.uniform([0, 0], [columns, 199], (atoms, 2))).to_csv(path, sampling)
        return path

    return write


@pytest.fixture
def mask(tmp_path):
    """Mask of the left 200 of 240 columns."""
    values = np.zeros((200, 240), dtype=np.uint8)
    values[:, :201] = 255
    Image.fromarray(values).save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


def _words(tmp_path, *more):
    return (
        "analyse",
        tmp_path / "found",
        "--out",
        tmp_path / "out",
        "--simulations",
        "199",
        "--quiet",
        *more,
    )


@pytest.mark.slow
def test_tables_with_a_mask(cli, table, mask, tmp_path):
    table("a", 40), table("b", 25, seed=1), table("c", 4, seed=2)
    code, printed = cli(*_words(tmp_path, "--masks", mask, "--element", "Pt"))
    assert code == 0, printed
    assert "3 images, 69 atoms" in printed
    assert printed.count("95 % intervals") == 1
    assert "c: 4 atoms; statistics of places need 10" in printed
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    sheets = [f"{name}_places.{end}" for name in "ab" for end in ("csv", "png")]
    assert names == sorted(
        [*sheets, "curves.csv", "overview.png", "run.json", "statistics.csv", "statistics.json"]
    )
    rows = np.genfromtxt(
        tmp_path / "out" / "statistics.csv", delimiter=",", names=True, dtype=None, encoding="utf-8"
    )
    assert rows["image"].tolist() == ["a", "b", "c"]
    assert rows["atoms"].tolist() == [40, 25, 4]
    np.testing.assert_allclose(rows["area_nm2"], 201 * 200 * 0.25 / 100)
    assert np.isnan(rows["nearest_angstrom"][2])
    content = json.loads((tmp_path / "out" / "statistics.json").read_text())
    assert content["all"]["density"] == pytest.approx(69 / (3 * 100.5))
    assert 0.8 < content["all"]["clark_evans"]["index"] < 1.2
    assert len(content["images"][0]["how_to_read"]) == 7
    atoms = np.genfromtxt(tmp_path / "out" / "a_places.csv", delimiter=",", names=True)
    assert len(atoms) == 40
    assert atoms["cell_nm2"].sum() == pytest.approx(100.5, rel=1e-3)


def test_intensities_of_found_atoms(cli, table, mask, tmp_path):
    path = table("a", 60)
    points = Annotations.from_csv(path).points
    values = np.random.default_rng(0).lognormal(5, 0.15, 60) * np.where(np.arange(60) < 15, 2, 1)
    columns = {"intensity": values, "intensity_error": values / 5, "fitted": np.ones(60)}
    Annotations(points, columns=columns).to_csv(path, 0.5)
    code, printed = cli(*_words(tmp_path, "--masks", mask))
    assert code == 0, printed
    assert "2 atoms in line" in printed
    rows = (tmp_path / "out" / "intensities.csv").read_text().splitlines()
    assert len(rows) == 61
    content = json.loads((tmp_path / "out" / "statistics.json").read_text())["intensities"]
    assert content["components"][1]["share"] == pytest.approx(0.25, abs=0.08)
    assert (tmp_path / "out" / "intensities.png").stat().st_size > 5000


def test_images_are_known_from_the_record(cli, table, tmp_path):
    path = table("a")
    entry = {"infer atoms": {"a": {"file": str(tmp_path / "images" / "a.tif")}}}
    (path.parent / "run.json").write_text(json.dumps(entry))
    code, printed = cli(*_words(tmp_path))
    assert code == 0, printed
    assert "bonds and clusters are left out" in printed
    assert "bonded" not in (tmp_path / "out" / "statistics.csv").read_text()


@pytest.mark.slow
def test_densities_know_what_detection_misses(cli, table, mask, tmp_path):
    """As the record of the detection has it: by grafts where there were some, else by likelihoods."""
    path, _ = table("a"), table("b", seed=1)
    ends = {"expected": 0.5, "low": 0.25, "high": 1.0}
    known = {"sampling": {"angstrom": 0.5}, "visible_atoms_per_nm2": ends}
    grafts = {"completeness": {"corrected": {"atoms_per_nm2": {"expected": 0.7, "low": 0.65, "high": 0.8}}}}
    entry = {"a": known | grafts, "b": known}
    for name, one in entry.items():
        one["file"] = str(tmp_path / "images" / f"{name}.tif")
    (path.parent / "run.json").write_text(json.dumps({"infer atoms": entry}))
    code, printed = cli(*_words(tmp_path))
    assert code == 0, printed
    assert "by the likelihoods of all candidates: 0.6 per nm² (0.45 to 0.9)" in printed
    rows = (tmp_path / "out" / "statistics.csv").read_text().splitlines()
    assert rows[0].endswith("density_corrected_low,density_corrected_high,density_corrected_by")
    assert rows[1].endswith("0.7,0.65,0.8,grafts")
    assert rows[2].endswith("0.5,0.25,1,likelihoods")
    content = json.loads((tmp_path / "out" / "statistics.json").read_text())["all"]["density_corrected"]
    assert content.pop("source") == "likelihoods"
    assert content == pytest.approx({"expected": 0.6, "low": 0.45, "high": 0.9}, abs=1e-3)
    # Of another mask nothing is known, nor with another pixel size.
    for words in (("--masks", mask), ("--sampling", "0.4")):
        code, printed = cli(*_words(tmp_path, *words, "--overwrite"))
        assert code == 0, printed
        assert "missed" not in printed


@pytest.mark.parametrize(
    "damage", ["many", [1, 2, 3], {"expected": None, "low": 1, "high": "2"}, {"low": 0.1}]
)
def test_a_damaged_record_gives_no_density(cli, table, tmp_path, damage):
    path = table("a")
    entry = {"file": str(tmp_path / "images" / "a.tif"), "sampling": {"angstrom": 0.5}}
    entry |= {"visible_atoms_per_nm2": damage, "completeness": {"corrected": damage}}
    (path.parent / "run.json").write_text(json.dumps({"infer atoms": {"a": entry}}))
    code, printed = cli(*_words(tmp_path))
    assert code == 0, printed
    assert "missed" not in printed


def test_without_pixel_size_lengths_are_pixels(cli, table, tmp_path):
    table("a", sampling=None)
    code, printed = cli(*_words(tmp_path, "--images", tmp_path / "images"))
    assert code == 0
    assert "statistics are in pixels" in printed
    header = (tmp_path / "out" / "statistics.csv").read_text().splitlines()[0]
    assert "area_px2" in header
    assert "nearest_px" in header


@pytest.mark.slow
def test_one_specimen_area_twice_is_named(cli, table, mask, tmp_path):
    path, other = table("a", 40), table("b", 40, seed=1)
    points = Annotations.from_csv(path).points + np.array([-20, 3])
    Annotations(points[(points > 0).all(axis=1) & (points[:, 1] < 199)]).to_csv(other, 0.5)
    printed = cli(*_words(tmp_path, "--masks", mask))[1]
    assert "a and b may show the same specimen area" in printed
    assert "moved by 10, -2 Å" in printed


def test_an_uncalibrated_image_with_few_atoms_is_refused(table, refuse, tmp_path):
    table("a"), table("b", 4, seed=1, sampling=None)
    refuse(_words(tmp_path, "--images", tmp_path / "images"), "b: has no pixel size, a has")


def test_a_mask_may_be_the_whole_frame(cli, table, tmp_path):
    table("a")
    Image.fromarray(np.full((200, 240), 255, dtype=np.uint8)).save(tmp_path / "mask.png")
    code, printed = cli(*_words(tmp_path, "--masks", tmp_path / "mask.png"))
    assert code == 0, printed


def test_a_doubled_row_counts_once(cli, table, mask, tmp_path):
    path = table("a")
    path.write_text(path.read_text() + path.read_text().splitlines()[-1] + "\n")
    code, printed = cli(*_words(tmp_path, "--masks", mask))
    assert code == 0, printed
    assert "a: 1 of 31 atoms repeat another one's place" in printed
    assert "30 atoms" in printed


def test_an_atom_that_the_frame_cuts_may_lie_just_outside(cli, refuse, table, mask, tmp_path):
    path = table("a", 12)
    text = path.read_text()
    path.write_text(text + "-2.0,5.0,-0.1,0.25\n")
    code, printed = cli(*_words(tmp_path, "--masks", mask))
    assert code == 0, printed
    assert "a: 1 of 13 atoms lie outside the mask" in printed
    path.write_text(text + "-9.0,5.0,-0.45,0.25\n")
    refuse((*_words(tmp_path, "--masks", mask), "--overwrite"), "1 atoms lie off the image")


@pytest.mark.slow
def test_results_beside_the_tables_are_no_tables(cli, table, mask, tmp_path):
    table("a")
    words = (
        "analyse",
        tmp_path / "found",
        "--out",
        tmp_path / "found",
        "--masks",
        mask,
        "--simulations",
        "199",
    )
    for _ in range(2):
        code, printed = cli(*words, "--quiet", "--overwrite")
        assert code == 0, printed
        assert "1 image, 30 atoms" in printed


def test_what_cannot_be_analysed_is_refused(refuse, table, mask, tmp_path, tree):
    path = table("a")
    before = tree()
    refuse(_words(tmp_path), "a.csv: no image of it is known", "--images", "--masks")
    refuse(_words(tmp_path, "--images", tmp_path / "none"), "none")
    refuse(_words(tmp_path, "--masks", mask, "--element", "Px"), "chemical symbol")
    refuse(
        _words(tmp_path, "--masks", mask, "--element", "Pt", "--bond", "3"),
        "either the element or the length",
    )
    refuse(_words(tmp_path, "--masks", mask, "--bond", "-3"), "--bond must be positive")
    refuse(_words(tmp_path, "--masks", mask, "--bond", "3", "--recall", "1.5"), "--recall must lie above 0")
    refuse(("analyse", path, "--masks", mask, "--simulations", "99"), "--simulations must be 199 at least")
    refuse(("analyse", tmp_path / "images", "--out", tmp_path / "out"), "holds no table of atoms")
    assert tree() == before
    empty = np.zeros((200, 240), dtype=np.uint8)
    empty[0, 0] = 1
    Image.fromarray(empty).save(mask)
    refuse(_words(tmp_path, "--masks", mask), "no image has 10 atoms in its mask")
    Image.fromarray(empty * 0).save(mask)
    refuse(_words(tmp_path, "--masks", mask), "mask.png", "leaves nothing")
    Image.fromarray(np.ones((20, 20), dtype=np.uint8) * np.arange(20, dtype=np.uint8)).save(mask)
    refuse(
        _words(tmp_path, "--masks", mask, "--images", tmp_path / "images"),
        "has 20 × 20 pixels, the image a 240 × 200",
    )
    refuse(_words(tmp_path, "--masks", mask), "atoms lie off the image of 20 × 20 pixels")
    table("b", sampling=None)
    refuse(_words(tmp_path, "--images", tmp_path / "images"), "b: has no pixel size, a has")
    refuse(("analyse", path.parent, path, "--out", tmp_path / "out"), "are tables of the same name")
    assert not (tmp_path / "out").exists()
