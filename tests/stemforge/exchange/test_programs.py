"""What `stemforge export` makes of results, opened by the libraries of the programs that it is made for."""

import csv
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import ase.io
import numpy as np
import pytest
import roifile
import tifffile
from faster_coco_eval import COCO
from faster_coco_eval.core import mask as coco_mask
from rsciio.hspy import file_reader

from stemforge import Annotations, read_micrograph
from stemforge.__main__ import main
from stemforge.errors import InputError
from stemforge.exchange.formats import FORMATS, FormatName
from stemforge.exchange.results import Sources, export_results
from stemforge.files import write_csv
from stemforge.micrograph.writers import write_tiff
from stemforge.outputs.folder import ResultFolder
from stemforge.outputs.record import RunRecord
from stemforge.simulate.command import export

SAMPLING = 0.25  # Å per pixel
SHAPE = (48, 64)
POINTS = np.array([[3.0, 4.0], [20.125, 30.5], [61.25, 7.75]])
LABELS = ["Pt", "Fe", "Pt"]
SCORES = [0.875, 0.5, 0.25]
BOXES = np.array([[2.0, 3.5, 10.0, 12.25], [30.5, 20.5, 31.5, 21.5]])
SINGLE = {"imagej": 4e-6}  # its coordinates are of single precision [px]


@dataclass
class Opened:
    """What a library makes of an export, in stemforge's pixels."""

    points: np.ndarray | None = None
    boxes: np.ndarray | None = None
    labels: list[str] | None = None
    scores: np.ndarray | None = None
    sampling: float | None = None
    image: np.ndarray | None = None


def image():
    return np.random.default_rng(0).normal(100, 5, SHAPE).astype(np.float32)


