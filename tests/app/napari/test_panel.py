"""The panel in napari, on its model of a viewer: no window and no graphics card are needed."""

import os
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

import stemforge
from stemforge.__main__ import main
from stemforge.corpus.reader import Corpus
from stemforge.errors import InputError

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
pytest.importorskip("pytestqt")
pytest.importorskip("qtpy")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("napari")
    npe2 = pytest.importorskip("npe2")
    try:
        from napari.components import ViewerModel
        from napari.utils.colormaps.standardize_color import transform_color
        from napari.utils.notifications import notification_manager
        from qtpy.QtWidgets import QFileDialog, QMessageBox

        from stemforge.app.napari import panel as module
    except ImportError as error:  # napari without Qt, or Qt without its libraries
        pytest.skip(f"napari's Qt cannot be imported: {error}", allow_module_level=True)

from napari.utils._proxies import PublicOnlyProxy

pytestmark = pytest.mark.slow
MANIFEST = Path(stemforge.__file__).parent.parent / "app" / "napari" / "manifest.yaml"
SAMPLING, EMPTY = 0.293, (108.0, 20.0)


@pytest.fixture
def messages():
    """What napari notified the user of."""
    notification_manager.records.clear()
    return lambda: [one.message for one in notification_manager.records]


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def panel(qtbot, viewer, messages):
    one = module.AtomPanel(PublicOnlyProxy(viewer))  # as napari gives it to a plugin
    qtbot.addWidget(one)
    return one


def add(viewer, image, name="film", **options):
    calibrated = {
        "scale": (1,) * (image.ndim - 2) + (SAMPLING / 10,) * 2,
        "units": ("pixel",) * (image.ndim - 2) + ("nm",) * 2,
    }
    return viewer.add_image(image, name=name, **{**calibrated, **options})


def work(qtbot, panel, button):
    """Press a button, and wait until its work is done."""
    button.click()
    qtbot.waitUntil(lambda: panel.search.isEnabled(), timeout=60000)


def nearest(points, place):
    """Return the number of the point nearest to a place (x, y)."""
    return int(np.hypot(*(points.data[:, :-3:-1] - place).T).argmin())


def test_atoms_are_found_corrected_scored_and_saved(
    qtbot, viewer, panel, messages, film, places, tmp_path, monkeypatch
):
    image = add(viewer, film)
    assert panel.sampling.value() == pytest.approx(SAMPLING)
    work(qtbot, panel, panel.search)
    points = viewer.layers[-1]
    assert messages() == []
    assert points.name == "film atoms"
    assert len(points.data) == len(places)
    assert max(np.hypot(*(points.data[:, ::-1] - place).T).min() for place in places) < 1
    np.testing.assert_array_equal(points.scale, image.scale)
    assert points.units == image.units
    assert points.features["score"].min() > 0.3
    assert "15 atoms" in panel.words.text()
    assert "Expected F1" in panel.words.text()

    # Two are taken out and one of them is placed anew, a little beside; one is placed where nothing is.
    number = nearest(points, places[0])
    likelihood = points.features["score"][number]
    points.selected_data = {number, nearest(points, places[5])}
    points.remove_selected()
    points.add([[places[0][1] + 1, places[0][0] - 1], EMPTY[::-1]])
    assert np.isnan(points.features["score"][-2:]).all()  # the network was not asked yet
    assert transform_color(module.BY_HAND_COLOUR)[0] == pytest.approx(points.border_color[-1])
    qtbot.waitUntil(lambda: "2 placed, 2 taken out" in panel.words.text())
    panel.score.click()
    assert len(points.data) == 15
    scores = points.features["score"].to_numpy()
    assert scores[nearest(points, places[0])] == pytest.approx(likelihood)
    assert scores[nearest(points, EMPTY)] < 0.1
    assert points.features["by_hand"].sum() == 2
    assert "1 of 2 below" in panel.words.text()

    folder = tmp_path / "out"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    work(qtbot, panel, panel.save)
    assert "15 atoms of film are in" in messages()[-1]
    assert main(["analyse", str(folder / "atoms"), "--out", str(tmp_path / "analysed"), "--quiet"]) == 0
    labels = ["--labels", str(folder / "labels")]
    assert main(["ingest", str(folder / "images"), *labels, "--out", str(tmp_path / "corpus")]) == 0
    (sample,) = list(Corpus(tmp_path / "corpus"))
    assert len(sample.labels) == 15
    # A second time the user is asked; who says no keeps what is there.
    written = (folder / "atoms" / "film.csv").stat().st_mtime_ns
    answers = iter([QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes])
    monkeypatch.setattr(QMessageBox, "question", lambda *_: next(answers))
    work(qtbot, panel, panel.save)
    assert (folder / "atoms" / "film.csv").stat().st_mtime_ns == written
    work(qtbot, panel, panel.save)
    assert (folder / "atoms" / "film.csv").stat().st_mtime_ns > written


