"""Bringing an image to the pixel size that a network was trained at, and which pixel sizes can be brought there."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from stemforge.errors import InputError
from stemforge.micrograph.image import Micrograph
from stemforge.train.networks import Finds

# Pixel sizes closer than this are taken as equal: resampling costs more than the difference.
_SAME_SAMPLING = 0.02
# Share of the spectrum, at its fine end, in which there is nothing but noise.
_NOISE_BAND = 0.3
# The median of x² for a normal variable of variance 1.
_MEDIAN_SQUARE = 0.4549


class PixelSizes(NamedTuple):
    """Pixel sizes at which an image shows what is looked for.

    Parameters
    ----------
    finest, coarsest
        Least and largest pixel size [Å].
    field
        Least side of the field of view [Å].
    reason
        Why no coarser, for messages.
    """

    finest: float
    coarsest: float
    field: float
    reason: str


PIXEL_SIZES: Mapping[Finds, PixelSizes] = {
    # An atom's image is 2.6 Å wide (FWHM; σ 1.1 Å) on images as of pt-nc, so 1.2 Å is two pixels across it. Measured on
    # 16 such images binned to 0.1 … 2 Å (benchmarks/pixel_size.py coarse): recall stays within 5 % of its value up to
    # 1.2 Å, has lost a seventh at 1.5 Å and two fifths at 2 Å. Three atoms side by side are 10 Å.
    "atoms": PixelSizes(0.05, 1.2, 10.0, "an atom's image is about 2.6 Å wide and needs two pixels"),
    # Columns of a framework are up to 1.7 Å near each other; two pixels must lie between them.
    "images": PixelSizes(0.05, 0.85, 10.0, "details of 1.7 Å need two pixels"),
    "molecules": PixelSizes(0.05, 0.85, 10.0, "details of 1.7 Å need two pixels"),
}
"""By what is looked for. Finer than 0.05 Å is no raster that anyone scans: a thousand pixels would show 5 nm."""

MOST_PIXELS = 10**8
"""Of an image at the network's pixel size: finding atoms takes 90 to 110 bytes a pixel, so this is 10 GB."""

CONTRADICTS = 0.05
"""Relative difference from which a pixel size that was given contradicts the file's."""

# How torch says that there was no memory.
_NO_MEMORY = re.compile("can't allocate memory|not enough memory|out of memory", re.IGNORECASE)

# Å per unit in which a pixel size may have been meant.
_MISTAKEN = {"nm": 10.0, "pm": 0.01}

NOISE_SEED = 0
"""Of the noise in frequencies that an image of coarser pixels does not have: the same image gives the same atoms."""


def resampled(
    image: NDArray[np.float32], sampling: float | None, wanted: float | None, *, white: bool = False
) -> tuple[NDArray[np.float32], float | None]:
    """Bring an image to the pixel size that a network wants.

    Parameters
    ----------
    image
        Shape (height, width).
    sampling, wanted
        Its pixel size and the wanted one [Å]; where either is None, or they differ by less than 2 %, the image
        stays as it is.
    white
        Keep the noise white, as that of the images is on which a detector of atoms learnt what noise is. See
        :func:`resampled_white`. Without, the image is interpolated, smoothly.

    Returns
    -------
    image, sampling
        The image and its pixel size. The field of view stays: pixel i lies at ((i + ½) / zoom − ½) of the
        original.
    """
    if sampling is None or wanted is None or abs(sampling / wanted - 1) <= _SAME_SAMPLING:
        return image, sampling
    zoom = sampling / wanted
    shape = _resampled_shape(image.shape, zoom)
    if white:
        return resampled_white(image, shape), wanted
    from skimage.transform import resize  # atoms are resampled without

    # Antialiased: detail finer than the wanted pixels would fold into them.
    out = resize(image, shape, order=3, mode="reflect", anti_aliasing=zoom < 1, preserve_range=True)
    return out.astype(np.float32), wanted


def scaled_places(points: ArrayLike, scale: ArrayLike) -> NDArray[np.float64]:
    """Bring places on an image to another raster of the same field of view.

    Parameters
    ----------
    points
        Shape (N, 2), as x, y [pixel].
    scale
        How many times as many pixels the other raster has along x and along y.

    Examples
    --------
    The centre of the first of two pixels lies between the first two of four.

    >>> scaled_places([[0, 0]], 2)
    array([[0.5, 0.5]])
    """
    return np.asarray((np.asarray(points, dtype=float) + 0.5) * np.asarray(scale) - 0.5)


