"""The noise of a micrograph as the image itself shows it: how strong it is where, and how it is correlated.

Whatever stands beside the atoms is noise to who measures them: counting, the support's texture, stripes of a
flickering beam. All of it grows with the local brightness. The image without its slow background, divided by the local
strength of its noise, therefore has one power spectrum: a part that depends on the frequency alone, and stripes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from stemforge.infer.atoms.places.cosine import Plane, filtered, gaussian_response

BACKGROUND = 24.0
"""Standard deviation of the Gaussian that takes the slow background [pixel]: no atom's image is as wide."""

_FAINTEST = 0.1  # local noise below this share of the image's is taken to be as strong
_FEWEST = 30  # modes that a ring of the spectrum has at least
_STRIPES = 0.12  # highest frequency along a stripe [1/pixel]
_STRIPED = 0.3  # relative excess from which a mode says nothing of the isotropic part


@dataclass(frozen=True)
class Noise:
    """The noise of one image.

    Parameters
    ----------
    background
        The image without detail, shape (height, width) [image units].
    strength
        Local standard deviation of the noise [image units], by differences of neighbours on a line: too low where these
        share noise, as a detector's signal decays. ``power`` is in its units and makes up for that.
    highpass
        Share of each mode of the cosine transform that is left without the background.
    power
        Of each mode of the image without background over ``strength``; about 1 where noise is white.
    """

    background: Plane
    strength: Plane
    highpass: Plane
    power: Plane

    @property
    def weight(self) -> Plane:
        """Inverse power of each mode as it was before the background was taken away."""
        return np.asarray(self.highpass**2 / self.power)


def measure_noise(image: Plane, model: Plane, white: bool = False) -> Noise | None:
    """Measure an image's noise on what a model of its atoms leaves of it.

    Parameters
    ----------
    image, model
        As recorded, and the sum of the atoms' images, shape (height, width) [image units].
    white
        Take every mode's power to be 1, as while no model of the atoms is known: they would count as texture.

    Returns
    -------
    Noise or None
        None where the image has no noise to speak of: nothing can be weighed then.

    Examples
    --------
    >>> image = np.random.default_rng(0).normal(100, 3, (96, 96)).astype("float32")
    >>> noise = measure_noise(image, np.zeros_like(image))
    >>> bool(abs(noise.strength.mean() / 3 - 1) < 0.05), bool(0.8 < np.median(noise.power) < 1.2)
    (True, True)
    """
    low = gaussian_response(image.shape, BACKGROUND)
    strength = _local_strength(image, low)
    if strength is None:
        return None
    rest = (image - model).astype(np.float32)
    background = filtered(rest, low)
    power = np.ones_like(rest) if white else noise_spectrum((rest - background) / strength)
    return Noise(background, strength, 1 - low, power)


def noise_spectrum(values: Plane) -> Plane:
    """Return the power of each mode of the cosine transform: an isotropic part, and stripes along rows and columns.

    ``values`` are noise of even strength without slow background, shape (height, width).
    """
    square = fft.dctn(values, norm="ortho").astype(np.float64) ** 2
    square = np.maximum(square, 1e-9 * square.mean())
    q = np.hypot(*np.meshgrid(*(np.arange(n) / (2 * n) for n in square.shape), indexing="ij"))
    ring = _rings(q)
    plain = np.ones(square.shape, dtype=bool)
    rows, columns = np.zeros_like(square), np.zeros_like(square)
    isotropic = square
    for _ in range(2):  # without the stripes that the first round found
        isotropic = _ring_means(square, ring, q, plain)
        rows, columns = _stripes(square, isotropic), _stripes(square.T, isotropic.T).T
        plain = (rows < _STRIPED * isotropic) & (columns < _STRIPED * isotropic)
    return np.asarray((isotropic + rows + columns).astype(np.float32))


def _local_strength(image: Plane, low: Plane) -> Plane | None:
    """Return the local standard deviation of white noise, from differences along rows, whose level flickers."""
    steps = np.diff(image.astype(np.float32), axis=1, append=image[:, -2:-1]) ** 2 / 2
    variance = filtered(steps, low)
    typical = float(np.median(variance)) or float(variance.mean())
    if not typical > (1e-7 * float(np.abs(image).max())) ** 2:
        return None
    return np.asarray(np.sqrt(np.maximum(variance, _FAINTEST**2 * typical)))


def _rings(q: Plane) -> NDArray[np.intp]:
    """Return the number of each mode's ring: a tenth of their radius wide, and wide enough to hold a few modes."""
    height, width = q.shape
    step, area = 1 / (2 * min(height, width)), _FEWEST / (np.pi * height * width)
    edges = [0.0]
    while edges[-1] <= q.max():
        radius = edges[-1]
        edges.append(radius + max(step, 0.1 * radius, np.sqrt(radius**2 + area) - radius))
    return np.searchsorted(edges, q, side="right") - 1


def _ring_means(square: Plane, ring: NDArray[np.intp], q: Plane, plain: NDArray[np.bool_]) -> Plane:
    """Return each ring's mean power, interpolated between their radii, from modes without stripes."""
    if plain.any() and not plain.all():
        ring, square, radii = ring[plain], square[plain], q[plain]
    else:
        ring, square, radii = ring.ravel(), square.ravel(), q.ravel()
    count = np.bincount(ring)
    power, radius = (np.bincount(ring, weights=values) for values in (square, radii))
    some = count >= min(3, count.max())
    middle = radius[some] / count[some]
    return np.exp(np.interp(q, middle, np.log(power[some] / count[some])))


def _stripes(square: Plane, isotropic: Plane) -> Plane:
    """Return the power of stripes along rows beyond the isotropic part: a profile over kx times one over ky."""
    height, width = square.shape
    few = max(2, min(width, int(2 * width * _STRIPES)))
    excess = (square / isotropic)[:, :few] - 1
    along = excess.mean(axis=0)
    # A mode's square has a relative variance of 2. Stripes are slow: they begin at kx = 0.
    clear = np.logical_and.accumulate(along > 4 * np.sqrt(2 / height))
    along = np.where(clear, along, 0)
    out = np.zeros_like(square)
    if not clear.any():
        return out
    across = (excess @ along) / (along @ along) * isotropic[:, 0]
    edges = np.unique(np.r_[0, np.geomspace(min(4, height), height, 10).astype(int)])
    middle = (edges[:-1] + edges[1:]) / 2
    means = np.add.reduceat(across, edges[:-1]) / np.diff(edges)
    out[:, :few] = np.interp(np.arange(height), middle, np.maximum(means, 0))[:, None] * along
    return out
