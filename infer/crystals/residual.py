"""What a restorer took away: the image as recorded less the restored one, and whether noise alone is left."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import BSpline, make_lsq_spline

from stemforge.colours import BLUE, VERMILION
from stemforge.errors import InputError
from stemforge.files import write_figure
from stemforge.infer.crystals.spectrum import ring_medians
from stemforge.micrograph.drawing import DIFFERENCES, draw_micrograph, entitle
from stemforge.micrograph.image import Micrograph

_SMALLEST = 32  # side of an image [pixel]
_KNOTS = 12  # of the transfer over spatial frequency
_LITTLE = 1e-5  # share of the strongest ring's power that counts as nothing
_RING = 4  # width of a ring of the spectrum, in its steps
_SLOWEST, _FASTEST = 0.01, 0.25  # cycles a pixel within which structure is looked for
_STRONG = 20.0  # power over its ring's median from which a frequency of the restored image is structure
_PEAK = 0.1  # … and over the strongest of its ring: the peak itself, not its foot
_FEWEST = 8  # frequencies with structure that are needed


@dataclass(frozen=True)
class Residual:
    """An image as recorded, beside what a restored image would have been recorded as.

    Parameters
    ----------
    recorded
        Shape (height, width).
    expected
        The restored image under the transfer that fits best, on the pixels and grey scale of ``recorded``.
    structure
        Power of the difference at the frequencies where the restored image has structure, over that of the noise
        beside them: 1 where noise alone is left. Structure that was taken away, moved or invented raises it. None
        where the restored image has no such frequencies, as without a crystal.

    Examples
    --------
    >>> residual = Residual(np.full((4, 4), 5.0), np.full((4, 4), 4.0), structure=1.1)
    >>> float(residual.difference.mean())
    1.0
    """

    recorded: NDArray[np.float64]
    expected: NDArray[np.float64]
    structure: float | None

    @property
    def difference(self) -> NDArray[np.float64]:
        """Recorded less expected."""
        return self.recorded - self.expected


def restoration_residual(recorded: ArrayLike, restored: ArrayLike) -> Residual:
    """Compare a restored image with the one as recorded, without knowing the truth.

    A restored image has neither the source's blur nor the grey scale of the recorded one. What lies between them is
    taken to be a smooth function of spatial frequency, by least squares. If the restored image is right, what is left
    is noise: as strong at the frequencies of the crystal as beside them.

    It does not say that the restored image is free of noise: an image that was not restored at all leaves nothing.

    Parameters
    ----------
    recorded
        Shape (height, width), as the restorer was given it.
    restored
        Shape (scale · height, scale · width), scale 1 or a whole number.

    Returns
    -------
    Residual
        Both on one scale, and how much structure is left.

    Raises
    ------
    InputError
        Shapes that do not fit, or an image of fewer than 32 pixels along a side.

    Examples
    --------
    >>> rows, columns = np.mgrid[:128, :128]
    >>> crystal = np.exp(np.cos(columns / 2) + np.cos(rows / 3))
    >>> image = crystal + np.random.default_rng(0).normal(0, 1, crystal.shape)
    >>> right, displaced = (restoration_residual(image, drawn) for drawn in (crystal, np.roll(crystal, 2)))
    >>> right.structure < 2 < 20 < displaced.structure
    True
    """
    image, fine = (np.asarray(values, dtype=float) for values in (recorded, restored))
    scale = fine.shape[0] // image.shape[0] if image.ndim == fine.ndim == 2 and image.size else 0
    if not scale or fine.shape != (scale * image.shape[0], scale * image.shape[1]):
        raise InputError(
            f"a restored image of shape {fine.shape} does not fit a recorded one of shape {image.shape}"
        )
    if min(image.shape) < _SMALLEST:
        raise InputError(f"the image must have at least {_SMALLEST} × {_SMALLEST} pixels, not {image.shape}")
    coarse = fine.reshape(image.shape[0], scale, image.shape[1], scale).mean((1, 3))
    window = np.outer(*(np.hanning(n) for n in image.shape))
    observed, drawn = (np.fft.fft2((values - values.mean()) * window) for values in (image, coarse))
    transfer = _transfer(observed, drawn)
    left = np.abs(observed - transfer(_radius(image.shape)) * drawn) ** 2
    # Outside the window, too: without it edges would be wrapped into each other.
    padded = np.pad(coarse - coarse.mean(), [(0, n) for n in image.shape], mode="symmetric")
    whole = np.fft.ifft2(np.fft.fft2(padded) * transfer(_radius(padded.shape))).real
    expected = whole[: image.shape[0], : image.shape[1]] + image.mean()
    return Residual(image, expected, _structure(np.abs(drawn) ** 2, left))


def _transfer(observed: NDArray[np.complex128], drawn: NDArray[np.complex128]) -> BSpline:
    """Fit by what the recorded image's spectrum is the drawn one's, over spatial frequency [cycles a pixel]."""
    rings = _rings(observed.shape, 1)
    number = np.bincount(rings.ravel())
    weight = np.bincount(rings.ravel(), np.abs(drawn).ravel() ** 2)
    # Where next to nothing is drawn, chance would decide: there the factor is drawn to zero.
    weight += _LITTLE * weight.max() + 1e-30
    ratio = np.bincount(rings.ravel(), (observed * drawn.conj()).real.ravel()) / weight
    frequency = np.bincount(rings.ravel(), _radius(observed.shape).ravel()) / np.maximum(number, 1)
    full = number > 0
    frequency, ratio, weight = frequency[full], ratio[full], weight[full]
    inner = np.linspace(0, frequency[-1], _KNOTS)[1:-1]
    knots = np.concatenate([[0] * 4, inner, [frequency[-1]] * 4])
    return make_lsq_spline(frequency, ratio, knots, k=3, w=np.sqrt(weight))


def _structure(drawn: NDArray[np.float64], left: NDArray[np.float64]) -> float | None:
    """Return how much stronger the rest is where the drawn image is strong, over the noise of the same ring."""
    radius, rings = _radius(drawn.shape), _rings(drawn.shape, _RING)
    strongest = np.zeros(rings.max() + 1)
    np.maximum.at(strongest, rings, drawn)
    least = np.maximum(_STRONG * ring_medians(drawn, rings), _PEAK * strongest)
    strong = (radius > _SLOWEST) & (radius < _FASTEST) & (drawn > least[rings])
    if strong.sum() < _FEWEST:
        return None
    # The power of noise is distributed exponentially: its mean is its median over log 2.
    noise = ring_medians(left, rings)[rings] / np.log(2)
    return float(np.mean(left[strong] / np.maximum(noise[strong], 1e-30)))


def _radius(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Spatial frequency [cycles a pixel]."""
    return np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None])


