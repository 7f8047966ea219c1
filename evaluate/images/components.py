"""Denoising by components of an image's own patches: principal (PCA) and independent (ICA)."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.errors import InputError

SIDE = 8
"""Side of the patches [pixel]."""
# Components are found on so many patches at most; all are then brought to them.
_MOST = 8000

Image = NDArray[np.float32]


def denoise_pca(image: Image, components: float) -> Image:
    """Keep the strongest principal components of an image's patches.

    Parameters
    ----------
    image
        Shape (height, width), at least 8 × 8 pixels.
    components
        Of the 64 that patches of 8 × 8 pixels have.

    Returns
    -------
    ndarray
        Mean of the overlapping patches, shape of ``image``.

    Raises
    ------
    InputError
        scikit-learn is not installed (extra ``stemforge[components]``), or an image smaller than a patch.

    References
    ----------
    Muresan & Parks, IEEE ICIP 2003, doi:10.1109/ICIP.2003.1246906.

    Examples
    --------
    >>> rows, columns = np.mgrid[:40, :40]
    >>> clean = np.sin(rows / 3) * np.cos(columns / 4)
    >>> noisy = (clean + np.random.default_rng(0).normal(0, 0.5, clean.shape)).astype("float32")
    >>> bool(np.std(denoise_pca(noisy, 4) - clean) < 0.5 * np.std(noisy - clean))
    True
    """
    patches = _patches(image)
    found = _sklearn().PCA(round(components), random_state=0).fit(_some(patches))
    return _joined(found.inverse_transform(found.transform(patches)), image.shape)


def denoise_ica(image: Image, threshold: float) -> Image:
    """Shrink the independent components of an image's patches: what is small in all of them is noise.

    Sparse code shrinkage (Hyvärinen 1999, doi:10.1162/089976699300016214) with a soft threshold.

    Parameters
    ----------
    image
        As for :func:`denoise_pca`.
    threshold
        By what sources, whose standard deviation is 1, are made smaller.

    Returns
    -------
    ndarray
        Mean of the overlapping patches, shape of ``image``.

    Raises
    ------
    InputError
        As for :func:`denoise_pca`.
    """
    patches = _patches(image)
    mean = patches.mean(1, keepdims=True)
    kind = _sklearn().FastICA(24, whiten="unit-variance", max_iter=100, tol=1e-2, random_state=0)
    with warnings.catch_warnings():
        # Components need not be found to the last digit.
        warnings.filterwarnings("ignore", "FastICA did not converge")
        found = kind.fit(_some(patches - mean))
    sources = found.transform(patches - mean)
    sources = np.sign(sources) * np.maximum(np.abs(sources) - threshold, 0)
    return _joined(found.inverse_transform(sources) + mean, image.shape)


def _sklearn() -> Any:
    try:
        from sklearn import decomposition
    except ImportError as error:
        raise InputError(
            "pca and ica need scikit-learn; install it with: pip install 'stemforge[components]'"
        ) from error
    return decomposition


def _patches(image: Image) -> NDArray[np.float32]:
    """Return every patch, shape (n, 64)."""
    if min(image.shape) < SIDE:
        raise InputError(f"the image must have at least {SIDE} × {SIDE} pixels, not {image.shape}")
    windows = np.lib.stride_tricks.sliding_window_view(image, (SIDE, SIDE))
    return np.ascontiguousarray(windows.reshape(-1, SIDE**2), dtype=np.float32)


def _some(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    return patches[:: max(1, len(patches) // _MOST)]


def _joined(patches: NDArray[np.float32], shape: tuple[int, ...]) -> Image:
    """Return the mean of overlapping patches."""
    height, width = (n - SIDE + 1 for n in shape)
    total, number = np.zeros(shape), np.zeros(shape)
    for place in range(SIDE**2):
        row, column = divmod(place, SIDE)
        where = np.s_[row : row + height, column : column + width]
        total[where] += patches[:, place].reshape(height, width)
        number[where] += 1
    return (total / number).astype(np.float32)
