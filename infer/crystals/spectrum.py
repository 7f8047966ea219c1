"""The reciprocal lattice of a crystal on an image, from the power spectrum: neither scale nor angle need be known."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, optimize

from stemforge.infer.maxima import parabola_vertex

# How many of the strongest reflections are looked for.
_SEARCHED = 40
# Candidates of the search that are refined: a/c is close to 3/2, so turned and scaled lattices come close.
_CANDIDATES = 8
# Blur of the spectrum from one step of the refinement to the next [bins].
_BLURS = (4.0, 2.0, 1.0)
_FINE = 1e-4  # up to which axes are refined on a blurred spectrum: reflections' positions are finer
# Logarithm of the power over its median that noise hardly reaches, and bins that have it where there are reflections.
_STRONG, _BINS = 3.0, 12
# Steps of the search in angle [deg] and in the logarithm of the scale.
_ANGLE, _SCALE = 0.5, 0.01


def levelled(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """Remove slow background, and the brightest and darkest of the pixels."""
    values = np.asarray(image, dtype=np.float64)
    values = values - ndimage.gaussian_filter(values, max(4.0, min(values.shape) / 12), mode="reflect")
    # Few pixels of a screenshot's frame or of a hot detector must not outshine the crystal.
    low, high = np.percentile(values, [0.2, 99.8])
    return np.clip(values, low, high)


def faded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fade an image to zero at the border, to a mean of zero."""
    window = np.outer(*(np.hanning(n + 2)[1:-1] for n in values.shape))
    return (values - np.sum(values * window) / window.sum()) * window