def write_results(folder, name="film", points=POINTS, boxes=None, sampling=SAMPLING, recorded=True):
    """Write a table, its image and run.json, as `stemforge infer` leaves them."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tiff(folder.parent / f"{name}.tif", image(), sampling)
    number = len(points if boxes is None else boxes)
    columns = {"label": np.array(LABELS[:number], dtype=object), "score": np.array(SCORES[:number])}
    objects = Annotations(points, columns=columns) if boxes is None else Annotations.of_boxes(boxes, columns)
    objects.to_csv(folder / f"{name}.csv", sampling)
    if recorded:
        record = RunRecord(ResultFolder(folder), "infer atoms")
        entry = {"file": str(folder.parent / f"{name}.tif"), "results": [f"{name}.csv"]}
        record.add(name, {**entry, "sampling": {"angstrom": sampling}})
        record.save()
    return folder


def open_imagej(out, name):
    content = roifile.roiread(out / f"{name}_rois.zip")
    rois = content if isinstance(content, list) else [content]
    opened = Opened(np.empty((0, 2)), labels=[])
    areas = [roi for roi in rois if roi.roitype is roifile.ROI_TYPE.RECT]
    if areas:
        corners = np.array([[r.xd, r.yd, r.xd + r.widthd, r.yd + r.heightd] for r in areas]) - 0.5
        opened = Opened(boxes=corners, labels=[roi.name.split("-", 1)[1] for roi in areas])
    for roi in rois:
        if roi.roitype is roifile.ROI_TYPE.POINT:
            opened.points = np.vstack([opened.points, roi.coordinates()])
            opened.labels += [roi.name] * len(roi.coordinates())
    with (out / f"{name}_results.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    opened.scores = np.array([float(row["score"]) for row in rows])
    written = np.array([[float(row["X"]), float(row["Y"])] for row in rows]).reshape(-1, 2)
    assert sorted(row["Label"] for row in rows) == sorted(opened.labels)
    if not areas:
        np.testing.assert_allclose(np.sort(written, axis=0), np.sort(opened.points, axis=0), atol=4e-6)
        # A selection of many points holds one label: the table has the order of the results.
        opened.points, opened.labels = written, [row["Label"] for row in rows]
    with tifffile.TiffFile(out / f"{name}.tif") as tiff:
        numerator, denominator = tiff.pages[0].tags["XResolution"].value
        assert tiff.imagej_metadata["unit"] == "nm"
        opened.sampling, opened.image = 10 * denominator / numerator, tiff.asarray()
    return opened


def open_napari(out, name):
    reading = pytest.importorskip("napari_builtins.io._read")
    (table,) = out.glob(f"{name}_*.csv")
    data, meta, kind = reading.csv_to_layer_data(str(table), require_type="any")
    opened = Opened(image=reading.magic_imread(str(out / f"{name}.tif")))
    if kind == "shapes":
        assert meta["shape_type"] == ["rectangle"] * len(data)
        opened.boxes = np.array([[*vertices.min(0)[::-1], *vertices.max(0)[::-1]] for vertices in data])
        return opened
    opened.points = data[:, ::-1]  # napari's are (row, column)
    properties = meta["properties"]
    opened.labels, opened.scores = properties["label"].tolist(), properties["score"]
    return opened


def open_geojson(out, name):
    geojson = pytest.importorskip("geojson")
    shapely = pytest.importorskip("shapely")
    text = (out / f"{name}.geojson").read_text()
    content = geojson.loads(text)
    assert isinstance(content, geojson.FeatureCollection)
    assert content.is_valid, content.errors()
    shapes = [shapely.geometry.shape(feature["geometry"]) for feature in content["features"]]
    assert all(shape.is_valid for shape in shapes)
    properties = [feature["properties"] for feature in content["features"]]
    opened = Opened(labels=[one["classification"]["name"] for one in properties])
    opened.scores = np.array([one["measurements"]["score"] for one in properties])
    opened.sampling = content["pixel_size_nm"] * 10
    if any(shape.geom_type == "Polygon" for shape in shapes):
        assert all(shape.exterior.is_ccw for shape in shapes)
        opened.boxes = np.array([shape.bounds for shape in shapes]) - 0.5
    else:
        opened.points = np.array([shape.coords[0] for shape in shapes]).reshape(-1, 2) - 0.5
    return opened


def open_coco(out, name):
    coco = COCO(str(out / "annotations.json"))
    rows = coco.loadAnns(coco.getAnnIds(imgIds=[1]))
    names = {entry["id"]: entry["name"] for entry in coco.loadCats(coco.getCatIds())}
    (picture,) = coco.loadImgs([1])
    assert (picture["file_name"], picture["height"], picture["width"]) == (f"{name}.png", *SHAPE)
    opened = Opened(labels=[names[row["category_id"]] for row in rows], sampling=picture["sampling_angstrom"])
    opened.scores = np.array([row["attributes"]["score"] for row in rows])
    if rows and "keypoints" not in rows[0]:
        corners = np.array([row["bbox"] for row in rows]) - [0.5, 0.5, 0, 0]
        opened.boxes = corners + np.hstack([np.zeros((len(rows), 2)), corners[:, :2]])
    else:
        opened.points = np.array([row["keypoints"][:2] for row in rows]).reshape(-1, 2) - 0.5
    return opened


def open_extxyz(out, name):
    (atoms,) = ase.io.read(out / "structures.extxyz", index=":")
    assert atoms.info["name"] == name
    np.testing.assert_array_equal(atoms.positions[:, 2], np.zeros(len(atoms)))
    lengths = [SHAPE[1] * SAMPLING, SHAPE[0] * SAMPLING, 0]
    np.testing.assert_allclose(np.diag(atoms.cell), lengths)
    scores = atoms.arrays.get("score", np.array([]))
    sampling = atoms.info["sampling_angstrom"]
    labels = atoms.get_chemical_symbols()
    return Opened(atoms.positions[:, :2] / SAMPLING, None, labels, scores, sampling)


def open_table(out, name):
    """The table beside an image, which is stemforge's."""
    objects = Annotations.from_csv(out / f"{name}.csv")
    opened = Opened(objects.points, objects.boxes, scores=objects["score"])
    with (out / f"{name}.csv").open() as stream:
        opened.labels = [row["label"] for row in csv.DictReader(stream)]
    return opened


def open_tiff(out, name):
    opened = open_table(out, name)
    opened.image, opened.sampling = (
        tifffile.imread(out / f"{name}.tif"),
        read_micrograph(out / f"{name}.tif").sampling,
    )
    return opened


