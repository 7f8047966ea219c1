"""How atoms move: diffusion coefficient, mean squared displacement, and whether an atom moved at all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, t

LEVEL = 0.95
"""Share of intervals that hold the truth."""
SHIFTED = 1e-3
"""Chance that an atom that stays is taken for one that moved between the halves of its track."""
_FEWEST = 4  # detections of a track of which halves are compared
_LAGS = 4  # lags at least, and a quarter of the series: longer ones are the same few paths again and again
_DRAWS = 400
_SEED = 0

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Path:
    """Where an atom was.

    Parameters
    ----------
    frame
        Frames on which it was found, rising, shape (n,).
    points
        Places (x, y) without drift [unit], shape (n, 2).
    variance
        Of a coordinate by what the detector says [unit²], shape (n,).
    part
        Number of the place between two hops, shape (n,).
    """

    frame: NDArray[np.int64]
    points: Array
    variance: Array
    part: NDArray[np.int64]

    @property
    def net(self) -> Array:
        """From the first to the last place (x, y) [unit]."""
        return np.asarray(self.points[-1] - self.points[0])

    @property
    def hop_lengths(self) -> Array:
        """Lengths of its hops [unit]."""
        return np.asarray(np.hypot(*np.diff(self.points, axis=0).T)[np.diff(self.part) > 0])


@dataclass(frozen=True)
class Diffusion:
    """A diffusion coefficient.

    Parameters
    ----------
    value
        D [unit² per time]; below 0 where noise outweighs motion.
    error
        Its standard deviation, from how much it changes when one atom is left out.
    low, high
        Between these it lies with :data:`LEVEL`.
    localisation
        Variance of a coordinate, by the same steps [unit²].
    atoms, steps
        Of how many.

    Examples
    --------
    >>> found = Diffusion(0.48, 0.06, 0.36, 0.61, localisation=0.25, atoms=50, steps=1950)
    >>> found.value - 2 * found.error > 0  # beyond what noise alone gives
    True
    """

    value: float
    error: float
    low: float
    high: float
    localisation: float
    atoms: int
    steps: int


def diffusion(paths: Sequence[Path], step: float = 1.0, present: float = np.inf) -> Diffusion:
    """Estimate the diffusion coefficient of all atoms together by the covariance of steps.

    D = ⟨Δ²⟩/2τ + ⟨ΔₙΔₙ₊₁⟩/τ and σ² = −⟨ΔₙΔₙ₊₁⟩ of a coordinate's steps Δ from frame to frame, in time τ: the error of a
    place lengthens two steps and makes them contrary, so that it cancels whatever its size (Vestergaard, Blainey &
    Flyvbjerg 2014, doi:10.1103/PhysRevE.89.022726; an atom is scanned in a small part of a frame, so that motion does
    not blur it).

    Parameters
    ----------
    paths
        Of the atoms; hops count as they are.
    step
        Time from frame to frame τ.
    present
        Atoms by which the drift of a frame is told: it follows their mean, which takes 1/n off what they move.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> walks = (50, 40, 2)
    >>> walk = rng.normal(0, 1, walks).cumsum(1) + rng.normal(0, 0.5, walks)
    >>> flat, one = np.zeros(40), np.arange(40)
    >>> found = diffusion([Path(one, points, flat, flat.astype(int)) for points in walk])
    >>> round(found.value, 1), bool(found.low < 0.5 < found.high), round(found.localisation, 1)
    (0.5, True, 0.2)
    """
    sums = np.array([_sums(path) for path in paths]).reshape(-1, 4)
    sums = sums[sums[:, 3] > 0]
    if len(sums) < 2:
        return Diffusion(np.nan, np.nan, np.nan, np.nan, np.nan, len(sums), 0)
    gain = _gain(present)
    value, noise = _covariance(sums.sum(0))
    left_out = np.array([_covariance(sums.sum(0) - one)[0] for one in sums])
    number = len(sums)
    error = float(np.sqrt((number - 1) / number * ((left_out - left_out.mean()) ** 2).sum()))
    reach = float(t.ppf((1 + LEVEL) / 2, number - 1)) * error
    scale = gain / step
    ends = (scale * (value - reach), scale * (value + reach))
    return Diffusion(scale * value, scale * error, *ends, gain * noise, number, int(sums[:, 1].sum()) // 2)


def diffusion_of(path: Path, step: float = 1.0) -> tuple[float, float]:
    """Return one atom's diffusion coefficient and its standard deviation by theory; NaN without two steps in a row.

    The variance is that of Vestergaard et al. 2014, (6 + 4ε + 2ε²)/N + 4(1 + ε)²/N² of D², ε = σ²/Dτ, of each
    coordinate.
    """
    squares, steps, products, pairs = _sums(path)
    if not pairs:
        return np.nan, np.nan
    value, noise = _covariance(np.array([squares, steps, products, pairs]))
    d, s, n = max(value, 0.0), max(noise, 0.0), steps / 2
    variance = (6 * d**2 + 4 * d * s + 2 * s**2) / n + 4 * (d + s) ** 2 / n**2
    return value / step, float(np.sqrt(variance / 2)) / step


def squared_displacements(
    paths: Sequence[Path], frames: int, present: float = np.inf
) -> dict[str, NDArray[np.float64]]:
    """Return the mean squared displacement over lags, the error of places taken off.

    Of all pairs of frames of all atoms, overlapping ones too; 4σ² is taken off, σ² by the covariance of steps. The
    interval is from drawing atoms again (bootstrap): that of neighbouring lags goes up and down together.

    Returns
    -------
    dict
        Columns ``lag`` [frames], ``msd``, ``low``, ``high`` [unit²] and ``pairs``.
    """
    lags = np.arange(1, max(_LAGS, frames // 4) + 1)
    lags = lags[lags < frames]
    table = np.array([[_lagged(path, lag) for lag in lags.tolist()] for path in paths]).reshape(
        len(paths), len(lags), 2
    )
    sums = np.array([_sums(path) for path in paths]).reshape(-1, 4)
    gain = _gain(present)

    def curve(chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        total = table[chosen].sum(0)
        noise = _covariance(sums[chosen].sum(0))[1]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(gain * (total[:, 0] / total[:, 1] - 4 * noise))

    rng = np.random.default_rng(_SEED)
    drawn = np.array([curve(rng.integers(0, len(paths), len(paths))) for _ in range(_DRAWS)])
    values = curve(np.arange(len(paths)))
    known = np.isfinite(values) & np.isfinite(drawn).any(0)
    low = high = np.empty(0)
    if known.any():
        low, high = np.nanquantile(drawn[:, known], [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    columns = {"lag": lags[known], "msd": values[known], "low": low, "high": high}
    columns["pairs"] = table.sum(0)[known, 1]
    return {name: np.asarray(column, dtype=float) for name, column in columns.items()}


def localisation_excess(paths: Sequence[Path], localisation: float) -> float:
    """Return the variance of places that the detector's errors do not explain [unit²]."""
    stated = float(np.mean(np.concatenate([path.variance for path in paths])))
    return max(localisation - stated, 0.0) if np.isfinite(localisation) else 0.0


