"""What noise leaves to be known of Gaussian atoms: the Fisher information of their parameters, and of pairs of them."""

import numpy as np
from numpy.typing import NDArray

from stemforge.infer.atoms.places.cosine import Plane

Values = NDArray[np.float64]


class Information:
    """Fisher information of atoms' amplitude, place (x, y) and logarithm of the width, in noise of known power.

    With m = A exp(−|r − r₀|²/2σ²) and noise of power P(q), F_ij = ∫ conj(∂_i m)(∂_j m)/P d²q (Barrett & Myers,
    Foundations of Image Science, 2004, ch. 13). For Gaussians all of these are moments of
    exp(−2π²(σ₁² + σ₂²)q²) cos(2πq·Δ)/P(q), which a product of one-dimensional factors gives.

    Parameters
    ----------
    weight
        1/P of each mode of the image's cosine transform, shape (height, width).

    Examples
    --------
    >>> white = Information(np.ones((64, 64)))
    >>> one, zero = np.ones(1), np.zeros(1)
    >>> fisher = white.of_pairs(2 * one, 3 * one, 2 * one, 3 * one, np.zeros((1, 2)))[0]
    >>> (np.diag(fisher)[:2] / [np.pi * 3**2, np.pi * 2**2 / 2]).round(3)  # ∫g², ∫(∂g/∂x)²
    array([1., 1.])
    """

    def __init__(self, weight: Plane) -> None:
        total = weight.astype(np.float64)
        total[0] /= 2  # the other quadrants repeat every mode but these
        total[:, 0] /= 2
        axes = []
        for axis, size in enumerate(weight.shape):
            edges = [0]
            while edges[-1] < size:
                edges.append(min(size, edges[-1] + max(1, edges[-1] // 12)))
            total = np.add.reduceat(total, edges[:-1], axis=axis)
            axes.append((np.array(edges[:-1]) + np.array(edges[1:]) - 1) / (4 * size))
        self._weight = total / weight.size
        self._qy, self._qx = axes

    def of_pairs(self, a1: Values, s1: Values, a2: Values, s2: Values, way: Values) -> Values:
        """Return the information that pairs of atoms share.

        Parameters
        ----------
        a1, s1, a2, s2
            Amplitudes over the noise, and widths [pixel], shape (n,).
        way
            From the first atom to the second (x, y) [pixel], shape (n, 2); zeros give an atom's information.

        Returns
        -------
        ndarray
            Shape (n, 4, 4): parameters of the first, then of the second atom.
        """
        moments = self._moments(s1**2 + s2**2, way) * (4 * np.pi**2 * s1**2 * s2**2)[:, None, None]

        def of(p: int, r: int) -> Values:
            return np.asarray(moments[:, r, p])

        tau = 2 * np.pi
        k1, k2, both = (tau * s1) ** 2, (tau * s2) ** 2, a1 * a2
        square = of(2, 0) + of(0, 2)
        x, y = of(3, 0) + of(1, 2), of(0, 3) + of(2, 1)
        fisher = np.empty((len(a1), 4, 4))
        fisher[:, 0, 0] = of(0, 0)
        for axis, (first, third) in enumerate(((of(1, 0), x), (of(0, 1), y)), 1):
            fisher[:, 0, axis], fisher[:, axis, 0] = -tau * first * a2, tau * first * a1
            fisher[:, axis, 3] = tau * (2 * first - k2 * third) * both
            fisher[:, 3, axis] = -tau * (2 * first - k1 * third) * both
        fisher[:, 0, 3] = (2 * of(0, 0) - k2 * square) * a2
        fisher[:, 3, 0] = (2 * of(0, 0) - k1 * square) * a1
        fisher[:, 1, 1], fisher[:, 2, 2] = tau**2 * of(2, 0) * both, tau**2 * of(0, 2) * both
        fisher[:, 1, 2] = fisher[:, 2, 1] = -(tau**2) * of(1, 1) * both
        fourth = of(4, 0) + 2 * of(2, 2) + of(0, 4)
        fisher[:, 3, 3] = (4 * of(0, 0) - 2 * (k1 + k2) * square + k1 * k2 * fourth) * both
        return fisher

    def _moments(self, variance: Values, way: Values) -> Values:
        """Return ∫ qy^r qx^p exp(…) cos or sin …/P for powers r, p up to 4, shape (n, 5, 5)."""
        across, along = (
            _factors(q, variance, steps) for q, steps in ((self._qx, way[:, 0]), (self._qy, way[:, 1]))
        )
        return np.asarray((along @ self._weight) @ across.transpose(0, 2, 1))


def _factors(q: Values, variance: Values, steps: Values) -> Values:
    """Return q^p exp(−2π²sq²) times cos(2πqd), or sin for odd p, shape (n, 5, len(q))."""
    damped = np.exp(-2 * np.pi**2 * variance[:, None] * q**2)
    even, odd = (wave(2 * np.pi * q * steps[:, None]) * damped for wave in (np.cos, np.sin))
    return np.stack([even, odd * q, even * q**2, odd * q**3, even * q**4], axis=1)
