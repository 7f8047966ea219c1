"""The panel itself: the one module that imports Qt."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Points
from napari.qt.threading import create_worker
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from stemforge.app.analysis.detectors import SHIPPED
from stemforge.app.analysis.edited import BY_HAND
from stemforge.app.napari.finding import Found, Row, find_atoms
from stemforge.app.napari.layers import (
    BY_HAND_COLOUR,
    Frame,
    frame_of,
    looks,
    micrograph_of,
    places_of,
    points_over,
    sampling_of,
)
from stemforge.errors import InputError

_PAUSE = 150  # after an edit, before it is counted [ms]: dragging makes many
_HINT = "Add, move and delete points with napari's own tools (keys 2 and 3, Delete)."


@dataclass(frozen=True, eq=False)
class _Shown:
    """What was found on an image of a layer."""

    found: Found
    layer: Any
    frame: Frame


class AtomPanel(QWidget):
    """A panel that finds atoms on an image layer, takes corrections by hand, and keeps them.

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
        self._drawing = False
        self._of_layer = 0.0
        self._build()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE)
        self._timer.timeout.connect(lambda: self._tell())
        layers = napari_viewer.layers
        for event in (layers.events.inserted, layers.events.removed, layers.events.reordered):
            event.connect(self._layers_changed)
        layers.selection.events.active.connect(self._active_changed)
        self._layers_changed()
        self._image_chosen()
        self._tell()

    def _build(self) -> None:
        """Make what the panel shows."""
        self.image, self.detector = QComboBox(), QComboBox()
        # Long names of files must not make the panel wide.
        self.image.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.image.currentIndexChanged.connect(self._image_chosen)
        self.sampling = QDoubleSpinBox()
        self.sampling.setDecimals(4)
        self.sampling.setMaximum(1e4)
        self.sampling.setSingleStep(0.01)
        self.sampling.setSuffix(" Å per pixel")
        self.sampling.setSpecialValueText("missing")
        self.sampling.setToolTip("Side of a pixel; taken from the layer's scale where that is a length")
        for row, one in enumerate(SHIPPED):
            self.detector.addItem(one["label"], one["name"])
            self.detector.setItemData(row, one["description"], Qt.ItemDataRole.ToolTipRole)
        self.browse = QToolButton()
        self.browse.setText("…")
        self.browse.setToolTip("Weights file of a detector of your own")
        self.browse.clicked.connect(self._choose_weights)
        self.search = QPushButton("Find atoms")
        self.search.clicked.connect(self._find)
        self.bar = QProgressBar()
        self.bar.setMaximum(0)
        self.bar.setVisible(False)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Image", self.image)
        form.addRow("Pixel size", self.sampling)
        chooser = QHBoxLayout()
        chooser.addWidget(self.detector, 1)
        chooser.addWidget(self.browse)
        form.addRow("Detector", chooser)

        self.results = QGroupBox()
        self.words, hint = QLabel(), QLabel(_HINT)
        self.words.setTextFormat(Qt.TextFormat.RichText)
        for text in (self.words, hint):
            text.setWordWrap(True)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.threshold = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.threshold.setDecimals(2)
        self.threshold.setToolTip("Likelihood from which atoms are shown")
        self.threshold.valueChanged.connect(self._threshold_changed)
        self.score, self.save = QPushButton("Score again"), QPushButton("Save…")
        self.score.setToolTip("Ask the network for the likelihood of what was placed by hand")
        self.save.setToolTip("Tables, overlay and labels, as stemforge infer atoms and ingest know them")
        self.score.clicked.connect(self._score)
        self.save.clicked.connect(self._save)
        inner = QVBoxLayout(self.results)
        inner.addWidget(self.words)
        label = QLabel("Smallest likelihood")
        label.setBuddy(self.threshold)
        inner.addWidget(label)
        inner.addWidget(self.threshold)
        inner.addWidget(hint)
        buttons = QHBoxLayout()
        buttons.addWidget(self.score)
        buttons.addWidget(self.save)
        inner.addLayout(buttons)

        outer = QVBoxLayout(self)
        outer.addLayout(form)
        outer.addWidget(self.search)
        outer.addWidget(self.bar)
        outer.addWidget(self.results)
        outer.addStretch(1)

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
        layers = [layer for layer in self._viewer.layers if isinstance(layer, Image)]
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
            layers = [self.image.itemData(row) for row in range(self.image.count())]
            self.image.setCurrentIndex(layers.index(active) if active in layers else -1)

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
        # The field rounds; where the user left it as it is, the layer knows better.
        typed = self.sampling.value() if self.sampling.value() != self._of_layer else None
        self._work(
            "Looking for atoms…",
            lambda: find_atoms(micrograph_of(layer, frame, typed), weights),
            lambda found: self._show(found, layer, frame),
        )

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
        points = Points(**points_over(layer, found.image), features={"score": [], BY_HAND: []})
        self._every[points] = _Shown(found, layer, frame)
        self._draw(points, found)
        points.events.data.connect(self._edited)
        self._viewer.add_layer(points)
        self._correct(points)

    def _correct(self, points: Any) -> None:
        """Take corrections of these points from now on."""
        self._points = points
        found = self._every[points].found
        self.threshold.blockSignals(True)
        self.threshold.setRange(found.candidates.lowest, 1.0)
        self.threshold.setValue(found.threshold)
        self.threshold.blockSignals(False)
        self._tell()

    def _edited(self, event: Any) -> None:
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
        # What the user places next is marked until the network has scored it.
        points.feature_defaults = {"score": np.nan, BY_HAND: 1}
        points.current_border_color, points.current_symbol = BY_HAND_COLOUR, "square"
        self._drawing = False

    def _threshold_changed(self, threshold: float) -> None:
        if self._points is not None:
            self._read()
            self._draw(self._points, self._every[self._points].found.at(threshold))
            self._timer.start()

    def _score(self) -> None:
        """Ask the network for the likelihood of what was placed by hand."""
        self._read()
        found = self._every[self._points].found
        self._draw(self._points, found)
        self._tell(found.placed_likelihoods())

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
        cells = "".join(
            f"<tr><td style='padding-right: 10px'>{escape(row.label)}</td><td>{escape(row.value)}</td></tr>"
            for row in rows
        )
        text = f"<p style='font-size: 18px'><b>{escape(summary.count)}</b></p><table>{cells}</table>"
        text += "".join(f"<p>⚠ {escape(doubt)}</p>" for doubt in summary.doubts)
        self.words.setText(text)
        self.words.setToolTip(
            "".join(f"<p><b>{escape(row.label)}</b>: {escape(row.explanation)}</p>" for row in rows)
        )

    def _save(self) -> None:
        """Write tables, overlay and labels into a folder that the user chooses."""
        chosen = QFileDialog.getExistingDirectory(self, "Folder for atoms and labels")
        found = self.found
        if not chosen or found is None:
            return
        source = self._every[self._points].layer.source.path
        inputs = [Path(source)] if isinstance(source, str) else []
        folder = Path(chosen)
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
                lambda: found.save(folder, overwrite=True, inputs=inputs),
                show_info,
            )


@contextmanager
def _notified() -> Iterator[None]:
    """Show what a user can mend as a notification."""
    try:
        yield
    except InputError as error:
        show_error(str(error))
