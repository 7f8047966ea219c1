"""Reading micrographs from the files that microscopes and image programs write."""

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.console import say
from stemforge.errors import MicrographError
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.reading.formats import FORMATS
from stemforge.sandbox.child import ChildError, in_child

__all__ = ["FORMATS", "read_mask", "read_micrograph", "read_stack"]


def read_micrograph(
    path: str | Path,
    *,
    sampling: float | None = None,
    frame: int | None = None,
    signal: str | None = None,
    modality: str | None = None,
) -> Micrograph:
    """Read one micrograph from a file.

    The file is opened in a child process within limits of time and memory: a damaged or crafted one is refused,
    whatever it does to the library that reads it.

    Parameters
    ----------
    path
        TIFF, DM3/DM4, EMD, SER/EMI, MRC or HSPY through RosettaSciIO, PNG or JPEG through Pillow.
    sampling
        Pixel size [Å] that overrides the file's own calibration. Without it the calibration comes from the
        file's metadata and is None where there is none.
    frame
        Which frame of a stack to take, counted from 0. A stack without it is refused.
    signal
        Which of several images in the file, by its title, such as ``"HAADF"``, or its number. By default the only one,
        or that called HAADF.
    modality
        Imaging mode to note on the micrograph.

    Returns
    -------
    Micrograph
        Image of shape (height, width), named after the file. Its metadata has ``file``, ``signal`` (the title),
        ``frame`` and how many ``frames`` the file has, ``sampling_in_file`` [Å] where the file has one, and
        ``calibration``, a remark, where it has one that means nothing.

    Raises
    ------
    MicrographError
        File missing, truncated, not an image (a spectrum, a diffraction pattern, 4D-STEM data), in colour, a stack
        without ``frame``, or one that takes more time or memory to read than its size explains.

    Examples
    --------
    >>> import numpy as np, tempfile, tifffile
    >>> path = Path(tempfile.mkdtemp()) / "field.tif"
    >>> tifffile.imwrite(path, np.arange(12, dtype="float32").reshape(3, 4))
    >>> read_micrograph(path, sampling=0.3).field_of_view
    (0.8999999999999999, 1.2)
    """
    found = _read(Path(path), sampling, signal=signal, frame=frame)
    return _micrograph(Path(path), found, 0, sampling, modality)


def read_stack(
    path: str | Path,
    *,
    sampling: float | None = None,
    signal: str | None = None,
    modality: str | None = None,
    whole: bool = False,
) -> list[Micrograph]:
    """Read every frame of a file; parameters and errors as in :func:`read_micrograph`.

    A frame that cannot be used, such as one without any signal, is named and left out, unless all are like that;
    with ``whole`` the file is refused for it, as where each frame has its own focus.

    Returns
    -------
    list of Micrograph
        One a frame, named ``<file>_000``, ``<file>_001``, …; a file with one frame keeps its name.

    Examples
    --------
    >>> import tifffile
    >>> tifffile.imwrite("series.tif", np.random.default_rng(0).random((5, 8, 9), "float32"))
    >>> frames = read_stack("series.tif", sampling=0.3)
    >>> len(frames), frames[-1].name, frames[-1].shape
    (5, 'series_004', (8, 9))
    """
    found = _read(Path(path), sampling, signal=signal, stack=True)
    frames, failed = [], []
    for place in range(len(found["images"])):
        try:
            frames.append(_micrograph(Path(path), found, place, sampling, modality))
        except MicrographError as error:
            failed.append(error)
    if failed and (whole or not frames):
        raise failed[0]
    for reason in failed:
        say(f"left out: {reason}")
    return frames


def read_mask(path: str | Path) -> NDArray[np.bool_]:
    """Read a mask from an image file: true where the pixel is above 0, shape (height, width).

    Formats and errors are those of :func:`read_micrograph`; only a mask may have one value everywhere.

    Examples
    --------
    >>> import tempfile, tifffile
    >>> path = Path(tempfile.mkdtemp()) / "mask.tif"
    >>> tifffile.imwrite(path, np.full((3, 4), 255, dtype="uint8"))
    >>> bool(read_mask(path).all())
    True
    """
    values = np.asarray(_read(Path(path), None)["images"][0])
    if values.ndim != 2 or values.dtype.kind not in "uifb":
        raise MicrographError(f"{path}: a mask has real values of shape (height, width), not {values.shape}")
    return np.asarray(values > 0)


def _micrograph(
    path: Path, found: Mapping[str, Any], place: int, sampling: float | None, modality: str | None
) -> Micrograph:
    several = found["count"] > 1
    number = found["first"] + place
    name = f"{path.stem}_{number:03d}" if several else path.stem
    # Set for every file: what a file says itself by these names is something else.
    metadata = {**found["metadata"], "file": str(path), "signal": found["title"]}
    metadata |= {"frame": number, "frames": found["count"]}
    if found["sampling"] is not None:
        metadata["sampling_in_file"] = found["sampling"]
    if found["remark"]:
        metadata["calibration"] = found["remark"]
    scale = found["sampling"] if sampling is None else sampling
    try:
        return Micrograph(found["images"][place], scale, modality, name, metadata)
    except MicrographError as error:
        # The message begins with the micrograph's name; a user looks for the file.
        frame = f"frame {number}: " if several else ""
        raise MicrographError(f"{path}: {frame}{str(error).removeprefix(f'{name}: ')}") from error


def _read(path: Path, sampling: float | None, **choice: Any) -> dict[str, Any]:
    suffix = path.suffix.lower()
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:  # missing, not ours to see, or no name that the system takes
        raise MicrographError(
            f"{path}: no such file ({getattr(error, 'strerror', None) or error})"
        ) from error
    if not stat.S_ISREG(mode):
        if stat.S_ISDIR(mode):
            raise MicrographError(
                f"{path}: is a folder; give the image files in it, such as {path / '*.tif'}"
            )
        raise MicrographError(f"{path}: is no regular file, expected an image file")
    if suffix not in FORMATS:
        raise MicrographError(f"{path}: cannot read '{suffix}' files; known are {', '.join(FORMATS)}")
    if sampling is not None and not (np.isfinite(sampling) and sampling > 0):
        raise MicrographError(f"sampling must be a positive length [Å per pixel], not {sampling}")
    try:
        found: dict[str, Any] = in_child(
            "stemforge.micrograph.reading.formats:read_images", path, sampling=sampling, **choice
        )
    except MicrographError as error:
        raise MicrographError(f"{path}: {error}") from error
    except ChildError as error:
        raise MicrographError(
            f"{path}: cannot be read as {suffix[1:].upper()}; the file is damaged, truncated or of another "
            f"kind ({error})"
        ) from error
    return found
