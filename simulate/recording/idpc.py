"""Integrated differential phase contrast: from the four segments of a detector to an image of the potential.

The difference of opposite segments follows the beam's deflection, the gradient of the specimen's projected
potential; integrating it gives an image in which light atoms stand beside heavy ones (Lazić, Bosch & Lazar 2016,
doi:10.1016/j.ultramic.2015.10.011).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from stemforge.errors import InputError


def idpc_image(
    segments: ArrayLike, sampling: float, *, high_pass: float = 0.0, periodic: bool = False
) -> NDArray[np.float32]:
    """Integrate the signals of four segments.

    Parameters
    ----------
    segments
        Signals of the channels :data:`stemforge.simulate.SEGMENTS`, shape (4, height, width):
        fractions of incident electrons, or counts. Segment k is centred at azimuth k · 90° from x towards y.
    sampling
        Pixel size [Å].
    high_pass
        Spatial frequency [1/Å] below which the image is damped, by 1 − exp(−q²/2q₀²); 0 keeps all. Counting
        noise grows as 1/q towards low frequencies, where integration amplifies it.
    periodic
        The field repeats itself, as a whole number of unit cells does. Otherwise it is continued by its mirror
        image, so that no seam is integrated.

    Returns
    -------
    ndarray
        Image with mean 0, shape (height, width): the segments' unit times Å. Atoms are bright.

    Raises
    ------
    InputError
        Not four segments of one shape.

    Examples
    --------
    >>> y, x = np.mgrid[:32, :32] - 16.0
    >>> blob = np.exp(-(x**2 + y**2) / 18)
    >>> right, down = -x * blob / 9, -y * blob / 9  # its gradient, as differences of opposite segments
    >>> image = idpc_image([right, down, 0 * right, 0 * down], sampling=1.0)
    >>> bool(np.abs(image - (blob - blob.mean())).max() < 0.01)
    True
    """
    try:
        values = np.asarray(segments, dtype=np.float64)
    except ValueError as error:
        raise InputError("segments must be four images of one shape") from error
    if values.ndim != 3 or len(values) != 4:
        raise InputError(f"segments must have shape (4, height, width), not {values.shape}")
    if high_pass < 0:
        raise InputError(f"high_pass must not be negative, got {high_pass:g} 1/Å")
    dx, dy = values[0] - values[2], values[1] - values[3]
    # A mean deflection is the detector's own (segments of unequal gain, a beam off centre): it would tilt the image.
    dx, dy = dx - dx.mean(), dy - dy.mean()
    height, width = dx.shape
    if not periodic:
        # An even continuation of the image is an odd one of its gradient across the mirror.
        dx = np.block([[dx, -dx[:, ::-1]], [dx[::-1], -dx[::-1, ::-1]]])
        dy = np.block([[dy, dy[:, ::-1]], [-dy[::-1], -dy[::-1, ::-1]]])
    qy = fft.fftfreq(dx.shape[0], sampling)[:, None]
    qx = fft.rfftfreq(dx.shape[1], sampling)[None, :]
    q2 = qx**2 + qy**2
    q2[0, 0] = 1.0
    # At the Nyquist frequency of an even length a gradient has no sign.
    gx = np.where(np.isclose(np.abs(qx), 0.5 / sampling), 0.0, qx)
    gy = np.where(np.isclose(np.abs(qy), 0.5 / sampling), 0.0, qy)
    spectrum = (gx * fft.rfft2(dx) + gy * fft.rfft2(dy)) / (2j * np.pi * q2)
    spectrum[0, 0] = 0.0
    if high_pass:
        spectrum *= 1 - np.exp(-q2 / (2 * high_pass**2))
    image = fft.irfft2(spectrum, s=dx.shape)[:height, :width]
    return (image - image.mean()).astype(np.float32)
