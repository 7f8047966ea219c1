"""Overlays: what was found, drawn on the micrograph."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from stemforge.infer.atoms.detection import Detection
from stemforge.micrograph.image import Micrograph

# Told apart by every reader (Okabe & Ito); for kinds of things drawn on a micrograph, in their order.
COLOURS = ("#56B4E9", "#E69F00", "#009E73", "#F0E442", "#CC79A7", "#D55E00")


def draw_micrograph(axes: Axes, micrograph: Micrograph, *, scale_bar: bool = True) -> None:
    """Draw a micrograph in grey, by default with a scale bar (nm where calibrated, pixels where not)."""
    low, high = np.percentile(micrograph.image, [0.5, 99.8])
    axes.imshow(micrograph.image, cmap="gray", vmin=low, vmax=max(high, low + 1e-9), interpolation="nearest")
    axes.set_axis_off()
    axes.autoscale(False)  # a circle at the border must not shrink the image
    if not scale_bar:
        return
    height, width = micrograph.shape
    unit = 1.0 if micrograph.sampling is None else 10 / micrograph.sampling
    target = width / 5 / unit
    step = 10 ** np.floor(np.log10(target))
    length = max(s * step for s in (1, 2, 5) if s * step <= target)
    x, y, thick = 0.05 * width, 0.95 * height, 0.012 * height
    axes.add_patch(Rectangle((x, y - thick), length * unit, thick, color="white"))
    label = f"{length:g} {'px' if micrograph.sampling is None else 'nm'}"
    axes.text(x, y - 1.8 * thick, label, color="white", ha="left", va="bottom", fontsize=9)


def draw_detection(detection: Detection, path: str | Path | None = None) -> Figure:
    """Draw the atoms found on their micrograph, coloured by score.

    Parameters
    ----------
    detection
        From :func:`stemforge.infer.detect_atoms`.
    path
        Where to save the picture; None saves nothing.

    Returns
    -------
    Figure
        The picture.
    """
    height, width = detection.micrograph.shape
    figure = Figure(figsize=(7.6, 6.4 * height / width + 0.4), layout="constrained")
    axes = figure.subplots()
    draw_micrograph(axes, detection.micrograph)
    x, y = detection.atoms.points.T
    colours = ScalarMappable(Normalize(detection.threshold, 1), "autumn")
    edges: Any = colours.to_rgba(detection.atoms["score"])
    axes.scatter(x, y, s=70, facecolors="none", edgecolors=edges, linewidths=1.2)
    figure.colorbar(colours, ax=axes, label="likelihood", shrink=0.6, pad=0.01)
    title = f"{detection.micrograph.name}: {len(detection.atoms)} atoms from {detection.threshold:.2f} on"
    if detection.expected_f1 is not None:
        title += f", expected F1 {detection.expected_f1:.2f}"
    if detection.density is not None:
        title += "\nvisible: {:.2f} ({:.2f} to {:.2f}) per nm²".format(*detection.density)
    axes.set_title(title, fontsize=10)
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure
