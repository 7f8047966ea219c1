"""Statistics of an annular micrograph without labels: detector, noise, flicker, texture, blobs.

Everything is measured alike on real and on simulated images, so that the two can be compared.
"""

import itertools
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from stemforge.errors import MicrographError
from stemforge.evaluate.corpora import measurements
from stemforge.infer.specimen.dim import LOCAL, dim_parts
from stemforge.simulate.recording.correlation import measured_decay_time
from stemforge.simulate.recording.response import detector_response, noise_variance


@dataclass(frozen=True)
class ImageStatistics:
    """Statistics of one annular image.

    Parameters
    ----------
    sampling
        Pixel size [Å].
    gain, offset
        Detector units an electron, and at no electron: from noise variance against mean.
    counts
        Mean of the specimen [electrons a pixel].
    dark
        Mean of the darkest twentieth of the image, where there is vacuum the dark counts [electrons a pixel].
    noise
        Standard deviation of the counting in a pixel, relative to the specimen's mean.
    decay_time
        Of the detector's signal [dwell times]: by the noise that neighbours on a line share.
    flicker, flicker_time
        Relative standard deviation of the emission over lines, and its memory [lines].
    vacuum_fraction
        Share of the image that is vacuum, or as thin (:func:`stemforge.infer.specimen.dim.dim_parts`).
    texture
        Variance of the specimen's intensity relative to its mean, in the bands between
        :data:`measurements.BANDS`, without noise.
    blobs
        Bright spots of an atom's size [1/nm²].
    blob_contrast
        10th, 50th and 90th percentile of their height over the local mean, as a share of it.
    blob_width
        Full width at half maximum of the mean of the brightest blobs [Å].

    Examples
    --------
    >>> wedge = np.linspace(30, 90, 256) * np.ones((256, 1))
    >>> found = image_statistics(7.0 * np.random.default_rng(0).poisson(wedge) + 1000, 0.3)
    >>> round(float(found.noise), 2), list(found.flat())[-4:]  # noise of 60 electrons in a pixel
    (0.13, ['texture 2.3-3.2 Å', 'blob contrast p10', 'blob contrast p50', 'blob contrast p90'])
    """

    sampling: float
    gain: float
    offset: float
    counts: float
    dark: float
    noise: float
    decay_time: float
    flicker: float
    flicker_time: float
    vacuum_fraction: float
    texture: tuple[float, ...]
    blobs: float
    blob_contrast: tuple[float, float, float]
    blob_width: float

    def flat(self) -> dict[str, float]:
        """Return every figure by name, those of several entries numbered by what they are."""
        values: dict[str, Any] = asdict(self)
        bands = values.pop("texture")
        contrasts = values.pop("blob_contrast")
        names = [f"texture {low:g}-{high:g} Å" for high, low in itertools.pairwise(measurements.BANDS)]
        names += [f"blob contrast p{percent}" for percent in (10, 50, 90)]
        return values | dict(zip(names, (*bands, *contrasts), strict=True))


def image_statistics(image: ArrayLike, sampling: float) -> ImageStatistics:
    """Measure the statistics of an annular image.

    Parameters
    ----------
    image
        As recorded, any unit with any offset, shape (height, width), at least 128 pixels a side.
    sampling
        Pixel size [Å].

    Returns
    -------
    ImageStatistics
        What was measured.

    Raises
    ------
    MicrographError
        An image too small, not finite, or without noise that grows with the signal.

    Examples
    --------
    >>> wedge = np.linspace(30, 90, 256) * np.ones((256, 1))  # of even thickness an image would not tell its offset
    >>> found = image_statistics(7.0 * np.random.default_rng(0).poisson(wedge) + 1000, 0.3)
    >>> round(found.gain), round(found.counts / 10), round(float(found.noise * np.sqrt(found.counts)), 1)
    (7, 6, 1.0)
    """
    values = np.asarray(image, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < 128:
        raise MicrographError(f"statistics need an image of at least 128 × 128 pixels, not {values.shape}")
    if not np.isfinite(values).all():
        raise MicrographError("the image holds values that are not finite")
    gain, offset = detector_response(values)
    counts = (values - offset) / gain
    local = ndimage.gaussian_filter(counts, LOCAL, mode="reflect")
    bright = float(np.percentile(local, 90))
    vacuum = dim_parts(counts)
    # Away from the edge, where the local mean is a mixture.
    specimen = ndimage.binary_erosion(~vacuum, iterations=int(LOCAL), border_value=1)
    if specimen.mean() < 0.05:
        specimen = ~vacuum
    mean = float(counts[specimen].mean())
    relative = np.where(specimen, counts / np.maximum(local, 0.05 * bright) - 1, 0.0)
    emission, memory = measurements.flicker(relative, specimen)
    rate, contrast, width = measurements.blobs(counts, local, specimen, sampling)
    return ImageStatistics(
        sampling=float(sampling),
        gain=gain,
        offset=offset,
        counts=mean,
        dark=float(np.sort(ndimage.gaussian_filter(counts, 4), axis=None)[: counts.size // 20].mean()),
        noise=float(np.sqrt(noise_variance(counts)[specimen].mean()) / mean),
        decay_time=measured_decay_time(values),
        flicker=emission,
        flicker_time=memory,
        vacuum_fraction=float(vacuum.mean()),
        texture=measurements.texture(counts, specimen, sampling),
        blobs=rate,
        blob_contrast=contrast,
        blob_width=width,
    )
