"""The panel itself: what its buttons do, on which layers; with its widgets the one that imports Qt."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Points
from napari.qt.threading import create_worker
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QMessageBox

from stemforge.app.analysis.edited import BY_HAND
from stemforge.app.napari.finding import Found, Row, find_atoms, open_atoms
from stemforge.app.napari.layers import (
    BY_HAND_COLOUR,
    Frame,
    frame_of,
    inputs_of,
    looks,
    micrograph_of,
    places_of,
    points_over,
    sampling_of,
)
from stemforge.app.napari.opened import image_of, result_of
from stemforge.app.napari.widgets import PanelWidgets
from stemforge.errors import InputError

_PAUSE = 150  # after an edit, before it is counted [ms]: dragging makes many


@dataclass(frozen=True, eq=False)
class _Shown:
    """What was found on an image of a layer."""

    found: Found
    layer: Any
    frame: Frame


class AtomPanel(PanelWidgets):
    """A panel that finds atoms on an image layer, or takes over opened ones, takes corrections by hand, and keeps them.

    napari hands out layers behind a proxy, another one each time: they are compared by ``==``.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers it works on.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._every: dict[Any, _Shown] = {}
        self._points: Any = None
        self._next: Any = None
        self._drawing = False
        self._of_layer = 0.0
        self._timer, self._soon = QTimer(self), QTimer(self)
        self._timer.setInterval(_PAUSE)
        for timer, action in ((self._timer, lambda: self._tell()), (self._soon, lambda: self._follow())):
            timer.setSingleShot(True)
            timer.timeout.connect(action)
        self.image.currentIndexChanged.connect(self._image_chosen)
        self.sampling.editingFinished.connect(lambda: self._follow_soon(self._next))
        self.browse.clicked.connect(self._choose_weights)
        self.search.clicked.connect(self._find)
        self.threshold.valueChanged.connect(self._threshold_changed)
        self.score.clicked.connect(self._score)
        self.save.clicked.connect(self._save)
        layers = napari_viewer.layers
        for event in (layers.events.inserted, layers.events.removed, layers.events.reordered):
            event.connect(self._layers_changed)
        layers.selection.events.active.connect(self._active_changed)
        self._layers_changed()
        self._image_chosen()
        self._active_changed()
        self._tell()

    @property
    def found(self) -> Found | None:
        """What was found on the image whose points are corrected, with all corrections; None before."""
        if self._points is None:
            return None
        self._read()
        return self._every[self._points].found

    def _layers_changed(self, _event: Any = None) -> None:
        """List the image layers, and forget points that were removed."""
        chosen = self.image.currentData()
        layers = self._images(self._viewer.layers)
        self.image.blockSignals(True)
        self.image.clear()
        for layer in layers:
            self.image.addItem(layer.name, layer)
            layer.events.name.connect(self._layers_changed)
        self.image.setCurrentIndex(layers.index(chosen) if chosen in layers else len(layers) - 1)
        self.image.blockSignals(False)
        if self.image.currentData() != chosen:
            self._image_chosen()
        self._every = {points: one for points, one in self._every.items() if points in self._viewer.layers}
        if self._points is not None and self._points not in self._every:
            self._points = None
            self._tell()

    def _active_changed(self, _event: Any = None) -> None:
        """Follow the layer that the user works on: an image to look at, or points to correct."""
        active = self._viewer.layers.selection.active
        if active in self._every and active != self._points:
            self._correct(active)
        elif isinstance(active, Image):
            self._choose(active)
        self._follow_soon(active)

    def _choose(self, layer: Any) -> None:
        """Choose an image in the list of images."""
        layers = [self.image.itemData(row) for row in range(self.image.count())]
        self.image.setCurrentIndex(layers.index(layer) if layer in layers else -1)

    def _follow_soon(self, layer: Any) -> None:
        """Go on with a layer of atoms, or those over an image: of many that are opened together with the last alone."""
        self._next = layer
        self._soon.start(0)

    def _follow(self) -> None:
        layer = self._next
        if self._opened_on(layer) is not None:
            self._take_over(layer)
        elif isinstance(layer, Image):
            over = self._over(layer, frame_of(layer, self._viewer.dims.point))
            if over and self._points not in over:
                self._take_over(([points for points in over if points.visible] or over)[-1])

    def _opened_on(self, points: Any) -> Any | None:
        """Return the image under atoms that the reader opened; None for other layers."""
        layers = list(self._viewer.layers)
        if not isinstance(points, Points) or points not in layers:
            return None
        return image_of(points, self._images(layers[: layers.index(points)]))

    def _over(self, layer: Any, frame: Frame) -> list[Any]:
        """Return the layers of atoms over an image, those that were opened, too, from the lowest."""

        def place(points: Any) -> tuple[Any, Frame]:
            one = self._every.get(points)
            return (self._opened_on(points), ()) if one is None else (one.layer, one.frame)

        return [points for points in self._viewer.layers if place(points) == (layer, frame)]

    def _take_over(self, points: Any) -> None:
        """Go on with atoms as they are shown; those that the reader opened are candidates from now on."""
        with _notified():
            result = result_of(points)
            if points not in self._every and result is not None:
                layer = self._opened_on(points)
                self._choose(layer)
                micrograph = micrograph_of(layer, (), self._typed())
                places, _ = places_of(points, (), micrograph.shape)
                found = open_atoms(micrograph, result).corrected(places)
                self._every[points] = _Shown(found, layer, ())
                self._draw(points, found)
                points.events.data.connect(self._edited)
                known = self.detector.findData(found.image.facts["detector"])
                self.detector.setCurrentIndex(self.detector.currentIndex() if known < 0 else known)
            if points != self._points:
                self._correct(points)

    @staticmethod
    def _images(layers: Iterable[Any]) -> list[Any]:
        """Return the image layers."""
        return [layer for layer in layers if isinstance(layer, Image)]

    def _image_chosen(self, _index: int = 0) -> None:
        """Show the pixel size of the layer that was chosen."""
        layer = self.image.currentData()
        size = None
        if layer is not None:
            with _notified():
                size = sampling_of(layer)
        self.sampling.setValue(size or 0.0)
        self._of_layer = self.sampling.value()
        self.search.setEnabled(layer is not None and self.bar.isHidden())
        self._follow_soon(layer)

    def _choose_weights(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Weights", "", "Weights (*.safetensors *.ckpt *.pt *.pth)"
        )
        if path:
            self.detector.addItem(Path(path).name, path)
            self.detector.setCurrentIndex(self.detector.count() - 1)

    def _find(self) -> None:
        """Look for atoms in a thread, so that the window stays alive."""
        layer, weights = self.image.currentData(), self.detector.currentData()
        frame = frame_of(layer, self._viewer.dims.point)
        typed = self._typed()
        self._work(
            "Looking for atoms…",
            lambda: find_atoms(micrograph_of(layer, frame, typed), weights),
            lambda found: self._show(found, layer, frame),
        )

    def _typed(self) -> float | None:
        """Return the pixel size that the user typed [Å]; None where it was left: the layer's is not rounded."""
        return self.sampling.value() if self.sampling.value() != self._of_layer else None

    def _work(self, title: str, task: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Do a task in a thread, so that the window stays alive, and then what follows."""

        def attempt() -> tuple[Any, str]:
            # What a user can mend is returned: an error of a thread would be shown as a fault of ours.
            try:
                return task(), ""
            except InputError as error:
                return None, str(error)

        def follow(result: tuple[Any, str]) -> None:
            made, problem = result
            if problem:
                show_error(problem)
            else:
                then(made)

        worker = create_worker(attempt, _start_thread=False, _progress={"desc": title})
        worker.returned.connect(follow)
        worker.finished.connect(lambda: self._working(""))
        self._working(title)
        worker.start()

    def _working(self, title: str) -> None:
        self.bar.setVisible(bool(title))
        self.search.setText(title or "Find atoms")
        self.search.setEnabled(not title and self.image.count() > 0)
        for button in (self.score, self.save):
            button.setEnabled(not title)

    def _show(self, found: Found, layer: Any, frame: Frame) -> None:
        """Put what was found over its image."""
        if layer not in self._viewer.layers:
            show_info(f"{layer.name} was removed meanwhile; its atoms are not shown")
            return
        before = [points for points in self._over(layer, frame) if points.visible]
        for points in before:
            points.visible = False
            show_info(f"{points.name}: hidden now, under the atoms found anew; its corrections are kept")
        features: dict[str, Any] = {name: [] for name in (*found.image.candidates.columns, BY_HAND)}
        points = Points(**points_over(layer, found.image), features=features)
        self._every[points] = _Shown(found, layer, frame)
        self._draw(points, found)
        points.events.data.connect(self._edited)
        self._viewer.add_layer(points)
        self._correct(points)

    def _correct(self, points: Any) -> None:
        """Take corrections of these points from now on."""
        self._points = points
        found = self._every[points].found
        self._choose(self._every[points].layer)
        self.threshold.blockSignals(True)
        self.threshold.setRange(found.candidates.lowest, 1.0)
        self.threshold.setValue(found.threshold)
        self.threshold.blockSignals(False)
        self._tell()

    def _edited(self, event: Any) -> None:
        if event.action == "adding":
            self._mark_next(event.source)
        if not self._drawing and event.source == self._points:
            self._timer.start()

    def _read(self) -> int:
        """Take over what the user changed; return how many points lie on no image."""
        shown = self._every[self._points]
        image = shown.found.image
        places, elsewhere = places_of(self._points, shown.frame, image.micrograph.shape)
        self._every[self._points] = replace(shown, found=shown.found.corrected(places))
        return elsewhere

    def _draw(self, points: Any, found: Found) -> None:
        """Show these atoms instead of those before."""
        self._every[points] = replace(self._every[points], found=found)
        self._drawing = True
        points.selected_data = set()
        for name, value in looks(found.image, self._every[points].frame).items():
            setattr(points, name, value)
        self._mark_next(points)
        self._drawing = False

    def _mark_next(self, points: Any) -> None:
        """Mark what the user places next until the network has scored it; napari gives it the look of a selection."""
        with points.block_update_properties():  # what is selected stays as it is
            points.feature_defaults = {**dict.fromkeys(points.features, np.nan), BY_HAND: 1}
            points.current_border_color, points.current_symbol = BY_HAND_COLOUR, "square"

    def _threshold_changed(self, threshold: float) -> None:
        if self._points is not None:
            self._read()
            self._draw(self._points, self._every[self._points].found.at(threshold))
            self._timer.start()

    def _score(self) -> None:
        """Ask the network for the likelihood of what was placed by hand; where it did not look yet, it does so now."""
        self._read()
        points, weights = self._points, self.detector.currentData()
        found = self._every[points].found
        if found.unscored:
            self._work(
                "Asking the network…",
                lambda: find_atoms(found.image.micrograph, weights),
                lambda again: self._scored(points, again),
            )
        else:
            self._draw(points, found)
            self._tell(found.placed_likelihoods())

    def _scored(self, points: Any, again: Found) -> None:
        """Go on with points whose image a network looked at again."""
        if points in self._every:
            shown = self._every[points]
            self._every[points] = replace(shown, found=shown.found.scored_by(again))
            self._correct(points)
            self._score()

    def _tell(self, *more: Row) -> None:
        """Say in words what there is."""
        self.results.setVisible(self._points is not None)
        if self._points is None:
            return
        elsewhere = self._read()
        found = self._every[self._points].found
        self.results.setTitle(found.image.micrograph.name)
        try:
            summary = found.summary()
        except InputError as error:
            self.words.setText(escape(str(error)))
            return
        rows = [*summary.rows, *more]
        if elsewhere:
            rows.append(
                Row(
                    "Not counted",
                    f"{elsewhere}",
                    "Points off the image or on another frame; Score again takes them away.",
                )
            )
        self.show_words(summary, rows)

    def _save(self) -> None:
        """Write tables, overlay and labels into a folder that the user chooses."""
        chosen = QFileDialog.getExistingDirectory(self, "Folder for atoms and labels")
        found = self.found
        if not chosen or found is None:
            return
        inputs = inputs_of(self._every[self._points].layer)
        folder, weights = Path(chosen), self.detector.currentData()
        with _notified():
            found.check_folder(folder, overwrite=True, inputs=inputs)
            try:
                found.check_folder(folder, inputs=inputs)
            except InputError:
                question = f"{folder} holds results of {found.image.micrograph.name}. Replace them?"
                if QMessageBox.question(self, "Save", question) != QMessageBox.StandardButton.Yes:
                    return
            self._work(
                "Writing…",
                lambda: found.scored(weights).save(folder, overwrite=True, inputs=inputs),
                show_info,
            )


@contextmanager
def _notified() -> Iterator[None]:
    """Show what a user can mend as a notification."""
    try:
        yield
    except InputError as error:
        show_error(str(error))
