"""The panel goes on with results that stemforge's reader opened, on napari's model of a viewer."""

import json
import os
import warnings

import numpy as np
import pytest

from stemforge.__main__ import main
from stemforge.app.napari.reader import read_layers
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.writers import write_tiff
from stemforge.outputs.folder import ResultFolder
from stemforge.outputs.record import RunRecord

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
pytest.importorskip("pytestqt")
pytest.importorskip("qtpy")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("napari")
    try:
        from napari.components import ViewerModel
        from napari.layers import Layer
        from napari.utils._proxies import PublicOnlyProxy
        from napari.utils.colormaps.standardize_color import transform_color
        from napari.utils.notifications import notification_manager
        from qtpy.QtWidgets import QFileDialog

        from stemforge.app.napari import panel as module
    except ImportError as error:  # napari without Qt, or Qt without its libraries
        pytest.skip(f"napari's Qt cannot be imported: {error}", allow_module_level=True)

pytestmark = pytest.mark.slow
SAMPLING, EMPTY = 0.293, (108.0, 20.0)


@pytest.fixture(scope="module")
def results(film, tmp_path_factory):
    """A folder as `stemforge infer atoms` leaves it, of two images."""
    folder = tmp_path_factory.mktemp("results")
    for name, image in (("film 1", film), ("mirrored", film[:, ::-1])):
        write_tiff(folder / f"{name}.tif", image, SAMPLING)
    images = [str(folder / f"{name}.tif") for name in ("film 1", "mirrored")]
    assert main(["infer", "atoms", *images, "--out", str(folder / "found"), "--quiet"]) == 0
    return folder / "found"


@pytest.fixture
def viewer():
    notification_manager.records.clear()
    return ViewerModel()


@pytest.fixture
def panel(qtbot, viewer):
    one = module.AtomPanel(PublicOnlyProxy(viewer))  # as napari gives it to a plugin
    qtbot.addWidget(one)
    return one


def messages():
    return [one.message for one in notification_manager.records]


def read(viewer, path):
    """Open results as napari does, and return the new layers."""
    return [viewer.add_layer(Layer.create(*one)) for one in read_layers(str(path))]


def work(qtbot, panel, button):
    button.click()
    qtbot.waitUntil(lambda: panel.search.isEnabled(), timeout=60000)


def test_opened_atoms_are_corrected_scored_and_saved(qtbot, viewer, panel, results, tmp_path, monkeypatch):
    table = Annotations.from_csv(results / "film 1.csv")
    _, points = read(viewer, results / "film 1.csv")
    qtbot.waitUntil(lambda: panel.results.title() == "film 1")
    assert not panel.results.isHidden()
    assert f"{len(table)} atoms" in panel.words.text()
    assert "Expected F1" in panel.words.text()  # run.json has it
    assert "Opened from film 1.csv, which has no candidates below" in panel.words.text()
    np.testing.assert_array_equal(points.data[:, ::-1], table.points)
    np.testing.assert_array_equal(points.features["width_px"], table["width_px"])

    # The slider hides the least likely, and shows them again.
    panel.threshold.setValue(np.median(table["score"]))
    assert 0 < len(points.data) < len(table)
    panel.threshold.setValue(panel.threshold.minimum())
    assert len(points.data) == len(table)

    points.selected_data = {0}
    points.remove_selected()
    points.selected_data = {1}  # napari would have the next point look like it
    points.add([EMPTY[::-1]])
    assert np.isnan(points.features["score"].to_numpy()[-1])
    assert transform_color(module.BY_HAND_COLOUR)[0] == pytest.approx(points.border_color[-1])
    qtbot.waitUntil(lambda: "1 placed, 1 taken out" in panel.words.text())
    asked = []
    find = module.find_atoms
    monkeypatch.setattr(module, "find_atoms", lambda *given: asked.append(given) or find(*given))
    work(qtbot, panel, panel.score)
    assert [weights for _, weights in asked] == ["any-atom"]
    likelihood = points.features["score"].to_numpy()[-1]
    assert 0 <= likelihood < 0.1
    assert points.border_color[-1] == pytest.approx([1, 0, 0, 1])  # red, as all below the threshold
    assert str(points.symbol[-1]) == "square"
    assert points.features["score"][:-1].to_numpy() == pytest.approx(table["score"][1:], rel=1e-6)
    assert "1 of 1 below" in panel.words.text()
    work(qtbot, panel, panel.score)
    assert len(asked) == 1  # it is known now

    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    work(qtbot, panel, panel.save)
    assert "atoms of film 1 are in" in messages()[-1]
    saved = Annotations.from_csv(tmp_path / "atoms" / "film 1.csv")
    assert len(saved) == len(table)
    assert saved["by_hand"].tolist() == [0] * (len(table) - 1) + [1]
    assert saved["score"][-1] == pytest.approx(likelihood, abs=1e-5)
    entry = json.loads((tmp_path / "atoms" / "run.json").read_text())["infer atoms"]["film 1"]
    assert entry["corrected_by_hand"] == {"removed": 1, "added": 1, "masks": 0}
    assert entry["weights"] == "any-atom"
    # What was saved is opened with its squares, and nobody need be asked for them.
    *_, reopened = read(viewer, tmp_path / "atoms")
    assert [str(one) for one in reopened.symbol].count("square") == 1
    qtbot.waitUntil(lambda: "1 placed, 0 taken out" in panel.words.text())
    assert not panel.found.unscored


