"""Files that microscopes and image programs write: their images as arrays. Runs in the sandbox's child."""

import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.errors import MicrographError
from stemforge.micrograph.reading.rosetta import rosetta_entries, rosetta_signal
from stemforge.micrograph.reading.signals import Axis, Signal, choose_signal, grey

# Which RosettaSciIO reader takes which ending, and with what. Zarr and formats with pickles are left out on purpose.
_ROSETTA: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    ".dm3": ("digitalmicrograph", {}),
    ".dm4": ("digitalmicrograph", {}),
    # Spectra take long and much memory. Groups of similar names are images of several detectors, not a stack.
    ".emd": ("emd", {"select_type": "images", "stack_group": False}),
    ".ser": ("tia", {}),
    ".emi": ("tia", {}),
    ".hspy": ("hspy", {}),
}
_TIFF = {".tif", ".tiff"}
_MRC = {".mrc", ".mrcs"}
_PICTURES = {".png", ".jpg", ".jpeg"}

FORMATS = tuple(sorted([*_ROSETTA, *_TIFF, *_MRC, *_PICTURES]))
"""File name endings that can be read."""


def read_images(
    path: str,
    *,
    signal: str | None = None,
    frame: int | None = None,
    stack: bool = False,
    sampling: float | None = None,
) -> dict[str, Any]:
    """Read the images of one signal of a file.

    Parameters
    ----------
    path
        A file with one of the endings :data:`FORMATS`.
    signal
        Title or number of the signal; see :func:`stemforge.micrograph.reading.signals.choose_signal`.
    frame
        Which frame of a stack; None takes the only one.
    stack
        Read all frames.
    sampling
        The pixel size that the user gave [Å]; that of the file may then be as wrong as it likes.

    Returns
    -------
    dict
        ``images``, shape (n, height, width), of ``count`` frames, and the number of the ``first``; ``title`` of the
        signal; ``sampling`` of the file [Å] or None; ``remark``, why it is None; ``metadata``, plain values.

    Raises
    ------
    MicrographError
        Nothing that can be taken as an image; the message does not name the file.
    """
    chosen = choose_signal(_signals(Path(path)), signal, calibrated=sampling is not None)
    size, remark = _sampling(chosen, sampling)
    frames = chosen.frames()
    last = len(frames) - 1
    if last < 0:
        raise MicrographError("holds a stack of 0 frames")
    if last and frame is None and not stack:
        raise MicrographError(
            f"holds a stack of {last + 1} frames; choose one from 0 to {last} (frame), read all of them (stack), or "
            "save the one that is meant as a file of its own"
        )
    if frame is not None and not 0 <= frame <= last:
        raise MicrographError(f"frame must lie in 0 to {last}, not {frame}")
    part = frames if frame is None else frames[frame : frame + 1]
    return {
        "images": np.asarray(part.compute(scheduler="synchronous") if hasattr(part, "compute") else part),
        "count": len(frames),
        "first": frame or 0,
        "title": chosen.title,
        "sampling": size,
        "remark": remark,
        "metadata": dict(chosen.metadata),
    }


def _sampling(chosen: Signal, given: float | None) -> tuple[float | None, str]:
    try:
        return chosen.sampling()
    except MicrographError:
        if given is None:
            raise
        return None, ""


def _signals(path: Path) -> list[Signal]:
    suffix = path.suffix.lower()
    if suffix in _PICTURES:
        return _picture(path)
    if suffix in _TIFF:
        from stemforge.micrograph.reading.tiff import tiff_signals

        return tiff_signals(path)
    if suffix in _MRC:
        return _mrc(path)
    entries = rosetta_entries(_ROSETTA[suffix][0], path, _ROSETTA[suffix][1])
    if not entries and suffix == ".emi":
        raise MicrographError(
            "holds no image itself, and beside it is none of the .ser files that do (NAME_1.ser, …)"
        )
    return [rosetta_signal(entry) for entry in entries]


def _picture(path: Path) -> list[Signal]:
    from PIL import Image

    with Image.open(path) as picture:
        picture.load()
        # The numbers of a palette's entries are no intensities.
        values = np.asarray(picture.convert("RGB") if picture.mode in {"P", "PA", "CMYK"} else picture)
    values = values if values.ndim == 2 else grey(values)
    # PNG and JPEG say dots per inch for print, which is no calibration of the specimen.
    return [Signal(values, [Axis("y", values.shape[0]), Axis("x", values.shape[1])], path.stem)]


def _mrc(path: Path) -> list[Signal]:
    """Read MRC; byte order and a missing calibration are read here, RosettaSciIO asks for neither (MRC2014)."""
    with path.open("rb") as stream:
        head = stream.read(1024)
    if len(head) < 1024:
        raise MicrographError(
            f"truncated: an MRC header has 1024 bytes, this file {len(head)}; copy it again"
        )
    # The stamp names the byte order; where it is missing, the mode is a small number in the right one alone.
    modes = [struct.unpack(f"{order}i", head[12:16])[0] for order in "<>"]
    big = head[212:214] == b"\x11\x11" or (
        head[212] != 0x44 and not 0 <= modes[0] < 256 and 0 <= modes[1] < 256
    )
    order = ">" if big else "<"
    signals = [rosetta_signal(entry) for entry in rosetta_entries("mrc", path, {"endianness": order})]
    if big:  # RosettaSciIO takes the order for the header alone
        signals = [replace(s, data=_big_endian(np.asarray(s.data))) for s in signals]
    grid, cell = struct.unpack(f"{order}2i", head[28:36]), struct.unpack(f"{order}2f", head[40:48])
    fei = (
        struct.unpack(f"{order}i", head[92:96])[0] == 128 * 1024
    )  # its extended header has a pixel size of its own
    if fei or (min(grid) > 0 and min(cell) > 0):
        return signals
    # The lengths of a cell that is divided into no intervals say nothing of the pixels (words 8 to 13).
    return [replace(s, axes=[Axis(axis.name, axis.size) for axis in s.axes]) for s in signals]


def _big_endian(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values).view(values.dtype.newbyteorder(">"))
