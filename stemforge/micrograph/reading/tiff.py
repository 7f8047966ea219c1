"""TIFF: what the values of a page mean, and the calibrations that RosettaSciIO does not read."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC

from stemforge.errors import MicrographError
from stemforge.micrograph.reading.rosetta import axes_of, flat, rosetta_entries
from stemforge.micrograph.reading.signals import Axis, Signal, grey
from stemforge.micrograph.units import clean_unit

_GREY = {PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE}
# tifffile decodes YCbCr to RGB where a JPEG holds it.
_COLOUR = {PHOTOMETRIC.RGB, PHOTOMETRIC.YCBCR}
# Bytes of values that may be read twice: RosettaSciIO's reading gives the axes, tifffile's the values.
_SMALL = 2**25
_OPACITY = {EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA}


def tiff_signals(path: Path) -> list[Signal]:
    """Read the images of a TIFF file, without the small copies that programs keep for looking at.

    Raises
    ------
    MicrographError
        A file that is cut off, colours, or values that are no intensities.
    """
    with tifffile.TiffFile(path) as tiff:
        _refuse_cut_off(tiff, path)
        large = sum(series.nbytes for series in tiff.series) > _SMALL
        entries = rosetta_entries("tiff", path, {}, lazy=large)
        small = [bool(series.keyframe.is_reduced) for series in tiff.series]
        if len(entries) != len(small):
            raise MicrographError(f"describes {len(entries)} images where there are {len(small)}")
        signals = []
        for number, (entry, series) in enumerate(zip(entries, tiff.series, strict=True)):
            if small[number] and not all(small):
                continue
            values = _values(series)
            axes = _axes(entry, values.shape)
            title = series.name if len(small) > 1 else ""
            metadata = flat(entry.get("metadata", {}))
            signals.append(
                Signal(values, _calibrated(axes, tiff, number), title or path.stem, metadata=metadata)
            )
    return signals


def _axes(entry: Mapping[str, Any], shape: tuple[int, ...]) -> list[Axis]:
    axes = [axis for axis in entry["axes"] if axis["name"] != "sample"]
    if len(axes) != len(shape):
        # RosettaSciIO takes the last axis for that of the colours, also where each colour has a plane of its own.
        names = ["", *([""] * len(shape)), "height", "width"][-len(shape) :]
        axes = [{"name": name} for name in names]
    return axes_of(axes, shape)


def _refuse_cut_off(tiff: tifffile.TiffFile, path: Path) -> None:
    """Refuse what readers would fill with zeros."""
    # ImageJ's large stacks have one page that says where the first frame begins; the others' have one each.
    ends = [
        offset + count
        for page in tiff.pages
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)
    ]
    missing = max(ends, default=0) - path.stat().st_size
    missing = max([missing, *(_promised(page.keyframe) - sum(page.databytecounts) for page in tiff.pages)])
    if missing > 0:
        raise MicrographError(f"truncated, ends {missing} bytes before the image does; copy it again")


def _promised(page: tifffile.TiffPage | None) -> int:
    """Return how many bytes the values of a page must have at least; 0 where they are compressed."""
    # tifffile would fill what a header promises with zeros, however much that is.
    if page is None or page.compression != COMPRESSION.NONE or page.photometric == PHOTOMETRIC.YCBCR:
        return 0
    return math.prod(page.shape) * int(np.min(page.bitspersample)) // 8


def _calibrated(axes: list[Axis], tiff: tifffile.TiffFile, number: int) -> list[Axis]:
    """Add what OME's description and ImageJ's unit say of the pixel size."""
    pixels = _ome_pixels(tiff, number)
    unit = clean_unit((tiff.imagej_metadata or {}).get("unit"))
    calibrated = []
    for axis in axes:
        letter = {"width": "X", "height": "Y"}.get(axis.name)
        if letter and f"PhysicalSize{letter}" in pixels:
            # OME's unit is the micrometre where none is given (OME-XML schema, June 2016).
            scale, its_unit = pixels[f"PhysicalSize{letter}"], pixels.get(f"PhysicalSize{letter}Unit", "µm")
            axis = replace(axis, scale=float(scale), unit=clean_unit(its_unit))
        elif letter and not axis.unit:
            axis = replace(axis, unit=unit)  # RosettaSciIO takes ImageJ's scale, and of its units the micron
        calibrated.append(replace(axis, navigate=False))  # by its place, which colours shift
    return calibrated


def _ome_pixels(tiff: tifffile.TiffFile, number: int) -> Mapping[str, Any]:
    if not tiff.is_ome or not tiff.ome_metadata:
        return {}
    images = tifffile.xml2dict(tiff.ome_metadata).get("OME", {}).get("Image", [])
    images = images if isinstance(images, list) else [images]
    pixels = images[number].get("Pixels", {}) if number < len(images) else {}
    return pixels if isinstance(pixels, Mapping) else {}


def _values(series: tifffile.TiffPageSeries) -> NDArray[Any]:
    """Return the grey values of a series, shape (…, height, width), larger where it is brighter."""
    page = series.keyframe
    meaning = page.photometric
    if meaning not in _GREY | _COLOUR | {PHOTOMETRIC.PALETTE}:
        name = getattr(meaning, "name", str(meaning)).lower()
        raise MicrographError(
            f"its values are no intensities but {name}; export the grey-scale data as 8, 16 or 32 bit"
        )
    values = series.asarray()
    if "S" in series.axes:
        return _samples(values, series.axes.index("S"), page)
    if meaning == PHOTOMETRIC.PALETTE:
        if page.colormap is None:
            raise MicrographError("its values are numbers of colours, and the colours are missing")
        # The numbers of a palette's entries are no intensities; its colours are, where they are grey.
        return grey(np.moveaxis(page.colormap, 0, -1)[values])
    return _larger_for_brighter(values, page)


def _samples(values: NDArray[Any], axis: int, page: tifffile.TiffPage) -> NDArray[Any]:
    """Return the frames of a short stack, or one value of the several at each pixel."""
    planes = axis < values.ndim - 1
    # So tifffile writes a stack of three or four frames where it is not told what they are. Colours are no floats.
    if planes and values.dtype.kind == "f":
        return values
    try:
        return _one_sample(np.moveaxis(values, axis, -1), page)
    except MicrographError as error:
        if not planes:
            raise
        hint = "if these are frames of a stack, save them as grey values (tifffile: photometric='minisblack')"
        raise MicrographError(f"{error}; {hint}") from error


def _one_sample(values: NDArray[Any], page: tifffile.TiffPage) -> NDArray[Any]:
    """Make one value of the several at each pixel: grey with its opacity, or colours that are all the same."""
    number = values.shape[-1]
    if page.photometric in _GREY and number == 2 and set(page.extrasamples) <= _OPACITY:
        return _larger_for_brighter(values[..., 0], page)
    if page.photometric != PHOTOMETRIC.MINISWHITE and number in (3, 4):
        return grey(values)
    raise MicrographError(
        f"has {number} values at each pixel, which are no image and no colours; export one channel"
    )


def _larger_for_brighter(values: NDArray[Any], page: tifffile.TiffPage) -> NDArray[Any]:
    if page.photometric != PHOTOMETRIC.MINISWHITE:
        return values
    if values.dtype.kind == "b":
        return ~values
    if values.dtype.kind != "u":
        raise MicrographError(
            f"says that zero is white, which means nothing for values of type {values.dtype}; invert it and save it "
            "again"
        )
    return np.asarray(2 ** int(page.bitspersample) - 1, values.dtype) - values
