"""Plain likeness of pictures, as published work compares them: correlation and structural similarity."""

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

_WINDOW = 5  # points of a cell over which structural similarity is taken


def correlations(cells: NDArray[np.float64], images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the correlation of each cell with each candidate's image, over the whole cell.

    Parameters
    ----------
    cells, images
        Shapes (b, rows, columns) and (m, rows, columns).

    Returns
    -------
    ndarray
        −1 to 1, shape (b, m).
    """
    a, b = (_standard(one).reshape(len(one), -1) for one in (cells, images))
    return np.asarray(a @ b.T / a.shape[1])


def structural_similarities(cells: NDArray[np.float64], images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the structural similarity (SSIM) of each cell with each candidate's image, over the whole cell.

    All are brought to mean 0 and variance 1; the range of values is the image's.

    References
    ----------
    Wang et al., IEEE Trans. Image Process. 13, 600 (2004), doi:10.1109/TIP.2003.819861.
    """
    a, b = _standard(cells), _standard(images)
    return np.array(
        [
            [structural_similarity(one, other, win_size=_WINDOW, data_range=np.ptp(other)) for other in b]
            for one in a
        ]
    )


def _standard(images: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = images - images.mean((-2, -1), keepdims=True)
    return np.asarray(centred / np.maximum(centred.std((-2, -1), keepdims=True), 1e-300))
