"""The corpus: a folder of HDF5 shards with images, labels and structures.

Layout of ``CORPUS/``::

    recipe.yaml              what made the corpus, every field spelled out
    shard-000000.h5          complete as soon as it carries this name
      attrs                  schema, kind, recipe, recipe_hash, software, channels, sampling
      index      (n,)        number of each sample in the corpus
      signal     (n, c, H, W)  float32, one sample a chunk, compressed
      metadata   (n,)        one JSON object a sample
      labels/offsets (n+1,)  rows offsets[i]:offsets[i+1] of every column belong to sample i
      labels/<column> (m,)   x_px, y_px, for boxes x0_px, y0_px, x1_px, y1_px, and whatever else is known
      structure/offsets, numbers, tags, positions, cells   the atoms, where they are kept

A shard is written under a temporary name, flushed, fsynced and renamed. No file grows with the corpus.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import yaml
from numpy.typing import NDArray

from stemforge.annotations import BOX_COLUMNS, Annotations
from stemforge.errors import CorpusError

SCHEMA = 1
"""Version of the layout; a reader refuses a newer one."""

Kind = Literal["simulated", "measured"]

_SOFTWARE = ("stemforge", "abtem", "ase", "numpy", "h5py")
_SHARD = "shard-{:06d}.h5"
_PARTIAL = ".partial"


@dataclass(frozen=True)
class Structure:
    """Atoms as plain arrays; the ground floor knows no ASE.

    ``numbers`` (n,) atomic numbers, ``positions`` (n, 3) [Å], ``tags`` (n,), ``cell`` (3, 3) [Å].
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
        Whatever else describes the sample; plain JSON values.
    structure
        The atoms, where the corpus keeps them.
    """

    index: int
    signal: NDArray[np.float32]
    sampling: float | None
    channels: tuple[str, ...]
    labels: Annotations
    metadata: Mapping[str, Any] = field(default_factory=dict)
    structure: Structure | None = None


class CorpusWriter:
    """Writes the shards of one corpus, each complete or not there at all.

    Parameters
    ----------
    folder
        Created where missing. An existing corpus is continued if its recipe is the same.
    recipe
        The settings that make the corpus, as plain values.
    recipe_hash
        Their hash: :attr:`stemforge.recipe.Settings.hash`.
    kind
        ``"simulated"``: noise-free signals to be degraded by the reader; ``"measured"``: images as they are.

    Raises
    ------
    CorpusError
        The folder holds another recipe's corpus, or files that are no corpus.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from stemforge.annotations import BOX_COLUMNS, Annotations
    >>> writer = CorpusWriter(tempfile.mkdtemp(), {"name": "demo"}, "0" * 64)
    >>> sample = Sample(0, np.ones((1, 8, 8), "float32"), 0.3, ("HAADF",), Annotations([[2, 3]]))
    >>> _ = writer.write(0, [sample])
    >>> Corpus(writer.folder)[0].labels.points
    array([[2., 3.]])
    """

    def __init__(
        self, folder: str | Path, recipe: Mapping[str, Any], recipe_hash: str, kind: Kind = "simulated"
    ) -> None:
        self.folder = Path(folder)
        self.recipe = dict(recipe)
        self.recipe_hash = recipe_hash
        self.kind: Kind = kind
        self._claim()

    def _claim(self) -> None:
        """Make the folder this recipe's, or refuse it."""
        if self.folder.exists() and not self.folder.is_dir():
            raise CorpusError(f"{self.folder}: is a file, a corpus is a folder; choose another --out")
        self.folder.mkdir(parents=True, exist_ok=True)
        header = self.folder / "recipe.yaml"
        if header.exists():
            try:
                found = yaml.safe_load(header.read_text())["hash"]
            except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError) as error:
                raise CorpusError(f"{header}: is not a corpus header; choose another --out") from error
            if found != self.recipe_hash:
                raise CorpusError(
                    f"{self.folder}: holds the corpus of another recipe (hash {found[:12]}, this one is "
                    f"{self.recipe_hash[:12]}); choose another --out or remove that corpus yourself"
                )
        elif any(self.folder.iterdir()):
            raise CorpusError(f"{self.folder}: holds files but no corpus; choose an empty or new folder")
        else:
            content = {"hash": self.recipe_hash, "kind": self.kind, "recipe": self.recipe}
            _replace(header, yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode())

    def remove_partials(self) -> None:
        """Remove what a killed run left half-written; only while no other process writes to the folder."""
        for partial in self.folder.glob(f"*{_PARTIAL}"):
            partial.unlink(missing_ok=True)

    def path(self, shard: int) -> Path:
        """Return the file of a shard."""
        return self.folder / _SHARD.format(shard)

    def complete(self, shard: int) -> bool:
        """Say whether a shard is finished."""
        return self.path(shard).exists()

    def count(self, shard: int) -> int:
        """Return the number of samples in a shard; 0 where it is not finished."""
        if not self.complete(shard):
            return 0
        with _open(self.path(shard)) as h5:
            return len(h5["index"])

    def write(self, shard: int, samples: Sequence[Sample]) -> Path:
        """Write one shard; it appears under its final name only when all of it is on disk.

        Parameters
        ----------
        shard
            Number of the shard.
        samples
            At least one; all with the same image shape, channels and sampling.

        Returns
        -------
        Path
            The finished file.
        """
        if not samples:
            raise CorpusError(f"shard {shard}: needs at least one sample")
        first = samples[0]
        for sample in samples:
            same = (sample.signal.shape, sample.channels, sample.sampling)
            if same != (first.signal.shape, first.channels, first.sampling):
                raise CorpusError(
                    f"shard {shard}: samples {first.index} and {sample.index} differ in shape, channels or "
                    "sampling; put them into different shards"
                )
        partial = self.path(shard).with_suffix(_PARTIAL)
        try:
            # No timestamps in the file: the same recipe gives the same bytes.
            with h5py.File(partial, "w", libver="v110") as h5:
                self._write(h5, samples)
            with partial.open("rb") as stream:
                os.fsync(stream.fileno())
            partial.replace(self.path(shard))
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        _sync_folder(self.folder)
        return self.path(shard)

    def _write(self, h5: h5py.File, samples: Sequence[Sample]) -> None:
        first = samples[0]
        h5.attrs["schema"] = SCHEMA
        h5.attrs["kind"] = self.kind
        h5.attrs["recipe"] = json.dumps(self.recipe, sort_keys=True)
        h5.attrs["recipe_hash"] = self.recipe_hash
        h5.attrs["software"] = json.dumps({name: version(name) for name in _SOFTWARE})
        h5.attrs["channels"] = json.dumps(first.channels)
        h5.attrs["sampling"] = np.nan if first.sampling is None else first.sampling
        h5["index"] = np.array([s.index for s in samples], dtype=np.int64)
        shape = first.signal.shape
        h5.create_dataset(
            "signal",
            data=np.stack([s.signal for s in samples]).astype(np.float32),
            chunks=(1, *shape),
            compression="gzip",
            compression_opts=4,
            shuffle=True,
            fletcher32=True,
        )
        texts = [json.dumps(dict(s.metadata), sort_keys=True) for s in samples]
        h5.create_dataset("metadata", data=texts, dtype=h5py.string_dtype())

        labels = h5.create_group("labels")
        labels["offsets"] = _offsets([len(s.labels) for s in samples])
        names = sorted({name for s in samples for name in s.labels.columns})
        _column(labels, "x_px", np.concatenate([s.labels.points[:, 0] for s in samples]))
        _column(labels, "y_px", np.concatenate([s.labels.points[:, 1] for s in samples]))
        boxes = [s.labels.boxes for s in samples if s.labels.boxes is not None]
        if len(boxes) == len(samples):
            for name, values in zip(BOX_COLUMNS, np.concatenate(boxes).T, strict=True):
                _column(labels, name, values)
        for name in names:
            _column(labels, name, np.concatenate([_or_nan(s.labels, name) for s in samples]))

        structures = [s.structure for s in samples]
        if all(structure is not None for structure in structures):
            kept = [structure for structure in structures if structure is not None]
            group = h5.create_group("structure")
            group["offsets"] = _offsets([len(s.numbers) for s in kept])
            group["cells"] = np.stack([s.cell for s in kept])
            _column(group, "numbers", np.concatenate([s.numbers for s in kept]).astype(np.uint8))
            _column(group, "tags", np.concatenate([s.tags for s in kept]).astype(np.uint8))
            _column(group, "positions", np.concatenate([s.positions for s in kept]).astype(np.float32))


