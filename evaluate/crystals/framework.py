"""Restoration without labels: a crystal's own atom columns, known from its lattice, as the truth."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.feature import peak_local_max

from stemforge.errors import InputError
from stemforge.infer import Framework, Lattice, Restoration, draw_micrograph
from stemforge.micrograph.image import Micrograph

TOLERANCE = 0.6
"""Largest distance of a maximum from its column [Å]: half of what separates two that an iDPC image resolves."""

# Maxima farther from every column than this [Å] may be guests in the channels; they count neither way.
_GUEST = 1.8
# Standard deviation of the blur before maxima are looked for [Å]: a quarter of the resolution.
_BLUR = 0.3
_THRESHOLDS = 41


@dataclass(frozen=True)
class FrameworkScore:
    """How well an image shows the columns of its framework.

    Parameters
    ----------
    f1, precision, recall
        At the threshold with the highest F1.
    rms
        Root mean square distance of matched maxima from their columns [Å].
    threshold
        Grey value from which a maximum counted, as a quantile of the image.
    columns, maxima, matched
        Number of columns on the image, of maxima that count, and of matched pairs.
    """

    f1: float
    precision: float
    recall: float
    rms: float | None
    threshold: float
    columns: int
    maxima: int
    matched: int

    def to_dict(self) -> dict[str, float | int | None]:
        """Return the figures by name."""
        return asdict(self)


@dataclass(frozen=True)
class Found:
    """Columns and maxima on an image, (x, y) [pixel]: ``points`` that count at ``score``'s threshold."""

    score: FrameworkScore
    columns: NDArray[np.float64]
    points: NDArray[np.float64]


def score_framework(
    micrograph: Micrograph,
    lattice: Lattice,
    *,
    framework: Framework | None = None,
    tolerance: float = TOLERANCE,
    merge: float = 1.0,
    offsets: "Offsets | None" = None,
) -> Found:
    """Score the local maxima of an image against the framework's columns.

    The image is blurred by 0.3 Å, so that images of different pixel size and noise have their maxima counted
    alike; every local maximum above a grey threshold counts, and the threshold is the one with the highest F1:
    each image is taken at its best. A maximum and a column match when each is the other's nearest, within the
    tolerance.

    Parameters
    ----------
    micrograph
        Raw or restored image; its pixels and the lattice's must be the same, see :func:`rescaled`.
    lattice
        From :func:`stemforge.infer.find_lattice`.
    framework
        Whose columns; by default the one that the lattice names.
    tolerance
        Largest distance of a match [Å].
    merge
        Columns closer than this are one [Å].
    offsets
        Where the image is distorted, how far the columns lie from the even lattice.

    Returns
    -------
    Found
        The score, and what was compared.

    Raises
    ------
    InputError
        Tolerance or merge not positive.

    Examples
    --------
    >>> cell = Framework("oblong", (12.0, 8.0), np.array([[0.1, 0.2], [0.6, 0.3], [0.3, 0.8]]), np.full(3, 14))
    >>> lattice = Lattice((0, 0), (48, 0), (0, 32), 0.25, 0.0, 0.0, 1.0, "oblong", (12.0, 8.0))
    >>> picture = Micrograph(np.tile(cell.image((32, 48)), (4, 4)))
    >>> score_framework(picture, lattice, framework=cell).score.f1
    1.0
    """
    if not tolerance > 0:
        raise InputError(f"tolerance must be a positive length [Å], not {tolerance}")
    framework = framework or Framework.named(lattice.framework)
    columns = lattice.sites(framework.columns(merge).fractional, micrograph.shape)
    if offsets is not None:
        columns = columns + offsets(columns)
    margin = 2 * tolerance / lattice.sampling
    columns = columns[_inside(columns, micrograph.shape, margin)]
    smooth = ndimage.gaussian_filter(micrograph.image.astype(float), _BLUR / lattice.sampling)
    points, heights = _maxima(smooth)
    inside = _inside(points, micrograph.shape, margin)
    near = cKDTree(columns).query(points)[0] <= _GUEST / lattice.sampling if len(columns) else inside
    points, heights = points[inside & near], heights[inside & near]
    reach = tolerance / lattice.sampling
    best: Found | None = None
    for quantile in np.linspace(0, 1, _THRESHOLDS)[:-1]:
        kept = points[heights >= np.quantile(smooth, quantile)]
        score = _score(
            _mutual(kept, columns, reach) * lattice.sampling, len(kept), len(columns), float(quantile)
        )
        if best is None or score.f1 > best.score.f1:
            best = Found(score, columns, kept)
    assert best is not None  # noqa: S101 - there are thresholds; for the type checker
    return best


