"""Writing images to the files that other programs read."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from stemforge.files import write_whole


def write_tiff(
    path: str | Path,
    image: ArrayLike,
    sampling: float | None = None,
    *,
    channels: Sequence[str] = (),
    info: str | None = None,
) -> None:
    """Write a 32-bit TIFF that ImageJ, and stemforge, read with its pixel size.

    Parameters
    ----------
    path
        File, replaced where it exists, whole or not at all.
    image
        Shape (height, width), or (channels, height, width).
    sampling
        Pixel size [Å]; None writes none.
    channels
        Names of the channels, for ImageJ's slice labels.
    info
        Text that ImageJ shows as the image's info.

    Examples
    --------
    >>> import tempfile
    >>> from stemforge.micrograph.readers import read_micrograph
    >>> path = Path(tempfile.mkdtemp()) / "image.tif"
    >>> write_tiff(path, np.eye(8), 0.25)
    >>> read_micrograph(path).sampling
    0.25
    """
    values = np.asarray(image, dtype=np.float32)
    if values.ndim == 3 and len(values) == 1:
        values = values[0]
    metadata: dict[str, Any] = {"axes": "CYX" if values.ndim == 3 else "YX"}
    options: Mapping[str, Any] = {}
    # ImageJ keeps pixels per unit; without a unit the file says nothing about size.
    if sampling is not None:
        metadata["unit"] = "nm"
        options = {"resolution": (10 / sampling, 10 / sampling)}
    if channels:
        metadata["Labels"] = list(channels)
    if info is not None:
        metadata["Info"] = info
    import tifffile  # some commands write no image

    stream = io.BytesIO()
    tifffile.imwrite(stream, values, imagej=True, metadata=metadata, **options)
    write_whole(path, stream.getbuffer())