def open_ome_tiff(out, name):
    opened = open_table(out, name)
    with tifffile.TiffFile(out / f"{name}.ome.tif") as tiff:
        assert tiff.is_ome
        (entry,) = (tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"],)
        pixels = entry["Pixels"]
        assert (pixels["PhysicalSizeXUnit"], pixels["PhysicalSizeYUnit"]) == ("nm", "nm")
        assert pixels["PhysicalSizeX"] == pixels["PhysicalSizeY"]
        opened.image, opened.sampling = tiff.series[0].asarray(), pixels["PhysicalSizeX"] * 10
    # What another reader makes of the unit.
    assert read_micrograph(out / f"{name}.ome.tif").sampling == pytest.approx(opened.sampling)
    return opened


def open_ome_zarr(out, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        io = pytest.importorskip("ome_zarr.io")
        from ome_zarr.reader import Reader

        (node,) = Reader(io.parse_url(out / f"{name}.ome.zarr"))()
    opened = open_table(out, name)
    assert [axis["name"] for axis in node.metadata["axes"]] == ["c", "y", "x"]
    assert [axis.get("unit") for axis in node.metadata["axes"]] == [None, "nanometer", "nanometer"]
    ((transformation,),) = node.metadata["coordinateTransformations"]
    channel, *scale = transformation["scale"]
    assert channel == 1
    assert scale[0] == scale[1]
    opened.image, opened.sampling = np.asarray(node.data[0])[0], scale[0] * 10
    return opened


def open_hyperspy(out, name):
    hyperspy = pytest.importorskip("hyperspy.api")
    signal = hyperspy.load(out / f"{name}.hspy")
    axes = signal.axes_manager.signal_axes
    assert [(axis.name, axis.units, axis.offset) for axis in axes] == [("x", "nm", 0), ("y", "nm", 0)]
    opened = Opened(image=signal.data, sampling=axes[0].scale * 10)
    kept = signal.metadata.Stemforge
    opened.labels, opened.scores = json.loads(kept.label_names), np.asarray(kept.labels.score)
    if not signal.metadata.has_item("Markers"):
        opened.points = np.empty((0, 2))
        return opened
    marker = signal.metadata.Markers.objects
    signal.plot()  # HyperSpy draws it
    offsets = np.asarray(marker.get_current_kwargs()["offsets"]) / axes[0].scale
    if type(marker).__name__ == "Rectangles":
        sizes = np.column_stack([marker.kwargs["widths"], marker.kwargs["heights"]]) / axes[0].scale
        opened.boxes = np.hstack([offsets - sizes / 2, offsets + sizes / 2])
    else:
        opened.points = offsets
        # The pixel that HyperSpy finds at the marker's place.
        for (x, y), point in zip(np.asarray(marker.kwargs["offsets"]), np.rint(POINTS[:1]), strict=False):
            assert [axes[0].value2index(x), axes[1].value2index(y)] == point.tolist()
    return opened


OPEN = {
    "coco": open_coco,
    "extxyz": open_extxyz,
    "geojson": open_geojson,
    "hyperspy": open_hyperspy,
    "imagej": open_imagej,
    "napari": open_napari,
    "ome-tiff": open_ome_tiff,
    "ome-zarr": open_ome_zarr,
    "tiff": open_tiff,
}
HEAVY = {"hyperspy", "napari", "ome-zarr"}  # seconds to import
CASES = [pytest.param(name, marks=[pytest.mark.slow] * (name in HEAVY)) for name in OPEN]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def opened(found, out, format, **sources):
    export_results([found], out, format, Sources(**sources), quiet=True)
    return OPEN[format](out, "film")


def test_every_format_is_opened_and_documented():
    assert set(OPEN) == set(FORMATS) == set(get_args(FormatName))
    text = (Path(__file__).parents[3] / "docs" / "files.md").read_text(encoding="utf-8")
    for one in FORMATS.values():
        row = [f"`{one.name}`", one.files, ", ".join(one.needs), one.opened_by, one.library]
        assert f"| {' | '.join(row)} |" in text


def test_the_help_names_every_file():
    words = " ".join(export.__doc__.partition("    format\n")[2].partition("    dose\n")[0].split())
    parts = re.split(rf"(?<!\S)({'|'.join(FORMATS)}): ", words)
    help_of = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert list(help_of) == list(FORMATS)
    last = "these three with NAME.csv"
    assert last in help_of["tiff"]
    for one in FORMATS.values():
        text = help_of[one.name] + (last if one.name in ("ome-tiff", "ome-zarr") else "")
        missing = [file for file in re.findall(r"[\w/.]+\.\w+", one.files) if file not in text]
        assert missing == [], one.name


@pytest.mark.parametrize("format", CASES)
def test_places_are_the_same_in_the_program(tmp_path, format):
    found = opened(write_results(tmp_path / "found"), tmp_path / "out", format)
    np.testing.assert_allclose(found.points, POINTS, rtol=0, atol=SINGLE.get(format, 1e-6))
    assert found.labels == LABELS
    np.testing.assert_allclose(found.scores, SCORES)
    if found.sampling is not None:
        assert found.sampling == pytest.approx(SAMPLING, rel=1e-6)
    if found.image is not None:
        np.testing.assert_array_equal(found.image, image())
    # The control: a table of which one atom was moved by half a pixel opens elsewhere.
    moved = POINTS + np.array([[0, 0], [0.5, 0], [0, 0]])
    other = opened(write_results(tmp_path / "moved", points=moved), tmp_path / "other", format)
    np.testing.assert_allclose(other.points - found.points, moved - POINTS, atol=8e-6)


@pytest.mark.parametrize("format", [case for case in CASES if case.values[0] != "extxyz"])
def test_boxes_are_the_same_in_the_program(tmp_path, format):
    found = opened(write_results(tmp_path / "found", boxes=BOXES), tmp_path / "out", format)
    np.testing.assert_allclose(found.boxes, BOXES, rtol=0, atol=SINGLE.get(format, 1e-6))
    if found.labels is not None:
        assert found.labels == LABELS[:2]


@pytest.mark.parametrize("format", [case for case in CASES if case.values[0] != "napari"])
def test_nothing_found_is_a_valid_file(tmp_path, format):
    found = opened(write_results(tmp_path / "found", points=np.empty((0, 2))), tmp_path / "out", format)
    assert len(found.points) == 0
    assert found.labels == []


@pytest.mark.slow
def test_nothing_found_is_what_napari_writes_of_no_points(tmp_path):
    # Its reader opens no table without rows, neither ours nor its own one.
    writing = pytest.importorskip("napari_builtins.io._write")
    export_results(
        [write_results(tmp_path / "f", points=np.empty((0, 2)))], tmp_path / "o", "napari", quiet=True
    )
    writing.napari_write_points(str(tmp_path / "empty.csv"), np.empty((0, 2)), {})
    written = (tmp_path / "o" / "film_points.csv").read_text().split(",")
    assert written[:3] == (tmp_path / "empty.csv").read_text().strip().split(",")


# Half a pixel: a box of exactly one pixel, and its centre, cover that pixel in the program's counting.

COLUMN, ROW = 31, 21


@pytest.fixture
def bright():
    picture = np.zeros(SHAPE)
    picture[ROW, COLUMN] = 1
    return picture


def test_imagej_s_rectangle_covers_the_pixel(tmp_path, bright):
    export_results([write_results(tmp_path / "f", boxes=BOXES)], tmp_path / "o", "imagej", quiet=True)
    roi = roifile.roiread(tmp_path / "o" / "film_rois.zip")[1]
    # ImageJ's rectangle is left, top, width, height of whole pixels.
    assert (roi.xd, roi.yd, roi.widthd, roi.heightd) == (COLUMN, ROW, 1, 1)
    covered = np.zeros(SHAPE, bool)
    covered[roi.top : roi.bottom, roi.left : roi.right] = True
    np.testing.assert_array_equal(covered, bright > 0)


def test_imagej_s_point_marks_the_pixel(tmp_path, bright):
    results = write_results(tmp_path / "f", points=[[COLUMN, ROW]])
    export_results([results], tmp_path / "o", "imagej", quiet=True)
    (roi,) = roifile.roiread(tmp_path / "o" / "film_rois.zip")
    # ImageJ measures the pixel at round(x), round(y) of a point (Analyzer.measurePoint), and draws it at x + 0.5.
    ((x, y),) = np.rint(roi.coordinates()).astype(int)
    assert bright[y, x] == 1
    assert (roi.left, roi.top, roi.right, roi.bottom) == (COLUMN, ROW, COLUMN + 1, ROW + 1)


def test_qupath_s_pixel_holds_the_point(tmp_path):
    shapely = pytest.importorskip("shapely")
    results = write_results(tmp_path / "f", points=[[COLUMN, ROW]])
    export_results([results], tmp_path / "o", "geojson", quiet=True)
    (feature,) = json.loads((tmp_path / "o" / "film.geojson").read_text())["features"]
    pixel = shapely.box(COLUMN, ROW, COLUMN + 1, ROW + 1)
    place = shapely.geometry.shape(feature["geometry"])
    assert place.equals(pixel.centroid)
    # The control: without half a pixel it is the corner of four pixels.
    assert not pixel.contains(shapely.Point(COLUMN, ROW))


def test_coco_s_box_covers_the_pixel(tmp_path, bright):
    export_results([write_results(tmp_path / "f", boxes=BOXES)], tmp_path / "o", "coco", quiet=True)
    coco = COCO(str(tmp_path / "o" / "annotations.json"))
    box = coco.loadAnns([2])[0]["bbox"]
    covered = coco_mask.decode(coco_mask.frPyObjects(np.array([box]), *SHAPE))[..., 0]
    np.testing.assert_array_equal(covered, bright)
    shifted = coco_mask.decode(coco_mask.frPyObjects(np.array([box]) - [0.6, 0.6, 0, 0], *SHAPE))[..., 0]
    assert not np.array_equal(shifted, bright)


def test_ase_writes_what_it_reads(tmp_path):
    export_results([write_results(tmp_path / "f")], tmp_path / "o", "extxyz", quiet=True)
    first = (tmp_path / "o" / "structures.extxyz").read_text()
    ase.io.write(tmp_path / "again.extxyz", ase.io.read(tmp_path / "o" / "structures.extxyz"))
    again = ase.io.read(tmp_path / "again.extxyz")
    np.testing.assert_allclose(again.positions[:, :2], POINTS * SAMPLING, atol=1e-6)
    assert "Pt" in first


# What is taken


def test_a_folder_of_several_results(tmp_path):
    for name in ("film", "other"):
        write_results(tmp_path / "found", name)
    write_csv(tmp_path / "found" / "statistics.csv", ["distance_nm", "g"], [[0.1, 1.0]])
    contents = export_results([tmp_path / "found"], tmp_path / "o", "geojson", quiet=True)
    assert str(contents) == f"{2 * len(POINTS)} atoms of 2 images"
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == [
        "export.json",
        "film.geojson",
        "other.geojson",
    ]
    made = json.loads((tmp_path / "o" / "export.json").read_text())
    assert [Path(path).name for path in made["found"]] == ["film.csv", "other.csv"]


def test_images_that_are_given(tmp_path):
    found = write_results(tmp_path / "found", recorded=False)
    with pytest.raises(InputError, match=r"needs the image .*\(images\)"):
        opened(found, tmp_path / "o", "tiff")
    assert not (tmp_path / "o").exists()
    given = opened(found, tmp_path / "o", "tiff", images=[tmp_path / "film.tif"])
    np.testing.assert_array_equal(given.image, image())


@pytest.mark.parametrize("format", [name for name, one in FORMATS.items() if one.needs == ("image",)])
def test_an_image_alone(tmp_path, format):
    write_tiff(tmp_path / "film.tif", image(), SAMPLING)
    assert str(export_results([tmp_path / "film.tif"], tmp_path / "o", format, quiet=True)) == "1 image"
    assert not list((tmp_path / "o").glob("*.csv"))  # nobody looked for anything


def test_frames_of_a_stack_keep_their_image(tmp_path):
    frames = np.random.default_rng(0).normal(100, 5, (3, *SHAPE)).astype(np.float32)
    tifffile.imwrite(tmp_path / "movie.tif", frames, imagej=True)
    record = RunRecord(ResultFolder(tmp_path / "found"), "infer atoms")
    (tmp_path / "found").mkdir()
    Annotations(POINTS).to_csv(tmp_path / "found" / "movie_002.csv")
    entry = {"file": str(tmp_path / "movie.tif"), "stack": True, "results": ["movie_002.csv"]}
    record.add("movie_002", entry)
    record.save()
    export_results([tmp_path / "found"], tmp_path / "o", "tiff", quiet=True)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "o" / "movie_002.tif"), frames[2])