def _mutual(points: NDArray[np.float64], columns: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Distances of the pairs each of which is the other's nearest, no longer than ``reach``.

    Columns may lie closer than twice the tolerance: assigning as many pairs as can be had, as for single atoms,
    would push a maximum over to its neighbour's column to make room.
    """
    if not (len(points) and len(columns)):
        return np.empty(0)
    distance, column = cKDTree(columns).query(points)
    _, point = cKDTree(points).query(columns)
    return distance[(point[column] == np.arange(len(points))) & (distance <= reach)]


def _score(distances: NDArray[np.float64], found: int, there: int, threshold: float) -> FrameworkScore:
    n = len(distances)
    return FrameworkScore(
        f1=2 * n / max(found + there, 1),
        precision=n / max(found, 1),
        recall=n / max(there, 1),
        rms=float(np.sqrt(np.mean(distances**2))) if n else None,
        threshold=threshold,
        columns=there,
        maxima=found,
        matched=n,
    )


def _inside(points: NDArray[np.float64], shape: tuple[int, int], margin: float) -> NDArray[np.bool_]:
    x, y = points.T
    return (x >= margin) & (y >= margin) & (x <= shape[1] - 1 - margin) & (y <= shape[0] - 1 - margin)


def _maxima(smooth: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Local maxima (x, y) to a fraction of a pixel, and their heights."""
    places = peak_local_max(smooth, min_distance=1, exclude_border=2)
    y, x = places.T
    heights = smooth[y, x]
    shift = []
    for dy, dx in ((0, 1), (1, 0)):
        before, after = smooth[y - dy, x - dx], smooth[y + dy, x + dx]
        curvature = 2 * heights - before - after
        step = np.where(curvature > 0, (after - before) / np.maximum(2 * curvature, 1e-30), 0)
        shift.append(np.clip(step, -0.5, 0.5))
    return places[:, ::-1] + np.column_stack(shift), heights


@dataclass(frozen=True)
class Offsets:
    """A smooth distortion of a lattice: quadratic in the position.

    ``coefficients`` (6, 2) of 1, x, y, x², xy, y², with x and y from −1 to 1 over an image of ``shape``.
    """

    coefficients: NDArray[np.float64]
    shape: tuple[int, int]

    def __call__(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the distortion (dx, dy) [pixel] at points (x, y) [pixel], shape (n, 2)."""
        return _terms(points, self.shape) @ self.coefficients


def _terms(points: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    x, y = 2 * points[:, 0] / shape[1] - 1, 2 * points[:, 1] / shape[0] - 1
    return np.column_stack([np.ones_like(x), x, y, x * x, x * y, y * y])


def fit_offsets(
    micrograph: Micrograph, lattice: Lattice, *, framework: Framework | None = None, cells: float = 2.0
) -> Offsets:
    """Measure how a scan's drift bends a lattice: each part of the image is registered by itself.

    Parameters
    ----------
    micrograph
        The raw image: what is restored from it must not decide where its columns are expected.
    lattice
        Of the whole image.
    framework
        By default the one that the lattice names.
    cells
        Size of the parts [lengths of the longer axis].

    Returns
    -------
    Offsets
        A quadratic fit to the parts' shifts.
    """
    framework = framework or Framework.named(lattice.framework)
    hk, factors = framework.reflections(1.7)
    hk, factors = hk[:60], factors[:60]
    longest = max(np.hypot(*lattice.a_px), np.hypot(*lattice.b_px))
    height, width = micrograph.shape
    sigma = cells * longest / 2
    step = int(max(sigma, 8))
    g = hk @ np.linalg.inv(lattice.matrix)
    y, x = np.arange(height, dtype=float), np.arange(width, dtype=float)
    origin = np.array(lattice.origin_px)
    flat = micrograph.image - ndimage.gaussian_filter(micrograph.image, longest / 2)
    # Each part is weighted as a Gaussian around its centre.
    window_y, window_x = (np.exp(-(((n[None] - n[::step, None]) / sigma) ** 2) / 2) for n in (y, x))
    parts = []
    for frequency in g:
        wave_y = window_y * np.exp(-2j * np.pi * frequency[1] * (y - origin[1]))
        wave_x = window_x * np.exp(-2j * np.pi * frequency[0] * (x - origin[0]))
        parts.append(wave_y @ (flat @ wave_x.T))
    product = np.array(parts).reshape(len(g), -1) * factors[:, None]
    centres = np.stack(np.meshgrid(x[::step], y[::step]), -1).reshape(-1, 2).astype(float)
    # Within a third of the finest strong fringe, so that no part locks on the wrong one.
    reach = np.linspace(-1.5, 1.5, 31) / lattice.sampling
    shifts = np.stack(np.meshgrid(reach, reach), -1).reshape(-1, 2)
    agreement = (np.exp(2j * np.pi * shifts @ g.T) @ product).real
    best = shifts[np.argmax(agreement, axis=0)]
    weight = np.sqrt(np.clip(agreement.max(0), 0, None))[:, None]
    solution = np.linalg.lstsq(_terms(centres, micrograph.shape) * weight, best * weight, rcond=None)[0]
    return Offsets(solution, micrograph.shape)


def rescaled(lattice: Lattice, offsets: Offsets | None, restoration: Restoration) -> tuple[Lattice, Any]:
    """Return a raw image's lattice and distortion in the pixels of its restoration."""
    scale = restoration.scale
    values = asdict(lattice) | {
        "origin_px": tuple((np.array(lattice.origin_px) + 0.5) / scale - 0.5),
        "a_px": tuple(np.array(lattice.a_px) / scale),
        "b_px": tuple(np.array(lattice.b_px) / scale),
        "sampling": float(lattice.sampling * np.sqrt(np.prod(scale))),
    }
    if offsets is None:
        return Lattice(**values), None
    height, width = restoration.image.shape
    return Lattice(**values), Offsets(offsets.coefficients / scale, (height, width))


def compare_framework(
    micrograph: Micrograph,
    restorations: Mapping[str, Restoration],
    lattice: Lattice,
    *,
    framework: Framework | None = None,
    tolerance: float = TOLERANCE,
    merge: float = 1.0,
    bend: bool = True,
) -> dict[str, Found]:
    """Score a raw image and what was restored from it against the same columns.

    Parameters
    ----------
    micrograph
        The raw image, on which the lattice was found.
    restorations
        Restorations of it, by name.
    lattice
        From :func:`stemforge.infer.find_lattice` on the raw image.
    framework, tolerance, merge
        As for :func:`score_framework`.
    bend
        Follow the scan's distortion, see :func:`fit_offsets`.

    Returns
    -------
    dict
        ``"raw"`` and the restorations by name.
    """
    framework = framework or Framework.named(lattice.framework)
    offsets = fit_offsets(micrograph, lattice, framework=framework) if bend else None
    options: dict[str, Any] = {"framework": framework, "tolerance": tolerance, "merge": merge}
    found = {"raw": score_framework(micrograph, lattice, offsets=offsets, **options)}
    for name, restoration in restorations.items():
        there, bent = rescaled(lattice, offsets, restoration)
        found[name] = score_framework(restoration.as_micrograph(), there, offsets=bent, **options)
    return found


def draw_framework(
    images: Mapping[str, Micrograph], found: Mapping[str, Found], path: str | Path | None = None
) -> Figure:
    """Draw the middle of each image with the framework's columns (circles) and the maxima found (dots).

    Parameters
    ----------
    images
        Images by name, as scored.
    found
        From :func:`compare_framework`.
    path
        Where to save the picture; None saves nothing.
    """
    figure = Figure(figsize=(6.2 * len(found), 6.6), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(found)))
    for axes, (name, result) in zip(panels, found.items(), strict=True):
        image = images[name]
        height, width = image.shape
        side = min(height, width) / 4
        middle = image.image[
            int((height - side) / 2) : int((height + side) / 2),
            int((width - side) / 2) : int((width + side) / 2),
        ]
        draw_micrograph(axes, image, scale_bar=False)
        axes.images[0].set_clim(*np.percentile(middle, [0.5, 99.8]))
        axes.scatter(*result.columns.T, s=60, facecolors="none", edgecolors="#56B4E9", linewidths=1)
        axes.scatter(*result.points.T, s=10, color="#D55E00")
        axes.set_xlim((width - side) / 2, (width + side) / 2)
        axes.set_ylim((height + side) / 2, (height - side) / 2)
        score = result.score
        rms = "–" if score.rms is None else f"{score.rms:.2f} Å"
        axes.set_title(
            f"{name}: F1 {score.f1:.3f} ({score.matched} of {score.columns} columns, {score.maxima} maxima), "
            f"rms {rms}",
            fontsize=10,
        )
    if path is not None:
        figure.savefig(path, dpi=110)
    return figure
