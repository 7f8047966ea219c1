"""Real labelled images made into a corpus; pairing by name."""

import numpy as np
import pytest
import tifffile

from stemforge import Corpus, InputError
from stemforge.__main__ import main
from stemforge.corpus.ingest import ingest_images
from stemforge.micrograph.names import pair_names

IMAGE = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30)


@pytest.mark.parametrize(
    ("left", "right", "pairs"),
    [
        (["a", "b"], ["b", "a"], {"a": "a", "b": "b"}),
        (["021_HAADF_15nm"], ["021_Results"], {"021_HAADF_15nm": "021_Results"}),
        (["021_x", "021_y"], ["021_Results"], {}),
        (["021_x"], ["021_a", "021_b"], {}),
        (["HAADF_1"], ["HAADF_2"], {}),
        (["img7"], ["img7_Results"], {"img7": "img7_Results"}),
        (["a"], ["b"], {}),
        ([], ["b"], {}),
        (["021"], ["021", "021_Results"], {"021": "021"}),
    ],
)
def test_pair_names(left, right, pairs):
    assert pair_names(left, right) == pairs


@pytest.fixture
def data(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    options = {"imagej": True, "resolution": (1 / 0.03, 1 / 0.03), "metadata": {"unit": "nm"}}
    tifffile.imwrite(tmp_path / "images/021_HAADF.tif", IMAGE, **options)
    tifffile.imwrite(tmp_path / "images/022_HAADF.tif", IMAGE[:, :25].copy())
    (tmp_path / "labels/021_Results.csv").write_text(" ,X,Y\n1,29,2\n2,3.5,19\n")
    (tmp_path / "labels/022_Results.csv").write_text(" ,X,Y\n")
    return tmp_path


def run(folder, **options):
    return ingest_images([folder / "images"], [folder / "labels"], folder / "corpus", **options)


def test_images_of_two_sizes(data):
    corpus = run(data)
    assert corpus.kind == "measured"
    assert [s.metadata["name"] for s in corpus] == ["021_HAADF", "022_HAADF"]
    assert [s.signal.shape for s in corpus] == [(1, 20, 30), (1, 20, 25)]
    assert corpus[0].sampling == pytest.approx(0.3, rel=1e-4)
    assert corpus[1].sampling is None
    np.testing.assert_array_equal(corpus[0].signal[0], IMAGE)
    np.testing.assert_array_equal(corpus[0].labels.points, [[29, 2], [3.5, 19]])
    assert len(corpus[1].labels) == 0
    assert corpus[0].channels == ("HAADF",)


def test_sampling_override_and_repetition(data):
    run(data, sampling=0.25)
    shards = {p: p.stat().st_mtime_ns for p in (data / "corpus").glob("*.h5")}
    assert {s.sampling for s in Corpus(data / "corpus")} == {0.25}
    run(data, sampling=0.25)
    assert set((data / "corpus").glob("*.h5")) == set(shards)
    with pytest.raises(InputError, match="another recipe"):
        run(data, sampling=0.3)


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda f: (f / "labels/021_Results.csv").unlink(), "021_HAADF has no partner"),
        (lambda f: (f / "images/022_HAADF.tif").unlink(), "022_Results has no partner"),
        (lambda f: (f / "labels/022_Results.csv").write_text("X,Y\n26,3\n"), r"022_Results\.csv.*outside"),
        (lambda f: (f / "labels/022_Results.csv").write_text("a,b\n"), "expected columns"),
        (lambda f: (f / "images/022_HAADF.tif").write_bytes(b"II*"), r"022_HAADF\.tif"),
        (lambda f: tifffile.imwrite(f / "images/022_HAADF.tiff", IMAGE), "two files are named 022_HAADF"),
        (lambda f: [p.unlink() for p in (f / "images").iterdir()], "holds no image"),
    ],
)
def test_refused_before_anything_is_written(data, prepare, says):
    prepare(data)
    with pytest.raises(InputError, match=says):
        run(data)
    assert not (data / "corpus").exists()


def test_missing_file_is_named(data):
    with pytest.raises(InputError, match=r"none\.tif: no such file"):
        ingest_images([data / "none.tif"], [data / "none.csv"], data / "corpus")


