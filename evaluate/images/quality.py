"""Quality of restored images against their target: MSE, PSNR, SSIM, VIF, and the error published for DIVAESR."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from skimage.transform import resize
from torchmetrics.functional.image import structural_similarity_index_measure, visual_information_fidelity

from stemforge.errors import InputError

Scaling = Literal["affine", "minmax", "none"]
"""How an image is brought to the target's grey values before it is compared."""

PUBLISHED_IMAGES = 896
"""Number of test images over which DIVAESR's published error is summed."""

# VIF's model of the observer's noise is meant for grey values up to 255.
_GREY = 255.0
# VIF halves the image four times and wants a window of 17 pixels at first.
_SMALLEST = 41


@dataclass(frozen=True)
class ImageQuality:
    """How close an image is to its target.

    Parameters
    ----------
    mse
        Mean squared error on grey values from 0 to 255. DIVAESR's published "error" is none, see
        :func:`summed_absolute_error`.
    psnr
        Peak signal-to-noise ratio [dB]; infinite where the images are equal.
    ssim
        Structural similarity in Gaussian windows of σ = 1.5 pixel, at most 1.
    vif
        Visual information fidelity in the pixel domain; 1 for equal images.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((64, 64))
    >>> quality = image_quality(image, image)
    >>> round(quality.ssim, 3), round(quality.vif, 3)  # as of equal images
    (1.0, 1.0)
    """

    mse: float
    psnr: float
    ssim: float
    vif: float

    def to_dict(self) -> dict[str, float]:
        """Return the figures by name."""
        return asdict(self)


def image_quality(image: ArrayLike, target: ArrayLike, *, scaling: Scaling = "affine") -> ImageQuality:
    """Compare an image with its target.

    The target's smallest and largest value become 0 and 1. The image, whose grey values may mean anything, is
    brought to the same scale as ``scaling`` says and clipped to 0 … 1.

    Parameters
    ----------
    image
        Shape (height, width), or a fraction of the target's pixels along each side: then it is enlarged by
        cubic splines.
    target
        Shape (height, width), at least 41 pixels along each side.
    scaling
        ``"affine"``: the gain (not negative) and offset with the least squared difference from the target. No
        method gains or loses by its grey scale, and a noisy image is compared at its best; a fit without
        contrast remains where image and target have nothing in common.
        ``"minmax"``: the image's own smallest and largest value become 0 and 1.
        ``"none"``: as it is, relative to the target's range; what networks that put out 0 … 1 are meant to be.

    Returns
    -------
    ImageQuality
        The four figures.

    Raises
    ------
    InputError
        Shapes that do not fit, images too small, a target without contrast, values that are not finite.

    References
    ----------
    Wang et al., IEEE Trans. Image Process. 2004, 13, 600 (SSIM); Sheikh & Bovik, ibid. 2006, 15, 430 (VIF).

    Examples
    --------
    >>> target = np.random.default_rng(0).random((64, 64))
    >>> image_quality(5 + 3 * target, target).ssim > 0.999
    True
    """
    fitted, reference = comparable(image, target, scaling)
    mse = float(np.mean((fitted - reference) ** 2))
    # Enlarged values: torchmetrics' VIF takes them as they come.
    vif = visual_information_fidelity(_GREY * _tensor(fitted), _GREY * _tensor(reference))
    psnr = float("inf") if mse == 0 else float(-10 * np.log10(mse))
    return ImageQuality(mse * _GREY**2, psnr, ssim=_ssim(fitted, reference), vif=float(vif))


def similarity(image: ArrayLike, target: ArrayLike, *, scaling: Scaling = "affine") -> float:
    """Return SSIM alone, as :func:`image_quality` has it; much quicker than all four."""
    return _ssim(*comparable(image, target, scaling))


