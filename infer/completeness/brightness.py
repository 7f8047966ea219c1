"""How bright and how wide the atoms on an image are, and the ideal observer's view of each place."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage
from scipy.optimize import curve_fit
from scipy.spatial import cKDTree

from stemforge.infer.completeness.multiplicity import FEWEST, Multiplicity
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate.grafting.host import Host

USUAL_WIDTH = 1.1
"""Standard deviation of an atom's image where too few are found to measure it [Å]: median of eleven real images."""

_ENOUGH = 6  # atoms from which on a mean profile is fitted
_PROFILE = (5.0, 3.0)  # radius of the profile of atoms that stand alone, and of others [Å]
_ALONE = 6.0  # from the nearest other atom, where enough are that far [Å]
_STEP = 0.25  # of the profile [Å]
_RANGE = (0.5, 2.5)  # of believable widths [Å]
_CERTAIN = 10.0  # contrast-to-noise of an atom where none is found to measure it
_RINGS = 400  # of frequency, up to π over an atom's width
_SLOW = 7.0  # what varies more slowly than this is no atom [Å]


@dataclass(frozen=True)
class TypicalAtom:
    """The mean of the atoms found.

    Parameters
    ----------
    width
        Standard deviation of its image [Å].
    electrons
        What the detector counted of it.
    atoms
        From how many it is; 0: too few were found, and the width is :data:`USUAL_WIDTH`.
    """

    width: float
    electrons: float
    atoms: int


def typical_atom(host: Host, found: Annotations) -> TypicalAtom:
    """Fit a Gaussian to the mean profile of the atoms found, of those that stand alone where these are enough.

    Not of the brightest alone: those are bright by their noise, too, by a fifth where most are hardly visible. Spots
    that are two atoms or more by their intensity are left out.

    Parameters
    ----------
    host
        The image.
    found
        From :func:`stemforge.infer.detect_atoms`.
    """
    inner = found.where(host.covers(found.points))
    inner = inner.where(single_atoms(host, inner))
    if len(inner) < _ENOUGH:
        # Bright enough to be found with certainty.
        level = float(np.median(host.background[host.specimen])) if host.specimen.any() else 1.0
        bright = _CERTAIN * np.sqrt(level) / host.sensitivity(USUAL_WIDTH)[0]
        return TypicalAtom(USUAL_WIDTH, float(bright), 0)
    alone = inner.where(_nearest(found.points, inner.points) > _ALONE / host.sampling)
    reach = _PROFILE[0] if len(alone) >= 2 * _ENOUGH else _PROFILE[1]
    inner = alone if len(alone) >= 2 * _ENOUGH else inner
    radius, value = _profile(host, inner.points, reach)

    def model(r: NDArray[np.float64], height: float, width: float, level: float) -> NDArray[np.float64]:
        return height * np.exp(-(r**2) / (2 * width**2)) + level

    start = (max(value[0] - value[-1], 1e-6), USUAL_WIDTH, value[-1])
    bounds = ([0.0, max(_RANGE[0], 0.5 * host.sampling), -np.inf], [np.inf, _RANGE[1], np.inf])
    (height, width, _), _ = curve_fit(model, radius, value, start, bounds=bounds, sigma=1 / np.sqrt(radius))
    return TypicalAtom(float(width), float(2 * np.pi * (width / host.sampling) ** 2 * height), len(inner))


def spot_electrons(host: Host, found: Annotations) -> NDArray[np.float64]:
    """Return what the detector counted of each atom found, by its fit; 0 where there is none."""
    if "intensity" not in found.columns:
        return np.zeros(len(found))
    return np.where(found["fitted"] == 1, np.maximum(found["intensity"], 0), 0) / host.gain


def single_atoms(host: Host, found: Annotations) -> NDArray[np.bool_]:
    """Tell which spots are one atom rather than more; all of them where intensities do not say."""
    electrons = spot_electrons(host, found)
    if np.count_nonzero(electrons) < FEWEST:
        return np.ones(len(found), dtype=bool)
    chances = Multiplicity.fit(electrons).chances(electrons)
    return np.asarray(chances.argmax(1) == 0)