def test_labels_without_names_and_equal_names(tmp_path):
    # Two labels that a file's name cannot distinguish.
    rows = [[1, 2, "a b"], [3, 4, "a/b"], [5, 6, ""]]
    write_csv(tmp_path / "t.csv", ["x_px", "y_px", "label"], rows)
    export_results([tmp_path / "t.csv"], tmp_path / "o", "imagej", quiet=True)
    assert [roi.name for roi in roifile.roiread(tmp_path / "o" / "t_rois.zip")] == ["a_b", "a_b_2", "atom"]


def test_frames_on_which_an_atom_was_missed_have_no_place(tmp_path):
    rows = [[0, "found", 1.5, 2.0, 0.75], [0, "missed", None, None, None], [0, "found", 1.75, 2.25, 0.5]]
    write_csv(tmp_path / "tracks.csv", ["track", "state", "x_px", "y_px", "score"], rows)
    export_results([tmp_path / "tracks.csv"], tmp_path / "o", "geojson", quiet=True)
    features = json.loads((tmp_path / "o" / "tracks.geojson").read_text())["features"]
    assert [one["geometry"]["coordinates"] for one in features] == [[2.0, 2.5], [2.25, 2.75]]
    assert [one["properties"]["measurements"]["score"] for one in features] == [0.75, 0.5]
    assert features[0]["properties"]["metadata"] == {"state": "found"}
    with pytest.raises(InputError, match="must be finite"):
        Annotations.from_csv(tmp_path / "tracks.csv")


@pytest.mark.parametrize("format", FORMATS)
def test_a_table_of_imagej_s_measure(tmp_path, format):
    """Columns with any name; places in nm need the pixel size, and are given in pixels."""
    write_tiff(tmp_path / "film.tif", image(), SAMPLING)
    header = [" ", "Label", "Area", "X (nm)", "Y (nm)", "Mean/(a.u.)", "Min : Max"]
    rows = [[i + 1, "film", 0.1, x, y, 100 + i, 5] for i, (x, y) in enumerate(POINTS * SAMPLING / 10)]
    write_csv(tmp_path / "film.csv", header, rows)
    sources = Sources([tmp_path / "film.tif"], SAMPLING)
    export_results([tmp_path / "film.csv"], tmp_path / "o", format, sources, quiet=True)
    if format == "extxyz":
        (atoms,) = ase.io.read(tmp_path / "o" / "structures.extxyz", index=":")
        np.testing.assert_allclose(atoms.arrays["Mean_a_u"], [100, 101, 102])
        np.testing.assert_allclose(atoms.positions[:, :2], POINTS * SAMPLING, atol=1e-6)
    if format == "hyperspy":
        (signal,) = file_reader(str(tmp_path / "o" / "film.hspy"))
        kept = signal["metadata"]["Stemforge"]["labels"]
        np.testing.assert_allclose(kept["Mean_a_u"], [100, 101, 102])
        np.testing.assert_allclose(kept["x_px"], POINTS[:, 0], atol=1e-6)