def resampled_white(image: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resample an image so that white noise stays white: as finer or coarser pixels would have recorded it.

    Interpolation smooths noise. A network that learnt from images with white noise then takes what is left of it for
    atoms: on images at 1 Å per pixel, brought to 0.293 Å, precision was 0.18, where the same images recorded at 0.1 Å
    gave 0.86. Here the image's cosine transform is cut off for coarser pixels; for finer ones it is continued with
    noise of the density that it has at its fine end. What the image shows is neither changed nor added to.

    Parameters
    ----------
    image
        Shape (height, width).
    shape
        The wanted height and width [pixel], of the same field of view.

    Returns
    -------
    ndarray
        The image with the same mean, the noise of its pixels as of smaller or larger ones.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(100, 5, (100, 120)).astype("float32")
    >>> finer = resampled_white(noise, (150, 180))
    >>> neighbours = np.corrcoef(finer[:, 1:].ravel(), finer[:, :-1].ravel())[0, 1]
    >>> round(float(finer.std() / 5), 1), abs(float(neighbours)) < 0.05
    (1.5, True)
    """
    mean = float(image.mean(dtype=np.float64))
    spectrum = fft.dctn(image - np.float32(mean), norm="ortho", overwrite_x=True)
    kept = tuple(slice(min(n, m)) for n, m in zip(image.shape, shape, strict=True))
    out = np.zeros(shape, dtype=np.float32)
    if shape[0] > image.shape[0] or shape[1] > image.shape[1]:
        corner = spectrum[tuple(slice(int(n * (1 - _NOISE_BAND)), None) for n in image.shape)]
        level = np.float32(np.sqrt(np.median(corner**2) / _MEDIAN_SQUARE)) if corner.size else np.float32(0)
        out = level * np.random.default_rng(NOISE_SEED).standard_normal(shape, dtype=np.float32)
    out[kept] = spectrum[kept]
    del spectrum
    # Orthonormal transforms keep the sum of squares; here the values of the signal are to stay.
    scale = np.sqrt(out.size / image.size)
    return (fft.idctn(out, norm="ortho", overwrite_x=True) * np.float32(scale) + np.float32(mean)).astype(
        np.float32
    )


def check_sampling(
    sampling: float | None,
    wanted: float | None,
    shape: tuple[int, int],
    finds: Finds,
    in_file: float | None = None,
) -> None:
    """Refuse, before any memory is taken, pixels too coarse or too fine to show what is looked for.

    Parameters
    ----------
    sampling
        Pixel size of the image [Å]; None, not known, is not judged.
    wanted
        The network's pixel size [Å], or None.
    shape
        Height and width of the image [pixel].
    finds
        What is looked for.
    in_file
        Pixel size in the file [Å], where the user gave another one; used for the hint at another unit.

    Raises
    ------
    InputError
        Pixel size or field of view out of :data:`PIXEL_SIZES`, or more than :data:`MOST_PIXELS` at the network's.

    Examples
    --------
    >>> check_sampling(0.293, 0.293, (512, 512), "atoms")  # can show atoms: says nothing
    >>> try:
    ...     check_sampling(0.0293, 0.293, (512, 512), "atoms")
    ... except InputError as error:
    ...     print(str(error).partition("; ")[2])
    looks like 0.0293 nm, which is 0.293 Å
    """
    if sampling is None:
        return
    limits = PIXEL_SIZES[finds]
    allowed = f"{limits.finest:g} to {limits.coarsest:g} Å"
    hint = _other_unit(sampling, limits, in_file)
    if sampling > limits.coarsest * (1 + 1e-6):
        raise InputError(
            f"pixels of {sampling:g} Å are too coarse: {limits.reason} ({allowed}); "
            f"{hint or 'take an image of higher magnification'}"
        )
    if sampling < limits.finest:
        raise InputError(
            f"pixels of {sampling:g} Å are too fine for a recorded image ({allowed}); {hint or 'bin the image'}"
        )
    if min(shape) * sampling < limits.field:
        raise InputError(
            f"shows {shape[1] * sampling:.3g} × {shape[0] * sampling:.3g} Å, at least {limits.field:g} Å are needed "
            f"along each side; {hint or 'take a larger part of the image'}"
        )
    zoom = 1.0 if wanted is None else sampling / wanted
    height, width = _resampled_shape(shape, zoom)
    if zoom > 1 and height * width > MOST_PIXELS:
        raise InputError(
            f"would have {width} × {height} pixels at the network's pixel size ({wanted:g} Å), at most "
            f"{MOST_PIXELS:.0e} are worked on; cut it in parts"
        )


def sampling_remark(micrograph: Micrograph) -> str | None:
    """Return what to remark where the pixel size that was given contradicts the file's; None where it does not.

    Examples
    --------
    >>> field = Micrograph(np.eye(64), 0.2, name="field", metadata={"sampling_in_file": 0.293})
    >>> sampling_remark(field)
    'field: 0.2 Å per pixel were given, the file says 0.293 Å'
    """
    in_file = file_sampling(micrograph)
    sampling = micrograph.sampling
    if in_file is None or sampling is None or abs(sampling / in_file - 1) <= CONTRADICTS:
        return None
    return f"{micrograph.name}: {sampling:.4g} Å per pixel were given, the file says {in_file:.4g} Å"


def file_sampling(micrograph: Micrograph) -> float | None:
    """Return the pixel size in a micrograph's file [Å], also where another one was given; None where it has none."""
    found = micrograph.metadata.get("sampling_in_file")
    return None if found is None else float(found)


@contextmanager
def enough_memory(name: str) -> Iterator[None]:
    """Turn a lack of memory in the work on one image into an error about this image: a batch goes on."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # torch has no error of its own for it on a CPU, and a command that needs no network does not load torch.
        if isinstance(error, RuntimeError) and not _NO_MEMORY.search(str(error)):
            raise
        raise InputError(
            f"{name}: not enough memory to work on this image; cut it in parts, or take smaller tiles (tile)"
        ) from error


def _other_unit(sampling: float, limits: PixelSizes, in_file: float | None) -> str | None:
    """Return a hint where a number that is no pixel size in Å is one in another unit."""
    for unit, factor in _MISTAKEN.items():
        meant = sampling * factor
        fits = limits.finest <= meant <= limits.coarsest
        if in_file is not None:
            fits = abs(meant / in_file - 1) <= CONTRADICTS
        if fits:
            return f"looks like {sampling:g} {unit}, which is {meant:.4g} Å"
    return None


def _resampled_shape(shape: tuple[int, ...], zoom: float) -> tuple[int, int]:
    return max(1, round(shape[0] * zoom)), max(1, round(shape[1] * zoom))
