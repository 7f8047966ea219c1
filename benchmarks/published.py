"""The images that Yang et al. (2024) published, doi:10.1002/advs.202408629, as stemforge's images lie."""

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

BLUR = 0.30
"""Standard deviation of the Gaussian by which published images are blurred against ours [Å], fitted in ``idpc.py``."""


def published_image(path: Path) -> NDArray[np.float32]:
    """Read a published image: rows along c, columns along a, as `stemforge.structures.zeolite` views them along b.

    The files hold a along the rows, and c from right to left: transposed alone they would be mirror images.
    """
    return np.ascontiguousarray(tifffile.imread(path).astype(np.float32).T[::-1])