@pytest.fixture
def calibrated(tmp_path):
    """An image of 200 × 200 pixels of 0.3 Å, and labels in nm as ImageJ measures on it."""
    image = np.random.default_rng(0).integers(0, 1000, (200, 200)).astype(np.uint16)
    options = {"imagej": True, "resolution": (1 / 0.03, 1 / 0.03), "metadata": {"unit": "nm"}}
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    tifffile.imwrite(tmp_path / "images/021_HAADF.tif", image, **options)
    points = np.random.default_rng(1).uniform(5, 195, (12, 2))
    lines = "".join(f"{n}\t{x * 0.03:.4f}\t{y * 0.03:.4f}\n" for n, (x, y) in enumerate(points, 1))
    (tmp_path / "labels/021_Results.txt").write_text(" \tX\tY\n" + lines)
    return tmp_path, points


def test_labels_in_nanometres(calibrated):
    folder, points = calibrated
    with pytest.raises(
        InputError, match=r"021_Results\.txt: all 12 points lie within.*nm or px \(label_unit\)"
    ):
        run(folder)
    assert not (folder / "corpus").exists()
    corpus = run(folder, label_unit="nm")
    np.testing.assert_allclose(corpus[0].labels.points, points, atol=0.01)
    assert corpus[0].metadata["label_unit"] == "nm"
    # With another unit it is another corpus.
    with pytest.raises(InputError, match="another recipe"):
        run(folder, label_unit="px")


def test_the_unit_on_the_command_line(calibrated, capsys):
    folder, _ = calibrated
    words = [
        "ingest",
        str(folder / "images"),
        "--labels",
        str(folder / "labels"),
        "--out",
        str(folder / "corpus"),
    ]
    assert main(words) == 2
    assert "nm or px (--label-unit)" in capsys.readouterr().err
    assert main([*words, "--label-unit", "furlong"]) == 2
    assert "--label-unit must be px or a unit of length" in capsys.readouterr().err
    assert main([*words, "--label-unit", "nm"]) == 0
    assert "1 images, 12 labels" in capsys.readouterr().err


def test_a_unit_needs_a_pixel_size(data):
    (data / "labels/021_Results.csv").write_text("X,Y\n0.5,0.5\n")
    with pytest.raises(InputError, match=r"022_Results\.csv: points in nm need the image's pixel size"):
        run(data, label_unit="nm")
    assert not (data / "corpus").exists()


def test_a_doubt_is_told(calibrated, capsys):
    folder, points = calibrated
    (folder / "labels/021_Results.txt").write_text(
        "X,Y\n" + "".join(f"{x * 0.3},{y * 0.3}\n" for x, y in points)
    )
    corpus = run(folder)
    np.testing.assert_allclose(corpus[0].labels.points, points * 0.3)
    assert "if they are in Å, say so (--label-unit)" in capsys.readouterr().err


def test_a_readme_beside_the_tables_is_no_table(data):
    (data / "labels/README.txt").write_text("Marked by hand.")
    assert len(run(data)) == 2


def test_a_table_without_labels_is_remarked(data, capsys):
    (data / "labels/021_Results.csv").write_text("X,Y\n")
    assert len(run(data)) == 2
    assert "has no labels" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize(
    ("row", "remarked"),
    [
        ("9,9,0.27,0.27", False),
        ("9,9,,", False),  # added by hand
        ("9,9,0.60,0.27", True),  # only the nanometres were corrected
        ("19,9,0.27,0.27", True),  # only the pixels
    ],
)
def test_rows_whose_nanometres_lie_elsewhere_are_remarked(data, capsys, row, remarked):
    table = f"x_px,y_px,x_nm,y_nm\n5,5,0.15,0.15\n{row}\n25,2,0.75,0.06\n"
    (data / "labels/021_Results.csv").write_text(table)
    corpus = run(data)
    assert corpus[0].labels.points[1].tolist() == [float(cell) for cell in row.split(",")[:2]]  # the pixels
    shown = " ".join(capsys.readouterr().err.split())
    assert ("lie elsewhere than x_px, y_px in 1 of 3 rows (2)" in shown) == remarked
