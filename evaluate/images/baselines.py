"""Classical denoising to compare networks with, tuned on images other than those that are scored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.restoration import denoise_tv_chambolle

from stemforge.errors import InputError
from stemforge.evaluate.images.bm3d import denoise_bm3d
from stemforge.evaluate.images.components import denoise_ica, denoise_pca
from stemforge.evaluate.images.invariance import denoise_noise2self
from stemforge.evaluate.images.quality import similarity

Image = NDArray[np.float32]
Pair = tuple[Image, Image]

# What is tried, from little to much smoothing; images lie between 0 and 1.
_GRIDS: Mapping[str, tuple[float, ...]] = {
    "gaussian": (0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0),
    "tv": (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5),
    "bm3d": (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4),
    "pca": (2, 4, 6, 9, 14, 20, 30, 45),
    "ica": (0.25, 0.5, 0.75, 1.0, 1.4, 2.0, 3.0),
}
BASELINES = ("gaussian", "wiener", "tv", "bm3d")
"""Baselines by name: Gaussian blur, Wiener filter, total variation, block matching."""
ALL_BASELINES = (*BASELINES, "noise2self", "pca", "ica")
"""With Noise2Self, and those that need ``stemforge[components]``: principal and independent components of patches."""


@dataclass(frozen=True)
class Baseline:
    """A classical denoiser with its parameter chosen.

    Parameters
    ----------
    name
        Of :data:`ALL_BASELINES`.
    parameter
        Standard deviation of the blur [pixel], weight of the total variation, noise level (0 … 1) that BM3D assumes,
        number of principal components, or threshold of independent ones; nan for the Wiener filter, whose whole
        transfer function is fitted, and for Noise2Self, which chooses on each image.
    transfer
        The Wiener filter over spatial frequency: (frequencies [cycles a pixel], factors), else empty.

    Examples
    --------
    >>> noise = np.random.default_rng(0).random((64, 64))
    >>> blur = Baseline("gaussian", 2.0)
    >>> bool(blur(noise).std() < 0.2 * noise.std()), blur.to_dict()
    (True, {'name': 'gaussian', 'parameter': 2.0})
    """

    name: str
    parameter: float
    transfer: tuple[NDArray[np.float64], ...] = field(default=(), repr=False)

    def __call__(self, image: Image) -> Image:
        """Denoise an image between 0 and 1, shape (height, width)."""
        if self.name == "wiener":
            return _filtered(image, *self.transfer)
        if self.name == "noise2self":
            return denoise_noise2self(image)
        return _METHODS[self.name](image, self.parameter)

    def to_dict(self) -> dict[str, Any]:
        """Return name and parameter for JSON."""
        return {"name": self.name, "parameter": None if np.isnan(self.parameter) else self.parameter}


def tune_baselines(
    pairs: Sequence[Pair], names: Sequence[str] = BASELINES, *, patch: int = 256
) -> dict[str, Baseline]:
    """Choose each baseline's parameter on training images.

    The Wiener filter is the best linear one for the pairs' mean power spectra; of the others the parameter with the
    highest mean SSIM is taken, images fitted to their targets as in
    :func:`~stemforge.evaluate.image_quality`: they are tuned for what they will be judged by. Noise2Self learns
    nothing from them: it needs no other image than the one that it is given.

    Parameters
    ----------
    pairs
        Noisy images and their targets on the same pixels, both between 0 and 1, at one dose.
    names
        Which baselines.
    patch
        Side of the part in the middle of each image that parameters are tried on [pixel].

    Returns
    -------
    dict
        Baselines by name.

    Raises
    ------
    InputError
        No pairs, shapes that do not fit, or an unknown name.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> clean = ndimage.gaussian_filter(rng.random((64, 64)), 4).astype("float32")
    >>> clean = (clean - clean.min()) / np.ptp(clean)
    >>> noisy = clean + rng.normal(0, 0.2, clean.shape).astype("float32")
    >>> tune_baselines([(noisy, clean)], ["gaussian"])["gaussian"].parameter
    2.5
    """
    unknown = sorted(set(names) - set(ALL_BASELINES))
    if unknown:
        raise InputError(f"baseline '{unknown[0]}' is not known; there are {', '.join(ALL_BASELINES)}")
    if not pairs:
        raise InputError("tuning the baselines needs at least one pair of images")
    for noisy, target in pairs:
        if noisy.shape != target.shape:
            raise InputError(f"noisy image and target must have one shape, not {noisy.shape}, {target.shape}")
    small = [(_middle(noisy, patch), _middle(target, patch)) for noisy, target in pairs]
    chosen = {}
    for name in names:
        if name == "wiener":
            chosen[name] = Baseline(name, float("nan"), _wiener(pairs))
            continue
        if name == "noise2self":
            chosen[name] = Baseline(name, float("nan"))
            continue
        grid = _GRIDS[name]
        scores = [_mean_ssim(Baseline(name, value), small) for value in grid]
        chosen[name] = Baseline(name, grid[int(np.argmax(scores))])
    return chosen


def _mean_ssim(method: Callable[[Image], Image], pairs: Sequence[Pair]) -> float:
    return float(np.mean([similarity(method(noisy), target) for noisy, target in pairs]))


def _middle(image: Image, side: int) -> Image:
    top, left = (max((n - side) // 2, 0) for n in image.shape)
    return image[top : top + side, left : left + side]


def _gaussian(image: Image, sigma: float) -> Image:
    return ndimage.gaussian_filter(image, sigma, mode="reflect") if sigma else image


def _tv(image: Image, weight: float) -> Image:
    return denoise_tv_chambolle(image, weight=weight).astype(np.float32) if weight else image


_METHODS: Mapping[str, Callable[[Image, float], Image]] = {
    "gaussian": _gaussian,
    "tv": _tv,
    "bm3d": denoise_bm3d,
    "pca": denoise_pca,
    "ica": denoise_ica,
}


def _wiener(pairs: Sequence[Pair], bins: int = 64) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Best linear filter by spatial frequency: mean cross-spectrum over mean power spectrum of the noisy images.

    With noise that has nothing to do with the image this is S / (S + N) of Wiener's; it needs no model of
    iDPC's noise, which integration colours.
    """
    edges = np.linspace(0, 0.5 * np.sqrt(2), bins + 1)
    cross, power = np.zeros(bins), np.zeros(bins)
    for noisy, target in pairs:
        a, b = (_spectrum(values - values.mean()) for values in (noisy, target))
        ring = np.clip(np.digitize(_radius(noisy.shape), edges) - 1, 0, bins - 1).ravel()
        cross += np.bincount(ring, (b * a.conj()).real.ravel(), bins)
        power += np.bincount(ring, (np.abs(a) ** 2).ravel(), bins)
    return (edges[1:] + edges[:-1]) / 2, np.clip(cross / np.maximum(power, 1e-30), 0, None)


def _filtered(image: Image, frequencies: NDArray[np.float64], factors: NDArray[np.float64]) -> Image:
    mean = image.mean()
    padded = np.pad(image - mean, [(0, n) for n in image.shape], mode="symmetric")  # no seam at the border
    transfer = np.interp(_radius(padded.shape), frequencies, factors)
    filtered = np.fft.ifft2(np.fft.fft2(padded) * transfer).real
    return (filtered[: image.shape[0], : image.shape[1]] + mean).astype(np.float32)


def _spectrum(image: NDArray[Any]) -> NDArray[np.complex128]:
    return np.fft.fft2(image * np.outer(*(np.hanning(n) for n in image.shape)))


def _radius(shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None])