def test_the_slider_shows_more_and_keeps_corrections(qtbot, viewer, panel, film):
    add(viewer, film)
    work(qtbot, panel, panel.search)
    points = viewer.layers[-1]
    panel.threshold.setValue(1.0)
    assert len(points.data) == 0
    panel.threshold.setValue(0.4)
    assert len(points.data) >= 15
    points.add([EMPTY[::-1]])
    assert transform_color(module.BY_HAND_COLOUR)[0] == pytest.approx(points.border_color[-1])
    panel.threshold.setValue(panel.threshold.minimum())
    assert len(points.data) >= 16
    panel.threshold.setValue(1.0)
    np.testing.assert_array_equal(points.data, [EMPTY[::-1]])


def test_of_a_stack_the_shown_frame_is_searched(qtbot, viewer, panel, film):
    noise = np.random.default_rng(0).normal(film.mean(), 6, film.shape)
    add(viewer, np.stack([noise, film, noise]))
    viewer.dims.set_current_step(0, 1)
    work(qtbot, panel, panel.search)
    points = viewer.layers[-1]
    assert points.name == "film_001 atoms"
    assert len(points.data) == 15
    assert set(points.data[:, 0]) == {1.0}
    points.add([[2.0, 10.0, 10.0]])
    qtbot.waitUntil(lambda: "Not counted" in panel.words.text())
    assert len(panel.found.image.chosen) == 15


def test_what_a_user_can_mend_is_one_sentence(qtbot, viewer, panel, messages, film, tmp_path, monkeypatch):
    add(viewer, film, scale=(1, 1), units=("pixel", "pixel"))
    assert panel.sampling.text() == "missing"
    work(qtbot, panel, panel.search)
    assert messages()[-1].startswith("film: pixel size is missing; type it")
    # The control: with the size typed, atoms are found; it stays while layers come.
    panel.sampling.setValue(SAMPLING)
    work(qtbot, panel, panel.search)
    assert len(viewer.layers[-1].data) == 15
    assert panel.sampling.value() == SAMPLING
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    for file, message in (
        ("broken.safetensors", "is no readable safetensors file"),
        ("none.pt", "no such weights"),
    ):
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, file=file: (str(tmp_path / file), ""))
        panel.browse.click()
        assert panel.detector.currentText() == file
        work(qtbot, panel, panel.search)
        assert message in messages()[-1]
    (tmp_path / "file").touch()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "file"))
    work(qtbot, panel, panel.save)
    assert "file" in messages()[-1]
    assert len(viewer.layers) == 2
    assert {one.severity.value for one in notification_manager.records} == {"error"}


def test_the_window_stays_alive_while_atoms_are_looked_for(qtbot, viewer, panel, messages, film, monkeypatch):
    release = threading.Event()

    def slow(micrograph, weights):
        assert release.wait(30)
        raise InputError(f"{micrograph.name}: {weights} came late")

    monkeypatch.setattr(module, "find_atoms", slow)
    add(viewer, film)
    panel.search.click()
    qtbot.wait(50)
    assert not panel.search.isEnabled()
    assert not panel.bar.isHidden()
    add(viewer, film, "another")  # other things can be done meanwhile
    assert panel.image.count() == 2
    release.set()
    qtbot.waitUntil(lambda: panel.search.isEnabled())
    assert messages() == ["film: any-atom came late"]
    assert panel.bar.isHidden()


def test_layers_come_and_go(qtbot, viewer, panel, film):
    assert not panel.search.isEnabled()
    first = add(viewer, film)
    second = add(viewer, film[:, ::-1], "mirrored", scale=(0.025, 0.025))
    assert [panel.image.itemText(n) for n in range(2)] == ["film", "mirrored"]
    viewer.layers.selection.active = first
    assert panel.image.currentText() == "film"
    first.name = "renamed"
    assert panel.image.itemText(0) == "renamed"
    work(qtbot, panel, panel.search)
    points = viewer.layers[-1]
    viewer.layers.selection.active = second
    work(qtbot, panel, panel.search)
    mirrored = viewer.layers[-1]
    assert panel.results.title() == "mirrored"
    viewer.layers.selection.active = points
    assert panel.results.title() == "renamed"
    points.add([[5.0, 5.0]])
    qtbot.waitUntil(lambda: "1 placed" in panel.words.text())
    viewer.layers.remove(points)
    assert panel.results.isHidden()
    assert panel.found is None
    viewer.layers.selection.active = mirrored
    assert panel.results.title() == "mirrored"


def test_napari_finds_the_panel(panel):
    manifest = npe2.PluginManifest.from_file(MANIFEST)
    (widget,) = manifest.contributions.widgets
    (name,) = [one.python_name for one in manifest.contributions.commands if one.id == widget.command]
    assert widget.display_name == "Find atoms"
    assert name == f"{type(panel).__module__}:{type(panel).__qualname__}"
