"""How an image shows a potential: the microscope's transfer, measured on the crystal in the image itself."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from stemforge.infer.crystals.lattice import Lattice

KNOTS = np.array([0, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.95])
"""Of the transfer along the radius, between which it is linear [1/Å]; the first of its values belong to these."""
_FEW_KNOTS = np.array([0, 0.12, 0.25, 0.45, 0.95])
_SCALE = 0.6  # of what depends on direction [1/Å]
# How rough the transfer may be along the radius, and how large what depends on direction or is not linear.
_ROUGHNESS, _FURTHER = 1e-3, 3e-3
_RING = 0.0075  # over which noise is looked at [cycles a pixel]


@dataclass(frozen=True)
class Transfer:
    """What an image shows of each spatial frequency of a potential.

    Parameters
    ----------
    values
        Of the functions of :func:`transfer_functions`.
    """

    values: NDArray[np.float64]

    def at(self, k: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return the transfer at frequencies (x, y) [1/Å], shape (..., 2)."""
        return (transfer_functions(k.reshape(-1, 2)) @ self.values).reshape(k.shape[:-1])


def transfer_functions(k: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return what a transfer is a sum of, at frequencies (x, y) [1/Å]; shapes (n, 2), (n, functions).

    Real and the same in all directions (probe, source, filters); with two directions (astigmatism, tilt, drift) and
    with four (quadrants of the detector); and imaginary (coma, shift).
    """
    radius, angle = np.hypot(k[:, 0], k[:, 1]), np.arctan2(k[:, 1], k[:, 0])
    r = radius / _SCALE
    fade = np.exp(-(r**2))
    columns = list(linear_between(radius, KNOTS).astype(complex))
    for powers, fold, phase in (((2, 4), 2, 1), ((1, 2, 4, 6), 4, 1), ((1, 3), 1, 1j), ((3,), 3, 1j)):
        for power in powers:
            columns += [phase * r**power * fade * wave(fold * angle) for wave in (np.cos, np.sin)]
    return np.stack(columns, axis=-1)


def fit_transfer(
    measured: NDArray[np.complex128],
    variance: NDArray[np.float64],
    k: NDArray[np.float64],
    linear: NDArray[np.complex128],
    further: NDArray[np.complex128],
) -> tuple[Transfer, NDArray[np.complex128]]:
    """Fit the transfer under which coefficients of a potential become those measured.

    Parameters
    ----------
    measured, variance
        Coefficients of an image's average cell, and of their noise; shape (n,).
    k
        Their frequencies [1/Å], shape (n, 2).
    linear
        Of the potential, guests included.
    further
        Of its products, shape (m, n), each with a transfer of its own.

    Returns
    -------
    transfer, products
        The transfer, and what the products add to the coefficients.
    """
    functions = transfer_functions(k)
    few = linear_between(np.hypot(*k.T), _FEW_KNOTS)
    products = np.concatenate([(few * one).T for one in further], axis=1)
    design = np.concatenate([functions * linear[:, None], products], axis=1)
    weight = 1 / np.sqrt(variance)
    a = np.concatenate([(design * weight[:, None]).real, (design * weight[:, None]).imag])
    b = np.concatenate([(measured * weight).real, (measured * weight).imag])
    radial, number = len(KNOTS), functions.shape[1]
    bend = np.zeros((radial - 2, a.shape[1]))
    bend[:, :radial] = np.diff(np.eye(radial), 2, axis=0)
    strength = _ROUGHNESS * np.trace(a[:, :radial].T @ a[:, :radial]) / radial
    small = np.diag(np.r_[np.zeros(radial), np.full(a.shape[1] - radial, _FURTHER)])
    solved = np.linalg.solve(a.T @ a + strength * (bend.T @ bend + small), a.T @ b)
    return Transfer(solved[:number]), products @ solved[number:]


def cell_coefficients(
    image: NDArray[np.float64], lattice: Lattice, hk: NDArray[np.int64], taper: float = 1.0
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Measure the Fourier coefficients of an image's average cell, and the variance of their noise.

    All are fitted at once under a window, so that none leaks into another; the noise is that of other frequencies of
    the same radius.

    Parameters
    ----------
    image
        Shape (height, width).
    lattice
        Of the crystal on it.
    hk
        Indices, one of each Friedel pair, shape (n, 2).
    taper
        Share of each side over which the window falls off: 1 for that of Hann, less to lose less of an image whose slow
        noise is not strong.

    Returns
    -------
    coefficients, variance
        Shape (n,).
    """
    windows = [tapered(n, taper) for n in image.shape]
    window = np.outer(*windows)
    total = window.sum()
    values = (image - (image * window).sum() / total) * window
    everything = np.concatenate([hk, -hk, [[0, 0]]])
    q = everything @ np.linalg.inv(lattice.matrix)
    origin = np.array(lattice.origin_px)
    y, x = (np.arange(n) for n in image.shape)
    # An image is real: at −q stands the conjugate of what stands at q.
    half = np.concatenate([q[: len(hk)], q[-1:]])
    rows = np.exp(-2j * np.pi * np.outer(half[:, 1], y)) @ values
    sums = (rows * np.exp(-2j * np.pi * np.outer(half[:, 0], x))).sum(1) * np.exp(2j * np.pi * half @ origin)
    sums = np.concatenate([sums[:-1], sums[:-1].conj(), sums[-1:]])
    between = q[:, None] - q
    gram = _transform(windows[0], between[..., 1]) * _transform(windows[1], between[..., 0])
    gram = gram * np.exp(2j * np.pi * between @ origin)
    # A sliver of the trace: reflections that a small image does not separate share what they have in common.
    solved = np.linalg.solve(gram + 1e-9 * total * np.eye(len(gram)), sums)
    coefficients = (solved[: len(hk)] + solved[len(hk) : 2 * len(hk)].conj()) / 2
    power = np.abs(np.fft.fft2(values)) ** 2 / total**2
    radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in image.shape), indexing="ij"))
    ring = max(_RING, 1.5 / min(image.shape))  # none without a frequency
    rings = np.arange(0, 0.5, ring)
    place = np.digitize(radius, rings) - 1
    # The median of an exponential distribution is ln 2 of its mean; reflections are few among a ring's frequencies.
    level = np.array([np.median(power[place == i]) for i in range(len(rings))]) / np.log(2)
    variance = np.interp(np.hypot(*q[: len(hk)].T), rings + ring / 2, level)
    return np.asarray(coefficients), np.asarray(variance)


def tapered(length: int, taper: float) -> NDArray[np.float64]:
    """Return a window that falls off over a share of its length (Tukey's): that of Hann for a share of 1."""
    return np.asarray(signal.windows.tukey(length + 2, taper)[1:-1])


def _transform(window: NDArray[np.float64], frequency: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Transform of a symmetric window at any frequencies [cycles a pixel]."""
    fine = 64 * len(window)
    middle = (len(window) - 1) / 2
    table = (np.fft.fft(window, fine) * np.exp(2j * np.pi * np.fft.fftfreq(fine) * middle)).real
    grid = np.fft.fftshift(np.fft.fftfreq(fine))
    folded = (frequency + 0.5) % 1 - 0.5
    return np.interp(folded, grid, np.fft.fftshift(table)) * np.exp(-2j * np.pi * folded * middle)


def linear_between(radius: NDArray[np.float64], knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Functions that are 1 at one knot and 0 at the others, shape (knots, n)."""
    return np.array([np.interp(radius, knots, one) for one in np.eye(len(knots))])