@dataclass(frozen=True)
class Spectrum:
    """Logarithm of the power of an image over the median at its radius; frequency 0 in the middle.

    Parameters
    ----------
    values
        The map, shape (rows, columns).
    bins
        Its number of bins for one cycle a pixel, along y and x.
    mean
        Of the map, which stands for what is beyond it.
    """

    values: NDArray[np.float64]
    bins: tuple[float, float]
    mean: float

    @classmethod
    def of(cls, image: NDArray[np.float64]) -> "Spectrum":
        """Return that of an image from :func:`faded`."""
        shape = tuple(2 * n for n in image.shape)  # zero-padded, so that a peak spans several bins
        power = np.fft.fftshift(np.abs(fft.fft2(image, shape)) ** 2)
        fy, fx = (np.fft.fftshift(fft.fftfreq(n)) for n in shape)
        radius = np.hypot(fy[:, None], fx[None])
        ring = np.minimum((radius * min(shape) / 4).astype(np.int16), min(shape) // 8)
        # Opposite frequencies have the same power: one half has all medians.
        median = ring_medians(power[shape[0] // 2 :], ring[shape[0] // 2 :])
        median = np.maximum(ndimage.gaussian_filter1d(median, 1.5), 1e-9 * power.max())
        # Saturate: one strong reflection must not decide alone.
        values = np.minimum(np.log1p(power / median[ring]), 5.0)
        return cls(values, (float(shape[0]), float(shape[1])), float(values.mean()))

    def blurred(self, sigma: float) -> "Spectrum":
        """Return it under a Gaussian blur of a standard deviation [bins]."""
        return replace(self, values=ndimage.gaussian_filter(self.values, sigma))

    def at(self, g: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return its values at frequencies (x, y) [cycles a pixel], shape (..., 2)."""
        rows, columns = self.values.shape
        where = [g[..., 1] * self.bins[0] + rows // 2, g[..., 0] * self.bins[1] + columns // 2]
        return ndimage.map_coordinates(self.values, where, order=1, mode="constant", cval=self.mean)


def ring_medians(values: NDArray[np.float64], ring: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the median of each ring of a spectrum, numbered from 0; 0 of a ring that has no frequency."""
    order = np.argsort(ring, axis=None, kind="stable")
    ends = np.cumsum(np.bincount(ring.ravel()))[:-1]
    return np.array([np.median(part) if part.size else 0.0 for part in np.split(values.ravel()[order], ends)])


@dataclass(frozen=True)
class Reciprocal:
    """An image in reciprocal space: made once for all frameworks that are looked for on it.

    Parameters
    ----------
    image
        From :func:`faded`, shape (rows, columns).
    spectrum, blurred
        Its power spectrum, as it is, and from most to least blurred.
    """

    image: NDArray[np.float64]
    spectrum: Spectrum
    blurred: tuple[Spectrum, ...]

    @classmethod
    def of(cls, image: NDArray[np.float64]) -> "Reciprocal":
        """Transform an image from :func:`faded`."""
        spectrum = Spectrum.of(image)
        # From coarse to fine: a reflection must be felt from some way off.
        return cls(image, spectrum, tuple(spectrum.blurred(sigma) for sigma in _BLURS))

    @property
    def periodic(self) -> bool:
        """Whether the spectrum can have reflections of a crystal at all: noise alone has none.

        It only spares the search; the texture of amorphous carbon on recorded images passes, too
        (:func:`stemforge.micrograph.flaws.periodic.shows_lattice` tells these apart).
        """
        return bool(np.count_nonzero(self.spectrum.values > _STRONG) >= _BINS)

    def axes(
        self, cell: NDArray[np.float64], hk: NDArray[np.int64], weight: NDArray[np.float64]
    ) -> Iterator[NDArray[np.float64]]:
        """Find candidates for the reciprocal axes of a crystal, most promising first.

        The power spectrum, relative to the median at its radius, is mapped to logarithmic polar coordinates, where a
        change of pixel size and a rotation are shifts: correlation with the crystal's reflections finds both.
        Candidates are refined, first on the spectrum and then on the position of every reflection, with both axes free.

        Parameters
        ----------
        cell
            Lengths of the crystal's axes [Å], shape (2,).
        hk, weight
            Indices, shape (n, 2), and strength, shape (n,), of its reflections, strongest first.

        Yields
        ------
        ndarray
            The two reciprocal axes as columns [cycles a pixel], shape (2, 2).
        """
        hk, weight = hk[:_SEARCHED], weight[:_SEARCHED]
        for reciprocal in _search(self.spectrum, min(self.image.shape), hk / cell, weight):
            refined = _refine(self.image, self.blurred, hk, weight, reciprocal / cell)
            if refined is not None:
                yield refined


def _search(
    spectrum: Spectrum,
    side: int,
    g: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> list[NDArray[np.float64]]:
    """Scale and rotation of the best candidates, as matrices from [1/Å] to [cycles a pixel].

    ``side`` is the image's shorter side [pixel], ``g`` are the reflections' frequencies (n, 2) [1/Å].
    """
    angles = np.deg2rad(np.arange(0, 180, _ANGLE))
    # Radii from one and a half fringes across the image to the Nyquist frequency.
    radii = np.exp(np.arange(np.log(1.5 / side), np.log(0.5), _SCALE))
    polar = spectrum.at(radii[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], -1)[None])
    polar = polar - np.mean(polar, axis=1, keepdims=True)
    polar = ndimage.gaussian_filter(polar, (1.5, 1.5), mode=("nearest", "wrap"))
    # Beyond both ends there is nothing: room for reflections that fall off the map.
    room = len(radii)
    below = fft.next_fast_len(3 * room, real=True) - 2 * room
    padded = np.pad(polar, ((room, below), (0, 0)))
    inside = np.pad(np.ones_like(polar), ((room, below), (0, 0)))
    distance = np.hypot(*g.T)
    row = np.rint(np.log(distance / distance.min()) / _SCALE).astype(int)
    column = np.rint(np.rad2deg(np.arctan2(g[:, 1], g[:, 0])) / _ANGLE).astype(int) % len(angles)
    template = np.zeros_like(padded)
    keep = row < len(padded)
    np.add.at(template, (row[keep], column[keep]), weight[keep])
    total = _products(padded, template)
    norm = _products(inside, template**2)
    # A lattice of which only few reflections lie on the map proves little.
    score = np.where(
        norm > 0.3 * np.sum(weight**2), total / np.sqrt(np.maximum(norm, 1e-9 * norm.max())), -np.inf
    )
    found = []
    for _ in range(_CANDIDATES):
        at = np.unravel_index(np.argmax(score), score.shape)
        if not score[at] > 0:
            break
        scale = radii[0] * np.exp((at[0] - room) * _SCALE) / distance.min()
        turn = angles[at[1]]
        found.append(scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]))
        near_row = np.abs(np.arange(len(score)) - at[0]) <= 6
        turned = np.abs(np.arange(len(angles)) - at[1])
        near_column = np.minimum(turned, len(angles) - turned) <= 8
        score[np.ix_(near_row, near_column)] = -np.inf
    return found


def _products(values: NDArray[np.float64], template: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of the products of a map with a template moved to each of its places."""
    spectrum = fft.rfft2(values) * np.conj(fft.rfft2(template))
    return np.asarray(fft.irfft2(spectrum, values.shape), dtype=np.float64)


def _refine(
    image: NDArray[np.float64],
    blurred: tuple[Spectrum, ...],
    hk: NDArray[np.int64],
    weight: NDArray[np.float64],
    reciprocal: NDArray[np.float64],
) -> NDArray[np.float64] | None:
    """Refine the reciprocal axes (as columns) [cycles a pixel]; None where they run away."""
    matrix = reciprocal
    share = weight / weight.sum()
    for blur, spectrum in zip(_BLURS, blurred, strict=True):

        def cost(
            change: NDArray[np.float64], smooth: Spectrum = spectrum, start: NDArray[np.float64] = matrix
        ) -> float:
            return -float(share @ smooth.at(hk @ (start @ (np.eye(2) + change.reshape(2, 2))).T))

        step = 0.01 * blur
        simplex = np.vstack([np.zeros(4), step * np.eye(4)])
        result = optimize.minimize(
            cost,
            np.zeros(4),
            method="Nelder-Mead",
            options={"initial_simplex": simplex, "xatol": _FINE * blur, "fatol": _FINE, "maxiter": 400},
        )
        matrix = matrix @ (np.eye(2) + result.x.reshape(2, 2))
    for _ in range(3):
        moved = _peaks(image, hk, weight, matrix)
        if moved is None:
            return None
        matrix = moved
    change = np.linalg.inv(reciprocal) @ matrix
    return matrix if np.all(np.abs(change - np.eye(2)) < 0.25) else None


def _peaks(
    image: NDArray[np.float64],
    hk: NDArray[np.int64],
    weight: NDArray[np.float64],
    matrix: NDArray[np.float64],
) -> NDArray[np.float64] | None:
    """Fit the axes to the maxima of the reflections: a parabola through each peak's power, to sub-bin."""
    g = hk @ matrix.T
    usable = np.all(np.abs(g) < 0.49, axis=1)
    hk, g, weight = hk[usable], g[usable], weight[usable]
    step = 0.4 / np.array([image.shape[1], image.shape[0]])
    offsets = np.array([-1, 0, 1])
    y, x = (np.arange(n) - n / 2 for n in image.shape)
    ey = np.exp(-2j * np.pi * (g[:, 1, None] + offsets * step[1])[..., None] * y)
    ex = np.exp(-2j * np.pi * (g[:, 0, None] + offsets * step[0])[..., None] * x)
    ey = ey.reshape(-1, len(y))
    rows = (ey.real @ image + 1j * (ey.imag @ image)).reshape(len(g), 3, -1)
    power = np.log(np.abs(np.einsum("niw,njw->nij", rows, ex)) ** 2 + 1e-30)
    lines = (power[:, 1, :], power[:, :, 1])  # along x, along y
    moved = np.column_stack(
        [parabola_vertex(line[:, 0], line[:, 1], line[:, 2], least=0.05) for line in lines]
    )
    # A reflection lost in noise has no maximum here, or one far off.
    good = np.all(np.abs(np.nan_to_num(moved, nan=9)) < 2.5, axis=1)
    if good.sum() < 6:
        return None
    target, root = g[good] + moved[good] * step, weight[good, None]
    solution, _, rank, _ = np.linalg.lstsq(root * hk[good], root * target, rcond=None)
    return np.asarray(solution.T, dtype=np.float64) if rank == 2 else None
