"""Atoms drawn on their micrograph."""

from pathlib import Path
from typing import Any

from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from stemforge.files import write_figure
from stemforge.infer.atoms.detection import Detection
from stemforge.infer.atoms.sampling import SamplingEstimate
from stemforge.infer.specimen.figure import draw_edge
from stemforge.micrograph.drawing import draw_left_out, draw_micrograph, entitle


def draw_detection(
    detection: Detection, path: str | Path | None = None, estimate: SamplingEstimate | None = None
) -> Figure:
    """Draw the atoms found on their micrograph, coloured by score; what was left out is tinted and hatched.

    Parameters
    ----------
    detection
        From :func:`stemforge.infer.detect_atoms`.
    path
        Where to save the picture; None saves nothing.
    estimate
        Of the pixel size, where that was estimated; stands in the title.

    Returns
    -------
    Figure
        The picture.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge import Annotations, Micrograph
    >>> atoms = Annotations([[20, 30], [70, 60]], columns={"score": [0.9, 0.7]})
    >>> image = Micrograph(np.random.default_rng(0).random((100, 100)), 0.2, name="area")
    >>> figure = draw_detection(Detection(image, atoms, image.image, 0.2, 0.5), "area.png")
    >>> figure.axes[0].get_title(), Path("area.png").exists()
    ('area: 2 atoms from 0.50 on', True)
    """
    height, width = detection.micrograph.shape
    figure = Figure(figsize=(7.6, 6.4 * height / width + 0.4), layout="constrained")
    axes = figure.subplots()
    draw_micrograph(axes, detection.micrograph)
    if detection.usable is not None:
        draw_left_out(axes, detection.usable)
    if detection.specimen is not None:
        draw_edge(axes, detection.specimen)
    x, y = detection.atoms.points.T
    colours = ScalarMappable(Normalize(detection.threshold, 1), "autumn")
    edges: Any = colours.to_rgba(detection.atoms["score"])
    axes.scatter(x, y, s=70, facecolors="none", edgecolors=edges, linewidths=1.2)
    figure.colorbar(colours, ax=axes, label="likelihood", shrink=0.6, pad=0.01)
    title = f"{detection.micrograph.name}: {len(detection.atoms)} atoms from {detection.threshold:.2f} on"
    if detection.expected_f1 is not None:
        title += f", expected F1 {detection.expected_f1:.2f}"
    if detection.usable is not None and detection.usable.reasons:
        title += f"\nleft out (tinted): {detection.usable}"
    if detection.specimen is not None and detection.specimen.vacuum is not None:
        title += f"\nspecimen within the dashed line: {100 * detection.specimen.share:.0f} % of the image"
    if detection.density is not None:
        title += "\nvisible: {:.2f} ({:.2f} to {:.2f}) per nm²".format(*detection.density)
    if estimate is not None:
        title += f"\n{estimate}"
    entitle(axes, title)
    if path is not None:
        write_figure(figure, path, dpi=120)
    return figure
