"""What napari opens of results and corpora, through npe2 and its own layers."""

import warnings
from pathlib import Path

import numpy as np
import pytest

import stemforge
from stemforge import Annotations, Corpus
from stemforge.app.napari.reader import get_reader, read_layers
from stemforge.files import write_csv
from stemforge.micrograph.writers import write_tiff
from stemforge.outputs.folder import ResultFolder
from stemforge.outputs.record import RunRecord
from stemforge.simulate.recording.record import corpus_degradation, record, recording_rng

SAMPLING = 0.25
POINTS = np.array([[3.0, 4.0], [20.125, 30.5]])
BOXES = np.array([[2.0, 3.5, 10.0, 12.25]])
MANIFEST = Path(stemforge.__file__).parent.parent / "app" / "napari" / "manifest.yaml"


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "found"
    folder.mkdir()
    image = np.random.default_rng(0).normal(100, 5, (48, 64)).astype(np.float32)
    image[4, 3] = 1000
    write_tiff(tmp_path / "film.tif", image, SAMPLING)
    Annotations(POINTS, columns={"score": [0.875, 0.5]}).to_csv(folder / "film.csv", SAMPLING)
    run = RunRecord(ResultFolder(folder), "infer atoms")
    entry = {"file": str(tmp_path / "film.tif"), "results": ["film.csv"], "sampling": {"angstrom": SAMPLING}}
    run.add("film", entry)
    run.save()
    return folder


def test_results_are_an_image_under_its_points(results):
    (image, shown, kind), (points, arguments, other) = read_layers(str(results))
    assert (kind, other) == ("image", "points")
    np.testing.assert_array_equal(points[:, ::-1], POINTS)
    assert arguments["features"]["score"].tolist() == [0.875, 0.5]
    assert arguments["features"]["label"].tolist() == ["atom", "atom"]
    for one in (shown, arguments):
        np.testing.assert_allclose(one["scale"], [0.025, 0.025], rtol=1e-6)
        assert one["units"] == ("nm", "nm")
    # The bright pixel lies under the first point, whose place is that pixel's.
    assert image[tuple(points[0].astype(int))] == image.max()
    assert image[tuple(POINTS[0].astype(int))] < image.max()  # columns and rows exchanged


def test_boxes_are_shapes(tmp_path):
    Annotations.of_boxes(BOXES).to_csv(tmp_path / "film.csv")
    ((shapes, arguments, kind),) = read_layers(str(tmp_path / "film.csv"))
    assert kind == "shapes"
    assert arguments["units"] == ("pixel", "pixel")
    np.testing.assert_array_equal(np.min(shapes, axis=1)[:, ::-1], BOXES[:, :2])
    np.testing.assert_array_equal(np.max(shapes, axis=1)[:, ::-1], BOXES[:, 2:])


def test_a_corpus_is_a_stack_with_its_labels(tiny_corpus):
    corpus = Corpus(tiny_corpus)
    (images, shown, _), (points, arguments, _) = read_layers(str(tiny_corpus))
    assert images.shape == (len(corpus), 64, 64)
    assert shown["scale"][0] == 1
    labels = 0
    for frame, sample in enumerate(corpus):
        rng = recording_rng(corpus.recipe, sample.index, None)
        recording = record(sample, corpus_degradation(corpus), rng)
        np.testing.assert_array_equal(images[frame], recording.image[0])
        on_frame = points[points[:, 0] == frame]
        np.testing.assert_array_equal(on_frame[:, :0:-1], recording.labels.points)
        labels += len(on_frame)
    assert labels == len(points) == len(arguments["features"]["label"]) > 0


def test_nothing_found_is_an_empty_layer(tmp_path):
    Annotations([]).to_csv(tmp_path / "film.csv", SAMPLING)
    ((points, _, kind),) = read_layers(str(tmp_path / "film.csv"))
    assert (kind, points.shape) == ("points", (0, 2))


def test_what_is_not_stemforge_s_is_left_to_others(tmp_path):
    write_csv(tmp_path / "table.csv", ["distance", "g"], [[1, 2]])
    (tmp_path / "notes.txt").write_text("x")
    for path in ("table.csv", "missing.csv", "notes.txt", "."):
        assert get_reader(str(tmp_path / path)) is None
    Annotations(POINTS).to_csv(tmp_path / "film.csv")
    assert get_reader(str(tmp_path / "film.csv")) is read_layers
    assert get_reader([str(tmp_path / "film.csv"), str(tmp_path / "film.csv")]) is read_layers


@pytest.mark.slow
def test_napari_s_plugin_engine_reads_results(results, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        npe2 = pytest.importorskip("npe2")
        from npe2 import io_utils

    manager = npe2.PluginManager()
    monkeypatch.setattr(npe2.PluginManager, "instance", lambda: manager)
    manager.register(npe2.PluginManifest.from_file(MANIFEST))
    layers, reader = io_utils._read(
        [str(results)], stack=False, plugin_name="stemforge", return_reader=True, _pm=manager
    )
    assert reader.command == "stemforge.get_reader"
    assert [kind for _, _, kind in layers] == ["image", "points"]
    with pytest.raises(ValueError, match="reader"):
        io_utils._read([str(results / "none.xyz")], stack=False, plugin_name="stemforge", _pm=manager)


@pytest.mark.slow
def test_napari_makes_layers_of_results(results, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = pytest.importorskip("napari.layers").Layer
        Annotations.of_boxes(BOXES).to_csv(tmp_path / "boxes.csv", SAMPLING)
        made = [
            layer.create(*one) for path in (results, tmp_path / "boxes.csv") for one in read_layers(str(path))
        ]
    image, points, shapes = made
    world = [points.data_to_world(place) for place in points.data]
    np.testing.assert_allclose(world, POINTS[:, ::-1] * SAMPLING / 10, rtol=1e-6)
    # The pixel of the image at that place.
    assert np.rint(image.world_to_data(world[0])).astype(int).tolist() == [4, 3]
    assert len(shapes.data) == 1
    assert points.features["score"].tolist() == [0.875, 0.5]
