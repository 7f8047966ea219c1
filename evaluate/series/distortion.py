"""Distortion of the scan, drift within a frame: told by atoms that stay, and taken off where it is beyond chance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy.stats import f as f_law, false_discovery_control

from stemforge.evaluate.series.detections import Detections
from stemforge.evaluate.series.drift import HUBER, refine_drift

FALSE_SHARE = 0.05
"""Share of the corrected frames, at most, that are corrected by chance."""
POWERS = 2
"""Drift within a frame is steady (1), or also gets faster or slower (2)."""

_LEAST = 8  # atoms on a frame, of which distortion can be told
_ROUNDS = 4  # of finding places, drift and distortion from each other

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Distortion:
    """Displacement of each frame's lines against their mean, a polynomial along the slow scan direction.

    Parameters
    ----------
    coefficients
        Of the Legendre polynomials of order 1, 2, … of the line, from −1 at the top to 1 at the bottom, for x and y
        [unit], shape (frames, :data:`POWERS`, 2); 0 of frames that are not corrected.
    height
        Of a frame [unit].

    Examples
    --------
    >>> one = Distortion(np.array([[[1.0, 0.0], [0.0, 0.0]]]), height=100.0)
    >>> one.at(np.zeros(3, dtype=int), np.array([0.0, 50.0, 100.0]))[:, 0].tolist()
    [-1.0, 0.0, 1.0]
    """

    coefficients: Array
    height: float

    @classmethod
    def none(cls, frames: int, height: float) -> "Distortion":
        """Return that of frames of which none is distorted."""
        return cls(np.zeros((frames, POWERS, 2)), height)

    @property
    def corrected(self) -> NDArray[np.bool_]:
        """Which frames are corrected, shape (frames,)."""
        return np.asarray((self.coefficients != 0).any((1, 2)))

    @property
    def span(self) -> Array:
        """Displacement of each frame's last line against its first [unit], shape (frames,)."""
        # Legendre polynomials are 1 at the bottom, 1 and −1 in turn at the top.
        return np.asarray(np.hypot(*(2 * self.coefficients[:, ::2].sum(1)).T))

    @property
    def parameters(self) -> float:
        """How many numbers of a coordinate were fitted to a frame, its shift among them, mean of the frames."""
        return 1.0 + float((self.coefficients != 0).any(2).sum(1).mean())

    def at(self, frame: NDArray[np.int64], y: Array) -> Array:
        """Return the displacement (x, y) [unit] at these lines y [unit] of frames, shape (n, 2)."""
        return np.asarray((_basis(y, self.height)[..., None] * self.coefficients[frame]).sum(1))


def straightened(found: Detections, distortion: Distortion) -> Detections:
    """Return what was found, with the distortion of each frame taken off."""
    return found.shifted(-distortion.at(found.frame, found.points[:, 1]))


def refine_alignment(
    found: Detections, parts: Sequence[NDArray[np.int64]], drift: Array, variance: float, before: Distortion
) -> tuple[Array, Array, Distortion]:
    """Find drift, and distortion of those frames where it is beyond chance, by the atoms that stay.

    Places of atoms and the drift follow from straightened frames, by :func:`refine_drift`; a polynomial of each frame's
    residuals as recorded gives its distortion; and both again. It counts where the sum of squares falls by more than
    chance has it (F test of nested models, both coordinates together). Of all frames those are corrected among which
    one in 20 is expected to be so by chance (Benjamini & Hochberg 1995). What all frames have in common cannot be told
    from the specimen.

    Parameters
    ----------
    found
        As found, drift and distortion not taken off.
    parts
        Indices of the detections of each part of a track.
    drift
        Displacement of each frame as known so far (x, y), shape (frames, 2).
    variance
        Of a coordinate, to be added to what the detector says [unit²].
    before
        Distortion as known so far.

    Returns
    -------
    drift, error, distortion
        Drift and the variance of its coordinates as :func:`refine_drift` gives them, and the distortion.
    """
    parts = [part for part in parts if len(part) > 1]
    straight = straightened(found, before)
    drift, error = refine_drift(straight, parts, drift, variance)
    distortion = before
    for _ in range(_ROUNDS):
        distortion = _fitted(found, straight, parts, drift, variance)
        if not distortion.corrected.any() and not before.corrected.any():
            break
        straight = straightened(found, distortion)
        drift, error = refine_drift(straight, parts, drift, variance)
    return drift, error, distortion


