"""The probe's intensity for many defoci at once."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from stemforge.cache import compiled
from stemforge.simulate.microscope import Microscope

__all__ = ["aperture_waves", "probe_intensity"]


@compiled
def _aperture(
    waves: NDArray[np.complex64],
    defoci: NDArray[np.float64],
    semiangle: float,
    wavelength: float,
    steps: tuple[float, float],
    aberrations: tuple[float, float, float, float, float, float],
) -> None:
    """Fill in the wave at every angle (y, x), in multiples of the angular steps [rad] about the middle element."""
    twofold, twofold_angle, coma, coma_angle, C3, C5 = aberrations
    height, width = waves.shape[1], waves.shape[2]
    for i in range(height):
        for j in range(width):
            y, x = (i - height // 2) * steps[0], (j - width // 2) * steps[1]
            alpha2 = x * x + y * y
            alpha = np.sqrt(alpha2)
            open_share = 1.0
            phi = np.arctan2(y, x)
            if alpha2 > 0:
                # The edge is as soft as the angular grid is coarse, as in abTEM.
                edge = np.hypot(np.cos(phi) * steps[1], np.sin(phi) * steps[0])
                open_share = min(max((semiangle - alpha) / edge + 0.5, 0.0), 1.0)
            if open_share == 0.0:
                continue
            path = alpha2 / 2 * twofold * np.cos(2 * (phi - twofold_angle))
            path += alpha * alpha2 / 3 * coma * np.cos(phi - coma_angle)
            path += alpha2**2 / 4 * C3 + alpha2**3 / 6 * C5
            for n in range(len(defoci)):
                phase = 2 * np.pi / wavelength * (path - alpha2 / 2 * defoci[n])
                waves[n, i, j] = open_share * (np.cos(phase) - 1j * np.sin(phase))


def probe_intensity(
    microscope: Microscope,
    defoci: NDArray[np.float64],
    weights: NDArray[np.float64],
    gpts: tuple[int, int],
    sampling: float,
) -> NDArray[np.float32]:
    """Return the weighted mean of the probe's intensity at several defoci.

    The same as :meth:`Microscope.probe`, built by abTEM, gives (a test compares them), at a tenth of its cost: all
    defoci share their aberrations and one Fourier transform, which leaves out the rows that the aperture keeps empty.

    Parameters
    ----------
    microscope
        Drawn settings; ``focal_spread`` is left to the caller.
    defoci
        As abTEM's ``defocus``: distance of the focal plane below the plane of the intensity [Å], shape (n,).
    weights
        Share of each.
    gpts
        Points along y and x.
    sampling
        Their distance [Å].

    Returns
    -------
    ndarray
        Sum 1, shape (y, x), the probe centred on element (0, 0).

    Examples
    --------
    >>> intensity = probe_intensity(Microscope(), np.zeros(1), np.ones(1), (64, 48), 0.25)
    >>> intensity.shape, round(float(intensity.sum()), 4)
    ((64, 48), 1.0)
    """
    waves = aperture_waves(microscope, defoci, gpts, sampling)
    reach = [n // 2 for n in waves.shape[1:]]
    for axis, half in ((2, reach[1]), (1, reach[0])):
        shape = list(waves.shape)
        shape[axis] = gpts[axis - 1]
        padded = np.zeros(shape, dtype=np.complex64)
        along = (slice(None),) * axis
        padded[(*along, slice(half + 1))] = waves[(*along, slice(half, None))]
        padded[(*along, slice(shape[axis] - half, None))] = waves[(*along, slice(half))]
        waves = fft.ifft(padded, axis=axis, overwrite_x=True)
    intensity = np.tensordot(weights, waves.real**2 + waves.imag**2, 1)
    return (intensity / intensity.sum()).astype(np.float32)


def aperture_waves(
    microscope: Microscope, defoci: NDArray[np.float64], gpts: tuple[int, int], sampling: float
) -> NDArray[np.complex64]:
    """Return the wave in the aperture at several defoci, on the angular grid of a field.

    Parameters
    ----------
    microscope
        Drawn settings.
    defoci
        As :func:`probe_intensity` takes them [Å], shape (n,).
    gpts, sampling
        Points of the field along y and x, and their distance [Å].

    Returns
    -------
    ndarray
        Amplitude 1 inside, shape (n, y, x), both odd; angle 0 is the middle element, and what lies beyond is closed.

    Examples
    --------
    >>> waves = aperture_waves(Microscope(), np.zeros(1), (64, 64), 0.25)
    >>> waves.shape, complex(waves[0, 12, 12])
    ((1, 25, 25), (1+0j))
    """
    semiangle, wavelength = microscope.semiangle_cutoff * 1e-3, microscope.wavelength
    steps = (wavelength / (gpts[0] * sampling), wavelength / (gpts[1] * sampling))
    # The soft edge ends half a step beyond the aperture.
    reach = [min(int(semiangle / s + 1.5), (n - 1) // 2) for s, n in zip(steps, gpts, strict=True)]
    waves = np.zeros((len(defoci), 2 * reach[0] + 1, 2 * reach[1] + 1), dtype=np.complex64)
    m = microscope
    aberrations = (
        float(m.A1),
        float(m.A1_angle),
        3 * float(m.B2),
        float(m.B2_angle),
        float(m.C3),
        float(m.C5),
    )
    _aperture(waves, np.asarray(defoci, dtype=float), semiangle, wavelength, steps, aberrations)
    return waves