# Refusals


@pytest.mark.parametrize("format", FORMATS)
def test_a_table_without_places_is_refused(tmp_path, format, capsys):
    write_csv(tmp_path / "table.csv", ["distance_nm", "g"], [[0.1, 1.0]])
    words = [
        "export",
        str(tmp_path / "table.csv"),
        "--out",
        str(tmp_path / "o"),
        "--format",
        format,
        "--quiet",
    ]
    assert main(words) == 2
    assert "expected columns x_px,y_px" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("found", "format", "options", "message"),
    [
        (["found"], "extxyz", [], "--sampling"),
        (["found"], "coco", ["--images", "film.tif"], "--sampling"),
        (["found"], "hyperspy", [], "--images"),
        (["film.tif"], "imagej", [], "holds what was found"),
        (["empty"], "imagej", [], "holds no table"),
        (["found", "notes.doc"], "imagej", [], "'.doc' is not known"),
        (["missing.csv"], "imagej", [], "missing.csv"),
        (["found"], "geojson", ["--dose", "1e3"], "--dose says nothing of results"),
        (["found"], "geojson", ["--min-cnr", "3"], "--min-cnr says nothing of results"),
        (["found"], "coco", ["--box", "-1"], "'box'"),
    ],
)
def test_what_cannot_be(tmp_path, monkeypatch, capsys, found, format, options, message):
    monkeypatch.chdir(tmp_path)
    write_results(tmp_path / "found", sampling=None, recorded=False)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.doc").write_text("x")
    assert main(["export", *found, "--out", "o", "--format", format, *options, "--quiet"]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "o").exists()