def summed_absolute_error(
    images: Sequence[ArrayLike], targets: Sequence[ArrayLike], *, count: int = PUBLISHED_IMAGES
) -> float:
    """Return the error that is published for DIVAESR: mean absolute differences, summed over test images.

    The authors' evaluation script takes the mean of ``|output − label|`` of each image at 128 × 128 pixels, with grey
    values between 0 and 1, and sums it over its 896 test images. It is a mean absolute error times 896, and cannot be
    compared with a mean squared error.

    Parameters
    ----------
    images
        Outputs between 0 and 1, one an image, shape (height, width) each; nothing is fitted or clipped.
    targets
        Labels between 0 and 1, of the same shapes. Other shapes than 128 × 128 weigh each image alike, too.
    count
        Over how many images the mean is summed: other numbers of images are brought to the authors' 896.

    Returns
    -------
    float
        ``count`` times the mean over the images of the mean absolute difference.

    Raises
    ------
    InputError
        No images, numbers or shapes that differ, values that are not finite or not between 0 and 1.

    References
    ----------
    Yang et al., Adv. Sci. 2024, doi:10.1002/advs.202408629: 51.68 with DIVAESR.

    Examples
    --------
    >>> label = np.zeros((128, 128))
    >>> round(summed_absolute_error([label + 0.0577], [label]), 1)
    51.7
    """
    if len(images) != len(targets) or not len(images):
        raise InputError(f"{len(images)} images do not fit {len(targets)} targets")
    if count < 1:
        raise InputError(f"count must be at least 1, not {count}")
    errors = [np.abs(a - b).mean() for a, b in map(_between_0_and_1, images, targets)]
    return float(count * np.mean(errors))


def _between_0_and_1(image: ArrayLike, target: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values, reference = (np.asarray(array, dtype=np.float64) for array in (image, target))
    if values.ndim != 2 or values.shape != reference.shape:
        raise InputError(f"image of shape {values.shape} does not fit a target of shape {reference.shape}")
    for name, array in (("image", values), ("target", reference)):
        # NaN fails, too.
        if not (array.size and array.min() >= 0 and array.max() <= 1):
            raise InputError(f"{name} holds values that do not lie between 0 and 1")
    return values, reference


def _ssim(image: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    return float(structural_similarity_index_measure(_tensor(image), _tensor(target), data_range=1.0))  # type: ignore[arg-type]


def _tensor(image: NDArray[np.float64]) -> torch.Tensor:
    # Single precision is ten times as fast here, and the same to five digits.
    return torch.from_numpy(image.astype(np.float32))[None, None]


def comparable(
    image: ArrayLike, target: ArrayLike, scaling: Scaling = "affine"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return image and target as :func:`image_quality` compares them: of one shape, between 0 and 1."""
    if scaling not in get_args(Scaling):
        raise InputError(f"scaling must be one of {', '.join(get_args(Scaling))}, not '{scaling}'")
    values, reference = (np.asarray(array, dtype=np.float64) for array in (image, target))
    for name, array in (("image", values), ("target", reference)):
        if array.ndim != 2:
            raise InputError(f"{name} must have shape (height, width), not {array.shape}")
        if not np.isfinite(array).all():
            raise InputError(f"{name} holds values that are not finite")
    if min(reference.shape) < _SMALLEST:
        raise InputError(
            f"the target has shape {reference.shape}; at least {_SMALLEST} pixels along each side are needed"
        )
    low, high = reference.min(), reference.max()
    if high <= low:
        raise InputError("the target has no contrast")
    reference = (reference - low) / (high - low)
    values = enlarged(values, reference.shape)
    if scaling == "affine":
        spread = values.var()
        gain = max(float(np.mean((values - values.mean()) * reference) / spread), 0.0) if spread else 0.0
        values = gain * (values - values.mean()) + reference.mean()
    elif scaling == "minmax":
        values = (values - values.min()) / max(float(np.ptp(values)), 1e-30)
    else:
        values = (values - low) / (high - low)
    return np.clip(values, 0, 1), reference


def enlarged(image: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Enlarge an image by a whole factor with cubic splines; the field of view stays."""
    if image.shape == shape:
        return image
    factors = {n / m for n, m in zip(shape, image.shape, strict=True)}
    if len(factors) != 1 or next(iter(factors)) not in (2, 3, 4):
        raise InputError(f"image of shape {image.shape} does not fit a target of shape {shape}")
    return resize(image, shape, order=3, mode="reflect", preserve_range=True)
