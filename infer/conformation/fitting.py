"""A candidate's image of one cell, as an image at hand would show it: registered, under a transfer that is fitted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemforge.infer.conformation.candidates import SIGNS, Candidate
from stemforge.infer.occupancy.transfer import fit_transfer

_FINE = 64  # steps of the search for the origin along each axis
_ROUNDS = 3  # of origin and transfer in turn
_WIDTH = 0.18  # of the transfer from which the search starts, a Gaussian [1/Å²]


@dataclass(frozen=True)
class Reflections:
    """Fourier coefficients of an image's average cell.

    Parameters
    ----------
    hk
        Indices, one of each Friedel pair, shape (n, 2).
    values, variance
        What was measured, and how uncertain it is; shape (n,).
    """

    hk: NDArray[np.int64]
    values: NDArray[np.complex128]
    variance: NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """A candidate's cell on an image.

    Parameters
    ----------
    coefficients
        Of the cell, shape (n,).
    guest
        What of them the guests add, shape (n,).
    signs
        Senses of the axes in which it fits best.
    origin
        Where its origin lies, in fractions of the axes.
    misfit
        What it leaves, over the variance; smallest over senses and origin.
    """

    coefficients: NDArray[np.complex128]
    guest: NDArray[np.complex128]
    signs: tuple[int, int]
    origin: NDArray[np.float64]
    misfit: float


def fit_candidate(candidate: Candidate, measured: Reflections) -> Fitted:
    """Fit a candidate to an image's average cell; the sense of its axes that fits best counts.

    Parameters
    ----------
    candidate
        What the image may show.
    measured
        Coefficients of the average cell.

    Returns
    -------
    Fitted
        The candidate's cell as the image would show it.
    """
    hk = measured.hk
    potential, bare = (one.coefficients(hk) for one in (candidate.crystal, candidate.bare))
    powers = candidate.crystal.powers(hk)
    every = np.stack([potential, potential - bare, *powers])
    fits = [_fit(candidate.cell, _mirrored(every, hk, signs), measured, signs) for signs in SIGNS]
    return min(fits, key=lambda fitted: fitted.misfit)


def _fit(
    cell: NDArray[np.float64],
    structure: NDArray[np.complex128],
    measured: Reflections,
    signs: tuple[int, int],
) -> Fitted:
    """Fit coefficients of a structure: its potential, its guests' share of that, and products of the potential."""
    hk = measured.hk
    k = hk / cell
    linear, guest, *further = structure
    origin = _origin(measured.values * (linear * np.exp(-(k**2).sum(1) / _WIDTH)).conj(), hk)
    for _ in range(_ROUNDS):
        turn = np.exp(-2j * np.pi * (hk @ origin))
        transfer, products = fit_transfer(
            measured.values * turn.conj(), measured.variance, k, linear, np.array(further)
        )
        shown = transfer.at(k) * linear + products
        left = measured.values * turn.conj() - shown
        origin = origin + _shift(shown, left, measured.variance, hk)
    misfit = float((np.abs(left) ** 2 / measured.variance).sum())
    return Fitted(shown * turn, transfer.at(k) * guest * turn, signs, origin % 1, misfit)


def _mirrored(
    values: NDArray[np.complex128], hk: NDArray[np.int64], signs: tuple[int, int]
) -> NDArray[np.complex128]:
    """Return the coefficients of a mirrored structure, shape (m, n): those at mirrored indices.

    Of each Friedel pair one is listed; the other one is its conjugate.
    """
    places = {index: i for i, index in enumerate(map(tuple, hk.tolist()))}
    mirrored = [tuple(index) for index in (hk * np.array(signs)).tolist()]
    listed = np.array([index in places for index in mirrored])
    which = np.array([places.get(index, places.get((-index[0], -index[1]))) for index in mirrored])
    return np.where(listed, values[:, which], values[:, which].conj())


def _origin(product: NDArray[np.complex128], hk: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the origin at which image and structure correlate best."""
    plane = np.zeros((_FINE, _FINE), dtype=complex)
    np.add.at(plane, tuple(hk.T % _FINE), product)
    best = np.unravel_index(np.argmax(np.fft.ifft2(plane).real), plane.shape)
    return np.array(best) / _FINE


def _shift(
    shown: NDArray[np.complex128],
    left: NDArray[np.complex128],
    variance: NDArray[np.float64],
    hk: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the step of the origin that explains most of what is left, by linear least squares."""
    slopes = -2j * np.pi * hk.T * shown
    matrix = (slopes.conj() / variance @ slopes.T).real
    return np.asarray(np.linalg.solve(matrix, (slopes.conj() / variance @ left).real))