def _nearest(all_points: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each point to the nearest other one."""
    if len(all_points) < 2:
        return np.full(len(points), np.inf)
    return np.asarray(cKDTree(all_points).query(points, k=2)[0][:, 1])


def _profile(
    host: Host, points: NDArray[np.float64], radius: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean radial profile round points: radius [Å] and electrons a pixel."""
    reach = int(np.ceil(radius / host.sampling))
    cells = np.rint(points).astype(int)
    steps = np.arange(-reach, reach + 1)
    rows = (cells[:, 1, None] + steps).clip(0, host.image.shape[0] - 1)
    columns = (cells[:, 0, None] + steps).clip(0, host.image.shape[1] - 1)
    values = host.electrons[rows[:, :, None], columns[:, None, :]]
    shift = points - cells
    distance = host.sampling * np.hypot(
        steps[None, None, :] - shift[:, 0, None, None], steps[None, :, None] - shift[:, 1, None, None]
    )
    ring = (distance / max(_STEP, host.sampling / 2)).astype(int)
    inner = distance < radius
    number = np.bincount(ring[inner])
    total = np.bincount(ring[inner], values[inner])
    path = np.bincount(ring[inner], distance[inner])
    kept = number > 0
    return np.maximum(path[kept] / number[kept], 0.05), total[kept] / number[kept]


class IdealObserver:
    """The prewhitening matched filter for atoms of one width, on one image.

    Its value at an atom is the atom's contrast-to-noise plus noise of standard deviation about 1.

    Parameters
    ----------
    host
        The image, whose noise is known.
    width
        Standard deviation of the atoms' images [Å].

    Attributes
    ----------
    frequency
        Spatial frequencies at which :meth:`response_to` takes spots [1/Å].
    """

    def __init__(self, host: Host, width: float) -> None:
        self.host, self.width = host, width
        shape = host.image.shape
        q2 = (
            np.fft.fftfreq(shape[0], host.sampling)[:, None] ** 2
            + np.fft.rfftfreq(shape[1], host.sampling)[None, :] ** 2
        )
        spot = np.exp(-2 * np.pi**2 * width**2 * q2)
        power = 1 / host.dose + np.interp(np.sqrt(q2), host.texture.frequency, host.texture.power)
        noise = np.maximum(power, 0.05 / host.dose) * host.dose  # of a pixel, in units of its background
        fast = 1 - np.exp(-2 * np.pi**2 * _SLOW**2 * q2)
        filtered = spot / noise * fast
        weight = np.full(q2.shape, 2.0)
        weight[:, 0] = 1.0
        if shape[1] % 2 == 0:
            weight[:, -1] = 1.0
        norm = np.sqrt((weight * filtered**2 * noise).sum() / (shape[0] * shape[1]))
        self._filter = (filtered / norm).astype(np.float32)
        # By rings of frequency, all at which an atom's image has power: what it makes of other spots.
        self.frequency = np.linspace(0, np.pi / width, _RINGS + 1)
        ring = np.rint(np.sqrt(q2) / self.frequency[1]).astype(int).clip(0, _RINGS)
        share = weight * filtered / norm * fast / (shape[0] * shape[1])
        self._share = np.bincount(ring.ravel(), share.ravel(), _RINGS + 1)

    def view(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the filtered image [standard deviations of its noise]; an image of the host's kind."""
        host = self.host
        electrons = (host.usable.fill(image) - np.float32(host.offset)) / np.float32(host.gain)
        local = ndimage.gaussian_filter(electrons, _SLOW / host.sampling, mode="reflect")
        white = (electrons - local) / np.sqrt(host.background)
        return fft.irfft2(fft.rfft2(white) * self._filter, s=image.shape)

    def at(self, image: NDArray[np.float32], points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the filtered image at points (x, y) [pixel], interpolated."""
        if not len(points):
            return np.empty(0)
        return np.asarray(
            ndimage.map_coordinates(self.view(image), points.T[::-1], order=1, mode="nearest"), dtype=float
        )

    def response(self, widths: ArrayLike) -> NDArray[np.float64]:
        """Return the mean value at Gaussians of one electron on a background of one electron a pixel.

        Parameters
        ----------
        widths
            Standard deviations [Å].
        """
        wide = np.asarray(widths, dtype=float).reshape(-1, 1)
        return self.response_to(np.exp(-2 * np.pi**2 * wide**2 * self.frequency**2))

    def response_to(self, transforms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean value at spots on a background of one electron a pixel.

        Parameters
        ----------
        transforms
            Of the spots [electrons], at :attr:`frequency`, shape (n, frequencies).
        """
        return np.asarray(transforms @ self._share)

    def electrons(self, points: NDArray[np.float64], values: NDArray[np.float64]) -> Annotations:
        """Describe atoms by what the filter says of them: brightness, background and contrast-to-noise."""
        bright = np.maximum(values, 0) * np.sqrt(self.host.background_at(points))
        bright /= self.host.sensitivity(self.width)[0]
        return self.host.visibility(points, bright, self.width, self.width)
