"""One command from images or tables to a page."""

import json
import shutil
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from stemforge import Annotations
from stemforge.evaluate.statistics.reading import find_tables

NAME = "<script>alert(1)<!--\"'&$x$=1+1"
QUICK = ("--simulations", "199", "--quiet")


@pytest.fixture
def mask(tmp_path):
    Image.fromarray(np.full((200, 240), 255, dtype=np.uint8)).save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


@pytest.fixture
def table(tmp_path, write_image):
    """Function that writes an image and a table of atoms at random places, 0.5 Å a pixel."""

    def write(name, atoms=30, seed=0, sampling=0.5, scores=True):
        rng = np.random.default_rng(seed)
        write_image(f"images/{name}.tif", rng.normal(100, 10, (200, 240)), sampling)
        path = tmp_path / "found" / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        columns = {"score": rng.uniform(0.3, 1, atoms)} if scores else {}
        Annotations(rng.uniform(0, [239, 199], (atoms, 2)), columns=columns).to_csv(path, sampling)
        return path

    return write


@pytest.fixture
def report(cli, tmp_path, mask):
    """Function that makes a report of the tables; returns exit code, what was printed, and the page."""

    def run(*more, source="found"):
        out = tmp_path / "out"
        words = (tmp_path / source, "--out", out, *QUICK, *more)
        code, printed = cli("report", *words, "--images", tmp_path / "images", "--masks", mask)
        page = out / "report.html"
        return code, printed, page.read_text(encoding="utf-8") if page.exists() else ""

    return run


@pytest.mark.slow
def test_tables_give_a_page_with_everything_beside_it(report, table, read_page, tmp_path):
    table("a", 15), table(NAME, 12, seed=1), table("none", 0, seed=2)
    code, printed, html = report("--element", "Pt", "--title", "My <b>sample</b>")
    assert code == 0, printed
    assert "3 images show 27 atoms on 360 nm² of specimen: 0.075 per nm²" in printed
    page = read_page(html)
    assert "My <b>sample</b>" in page.text
    assert NAME in page.text
    circles = [attrs for tag, attrs in page.tags if tag == "circle"]
    assert len(circles) == 27
    assert {one["class"] for one in circles} == {"sure", "likely", "weak"}
    out = tmp_path / "out"
    linked = [address for _, address in page.addresses() if not address.startswith("https://doi.org/")]
    for address in {"report.json", "atoms.csv", "statistics/statistics.csv", "statistics/curves.csv"}:
        assert address in linked
    assert all((out / unquote(address)).is_file() for address in linked)
    assert len(linked) == 7
    assert "none: fewer than 10 atoms" in page.text
    assert "1.2 × twice the covalent radius of Pt" in page.text
    content = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert json.loads(page.scripts[0]) == content
    assert content["all"]["atoms"] == 27
    assert [one["atoms"] for one in sorted(content["images"], key=lambda one: one["atoms"])] == [0, 12, 15]
    assert len((out / "atoms.csv").read_text(encoding="utf-8").splitlines()) == 28
    assert str(tmp_path) not in html


@pytest.mark.slow
def test_one_image_with_labels_alone(report, table, read_page):
    table(NAME, 12, scores=False)
    code, printed, html = report()
    assert code == 0, printed
    page = read_page(html)
    assert NAME in page.text
    assert "95 % interval, counting alone" in page.text
    assert "Distances to nearest neighbours" in page.text
    assert "not known" in page.text
    assert {attrs["class"] for tag, attrs in page.tags if tag == "circle"} == {"plain"}
    assert "were read from tables" in page.text


@pytest.mark.slow
def test_without_pixel_size_all_is_in_pixels(report, table, read_page):
    table("a", 12, sampling=None)
    code, printed, html = report()
    assert code == 0, printed
    page = read_page(html)
    assert "per px²" in page.text
    assert "No pixel size is known" in page.text
    assert "nm²" not in page.text
    assert "data-sampling" not in html


def test_images_without_atoms_give_a_page_all_the_same(report, table, read_page, tmp_path):
    table("a", 0), table("b", 0, seed=1)
    code, printed, html = report()
    assert code == 0, printed
    page = read_page(html)
    assert "2 images show 0 atoms on 240 nm² of specimen: 0 per nm² (95 %: 0 to 0.015)" in page.text
    assert "Too few atoms to say how they stand" in page.text
    assert not (tmp_path / "out" / "statistics").exists()


