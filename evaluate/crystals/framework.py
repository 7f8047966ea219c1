"""How well an image shows the atom columns of its crystal's framework, which are known from the lattice."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.feature import peak_local_max

from stemforge.errors import InputError
from stemforge.infer import Framework, Lattice
from stemforge.infer.maxima import parabola_vertex
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

    Examples
    --------
    >>> print(FrameworkScore(0.92, 0.9, 0.94, 0.21, 0.8, columns=100, maxima=104, matched=94))
    F1 0.920, rms 0.21 Å
    """

    f1: float
    precision: float
    recall: float
    rms: float | None
    threshold: float
    columns: int
    maxima: int
    matched: int

    def __str__(self) -> str:
        rms = "–" if self.rms is None else f"{self.rms:.2f} Å"
        return f"F1 {self.f1:.3f}, rms {rms}"


@dataclass(frozen=True)
class FrameworkMatch:
    """Columns and maxima of an image, (x, y) [pixel]: ``points`` that count at the threshold of ``score``.

    Examples
    --------
    >>> score = FrameworkScore(0.8, 1.0, 0.67, 0.2, 0.8, columns=3, maxima=2, matched=2)
    >>> match = FrameworkMatch(score, columns=np.ones((3, 2)), points=np.ones((2, 2)))
    >>> len(match.points) == match.score.maxima
    True
    """

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
    columns: NDArray[np.float64] | None = None,
) -> FrameworkMatch:
    """Score the local maxima of an image against the framework's columns.

    The image is blurred by 0.3 Å, so that images of different pixel size and noise have their maxima counted
    alike; every local maximum above a grey threshold counts, and the threshold is the one with the highest F1:
    each image is taken at its best. A maximum and a column match when each is the other's nearest, within the
    tolerance.

    Parameters
    ----------
    micrograph
        Raw or restored image.
    lattice
        From :func:`stemforge.infer.find_lattice`; its pixels are the image's.
    framework
        Whose columns; by default the one that the lattice names.
    tolerance
        Largest distance of a match [Å].
    merge
        Columns closer than this are one [Å].
    columns
        Where they lie (x, y) [pixel], shape (n, 2), if not where the even lattice has them:
        :meth:`stemforge.infer.Domains.sites` follows distortion and displaced domains.

    Returns
    -------
    FrameworkMatch
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
    if columns is None:
        columns = lattice.sites(framework.columns(merge).fractional, micrograph.shape)
    margin = 2 * tolerance / lattice.sampling
    columns = columns[_inside(columns, micrograph.shape, margin)]
    smooth = ndimage.gaussian_filter(micrograph.image.astype(float), _BLUR / lattice.sampling)
    points, heights = _maxima(smooth)
    inside = _inside(points, micrograph.shape, margin)
    near = cKDTree(columns).query(points)[0] <= _GUEST / lattice.sampling if len(columns) else inside
    points, heights = points[inside & near], heights[inside & near]
    reach = tolerance / lattice.sampling
    matches = []
    for quantile in np.linspace(0, 1, _THRESHOLDS)[:-1]:
        kept = points[heights >= np.quantile(smooth, quantile)]
        distances = _mutual(kept, columns, reach) * lattice.sampling
        score = _score(distances, len(kept), len(columns), float(quantile))
        matches.append(FrameworkMatch(score, columns, kept))
    return max(matches, key=lambda match: match.score.f1)


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


def _score(distances: NDArray[np.float64], maxima: int, columns: int, threshold: float) -> FrameworkScore:
    n = len(distances)
    return FrameworkScore(
        f1=2 * n / max(maxima + columns, 1),
        precision=n / max(maxima, 1),
        recall=n / max(columns, 1),
        rms=float(np.sqrt(np.mean(distances**2))) if n else None,
        threshold=threshold,
        columns=columns,
        maxima=maxima,
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
    shifts = [
        parabola_vertex(smooth[y - dy, x - dx], heights, smooth[y + dy, x + dx])
        for dy, dx in ((0, 1), (1, 0))
    ]
    return places[:, ::-1] + np.nan_to_num(np.column_stack(shifts)).clip(-0.5, 0.5), heights
