"""The distortion of a scan, measured on the lattice of a crystal."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stemforge.infer import Framework, Lattice, Restoration
from stemforge.micrograph.image import Micrograph


@dataclass(frozen=True)
class Offsets:
    """A smooth distortion of a lattice: quadratic in the position.

    ``coefficients`` (6, 2) of 1, x, y, x², xy, y², with x and y from −1 to 1 over an image of ``shape``.
    """

    coefficients: NDArray[np.float64]
    shape: tuple[int, int]

    def __call__(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the distortion (dx, dy) [pixel] at points (x, y) [pixel], shape (n, 2)."""
        return _terms(points, self.shape) @ self.coefficients


def _terms(points: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    x, y = 2 * points[:, 0] / shape[1] - 1, 2 * points[:, 1] / shape[0] - 1
    return np.column_stack([np.ones_like(x), x, y, x * x, x * y, y * y])


def fit_offsets(
    micrograph: Micrograph, lattice: Lattice, *, framework: Framework | None = None, cells: float = 2.0
) -> Offsets:
    """Measure how a scan's drift bends a lattice: each part of the image is registered by itself.

    Parameters
    ----------
    micrograph
        The raw image: what is restored from it must not decide where its columns are expected.
    lattice
        Of the whole image.
    framework
        By default the one that the lattice names.
    cells
        Size of the parts [lengths of the longer axis].

    Returns
    -------
    Offsets
        A quadratic fit to the parts' shifts.
    """
    framework = framework or Framework.named(lattice.framework)
    hk, factors = framework.reflections(1.7)
    hk, factors = hk[:60], factors[:60]
    longest = max(np.hypot(*lattice.a_px), np.hypot(*lattice.b_px))
    height, width = micrograph.shape
    sigma = cells * longest / 2
    step = int(max(sigma, 8))
    g = hk @ np.linalg.inv(lattice.matrix)
    y, x = np.arange(height, dtype=float), np.arange(width, dtype=float)
    origin = np.array(lattice.origin_px)
    flat = micrograph.image - ndimage.gaussian_filter(micrograph.image, longest / 2)
    # Each part is weighted as a Gaussian around its centre.
    window_y, window_x = (np.exp(-(((n[None] - n[::step, None]) / sigma) ** 2) / 2) for n in (y, x))
    parts = []
    for frequency in g:
        wave_y = window_y * np.exp(-2j * np.pi * frequency[1] * (y - origin[1]))
        wave_x = window_x * np.exp(-2j * np.pi * frequency[0] * (x - origin[0]))
        parts.append(wave_y @ (flat @ wave_x.T))
    product = np.array(parts).reshape(len(g), -1) * factors[:, None]
    centres = np.stack(np.meshgrid(x[::step], y[::step]), -1).reshape(-1, 2).astype(float)
    # Within a third of the finest strong fringe, so that no part locks on the wrong one.
    reach = np.linspace(-1.5, 1.5, 31) / lattice.sampling
    shifts = np.stack(np.meshgrid(reach, reach), -1).reshape(-1, 2)
    agreement = (np.exp(2j * np.pi * shifts @ g.T) @ product).real
    best = shifts[np.argmax(agreement, axis=0)]
    weight = np.sqrt(np.clip(agreement.max(0), 0, None))[:, None]
    solution = np.linalg.lstsq(_terms(centres, micrograph.shape) * weight, best * weight, rcond=None)[0]
    return Offsets(solution, micrograph.shape)


def rescaled(
    lattice: Lattice, offsets: Offsets | None, restoration: Restoration
) -> tuple[Lattice, Offsets | None]:
    """Return a raw image's lattice and distortion in the pixels of its restoration."""
    scale = restoration.scale
    values = asdict(lattice) | {
        "origin_px": tuple((np.array(lattice.origin_px) + 0.5) / scale - 0.5),
        "a_px": tuple(np.array(lattice.a_px) / scale),
        "b_px": tuple(np.array(lattice.b_px) / scale),
        "sampling": float(lattice.sampling * np.sqrt(np.prod(scale))),
    }
    if offsets is None:
        return Lattice(**values), None
    height, width = restoration.image.shape
    return Lattice(**values), Offsets(offsets.coefficients / scale, (height, width))
