"""The specimen's edge, drawn on its image."""

from matplotlib.axes import Axes
from scipy import ndimage

from stemforge.colours import SKY
from stemforge.infer.specimen.mask import Specimen


def draw_edge(axes: Axes, specimen: Specimen) -> None:
    """Draw the line between specimen and vacuum above a micrograph; nothing where no vacuum was found."""
    if specimen.vacuum is None:
        return
    # Of a smoothed mask, since that of pixels has steps.
    axes.contour(
        ndimage.gaussian_filter(specimen.mask.astype(float), 2),
        levels=[0.5],
        colors=SKY,
        linewidths=1.2,
        linestyles="--",
    )
