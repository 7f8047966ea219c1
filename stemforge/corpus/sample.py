"""A sample: one image of a corpus, its labels and its atoms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stemforge.micrograph.annotations import Annotations

Kind = Literal["simulated", "measured"]
"""``"simulated"``: noise-free signals, degraded by the reader; ``"measured"``: images as they are."""


@dataclass(frozen=True)
class Structure:
    """Atoms as plain arrays; the ground floor knows no ASE.

    ``numbers`` (n,) atomic numbers, ``positions`` (n, 3) [Å], ``tags`` (n,), ``cell`` (3, 3) [Å].
    The image lies in the middle of the cell: pixel (0, 0) is at half of cell less field of view, where the raster is
    neither turned nor shifted (``metadata["frame"]``).

    Examples
    --------
    >>> from ase import Atoms
    >>> places = np.array([[5, 5, 2], [7, 5, 2]], "float32")
    >>> pair = Structure(np.array([78, 6], "uint8"), places, np.array([1, 0], "uint8"), np.diag([10.0, 10, 4]))
    >>> Atoms(pair.numbers, pair.positions, cell=pair.cell)[pair.tags == 1]
    Atoms(symbols='Pt', pbc=False, cell=[10.0, 10.0, 4.0])
    """

    numbers: NDArray[np.uint8]
    positions: NDArray[np.float32]
    tags: NDArray[np.uint8]
    cell: NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """One image of a corpus with its labels.

    Parameters
    ----------
    index
        Number of the sample in its corpus.
    signal
        Detector signals, shape (channels, height, width), float32: fraction of incident electrons where
        simulated (noise-free), detector units where measured.
    sampling
        Pixel size [Å], or None for an uncalibrated measured image.
    channels
        Name of each channel, such as ``("HAADF",)``.
    labels
        Objects on the image.
    metadata
        Whatever else describes the sample; plain JSON values. ``structure`` names the structure where its atoms
        are not kept, ``source`` says from which corpus a merged sample came.
    structure
        The atoms, where the corpus keeps them.

    Examples
    --------
    >>> image = np.zeros((2, 64, 48), "float32")
    >>> sample = Sample(0, image, 0.3, ("HAADF", "MAADF"), Annotations([[20, 31.5]]), {"name": "field-7"})
    >>> len(sample.channels) == len(sample.signal), len(sample.labels), sample.structure is None
    (True, 1, True)
    """

    index: int
    signal: NDArray[np.float32]
    sampling: float | None
    channels: tuple[str, ...]
    labels: Annotations
    metadata: Mapping[str, Any] = field(default_factory=dict)
    structure: Structure | None = None


def structure_key(sample: Sample, recipe_hash: str, kind: Kind) -> str:
    """Return 16 hexadecimal digits that are the same where two samples show the same structure.

    Known by the atoms where they are kept; else by ``metadata["structure"]``; of a measured image by its file or
    name. A sample without any of these counts as a structure that no other sample shows.

    Examples
    --------
    >>> one = Sample(0, np.ones((1, 8, 8), "float32"), None, ("HAADF",), Annotations([]), {"name": "a"})
    >>> structure_key(one, "0" * 64, "measured") == structure_key(one, "1" * 64, "measured")
    True
    """
    digest = blake2b(digest_size=8)
    atoms = sample.structure
    source = sample.metadata.get("source")
    names = ("structure", "file", "name") if kind == "measured" else ("structure",)
    named = next(((name, sample.metadata[name]) for name in names if sample.metadata.get(name)), None)
    if atoms is not None:
        for values, kept in ((atoms.numbers, "u1"), (atoms.positions, "<f4"), (atoms.cell, "<f8")):
            digest.update(np.ascontiguousarray(values, dtype=kept))
    elif named is not None:
        digest.update(repr(("named", str(named[1]))).encode())
    elif isinstance(source, Mapping):
        digest.update(repr((source.get("recipe_hash"), source.get("index"))).encode())
    else:
        digest.update(repr((recipe_hash, int(sample.index))).encode())
    return digest.hexdigest()
