"""Atoms where their images are: places below the pixel with errors, intensities and widths."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemforge.infer.atoms.places.cosine import filtered
from stemforge.infer.atoms.places.fit import AtomFit
from stemforge.infer.atoms.places.spots import Spots
from stemforge.micrograph.annotations import Annotations

WIDTH = 1.1
"""Standard deviation that an atom's image is expected to have [Å], as on images of Pt on carbon."""

FARTHEST = 0.8
"""Distance from the detector's place that a fit may go, in expected widths of an atom's image."""

CALIBRATION = 1.14
"""Errors of places over what the fit's information says: the noise is measured on what the fit leaves."""

MODEL_ERROR = 0.055
"""Standard deviation of a coordinate that no electrons mend, in widths of the atom's image: coma moves images, lines of
the scan jitter, and atoms are no Gaussians. Both constants are the likeliest ones by the errors of 607 isolated atoms
at 5·10⁴ and 4·10⁵ e/Å² (``pt-nc``, seeds 71 and 72); benchmarks/localisation.py judges them on other seeds."""

_INTENSITY = 1.22  # as CALIBRATION, for intensities
_LEAST_WIDTH = 0.8  # narrower spots have no place within their pixel [pixel]


def refine_places(
    image: ArrayLike,
    atoms: Annotations,
    width: float,
    mask: NDArray[np.bool_] | None = None,
) -> Annotations:
    """Fit the images of atoms to a micrograph: places below the pixel, with errors, intensities and widths.

    Each atom is a Gaussian with a place, an intensity and a width, on noise whose power the image itself tells:
    counting, texture of the support and slow background, stripes. Atoms that overlap are fitted together. Where that
    fails (no convergence, a way of more than ``FARTHEST`` widths, two atoms that become one, an intensity that is not
    positive) the detector's place stays.

    Parameters
    ----------
    image
        As recorded, at its recorded pixels, shape (height, width).
    atoms
        From a detector, points (x, y) [pixel].
    width
        Standard deviation that an atom's image is expected to have [pixel]; fitted widths lie within a factor of 1.8 of
        the image's typical one.
    mask
        Where the image shows the specimen; by default everywhere. Other pixels should be filled smoothly.

    Returns
    -------
    Annotations
        The same atoms in the same order, with further columns: ``x_error_px``, ``y_error_px``, standard deviations of
        the coordinates [pixel], of an atom that kept its place the detector's ``sigma_px`` or else how far the fit
        might have gone; ``intensity``, the sum of the atom's image, without background [image units × pixel], and
        ``intensity_error``, its standard deviation; ``contrast``, the peak over the local background, which means
        something where the image's zero is no electrons; ``width_px``, the standard deviation of the image; and
        ``fitted``, 1 or 0. Column ``sigma_px`` is taken out.

    Examples
    --------
    >>> y, x = np.mgrid[:80, :80]
    >>> spot = 40 * np.exp(-((x - 40.3) ** 2 + (y - 35.8) ** 2) / 18)
    >>> image = np.random.default_rng(0).normal(100 + spot, 5)
    >>> atom = refine_places(image, Annotations([[41, 36]]), width=3.5)
    >>> bool(np.hypot(*(atom.points[0] - [40.3, 35.8])) < 4 * atom["x_error_px"][0]), int(atom["fitted"][0])
    (True, 1)
    """
    values = np.asarray(image, dtype=np.float32)
    shown = np.ones(values.shape, dtype=bool) if mask is None else mask
    width = max(width, _LEAST_WIDTH)
    farthest = FARTHEST * width
    # The mean is taken off: counts of 1e5 with a contrast of 1e-3 are cut by 32 bits.
    fit = AtomFit(values - np.float32(values.mean()), shown, atoms.points, width, farthest)
    points, columns = atoms.points.copy(), dict(atoms.columns)
    unfitted = columns.pop("sigma_px", np.full(len(atoms), farthest / np.sqrt(2)))
    if not fit.run():
        nothing = np.zeros(len(atoms))
        columns |= {"x_error_px": unfitted, "y_error_px": unfitted, "intensity": nothing}
        columns |= {"intensity_error": nothing, "contrast": nothing, "width_px": nothing + width}
        return Annotations(points, columns={**columns, "fitted": nothing.astype(int)})
    amplitude, sigma = fit.parameters[:, 0] * fit.scale, np.exp(fit.parameters[:, 3])
    variance = CALIBRATION**2 * np.einsum("nii->ni", fit.covariance)[:, 1:3]
    errors = np.sqrt(variance + (MODEL_ERROR * sigma[:, None]) ** 2)
    sound = ~fit.held & fit.converged & (fit.parameters[:, 0] > 1.01 * fit.least)
    points[sound] = fit.parameters[sound, 1:3]
    area = 2 * np.pi * sigma**2
    # Amplitude and width err against each other; an atom that is held has its width by assumption.
    gain = np.zeros((len(atoms), 4))
    gain[:, 0], gain[:, 3] = 1, np.where(fit.held, 0, 2 * fit.parameters[:, 0])
    relative = np.einsum("ni,nij,nj->n", gain, fit.covariance, gain)
    columns |= {
        "x_error_px": np.where(sound, errors[:, 0], unfitted),
        "y_error_px": np.where(sound, errors[:, 1], unfitted),
        "intensity": amplitude * area,
        "intensity_error": _INTENSITY * np.sqrt(np.maximum(relative, 0)) * fit.scale * area,
        "contrast": _contrast(values, fit, amplitude),
        "width_px": sigma,
        "fitted": sound.astype(int),
    }
    return Annotations(points, columns=columns)


def _contrast(
    image: NDArray[np.float32], fit: AtomFit, amplitude: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return peaks over the slow background, 0 where that is not positive."""
    rest = image - Spots(fit.parameters, fit.mask).sum(amplitude)
    level = filtered(rest, 1 - fit.noise.highpass)
    height, width = image.shape
    columns, rows = np.rint(fit.parameters[:, 1:3]).astype(int).clip(0, [width - 1, height - 1]).T
    local = level[rows, columns].astype(float)
    return np.where(local > 0, amplitude / np.where(local > 0, local, 1), 0.0)
