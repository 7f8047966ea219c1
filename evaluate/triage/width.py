"""How wide the images of atoms are on an image: of the likeliest ones together, since one alone is mostly noise."""

import numpy as np
from numpy.typing import NDArray

from stemforge.evaluate.corpora.measurements import spot_width
from stemforge.evaluate.triage.candidates import Candidates

LIKELY = 0.5
"""Likelihood from which a candidate's image counts."""
FEWEST = 4
"""Candidates that tell a width."""

_MOST = 60
_REACH = 4.0  # half the side of what is averaged, in expected full widths of an atom's image
_LEAST_REACH, _MOST_REACH = 5, 40  # pixels


def atom_width(candidates: Candidates, expected: float) -> float | None:
    """Return the full width at half maximum of atoms' mean image [pixel].

    Parameters
    ----------
    candidates
        Of the image, from :func:`stemforge.evaluate.triage.candidates.find_candidates`.
    expected
        Full width that it is about [pixel].

    Returns
    -------
    float or None
        None with fewer than :data:`FEWEST` likely atoms away from the edge, and where they have no common width.
    """
    reach = int(np.clip(round(_REACH * expected / 2), _LEAST_REACH, _MOST_REACH))
    height, width = candidates.filled.shape
    points = candidates.points[candidates.likelihoods >= LIKELY][:_MOST].round().astype(int)
    inside = ((points >= reach) & (points < np.array([width, height]) - reach)).all(axis=1)
    if np.count_nonzero(inside) < FEWEST:
        return None
    spots = [_spot(candidates.filled, x, y, reach) for x, y in points[inside]]
    mean = np.mean(spots, axis=0)
    found = spot_width(mean / max(float(np.ptp(mean)), 1e-12))
    return found if found < 2 * reach else None


def _spot(image: NDArray[np.float32], x: int, y: int, reach: int) -> NDArray[np.float64]:
    part = image[y - reach : y + reach + 1, x - reach : x + reach + 1].astype(np.float64)
    return part - np.median(part)
