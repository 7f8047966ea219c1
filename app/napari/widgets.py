"""What the panel shows: its fields, buttons and words, laid out; what they do is the panel's."""

from collections.abc import Sequence
from html import escape

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from stemforge.app.analysis.detectors import SHIPPED
from stemforge.app.napari.finding import Row, Summary

_HINT = "Add, move and delete points with napari's own tools (keys 2 and 3, Delete)."


class PanelWidgets(QWidget):
    """Fields for image, pixel size and detector; below them what was found, with slider and buttons."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.detector = QComboBox(), QComboBox()
        # Long names of files must not make the panel wide.
        self.image.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
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
        self.search = QPushButton("Find atoms")
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
        self.score, self.save = QPushButton("Score again"), QPushButton("Save…")
        self.score.setToolTip("Ask the network for the likelihood of what was placed by hand")
        self.save.setToolTip("Tables, overlay and labels, as stemforge infer atoms and ingest know them")
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

    def show_words(self, summary: Summary, rows: Sequence[Row]) -> None:
        """Write what is known of an image.

        Parameters
        ----------
        summary
            Number of atoms, and what makes it doubtful.
        rows
            Of the table between these.
        """
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
