"""iDPC images at any dose from a corpus of noise-free segment signals, with what belongs to them."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.errors import CorpusError
from stemforge.simulate import SEGMENTS, Degradation, Degraded, atom_map, degrade, idpc_image
from stemforge.train.data.idpc import grey_range, normalise_image, without_clouds

# Displacements that change faster than this are jitter [lines].
_SETTLE = 3.0


@dataclass(frozen=True)
class Exposure:
    """One image as a microscope would have recorded it, and as it would be without noise.

    Parameters
    ----------
    noisy, clean
        iDPC images between 0 and 1, shape (height, width).
    signal
        The clean image on the noisy one's grey scale: flat where nothing is, however high the noise was scaled.
    degraded
        The degradation as it was drawn, and where it put what the image shows: drift and tears are followed, the
        jitter of single lines is noise to be removed.
    dose
        Dose [e/Å²]; None without counting noise.
    """

    noisy: NDArray[np.float32]
    clean: NDArray[np.float32]
    signal: NDArray[np.float32]
    degraded: Degraded
    dose: float | None


def draw_dose(doses: tuple[float, float], clean_share: float, rng: np.random.Generator) -> float | None:
    """Draw a dose [e/Å²] log-uniformly, or None, no counting noise, for a share of the images."""
    dose = float(np.exp(rng.uniform(*np.log(doses))))
    return None if rng.random() < clean_share else dose


def expose(
    sample: Sample,
    degradation: Degradation,
    dose: float | None,
    rng: np.random.Generator,
    *,
    high_pass: float = 0.0,
) -> Exposure:
    """Make an iDPC image at a dose from a sample's segment signals.

    Parameters
    ----------
    sample
        With the four segments as channels.
    degradation
        Everything but the dose: source size, distortions, detector.
    dose
        Incident electrons per area [e/Å²]; None for no counting noise.
    rng
        Source of the random numbers.
    high_pass
        Spatial frequency below which the image is damped [1/Å]; see :func:`stemforge.train.prepare_idpc`.

    Returns
    -------
    Exposure
        The noisy image and the clean one, distorted alike.
    """
    if sample.sampling is None or sample.channels != SEGMENTS:
        raise CorpusError(f"sample {sample.index}: holds no calibrated segment signals {', '.join(SEGMENTS)}")
    settings = degradation.at_dose(dose).draw(rng)
    degraded = degrade(sample.signal, settings, sample.sampling, rng)
    settled = ndimage.gaussian_filter1d(degraded.displacement, _SETTLE, axis=0, mode="nearest")
    degraded = dataclasses.replace(degraded, displacement=settled)
    noisy, clean = (
        without_clouds(idpc_image(segments, sample.sampling), sample.sampling, high_pass)
        for segments in (degraded.image, sample.signal)
    )
    low, high = grey_range(noisy)
    # Integration leaves the mean open; the detector counts in its own units.
    units = degraded.settings.gain * degraded.settings.electrons_per_pixel(sample.sampling)
    signal = (units * (clean - clean.mean()) + noisy.mean() - low) / (high - low)
    scaled = normalise_image(clean) if np.ptp(clean) else np.zeros_like(clean)
    return Exposure(
        ((noisy - low) / (high - low)).clip(0, 1).astype(np.float32),
        follow(scaled, degraded.displacement).clip(0, 1),
        follow(signal.astype(np.float32), degraded.displacement),
        degraded,
        dose,
    )


def without_order(sample: Sample, rng: np.random.Generator) -> Sample:
    """Take the specimen out of a sample: nothing is left, or a texture without order that has its spectrum.

    The texture is Gaussian noise with the radial mean of the iDPC image's spectrum, at 0.2 to 1.5 times its contrast;
    the segments differ by its gradient, as they do by a thin specimen's (:func:`stemforge.simulate.idpc_image`).

    Returns
    -------
    Sample
        With other segment signals; its labels stay and no longer mean anything.
    """
    mean = sample.signal.mean((1, 2), keepdims=True)
    if rng.random() < 0.5 or sample.sampling is None:
        return dataclasses.replace(
            sample, signal=np.ascontiguousarray(np.broadcast_to(mean, sample.signal.shape))
        )
    image = idpc_image(sample.signal, sample.sampling)
    radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in image.shape), indexing="ij"))
    ring = np.rint(radius * min(image.shape)).astype(int)
    power = np.abs(np.fft.fft2(image)) ** 2
    radial = np.bincount(ring.ravel(), power.ravel()) / np.maximum(np.bincount(ring.ravel()), 1)
    white = np.fft.fft2(rng.normal(size=image.shape)) / np.sqrt(image.size)
    texture = np.fft.ifft2(white * np.sqrt(radial[ring])).real * rng.uniform(0.2, 1.5)
    down, right = np.gradient(texture, sample.sampling)
    signal = mean + np.stack([right, down, -right, -down]) / 2
    return dataclasses.replace(sample, signal=np.clip(signal, 0, None).astype(np.float32))


def follow(image: NDArray[np.float32], displacement: NDArray[np.float64]) -> NDArray[np.float32]:
    """Sample an image where the scan was; shape and displacement as in :class:`stemforge.simulate.Degraded`."""
    if not displacement.any():
        return image
    rows, columns = np.indices(image.shape, dtype=float)
    where = [rows - displacement[:, 1:], columns - displacement[:, :1]]
    return ndimage.map_coordinates(image, where, order=3, mode="nearest").astype(np.float32)


def drawn_atoms(sample: Sample, exposure: Exposure, zoom: int) -> NDArray[np.float32]:
    """Draw the atoms where an exposure shows them, shape (height × zoom, width × zoom), between 0 and 1."""
    return np.asarray(atom_map(sample, zoom, exposure.degraded.displacement), dtype=np.float32)


def enlarge(image: NDArray[np.float32], zoom: int) -> NDArray[np.float32]:
    """Interpolate an image exactly between its pixels, by its Fourier transform (periodic boundaries).

    Parameters
    ----------
    image
        Shape (height, width).
    zoom
        Pixels along one pixel of ``image``; pixel i lies at (i + ½) / zoom − ½.

    Returns
    -------
    ndarray
        Shape (height × zoom, width × zoom), float32.

    Examples
    --------
    >>> x = np.cos(2 * np.pi * np.arange(8) / 8)
    >>> fine = enlarge(np.tile(x, (8, 1)).astype("float32"), 2)
    >>> bool(np.allclose(fine[0], np.cos(2 * np.pi * ((np.arange(16) + 0.5) / 2 - 0.5) / 8), atol=1e-6))
    True
    """
    result = np.asarray(image, float)
    for axis in (0, 1):
        n = result.shape[axis]
        spectrum = np.fft.rfft(result, axis=axis)
        frequencies = np.arange(spectrum.shape[axis])
        phase = np.exp(2j * np.pi * frequencies / n * (0.5 / zoom - 0.5))
        if n % 2 == 0:
            phase[-1] *= 0.5  # the highest frequency stands for itself and its negative
        spectrum = spectrum * np.expand_dims(phase, 1 - axis)
        result = np.fft.irfft(spectrum, n * zoom, axis=axis) * zoom
    return result.astype(np.float32)


def require_segments(
    corpora: Sequence[Corpus], size: int, *, structure: bool = False, boxes: bool = False
) -> None:
    """Refuse corpora from which the wanted images or targets cannot be made.

    Parameters
    ----------
    corpora
        Their first samples are looked at.
    size
        Side of the patches that will be cut [pixel].
    structure
        Atoms are to be drawn.
    boxes
        Molecules are to be found.

    Raises
    ------
    CorpusError
        Names everything that is missing.
    """
    for corpus in corpora:
        sample: Sample = corpus[0]
        missing = []
        if sample.channels != SEGMENTS or corpus.kind != "simulated":
            missing.append(
                f"simulated segment signals {', '.join(SEGMENTS)} (it has {', '.join(sample.channels)})"
            )
        if sample.sampling is None:
            missing.append("a pixel size")
        if structure and sample.structure is None:
            missing.append("structures (simulate with store_structures: true)")
        if boxes and sample.labels.boxes is None:
            missing.append("molecule boxes")
        if boxes and ("species" not in sample.labels.columns or "molecules" not in sample.metadata):
            missing.append("molecule names (column species, metadata molecules)")
        if missing:
            raise CorpusError(f"{corpus.folder}: lacks {'; '.join(missing)}")
        if min(sample.signal.shape[1:]) < size:
            height, width = sample.signal.shape[1:]
            raise CorpusError(
                f"{corpus.folder}: its images of {height} × {width} pixels are smaller than the patches of {size}"
            )