def test_a_page_is_not_replaced_unasked(report, table):
    table("a", 3)
    assert report()[0] == 0
    code, printed, before = report()
    assert code == 2
    assert "--overwrite" in printed
    code, _, after = report("--overwrite")
    assert (code, after) == (0, before)


def test_what_cannot_be_reported_is_refused(refuse, table, tmp_path, tree):
    path = table("a")
    before = tree()
    out = ("--out", tmp_path / "out", *QUICK)
    refuse(("report", tmp_path / "none", *out), "none: no such file or folder")
    refuse(("report", path, tmp_path / "images", *out), "a: is given as an image and as a table")
    refuse(("report", path, *out), "no image of it is known", "--images")
    refuse(("report", path, *out, "--element", "Pt", "--bond", "3"), "either the element or the length")
    assert tree() == before


@pytest.mark.slow
def test_a_page_beside_its_tables_does_not_stand_in_their_way(cli, report, table, mask, tmp_path):
    table("a", 12), table("b", 3, seed=1)
    words = (tmp_path / "found", "--out", tmp_path / "found", "--masks", mask, *QUICK)
    assert cli("report", *words, "--images", tmp_path / "images")[0] == 0
    assert (tmp_path / "found" / "atoms.csv").is_file()
    code, printed = cli("report", *words, "--images", tmp_path / "images", "--overwrite")
    assert code == 0, printed
    assert "2 images show 15 atoms" in printed
    assert [path.name for path in find_tables([tmp_path / "found"])] == ["a.csv", "b.csv"]
    (
        tmp_path / "found" / "report.json"
    ).unlink()  # a table of that name is an image's where no report made it
    assert "atoms.csv" in [path.name for path in find_tables([tmp_path / "found"])]


def test_failures_count_where_the_folder_was_asked_for(report, table):
    path = table("a", 3)
    failed = {"b": {"file": "/data/b.tif", "failed": "too dark"}}
    (path.parent / "run.json").write_text(json.dumps({"infer atoms": failed}), encoding="utf-8")
    code, _, html = report(source="found/a.csv")
    assert code == 0
    assert "too dark" not in html
    code, _, html = report("--overwrite")
    assert code == 1
    assert "b: left out: too dark" in html


def test_statistics_in_the_way_are_found_before_the_work(refuse, table, tmp_path, tree):
    path = table("a", 3)
    (tmp_path / "out" / "statistics").mkdir(parents=True)
    (tmp_path / "out" / "statistics" / "a_places.csv").write_text("", encoding="utf-8")
    before = tree()
    words = ("report", path, "--out", tmp_path / "out", "--images", tmp_path / "images", *QUICK)
    refuse(words, "statistics: already holds a_places.csv", "--overwrite")
    assert tree() == before


@pytest.mark.slow
def test_from_images_to_a_page_and_only_new_ones_again(
    cli, write_image, blobs, spot_weights, read_page, tmp_path
):
    """Atoms are found on a folder of images, one that cannot be read is named; run again, only new ones are read."""
    rng = np.random.default_rng(0)
    for index in range(2):
        write_image(f"images/{index}.tif", blobs(rng.uniform(8, 120, (14, 2)), (128, 128), seed=index))
    (tmp_path / "images" / "bad.tif").write_bytes(b"nothing")
    words = ["report", tmp_path / "images", "--weights", spot_weights, "--out", tmp_path / "out", *QUICK]
    code, printed = cli(*words)
    assert code == 1, printed
    page = read_page((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert "bad: left out" in page.text
    assert "1 image left out" in page.text
    assert "(weights " in page.text
    tables = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "atoms").glob("*.csv")}
    assert len(tables) == 2
    (tmp_path / "images" / "bad.tif").unlink()
    shutil.copy(tmp_path / "images" / "0.tif", tmp_path / "images" / "new.tif")
    code, printed = cli(*words, "--overwrite")
    assert code == 0, printed
    assert "atoms of 2 images were found before" in printed
    assert {path: path.stat().st_mtime_ns for path in tables} == tables
    assert "3 images" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    code, printed = cli(*words, "--overwrite", "--threshold", "0.6")
    assert code == 0, printed
    assert "found before" not in printed
