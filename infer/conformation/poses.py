"""A candidate's guests beside where its file has them: how well a structure knows their place is limited."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemforge.infer.conformation.candidates import Candidate
from stemforge.infer.conformation.covariance import stacked
from stemforge.infer.conformation.fitting import Fitted

_STEP = 0.15  # between the places that are tried along each axis, about [Å]; images show hardly less
_REACH = 3.0  # of the standard deviation along an axis, up to where places are tried
_FEWEST, _MOST = 3, 7  # steps within that reach: 29 to 149 places, however far they are spread


def places_beside(displacement: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return places around the origin and their probabilities, of a Gaussian across the beam.

    Parameters
    ----------
    displacement
        Root mean square distance from the origin [Å]; 0 leaves the origin alone.

    Returns
    -------
    places, probability
        Shapes (p, 2) [Å] and (p,).

    Examples
    --------
    >>> places, probability = places_beside(0.3)
    >>> round(float(np.sqrt(probability @ (places**2).sum(1))), 1), places_beside(0.0)[0].tolist()
    (0.3, [[0.0, 0.0]])
    """
    width = displacement / np.sqrt(2)
    count = int(np.clip(np.rint(_REACH * width / _STEP), _FEWEST, _MOST)) if width else 0
    step = _REACH * width / max(count, 1)
    steps = np.arange(-count, count + 1) * step
    places = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    square = (places**2).sum(1)
    inside = square <= (count * step) ** 2 * (1 + 1e-9)
    places, square = places[inside], square[inside]
    density = np.exp(-square / (2 * max(width, 1e-9) ** 2))
    return places, density / density.sum()


@dataclass(frozen=True)
class Poses:
    """What cells would show of candidates, their guests in several places each.

    Parameters
    ----------
    means
        Coefficients, real parts and then imaginary ones; those of one candidate after the other, shape (p, 2n).
    log_weight
        Logarithm of how probable each place is for its candidate, shape (p,).
    first
        Where each candidate's begin, shape (m,).
    spread
        Covariance of the coefficients by the displacement, mean over candidates, shape (2n, 2n).
    """

    means: NDArray[np.float64]
    log_weight: NDArray[np.float64]
    first: NDArray[np.int64]
    spread: NDArray[np.float64]

    @classmethod
    def of(cls, candidates: Sequence[Candidate], fits: Sequence[Fitted], hk: NDArray[np.int64]) -> "Poses":
        """Displace the guests of fitted candidates, each as far as its place is uncertain."""
        means, weights, spread = [], [], np.zeros((2 * len(hk), 2 * len(hk)))
        for candidate, fitted in zip(candidates, fits, strict=True):
            places, probability = places_beside(candidate.displacement)
            turn = np.exp(-2j * np.pi * (places / candidate.cell) @ hk.T)
            change = stacked((turn - 1) * fitted.guest)
            means.append(stacked(fitted.coefficients) + change)
            weights.append(np.log(probability))
            spread += (change.T * probability) @ change / len(fits)
        first = np.cumsum([0, *map(len, weights[:-1])])
        return cls(np.concatenate(means), np.concatenate(weights), first, spread)

    def together(self, logs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return log-likelihoods of candidates from those of their poses, shapes (b, p) and (b, m)."""
        return np.asarray(np.logaddexp.reduceat(logs + self.log_weight, self.first, axis=1))
