"""Denoising by components of an image's own patches: principal (PCA) and independent (ICA)."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.errors import InputError
from stemforge.installation.requirements import install_command

SIDE = 8
"""Side of the patches [pixel]."""
# Components are found on so many patches at most; all are then brought to them.
_MOST = 8000
_SOURCES = 24  # independent components of a patch

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
    library = _sklearn()
    patches = _patches(library, image)
    most = min(round(components), len(patches))
    found = library.decomposition.PCA(most, random_state=0).fit(_some(patches))
    return _joined(library, found.inverse_transform(found.transform(patches)), image)


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
    library = _sklearn()
    patches = _patches(library, image)
    mean = patches.mean(1, keepdims=True)
    most = min(_SOURCES, len(patches))
    kind = library.decomposition.FastICA(most, whiten="unit-variance", max_iter=100, tol=1e-2, random_state=0)
    with warnings.catch_warnings():
        # Components need not be found to the last digit.
        warnings.filterwarnings("ignore", "FastICA did not converge")
        found = kind.fit(_some(patches - mean))
    sources = found.transform(patches - mean)
    sources = np.sign(sources) * np.maximum(np.abs(sources) - threshold, 0)
    return _joined(library, found.inverse_transform(sources) + mean, image)


def _sklearn() -> Any:
    try:
        import sklearn.decomposition
        import sklearn.feature_extraction.image
    except ImportError as error:
        raise InputError(
            f"pca and ica need scikit-learn; install it with: {install_command('components')}"
        ) from error
    return sklearn


def _patches(library: Any, image: Image) -> NDArray[np.float32]:
    """Return every patch, shape (n, 64)."""
    if min(image.shape) < SIDE:
        raise InputError(f"the image must have at least {SIDE} × {SIDE} pixels, not {image.shape}")
    patches = library.feature_extraction.image.extract_patches_2d(image, (SIDE, SIDE))
    return np.asarray(patches.reshape(len(patches), -1), dtype=np.float32)


def _some(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    return patches[:: max(1, len(patches) // _MOST)]


def _joined(library: Any, patches: NDArray[np.float32], image: Image) -> Image:
    """Return the mean of overlapping patches."""
    tiles = patches.reshape(-1, SIDE, SIDE)
    joined = library.feature_extraction.image.reconstruct_from_patches_2d(tiles, image.shape)
    return np.asarray(joined, dtype=np.float32)
