"""What restorers add to an image and take from it: maps of differences, and grey values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from stemforge.colours import BLUE, GREY
from stemforge.errors import InputError
from stemforge.evaluate.images.quality import enlarged, similarity
from stemforge.files import write_figure
from stemforge.micrograph.drawing import DIFFERENCES, draw_micrograph, entitle, literal
from stemforge.micrograph.image import Micrograph

_SIDE = 36.0  # of the part that is drawn [Å]
_PIXELS = 256  # … of images without a pixel size
_GREYS = "grey values, truth behind"
_BINS = np.linspace(-0.4, 1.4, 91)  # of grey values

Image = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Comparison:
    """One image as recorded, as several methods restored it, and as it is without noise.

    Parameters
    ----------
    name
        Of the image.
    recorded
        The noisy image, shape (height, width).
    truth
        Shape (scale · height, scale · width), with contrast.
    restored
        By method; each of the shape of ``recorded`` or of ``truth``.
    sampling
        Pixel size of ``truth`` [Å], or None.
    dose
        Incident electrons per area [e/Å²], or None.

    Examples
    --------
    >>> truth = np.random.default_rng(0).random((32, 32))
    >>> images = Comparison("field", 5 + 2 * truth, truth, {"unet": 0.5 * truth}, sampling=0.25, dose=1e3)
    >>> recorded, _, restored = images.on_one_scale()
    >>> bool(np.allclose(recorded, restored["unet"]))  # one grey scale for all
    True
    """

    name: str
    recorded: Image
    truth: Image
    restored: Mapping[str, Image]
    sampling: float | None = None
    dose: float | None = None

    def on_one_scale(self) -> tuple[Image, Image, dict[str, Image]]:
        """Bring all images to the truth's pixels and grey scale, on which the truth goes from 0 to 1.

        A restored image gets the gain and offset with the least squared difference from the truth, as in
        :func:`~stemforge.evaluate.image_quality`. The recorded image gets those that make it the truth and noise that
        has nothing to do with it: least squares would fade it until its noise is least.

        Returns
        -------
        recorded, truth, restored
            Each of the shape of the truth; nothing is clipped.

        Raises
        ------
        InputError
            A truth without contrast, or shapes that do not fit.

        Examples
        --------
        >>> truth = np.random.default_rng(0).random((64, 64))
        >>> images = Comparison("field", 5 + 2 * truth, truth, {"none": 3 * truth}).on_one_scale()
        >>> bool(np.allclose(images[0], images[1]) and np.allclose(images[2]["none"], images[1]))
        True
        """
        span = float(np.ptp(self.truth))
        if not span > 0:
            raise InputError("the truth has no contrast")
        truth = (self.truth - self.truth.min()) / span
        recorded = enlarged(np.asarray(self.recorded, float), truth.shape)
        gain = _slope(truth, recorded)
        recorded = (recorded - recorded.mean()) / max(gain, 1e-9) + truth.mean()
        restored = {}
        for name, image in self.restored.items():
            fine = enlarged(np.asarray(image, float), truth.shape)
            restored[name] = max(_slope(fine, truth), 0.0) * (fine - fine.mean()) + truth.mean()
        return recorded, truth, restored


def _slope(x: Image, y: Image) -> float:
    """By how much y rises with x, in the mean of all pixels."""
    variance = float(x.var())
    return float(np.mean((x - x.mean()) * (y - y.mean()))) / variance if variance else 0.0


def draw_differences(
    comparison: Comparison, path: str | Path | None = None, *, names: Mapping[str, str] | None = None
) -> Figure:
    """Draw what each restorer made of an image, how that differs from the truth and from the image, and grey values.

    Parameters
    ----------
    comparison
        The images.
    path
        Where to save the picture; None saves nothing.
    names
        How methods are called in the picture; by default as in ``comparison``.

    Returns
    -------
    Figure
        A row a method, after one of the image as recorded and the truth; as in Figure 3 of Yang et al., Adv. Sci. 2024,
        doi:10.1002/advs.202408629. Maps show the middle of the image, all in one scale of grey and one of
        differences; histograms count all of it, the truth's in grey behind each.

    Examples
    --------
    >>> truth = np.random.default_rng(0).random((64, 64))
    >>> figure = draw_differences(Comparison("field", truth + 0.1, truth, {"none": truth}))
    >>> figure.axes[0].get_title()
    'as recorded'
    """
    recorded, truth, restored = comparison.on_one_scale()
    rows = len(restored) + 1
    figure = Figure(figsize=(10.2, 2.6 * rows + 1.0), layout="constrained")
    grid = figure.add_gridspec(rows + 1, 4, width_ratios=(1, 1, 1, 1.15), height_ratios=[*[1] * rows, 0.05])
    panels = np.array([[figure.add_subplot(grid[row, column]) for column in range(4)] for row in range(rows)])
    everything = [recorded - truth, *(image - truth for image in restored.values())]
    reach = max(float(np.percentile(np.abs(everything), 98)), 1e-6)
    first, fine = panels[0], comparison.sampling
    _grey(first[0], recorded, fine, scale_bar=True)
    drawn = _difference(first[1], recorded - truth, fine, reach)
    _grey(first[2], truth, fine)
    _histogram(first[3], recorded, truth)
    for axes, title in zip(first, ("as recorded", "recorded − truth", "truth", _GREYS), strict=True):
        entitle(axes, title)
    for row, (method, image) in zip(panels[1:], restored.items(), strict=True):
        name = method if names is None else names.get(method, method)
        _grey(row[0], image, fine)
        _difference(row[1], image - truth, fine, reach)
        _difference(row[2], image - recorded, fine, reach)
        _histogram(row[3], image, truth)
        score = similarity(comparison.restored[method], comparison.truth)
        titles = (f"{name}: SSIM {score:.2f}", f"{name} − truth", f"{name} − recorded")
        for axes, title in zip(row, titles, strict=False):
            entitle(axes, title)
    scale = figure.add_subplot(grid[-1, 1:3])
    figure.colorbar(
        drawn,
        cax=scale,
        orientation="horizontal",
        extend="both",
        label="difference, where the truth goes from 0 to 1",
    )
    dose = "" if comparison.dose is None else f" at {comparison.dose:g} e/Å²"
    figure.suptitle(literal(f"{comparison.name}{dose}"), fontsize=11)
    if path is not None:
        write_figure(figure, path, dpi=130)
    return figure


def _middle(image: Image, sampling: float | None) -> Image:
    side = _PIXELS if sampling is None else round(_SIDE / sampling)
    top, left = (max((n - side) // 2, 0) for n in image.shape)
    return image[top : top + side, left : left + side]


def _grey(axes: Axes, image: Image, sampling: float | None, *, scale_bar: bool = False) -> None:
    shown = _middle(image, sampling)
    if scale_bar:
        draw_micrograph(axes, Micrograph(shown.astype(np.float32), sampling))
        axes.images[0].set_clim(0, 1)
        return
    # What a method made may be flat, and then no micrograph.
    axes.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_axis_off()


def _difference(axes: Axes, image: Image, sampling: float | None, reach: float) -> AxesImage:
    axes.set_axis_off()
    return axes.imshow(
        _middle(image, sampling), cmap=DIFFERENCES, vmin=-reach, vmax=reach, interpolation="nearest"
    )


def _histogram(axes: Axes, image: Image, truth: Image) -> None:
    """Draw the share of pixels by grey value, over the truth's."""
    for values, style in (
        (truth, {"color": GREY, "alpha": 0.3}),
        (image, {"color": BLUE, "histtype": "step"}),
    ):
        axes.hist(values.ravel(), _BINS.tolist(), density=True, lw=1.3, **style)
    axes.set_xlim(_BINS[0], _BINS[-1])
    axes.set_yticks([])
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)