def _rings(shape: tuple[int, ...], width: int) -> NDArray[np.int64]:
    """Return the ring of each frequency of a spectrum, rings being as many of its steps wide."""
    return np.rint(_radius(shape) * min(shape) / width).astype(np.int64)


def draw_residual(
    residual: Residual,
    path: str | Path | None = None,
    *,
    sampling: float | None = None,
    name: str = "image",
) -> Figure:
    """Draw an image as recorded, what its restoration would have been recorded as, the difference, and grey values.

    Parameters
    ----------
    residual
        From :func:`restoration_residual`.
    path
        Where to save the picture; None saves nothing.
    sampling
        Pixel size of the recorded image [Å], or None.
    name
        Of the image.

    Returns
    -------
    Figure
        The picture.

    Examples
    --------
    >>> recorded = np.random.default_rng(0).normal(5, 1, (64, 64))
    >>> residual = Residual(recorded, np.full((64, 64), 5.0), structure=1.0)
    >>> figure = draw_residual(residual, "residual.png", sampling=0.25, name="field")
    >>> Path("residual.png").exists(), figure.axes[2].get_title()
    (True, 'recorded − restored: structure 1.0 times the noise')
    """
    height, width = residual.recorded.shape
    figure = Figure(figsize=(15.6, 3.7 * height / width + 0.6), layout="constrained")
    panels = figure.subplots(1, 4)
    low, high = np.percentile(residual.recorded, [0.5, 99.8])
    grey = (low, max(high, low + 1e-9))
    draw_micrograph(panels[0], Micrograph(residual.recorded.astype(np.float32), sampling))
    panels[0].images[0].set_clim(*grey)
    entitle(panels[0], f"{name}, as recorded")
    # What is expected may be flat, and then no micrograph.
    panels[1].imshow(residual.expected, cmap="gray", vmin=grey[0], vmax=grey[1], interpolation="nearest")
    panels[1].set_axis_off()
    entitle(panels[1], "restored, as it would be recorded")
    reach = max(float(np.percentile(np.abs(residual.difference), 99.5)), 1e-9)
    drawn = panels[2].imshow(
        residual.difference, cmap=DIFFERENCES, vmin=-reach, vmax=reach, interpolation="nearest"
    )
    panels[2].set_axis_off()
    remark = "" if residual.structure is None else f": structure {residual.structure:.1f} times the noise"
    entitle(panels[2], f"recorded − restored{remark}")
    figure.colorbar(drawn, ax=panels[2], shrink=0.85, pad=0.02, extend="both")
    bins = np.linspace(min(residual.recorded.min(), low), residual.recorded.max(), 90)
    for image, colour, label in (
        (residual.recorded, BLUE, "recorded"),
        (residual.expected, VERMILION, "restored"),
    ):
        panels[3].hist(image.ravel(), bins, density=True, histtype="step", color=colour, lw=1.5, label=label)
    panels[3].set_box_aspect(height / width)
    panels[3].set_yticks([])
    panels[3].spines[["top", "right", "left"]].set_visible(False)
    panels[3].legend(fontsize=9, frameon=False)
    entitle(panels[3], "grey values")
    if path is not None:
        write_figure(figure, path)
    return figure
