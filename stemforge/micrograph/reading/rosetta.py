"""What RosettaSciIO reads, as signals."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stemforge.errors import MicrographError
from stemforge.micrograph.reading.signals import Axis, Signal, grey
from stemforge.micrograph.units import clean_unit


def rosetta_entries(
    reader: str, path: Path, options: Mapping[str, Any], *, lazy: bool = True
) -> list[dict[str, Any]]:
    """Read a file with one of RosettaSciIO's readers; its values only when they are needed, where that can be done.

    To put off reading it imports dask, half a second.
    """
    read = importlib.import_module(f"rsciio.{reader}").file_reader
    try:
        entries: list[dict[str, Any]] = read(str(path), lazy=lazy, **options)
    except Exception:  # some kinds of data are read in one way alone; what is damaged fails again
        entries = read(str(path), lazy=not lazy, **options)
    return entries


def rosetta_signal(entry: Mapping[str, Any]) -> Signal:
    """Make a signal of one entry."""
    metadata = flat(entry.get("metadata", {}))
    data = entry["data"]
    colours = data.dtype.names
    if colours:  # colour comes as a structured dtype
        values = np.asarray(data)
        data = grey(np.stack([values[name] for name in colours if name != "A"], axis=-1))
    title = str(metadata.get("General.title") or metadata.get("General.original_filename") or "")
    kind = str(metadata.get("Signal.signal_type") or "")
    return Signal(data, axes_of(entry["axes"], data.shape), title, kind, metadata)


def axes_of(axes: Sequence[Mapping[str, Any]], shape: Sequence[int]) -> list[Axis]:
    """Return RosettaSciIO's axes in the order of the data."""
    if len(axes) != len(shape):
        raise MicrographError(f"describes {len(axes)} axes of data with {len(shape)}")
    return [
        Axis(
            name=str(axis.get("name") or ""),
            size=int(size),  # that of the data; a header may say anything
            scale=float(axis.get("scale", 1.0)),
            unit=clean_unit(axis.get("units")),
            navigate=bool(axis.get("navigate", False)),
        )
        for axis, size in zip(axes, shape, strict=True)
    ]


def flat(metadata: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested metadata to dotted keys and plain values."""
    plain: dict[str, Any] = {}
    for key, value in metadata.items():
        if isinstance(value, Mapping):
            plain |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, str | int | float | bool):
            plain[f"{prefix}{key}"] = value
    return plain
