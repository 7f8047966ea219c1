"""What is physically possible: how well the ideal observer places single atoms, and how many it finds.

Both follow from two figures of an atom of known image k(q) on noise of power P(q). Its detectability
d' = √∫|k|²/P d²q is the contrast-to-noise of :func:`stemforge.simulate.visibility`; its bandwidth
β = √(∫(2πq_x)²|k|²/P d²q / d'²) says how sharp that image is to an observer who weighs frequencies by their noise.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import lambertw, ndtr

from stemforge.errors import InputError
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate.labels.visibility import Texture, detectability_spectrum, visibility


def bandwidth(
    labels: Annotations, dose: float, source_size: float, texture: Texture | None = None
) -> NDArray[np.float64]:
    """Root mean square angular frequency along one axis that an ideal observer sees of each atom [1/Å].

    Atoms are Gaussians of their noise width, blurred by the source, on noise of power B (1/D + c(q)), as in
    :func:`stemforge.simulate.visibility`. Against counting noise alone β = 1/(√2 σ).

    Arguments as for :func:`stemforge.simulate.visibility`.

    Returns
    -------
    ndarray
        One value an atom.

    Examples
    --------
    >>> columns = {"scattering": 0.03, "noise_width_angstrom": 1.0, "peak_width_angstrom": 1.0, "background": 0.01}
    >>> labels = Annotations([[50, 50]], columns={name: [value] for name, value in columns.items()})
    >>> bandwidth(labels, dose=1e4, source_size=0.0).round(3), bandwidth(labels, 1e4, source_size=2.0).round(3)
    (array([0.707]), array([0.539]))
    """
    q, spectrum = detectability_spectrum(labels, dose, source_size, texture)
    square = (2 * np.pi * q) ** 2 / 2  # of one of two axes
    return np.sqrt(np.trapezoid(square * spectrum, q, axis=1) / np.trapezoid(spectrum, q, axis=1))


def localisation_bound(
    labels: Annotations, dose: float, source_size: float, texture: Texture | None = None
) -> NDArray[np.float64]:
    """Smallest standard deviation of each coordinate with which atoms can be placed: the Cramér-Rao bound [Å].

    The Fisher information of one coordinate of a known image in known Gaussian noise is
    ``∫ (2πq_x)² |k(q)|²/P(q) d²q = (d'β)²`` (Barrett & Myers, Foundations of Image Science, 2004, ch. 13), so that no
    unbiased estimate has a standard deviation below 1/(d'β). Against counting noise alone that is √2 σ/d'. Where the
    atom itself is bright against its background it adds counts, and the true bound lies a little higher. It is
    approached from about d' = 5 on; fainter atoms are lost before they are placed.

    Parameters
    ----------
    labels, dose, source_size, texture
        As for :func:`bandwidth`.

    Returns
    -------
    ndarray
        Standard deviation of x, which is that of y, of each atom [Å].

    Examples
    --------
    >>> columns = {"scattering": 0.03, "noise_width_angstrom": 1.0, "peak_width_angstrom": 1.0, "background": 0.01}
    >>> labels = Annotations([[50, 50]], columns={name: [value] for name, value in columns.items()})
    >>> cnr = visibility(labels, 1e4, 0.0)[1]
    >>> cnr.round(2), (localisation_bound(labels, 1e4, 0.0) * cnr).round(3)
    (array([8.46]), array([1.414]))
    """
    cnr = visibility(labels, dose, source_size, texture)[1]
    return 1 / (np.maximum(cnr, 1e-12) * bandwidth(labels, dose, source_size, texture))


def ideal_recall(
    cnr: ArrayLike, false_positives: float, bandwidth: ArrayLike, area: float
) -> NDArray[np.float64]:
    """Probability that the ideal linear observer finds atoms, at a number of false positives.

    The observer filters the image with the prewhitening matched filter, which leaves noise of standard deviation 1,
    and takes peaks above a threshold z for atoms. Smooth Gaussian noise has β² z exp(−z²/2)/(2π)^(3/2) peaks above
    z per area (Adler, The Geometry of Random Fields, 1981, sec. 6.9): this sets z. An atom's value is normal with
    mean d' and deviation 1 (Barrett & Myers 2004, ch. 13); the peak beside it, which noise moves away from its place,
    is on average 1/d' higher. Hence recall Φ(d' + 1/d' − z).

    Parameters
    ----------
    cnr
        Contrast-to-noise d' of the atoms.
    false_positives
        Expected on ``area``, above 0. Where a detector made none, half of one is a fair guess.
    bandwidth
        From :func:`bandwidth` [1/Å], of each atom.
    area
        Area that was searched [Å²].

    Returns
    -------
    ndarray
        One value an atom.

    Raises
    ------
    InputError
        False positives or area not positive.

    Examples
    --------
    >>> ideal_recall([3.5, 5.0, 7.0], false_positives=1, bandwidth=0.6, area=150**2).round(2)
    array([0.45, 0.9 , 1.  ])
    """
    for name, value in (("false_positives", false_positives), ("area", area)):
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} must be a positive number, not {value}")
    d = np.asarray(cnr, dtype=float)
    rate = false_positives * (2 * np.pi) ** 1.5 / (area * np.asarray(bandwidth, dtype=float) ** 2)
    # z exp(−z²/2) = rate, on the branch where more peaks mean a lower threshold: it ends at z = 1.
    z = np.sqrt(-lambertw(-np.minimum(rate**2, (1 - 1e-9) * np.exp(-1)), -1).real)
    # The peak's gain holds for atoms that stand out; below d' = 1 there is no peak to speak of.
    return ndtr(d + np.minimum(d, 1 / np.maximum(d, 1)) - z)