@pytest.mark.slow
def test_imagej_itself_opens_image_selections_and_results(imagej, tmp_path):
    export_results([write_results(tmp_path / "found")], tmp_path / "points", "imagej", quiet=True)
    export_results([write_results(tmp_path / "found", boxes=BOXES)], tmp_path / "boxes", "imagej", quiet=True)
    out = imagej(
        f'open("{tmp_path}/points/film.tif");',
        "getPixelSize(unit, size, high);",
        'print("size", unit, size, getWidth(), getHeight(), getValue(3, 4));',
        f'roiManager("open", "{tmp_path}/points/film_rois.zip");',
        'for (i = 0; i < roiManager("count"); i++) {',
        '    roiManager("select", i);',
        "    getSelectionCoordinates(x, y);",
        '    for (k = 0; k < x.length; k++) print("point", Roi.getName, d2s(x[k], 6), d2s(y[k], 6));',
        "}",
        f'Table.open("{tmp_path}/points/film_results.csv");',
        "for (i = 0; i < Table.size; i++)",
        '    print("row", Table.get("X", i), Table.get("X (nm)", i), Table.get("score", i));',
    )
    out += imagej(
        f'open("{tmp_path}/boxes/film.tif");',
        f'roiManager("open", "{tmp_path}/boxes/film_rois.zip");',
        'for (i = 0; i < roiManager("count"); i++) {',
        '    roiManager("select", i);',
        "    Roi.getFloatBounds(x, y, width, height);",
        '    print("box", d2s(x, 6), d2s(y, 6), d2s(width, 6), d2s(height, 6));',
        "}",
    )
    rows = [line.split() for line in out.splitlines()]
    kinds = {
        kind: [words[1:] for words in rows if words[:1] == [kind]] for kind in ("size", "point", "box", "row")
    }
    assert kinds["size"][0][0] == "nm"
    values = [SAMPLING / 10, *SHAPE[::-1], image()[4, 3]]
    np.testing.assert_allclose(np.array(kinds["size"][0][1:], float), values, rtol=1e-4)
    # A selection of many points holds one label.
    order = [LABELS.index("Pt"), 2, LABELS.index("Fe")]
    assert [name for name, *_ in kinds["point"]] == [LABELS[i] for i in order]
    np.testing.assert_allclose(
        np.array([words[1:] for words in kinds["point"]], float), POINTS[order], atol=4e-6
    )
    corners = np.hstack(
        [BOXES[:, :2] + 0.5, BOXES[:, 2:] - BOXES[:, :2]]
    )  # from the corner of the first pixel
    np.testing.assert_allclose(np.array(kinds["box"], float), corners, atol=4e-6)
    table = np.column_stack([POINTS[:, 0], POINTS[:, 0] * SAMPLING / 10, SCORES])
    np.testing.assert_allclose(np.array(kinds["row"], float), table, atol=1e-4)
