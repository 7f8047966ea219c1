"""What is exported: one image, what was found or labelled on it, and what writes it."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.corpus.sample import Structure
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.writers import write_tiff

LABEL = "label"
"""Column with the name of each object, such as ``Pt`` or ``pyridine``."""
VACANCY = " vacancy"
"""Ends the name of a missing atom, as in ``S vacancy``."""


@dataclass(frozen=True, eq=False)
class Exported:
    """An image with its objects, or one of both, under a name that is fit for a file.

    Parameters
    ----------
    name
        Begins the names of its files.
    objects
        Places in stemforge's pixels, whose first has its centre at (0, 0); with a column :data:`LABEL`. None for an
        image alone.
    image
        Shape (channels, height, width); None where the image of a table is not known.
    channels
        Name of each channel.
    sampling
        Pixel size [Å], or None.
    structure
        Atoms that were simulated.
    energy
        Of the beam [eV], or None.
    facts
        Where the image comes from, as plain values.
    """

    name: str
    objects: Annotations | None
    image: NDArray[np.float32] | None = None
    channels: tuple[str, ...] = ()
    sampling: float | None = None
    structure: Structure | None = None
    energy: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def pixels(self) -> NDArray[np.float32]:
        """The image; formats that need one are not given an item without."""
        if self.image is None:
            raise TypeError(f"{self.name}: has no image")
        return self.image

    @cached_property
    def places(self) -> Annotations:
        """The objects; none where nobody looked for any."""
        return (
            Annotations([], columns={LABEL: np.array([], dtype=object)})
            if self.objects is None
            else self.objects
        )

    def attributes(self) -> dict[str, NDArray[Any]]:
        """Return the columns of the objects without their names: one value an object."""
        return {name: values for name, values in self.places.columns.items() if name != LABEL}


@dataclass(frozen=True)
class WriterOptions:
    """What writers are told beside the items.

    Parameters
    ----------
    bits
        Of COCO's pictures: 8, scaled between percentiles, or 16, scaled between the extremes.
    box
        Side of the boxes that COCO gets around points [Å].
    channel
        Which channel COCO's pictures show.
    species
        Molecules, in the order of COCO's categories.
    info
        What the export is made of.
    """

    bits: int = 8
    box: float = 3.0
    channel: int = 0
    species: tuple[str, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)


class Writer:
    """Writes exported items to a folder, one after the other.

    Parameters
    ----------
    out
        Folder; it exists.
    options
        See :class:`WriterOptions`.
    """

    def __init__(self, out: Path, options: WriterOptions) -> None:
        self.out = out
        self.options = options

    def add(self, item: Exported) -> None:
        """Write one item."""
        raise NotImplementedError

    def close(self) -> None:
        """Finish the files that hold many items."""

    def write_image(self, item: Exported, info: str | None = None) -> None:
        """Write NAME.tif, 32 bit with the pixel size, where the image is known."""
        if item.image is not None:
            path = self.out / f"{item.name}.tif"
            write_tiff(path, item.image, item.sampling, channels=item.channels, info=info)

    def write_table(self, item: Exported) -> None:
        """Write NAME.csv, the objects in the columns of ``stemforge infer``."""
        if item.objects is not None:
            item.objects.to_csv(self.out / f"{item.name}.csv", item.sampling)


class FileNames:
    """Names for files, each given once: what comes from a file may be anything."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, name: str) -> str:
        """Return the name, made fit for a new file."""
        safe = re.sub(r"[^\w.+-]", "_", name).lstrip(".") or "image"
        unique, number = safe, 1
        while unique in self._taken:
            number += 1
            unique = f"{safe}_{number}"
        self._taken.add(unique)
        return unique


def plain_name(name: str) -> str:
    """Return a column's name without what formats read as more than a name, such as ``/``, ``:`` and spaces.

    Examples
    --------
    >>> plain_name("Mean (a/b)")
    'Mean_a_b'
    """
    return re.sub(r"\W+", "_", name).strip("_") or "column"


@contextmanager
def system_errors() -> Iterator[None]:
    """Turn what HDF5 makes of a full disk, a RuntimeError with the number in its text, into the system's error."""
    try:
        yield
    except RuntimeError as error:
        number = re.search(r"errno = (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error
