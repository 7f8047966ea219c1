"""The picture of doubtful labels: as their file has them, and where they belong."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stemforge.colours import MARKS
from stemforge.evaluate.audit.findings import Verdict
from stemforge.micrograph.drawing import draw_micrograph, entitle, literal
from stemforge.micrograph.image import Micrograph


def draw_labels(micrograph: Micrograph, verdict: Verdict, mended: NDArray[np.float64] | None) -> Figure:
    """Draw labels on their image, as given beside as mended.

    Parameters
    ----------
    micrograph
        The image.
    verdict
        On the file of its labels.
    mended
        Labels where they belong (x, y) [pixel], shape (n, 2); None where there is no certain mend.
    """
    height, width = micrograph.shape
    figure = Figure(figsize=(12, 6 * height / width + 0.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    bad = {row - 1 for fault in verdict.faults for row in fault.rows}
    # Without rows a fault is one of the whole file.
    whole = any(not fault.rows for fault in verdict.faults)
    wrong = np.array([whole or row in bad for row in range(len(verdict.points))], dtype=bool)
    draw_micrograph(left, micrograph)
    _circles(left, verdict.points[~wrong], MARKS[0])
    _circles(left, verdict.points[wrong], MARKS[1])
    entitle(left, f"{verdict.table} as given: {len(verdict.points)} labels, {wrong.sum()} in doubt")
    draw_micrograph(right, micrograph, scale_bar=False)
    if mended is None:
        right.set_title("no certain mend", fontsize=10)
    else:
        _circles(right, mended, MARKS[0])
        entitle(right, f"where they belong: {len(mended)} labels")
    figure.suptitle(literal("\n".join(_short(fault.message) for fault in verdict.faults)), fontsize=10)
    return figure


def _circles(axes: Axes, points: NDArray[np.float64], colour: str) -> None:
    x, y = points.T
    axes.scatter(x, y, s=70, facecolors="none", edgecolors=colour, linewidths=1.2)


def _short(text: str, most: int = 140) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
