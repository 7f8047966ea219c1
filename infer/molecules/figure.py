"""The molecules found, drawn on their micrograph."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from stemforge.colours import GREY, MARKS
from stemforge.files import write_figure
from stemforge.infer.molecules.detection import MoleculeDetection
from stemforge.infer.occupancy.result import FILLED, OPEN
from stemforge.micrograph.drawing import draw_micrograph, entitle, literal
from stemforge.micrograph.image import Micrograph


def draw_molecules(detection: MoleculeDetection, path: str | Path | None = None) -> Figure:
    """Draw the molecules found on their micrograph, and on what the detector was shown.

    Parameters
    ----------
    detection
        From :func:`stemforge.infer.detect_molecules`.
    path
        Where to save the picture; None saves nothing.

    Returns
    -------
    Figure
        The picture: a colour for each class, fainter boxes for lower likelihoods, or scores where the detector is not
        calibrated.

    Examples
    --------
    >>> from stemforge import Annotations
    >>> columns = {"label": np.array(["pyridine"], dtype=object), "score": np.array([0.9])}
    >>> found = Annotations([[8, 8]], np.array([[4.0, 4.0, 12.0, 12.0]]), columns)
    >>> detection = MoleculeDetection(Micrograph(np.eye(32), name="field"), found, np.eye(32), 0.5, 0.25)
    >>> figure = draw_molecules(detection, "field.png")
    >>> Path("field.png").exists(), [len(axes.patches) for axes in figure.axes]
    (True, [2, 1])
    """
    micrograph = detection.micrograph
    height, width = micrograph.shape
    figure = Figure(figsize=(12.4, 6.2 * height / width + 0.7), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_micrograph(left, Micrograph(micrograph.image, detection.sampling, name=micrograph.name))
    h, w = detection.shown.shape
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    right.imshow(detection.shown, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="nearest")
    right.set_axis_off()
    names = sorted({str(name) for name in detection.molecules["label"]})
    colours = {name: MARKS[i % len(MARKS)] for i, name in enumerate(names)}
    boxes = detection.molecules.boxes
    assert boxes is not None  # noqa: S101 - detections have boxes; for the type checker
    for axes in (left, right):
        columns = detection.molecules.columns
        states = columns.get("state", np.full(len(boxes), FILLED))
        sure = columns.get("likelihood", columns["score"])
        for (x0, y0, x1, y1), name, likely, state in zip(boxes, columns["label"], sure, states, strict=True):
            patch = Rectangle((x0, y0), x1 - x0, y1 - y0, fc="none", lw=1.2, ec=colours[str(name)])
            patch.set_linestyle("-" if state == FILLED else ":")
            patch.set_alpha(float(0.3 + 0.7 * min(max(likely, 0), 1)))
            axes.add_patch(patch)
    counts = {name: int(np.sum(detection.molecules["label"] == name)) for name in names}
    for name in names:
        right.plot([], [], color=colours[name], label=literal(f"{name}: {counts[name]}"))
    if np.any(detection.molecules.columns.get("state", np.empty(0)) == OPEN):
        right.plot([], [], ":", color=GREY, label="dotted: the image as recorded does not tell")
    if names:
        right.legend(loc="lower right", fontsize=8, framealpha=0.8)
    measure = "likelihood" if "likelihood" in detection.molecules.columns else "score"
    entitle(left, f"{micrograph.name}: {len(boxes)} molecules from {measure} {detection.threshold:.2g}")
    right.set_title(f"as the detector saw it ({w} × {h} pixels)", fontsize=10)
    if path is not None:
        write_figure(figure, path)
    return figure