def shift_p(path: Path, excess: float, least: float = 0.0) -> float:
    """Return the chance that an atom that stays is found so far displaced between the halves of its track.

    NaN of an atom that was not tested: found less than four times, or displaced by less than the shortest hop.

    Parameters
    ----------
    path
        Of the atom.
    excess
        Variance of a coordinate beyond what the detector says [unit²].
    least
        Displacement up to which nothing is said, whatever the errors [unit].
    """
    if len(path.frame) < _FEWEST:
        return np.nan
    middle = len(path.frame) // 2
    weight = 1 / np.maximum(path.variance + excess, 1e-12)
    halves = [(weight[half], path.points[half]) for half in (slice(middle), slice(middle, None))]
    means = [(w[:, None] * points).sum(0) / w.sum() for w, points in halves]
    variance = sum(1 / w.sum() for w, _ in halves)
    square = float(((means[1] - means[0]) ** 2).sum())
    return float(chi2.sf(square / variance, 2)) if square > least**2 else np.nan


def _sums(path: Path) -> tuple[float, float, float, float]:
    """Return the sum of squared steps, number of coordinates, sum of products of steps in a row, and their number.

    A hop belongs to motion, and has no part in the error of places: products with it average to nothing.
    """
    step, frame = np.diff(path.points, axis=0), np.diff(path.frame)
    good = frame == 1
    row = good[1:] & good[:-1]
    products = (step[1:] * step[:-1]).sum(1)[row]
    return float((step[good] ** 2).sum()), 2.0 * good.sum(), float(products.sum()), 2.0 * row.sum()


def _covariance(sums: Array) -> tuple[float, float]:
    """Return D τ and σ² of a coordinate."""
    squares, steps, products, pairs = sums
    if not steps or not pairs:
        return np.nan, np.nan
    covariance = products / pairs
    return float(squares / steps / 2 + covariance), float(-covariance)


def _lagged(path: Path, lag: int) -> tuple[float, float]:
    """Return the sum of squared displacements over a lag, and their number."""
    index = np.searchsorted(path.frame, path.frame + lag)
    index = np.minimum(index, len(path.frame) - 1)
    good = path.frame[index] == path.frame + lag
    return float(((path.points[index] - path.points)[good] ** 2).sum()), float(good.sum())


def _gain(present: float) -> float:
    """Return what motion is multiplied with, because drift follows the mean of the atoms that are present."""
    return 1.0 if not np.isfinite(present) else present / max(present - 1, 1.0)