class Corpus(Sequence[Sample]):
    """Reads a corpus: a lazy sequence of samples.

    Parameters
    ----------
    folder
        Folder with ``recipe.yaml`` and shards.

    Raises
    ------
    CorpusError
        No corpus there, no finished shard, or a shard that is damaged, foreign or of a newer schema.

    Notes
    -----
    Files are opened anew for each read: the object can be pickled to worker processes and used from several.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        header = self.folder / "recipe.yaml"
        if not header.is_file():
            raise CorpusError(f"{self.folder}: is no corpus (there is no recipe.yaml in it)")
        try:
            content = yaml.safe_load(header.read_text())
            self.recipe: dict[str, Any] = content["recipe"]
            self.recipe_hash: str = content["hash"]
            self.kind: Kind = content["kind"]
        except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError) as error:
            raise CorpusError(f"{header}: is not a corpus header ({error})") from error
        self._where: list[tuple[Path, int]] = []
        for path in sorted(self.folder.glob("shard-*.h5")):
            with _open(path) as h5:
                if h5.attrs["recipe_hash"] != self.recipe_hash:
                    raise CorpusError(f"{path}: belongs to another recipe's corpus; move it away")
                self._where += [(path, row) for row in range(len(h5["index"]))]
        if not self._where:
            raise CorpusError(f"{self.folder}: holds no finished shard yet; run the simulation (again)")

    def __len__(self) -> int:
        return len(self._where)

    def __getitem__(self, item: Any) -> Any:
        """Return one sample by number, or a list of them by slice."""
        if isinstance(item, slice):
            return [self[i] for i in range(*item.indices(len(self)))]
        path, row = self._where[item]
        with _open(path) as h5:
            return _read(h5, row)

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"Corpus({str(self.folder)!r}): {len(self)} {self.kind} samples"


def _read(h5: h5py.File, row: int) -> Sample:
    sampling = float(h5.attrs["sampling"])
    rows = slice(*h5["labels/offsets"][row : row + 2])
    columns = {name: h5["labels"][name][rows] for name in h5["labels"] if name != "offsets"}
    points = np.column_stack([columns.pop("x_px"), columns.pop("y_px")])
    boxes = None
    if set(BOX_COLUMNS) <= set(columns):
        boxes = np.column_stack([columns.pop(name) for name in BOX_COLUMNS])
    structure = None
    if "structure" in h5:
        group = h5["structure"]
        atoms = slice(*group["offsets"][row : row + 2])
        structure = Structure(
            group["numbers"][atoms], group["positions"][atoms], group["tags"][atoms], group["cells"][row]
        )
    return Sample(
        index=int(h5["index"][row]),
        signal=h5["signal"][row],
        sampling=None if np.isnan(sampling) else sampling,
        channels=tuple(json.loads(h5.attrs["channels"])),
        labels=Annotations(points, boxes, columns),
        metadata=json.loads(h5["metadata"].asstr()[row]),
        structure=structure,
    )


class _open:  # noqa: N801 - used like the function open()
    """Open a shard for reading and turn HDF5's many errors into one that names the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> h5py.File:
        try:
            self.file = h5py.File(self.path, "r")
            schema = int(self.file.attrs["schema"])
        except (OSError, KeyError, RuntimeError, ValueError) as error:
            raise CorpusError(
                f"{self.path}: is no readable shard ({error}); remove it and run the simulation again to remake it"
            ) from error
        if schema > SCHEMA:
            self.file.close()
            raise CorpusError(
                f"{self.path}: has schema {schema}, this stemforge reads up to {SCHEMA}; upgrade it"
            )
        return self.file

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self.file.close()
        if isinstance(error, OSError | KeyError | RuntimeError | IndexError | json.JSONDecodeError):
            raise CorpusError(
                f"{self.path}: is damaged ({error}); remove it and run the simulation again to remake it"
            ) from error


def _offsets(lengths: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _or_nan(labels: Annotations, name: str) -> NDArray:
    return labels.columns[name] if name in labels.columns else np.full(len(labels), np.nan)


def _column(group: h5py.Group, name: str, values: NDArray) -> None:
    """Write a column; HDF5 cannot compress an empty one."""
    if len(values):
        group.create_dataset(
            name, data=values, compression="gzip", compression_opts=1, shuffle=True, fletcher32=True
        )
    else:
        group.create_dataset(name, data=values)


def _replace(path: Path, content: bytes) -> None:
    """Write a small file so that it is there whole or not at all."""
    partial = path.with_suffix(_PARTIAL)
    with partial.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def _sync_folder(folder: Path) -> None:
    """Make a rename in the folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