def test_save_alone_asks_the_network(qtbot, viewer, panel, results, tmp_path, monkeypatch):
    *_, points = read(viewer, results / "film 1.csv")
    points.add([EMPTY[::-1]])  # before the panel looked at it
    qtbot.waitUntil(lambda: "1 placed, 0 taken out" in panel.words.text())
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    work(qtbot, panel, panel.save)
    saved = Annotations.from_csv(tmp_path / "labels" / "film 1.csv")
    assert 0 <= saved["score"][-1] < 0.1
    # The image that was read is never replaced.
    notification_manager.records.clear()
    other = results.parent / "again"
    (other / "images").mkdir(parents=True)
    (results.parent / "film 1.tif").rename(other / "images" / "film 1.tif")
    (results.parent / "film 1.tif").symlink_to(other / "images" / "film 1.tif")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(other))
    panel.save.click()
    assert "would replace the image" in messages()[-1]


def test_atoms_found_anew_hide_those_before(qtbot, viewer, panel, results):
    image, points = read(viewer, results / "film 1.csv")
    work(qtbot, panel, panel.search)
    found = viewer.layers[-1]
    assert (found.name, found.visible, points.visible) == ("film 1 atoms", True, False)
    assert f"{points.name}: hidden now" in messages()[-1]
    assert panel.found.candidates.lowest < 0.1  # all candidates are known now
    # A second search hides the first; the opened ones are chosen and gone on with.
    work(qtbot, panel, panel.search)
    assert [layer.visible for layer in (image, points, found, viewer.layers[-1])] == [
        True,
        False,
        False,
        True,
    ]
    viewer.layers.selection.active = points
    qtbot.waitUntil(lambda: "Opened from" in panel.words.text())
    # The control: another image's atoms stay.
    other, of_other = read(viewer, results / "mirrored.csv")
    viewer.layers.selection.active = image
    work(qtbot, panel, panel.search)
    assert image.visible
    assert other.visible
    assert of_other.visible


def test_of_a_folder_each_image_leads_to_its_atoms(qtbot, viewer, panel, results, monkeypatch):
    opened = []
    take = module.open_atoms
    monkeypatch.setattr(
        module, "open_atoms", lambda *given: opened.append(given[1].path.stem) or take(*given)
    )
    first, of_first, second, _ = read(viewer, results)
    qtbot.waitUntil(lambda: panel.results.title() == "mirrored")
    assert opened == ["mirrored"]  # none but the last
    viewer.layers.selection.active = of_first
    qtbot.waitUntil(lambda: panel.results.title() == "film 1")
    assert panel.image.currentText() == first.name
    assert opened == ["mirrored", "film 1"]
    viewer.layers.selection.active = second
    qtbot.waitUntil(lambda: panel.results.title() == "mirrored")
    assert panel.image.currentText() == second.name
    panel.image.setCurrentIndex(panel.image.findText(first.name))
    qtbot.waitUntil(lambda: panel.results.title() == "film 1")
    assert opened == ["mirrored", "film 1"]  # once each
    viewer.layers.remove(of_first)
    assert panel.results.isHidden()


def test_a_panel_that_comes_later_goes_on_with_what_is_open(qtbot, viewer, results):
    read(viewer, results / "film 1.csv")
    late = module.AtomPanel(PublicOnlyProxy(viewer))
    qtbot.addWidget(late)
    qtbot.waitUntil(lambda: late.results.title() == "film 1")


def test_without_pixel_size_it_is_asked_for(qtbot, viewer, panel, film, tmp_path):
    write_tiff(tmp_path / "film.tif", film, None)
    Annotations([[20, 20], [50, 50]], columns={"score": [0.9, 0.6]}).to_csv(tmp_path / "film.csv")
    record = RunRecord(ResultFolder(tmp_path), "infer atoms")
    record.add("film", {"file": str(tmp_path / "film.tif"), "results": ["film.csv"]})
    record.save()
    read(viewer, tmp_path / "film.csv")
    qtbot.waitUntil(lambda: bool(messages()))
    assert messages() == [
        "film: pixel size is missing; type it in Å per pixel, or give the layer a scale with a unit of length"
    ]
    assert panel.found is None
    panel.sampling.setValue(SAMPLING)
    panel.sampling.editingFinished.emit()
    qtbot.waitUntil(lambda: "2 atoms" in panel.words.text())
    assert panel.found.image.micrograph.sampling == SAMPLING
    assert len(messages()) == 1


def test_other_points_are_left_alone(qtbot, viewer, panel, film, results):
    """The control: neither points of another program nor those without an image are taken over."""
    viewer.add_image(film, name="film", scale=(SAMPLING / 10,) * 2, units=("nm", "nm"))
    viewer.add_points([[5, 5]], features={"score": [0.9]}, scale=(SAMPLING / 10,) * 2, units=("nm", "nm"))
    qtbot.wait(100)
    assert panel.found is None
    viewer.layers.clear()
    image, _ = read(viewer, results / "film 1.csv")
    viewer.layers.remove(image)
    qtbot.wait(100)
    assert panel.found is None
    assert panel.results.isHidden()