def _fitted(
    found: Detections,
    straight: Detections,
    parts: Sequence[NDArray[np.int64]],
    drift: Array,
    variance: float,
) -> Distortion:
    """Fit each frame's residuals along its lines, term after term."""
    height = float(found.size[1])
    coefficients = Distortion.none(found.frames, height).coefficients
    if not parts:
        return Distortion(coefficients, height)
    index = np.concatenate(parts)
    part = np.repeat(np.arange(len(parts)), [len(one) for one in parts])
    frame = found.frame[index]
    sigma2 = np.maximum(found.variance[index] + variance, 1e-12)
    placed = straight.points[index] - drift[frame]
    whole = np.bincount(part, 1 / sigma2)
    place = np.stack([np.bincount(part, placed[:, i] / sigma2) / whole for i in (0, 1)], 1)[part]
    size = np.hypot(*(placed - place).T) / np.sqrt(sigma2)
    weight = np.minimum(1, HUBER / np.maximum(size, 1e-12)) / sigma2
    residual = found.points[index] - drift[frame] - place
    columns = np.column_stack([np.ones(len(index)), _basis(found.points[index, 1], height)])
    chosen = [np.flatnonzero(frame == number) for number in range(found.frames)]
    fits = {
        number: _Fit.of(columns[one], residual[one], weight[one])
        for number, one in enumerate(chosen)
        if len(one) >= _LEAST
    }
    kept = _beyond_chance({number: fit.any_chance for number, fit in fits.items()})
    curved = _beyond_chance({number: fits[number].last_chance for number in kept})
    for number in kept:
        coefficients[number] = fits[number].second if number in curved else fits[number].first
    return Distortion(coefficients, height)


def _beyond_chance(chances: dict[int, float]) -> list[int]:
    """Return the frames of which :data:`FALSE_SHARE` is expected to be chance (Benjamini & Hochberg 1995)."""
    if not chances:
        return []
    p = false_discovery_control(list(chances.values()))
    return [number for number, value in zip(chances, p, strict=True) if value < FALSE_SHARE]


@dataclass(frozen=True, eq=False)
class _Fit:
    """Of a frame: polynomials of both orders, and the chances that noise is fitted as much better by them.

    ``any_chance``: by either of them than by a shift; ``last_chance``: by the second than by the first.
    """

    first: Array
    second: Array
    any_chance: float
    last_chance: float

    @classmethod
    def of(cls, columns: Array, values: Array, weight: Array) -> "_Fit":
        """Fit residuals (n, 2) by columns (n, 1 + powers), the first of which is the shift."""
        root, squares, solutions = np.sqrt(weight)[:, None], [], []
        for number in range(1, POWERS + 2):
            design = root * columns[:, :number]
            solution = np.linalg.lstsq(design, root * values, rcond=None)[0]
            squares.append(float(((root * values - design @ solution) ** 2).sum()))
            solutions.append(np.zeros((POWERS, 2)))
            solutions[-1][: number - 1] = solution[1:]

        def chance(fewer: int, more: int) -> float:
            free = 2 * (len(values) - more - 1)
            gain = (squares[fewer] - squares[more]) / (2 * (more - fewer))
            return float(f_law.sf(gain / max(squares[more] / free, 1e-30), 2 * (more - fewer), free))

        lowest = min(chance(0, 1), chance(0, 2))
        return cls(solutions[1], solutions[2], min(2 * lowest, 1.0), chance(1, 2))


def _basis(y: Array, height: float) -> Array:
    """Return the Legendre polynomials of the lines y, shape (n, powers)."""
    return np.asarray(legendre.legvander(2 * np.asarray(y) / height - 1, POWERS)[:, 1:])
