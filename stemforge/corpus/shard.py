"""One shard: a file that is checked as a whole before HDF5 sees a byte of it.

A shard begins with a *user block*, which HDF5 skips: one line of JSON, filled up with spaces to 512, 1024, … bytes::

    {"magic":"stemforge shard","schema":2,…,"length":…,"sha256":"…","crc32":"…"}

``length`` and ``sha256`` are those of all that follows, ``crc32`` guards the line itself. The rest is HDF5::

    attrs                  schema, kind, recipe, recipe_hash, software, channels, sampling
    index      (n,)        number of each sample in the corpus
    signal     (n, c, H, W)  float32, one sample a chunk, compressed
    metadata   (n,)        one JSON object a sample
    labels/offsets (n+1,)  rows offsets[i]:offsets[i+1] of every column belong to sample i
    labels/<column> (m,)   x_px, y_px, for boxes x0_px, y0_px, x1_px, y1_px, and whatever else is known
    structure/offsets, numbers, tags, positions, cells   the atoms, where they are kept

The HDF5 part is made in memory and written in one go: a full disk is met outside HDF5, where it can be handled.
"""

import functools
import hashlib
import json
import os
import secrets
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

from stemforge.corpus.foreign import check_foreign
from stemforge.corpus.sample import Kind, Sample, Structure, structure_key
from stemforge.errors import CorpusError, InputError
from stemforge.micrograph.annotations import BOX_COLUMNS, Annotations

SCHEMA = 2
"""Version of the layout. 1 had no user block and was never released."""

_MAGIC = "stemforge shard"
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FIRST = 4096  # read at once: most user blocks are shorter
_LARGEST = 1 << 22  # of a user block: enough for 250,000 samples
_REMEMBERED = 1 << 16  # shards of which a process knows that they are sound; some 20 MB
_SOFTWARE = ("stemforge", "abtem", "ase", "numpy", "h5py")


class ShardDamageError(CorpusError):
    """A shard whose bytes are not those that were written; ``why`` is how that was found."""

    why: str = ""


class ShardSchemaError(CorpusError):
    """A shard of an older or newer layout."""


@dataclass(frozen=True)
class ShardHeader:
    """What the user block of a shard says.

    Parameters
    ----------
    recipe_hash
        Of the recipe that made it.
    runs
        Numbers of the samples as runs (first, how many).
    structures
        16 hexadecimal digits a sample: :func:`stemforge.corpus.sample.structure_key`.
    userblock, length
        Bytes before and in the HDF5 part.
    sha256
        Of the HDF5 part.
    """

    recipe_hash: str
    runs: tuple[tuple[int, int], ...]
    structures: str
    userblock: int
    length: int
    sha256: str

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.structures) // 16

    @property
    def indices(self) -> NDArray[np.int64]:
        """Number of each sample in the corpus."""
        return np.concatenate([np.arange(first, first + number) for first, number in self.runs])

    @property
    def keys(self) -> NDArray[np.uint64]:
        """A number a sample that is the same where the structure is the same."""
        return np.frombuffer(bytes.fromhex(self.structures), ">u8").astype(np.uint64)

    def encode(self) -> bytes:
        """Return the user block."""
        content = {
            "magic": _MAGIC,
            "schema": SCHEMA,
            "userblock": self.userblock,
            "recipe_hash": self.recipe_hash,
            "index": self.runs,
            "structures": self.structures,
            "length": self.length,
            "sha256": self.sha256,
        }
        text = json.dumps(content, separators=(",", ":")).encode()
        text = text[:-1] + b',"crc32":"%08x"}' % zlib.crc32(text)
        return text.ljust(self.userblock - 1) + b"\n"


def read_header(path: str | Path) -> ShardHeader:
    """Read the user block of a shard, and nothing else of it.

    Raises
    ------
    ShardDamageError
        The block is not as it was written, or the file has another length than it says.
    ShardSchemaError
        The shard is of another version of stemforge.
    """
    try:
        with Path(path).open("rb", buffering=0) as stream:
            return _header(stream, path)
    except OSError as error:
        raise _unreadable(path, error) from error


def check_shard(path: str | Path, *, anew: bool = False) -> None:
    """Compare the bytes of a shard with their hash, once a process as long as the file is not touched.

    Parameters
    ----------
    path
        The file.
    anew
        Read it even if this process found it sound before.

    Raises
    ------
    ShardDamageError, ShardSchemaError
        As for :func:`read_header`, or the hash differs.
    """
    try:
        found = Path(path).stat()
        stamp = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if anew:
            _check.cache_clear()
        _check(os.fspath(path), *stamp)
    except OSError as error:
        raise _unreadable(path, error) from error


# The C implementation takes no lock that a forked child could inherit; two threads may hash the same file.
@functools.lru_cache(maxsize=_REMEMBERED)
def _check(path: str, *_: int) -> None:
    with Path(path).open("rb", buffering=0) as stream:
        header = _header(stream, path)
        stream.seek(header.userblock)
        if hashlib.file_digest(stream, "sha256").hexdigest() != header.sha256:
            raise _damaged(path, "its bytes are not those that were written")
    check_foreign(path, header.sha256)


def _header(stream: BinaryIO, path: str | Path) -> ShardHeader:
    block = stream.read(_FIRST)
    if block.startswith(_SIGNATURE):
        raise ShardSchemaError(f"{path}: was made by an older stemforge; simulate again into a new folder")
    while (end := block.find(b"\n")) < 0 and len(block) < _LARGEST:
        more = stream.read(len(block))
        if not more:
            raise _damaged(path, "it is cut off" if block else "it is empty")
        block += more
    block = block[: end + 1]
    text, mark, crc = block.rstrip().rpartition(b',"crc32":"')
    if not mark or crc != b'%08x"}' % zlib.crc32(text + b"}"):
        raise _damaged(path, "its header is not as it was written")
    try:
        content = json.loads(text + b"}")
        if content["magic"] == _MAGIC and content["schema"] > SCHEMA:
            raise ShardSchemaError(
                f"{path}: has schema {content['schema']}, this stemforge reads up to {SCHEMA}; upgrade it"
            )
        runs = tuple((int(first), int(number)) for first, number in content["index"])
        names = ("recipe_hash", "structures", "userblock", "length", "sha256")
        header = ShardHeader(runs=runs, **{name: content[name] for name in names})
        bytes.fromhex(header.structures)
        sound = min(n for _, n in runs) > 0 and sum(n for _, n in runs) * 16 == len(header.structures)
        sound = sound and all(0 <= first < 1 << 62 for first, _ in runs)
        sound = sound and header.userblock == len(block) and header.encode() == block
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        if isinstance(error, CorpusError):
            raise
        raise _damaged(path, "its header makes no sense") from error
    if not sound:
        raise _damaged(path, "its header is not as it was written")
    size = os.fstat(stream.fileno()).st_size
    if size != header.userblock + header.length:
        raise _damaged(path, f"it has {size:,} bytes instead of {header.userblock + header.length:,}")
    return header


def _damaged(path: str | Path, why: object) -> ShardDamageError:
    error = ShardDamageError(
        f"{path}: is no readable shard ({why}); remove it (stemforge verify {Path(path).parent} --remove-damaged "
        "removes all such) and run the simulation again to remake it"
    )
    error.why = str(why)
    return error


def _unreadable(path: str | Path, error: Exception) -> CorpusError:
    """Return an error with the message of the system; the file itself may be sound."""
    why = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return CorpusError(
        f"{path}: cannot be read ({why}); check the corpus with: stemforge verify {Path(path).parent}"
    )


def encode_shard(
    samples: Sequence[Sample], *, kind: Kind, recipe: Mapping[str, Any], recipe_hash: str
) -> tuple[bytes, bytes]:
    """Return user block and HDF5 part of a shard; the same samples give the same bytes."""
    runs: list[tuple[int, int]] = []
    for sample in samples:
        if runs and sum(runs[-1]) == sample.index:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((int(sample.index), 1))
    keys = "".join(structure_key(sample, recipe_hash, kind) for sample in samples)
    size = 512
    while len(ShardHeader(recipe_hash, tuple(runs), keys, size, 10**18, "0" * 64).encode()) > size:
        size *= 2
    # No timestamps in the file. HDF5 distinguishes open files in memory by their names.
    name = f"memory-{secrets.token_hex(8)}"
    options: dict[str, Any] = {"driver": "core", "backing_store": False, "libver": "v110"}
    with h5py.File(name, "w", userblock_size=size, **options) as h5:
        h5.attrs["schema"] = SCHEMA
        h5.attrs["kind"] = kind
        h5.attrs["recipe"] = json.dumps(dict(recipe), sort_keys=True)
        h5.attrs["recipe_hash"] = recipe_hash
        h5.attrs["software"] = _software()
        _fill(h5, samples)
        h5.flush()
        image = h5.id.get_file_image()
    digest = hashlib.sha256(image).hexdigest()
    return ShardHeader(recipe_hash, tuple(runs), keys, size, len(image), digest).encode(), image


@functools.cache
def _software() -> str:
    return json.dumps({name: version(name) for name in _SOFTWARE})


def _fill(h5: h5py.File, samples: Sequence[Sample]) -> None:
    first = samples[0]
    h5.attrs["channels"] = json.dumps(first.channels)
    h5.attrs["sampling"] = np.nan if first.sampling is None else first.sampling
    h5["index"] = np.array([s.index for s in samples], dtype=np.int64)
    h5.create_dataset(
        "signal",
        data=np.stack([s.signal for s in samples]).astype(np.float32),
        chunks=(1, *first.signal.shape),
        compression="gzip",
        compression_opts=4,
        shuffle=True,
        fletcher32=True,
    ).flush()
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


def _offsets(lengths: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _or_nan(labels: Annotations, name: str) -> NDArray:
    return labels.columns[name] if name in labels.columns else np.full(len(labels), np.nan)


def _column(group: h5py.Group, name: str, values: NDArray) -> None:
    """Write a column; HDF5 cannot compress an empty one."""
    if len(values):
        # Flushed at once: otherwise a chunk gets its place in the file when Python happens to drop the table, and
        # the same samples would not always give the same bytes.
        group.create_dataset(
            name, data=values, compression="gzip", compression_opts=1, shuffle=True, fletcher32=True
        ).flush()
    else:
        group.create_dataset(name, data=values)


@contextmanager
def open_shard(path: str | Path, *, anew: bool = False) -> Iterator[h5py.File]:
    """Open a sound shard for reading, see :func:`check_shard`; HDF5's errors become one that names the file."""
    check_shard(path, anew=anew)
    try:
        # A finished shard never changes: no lock, which network file systems may not have.
        with h5py.File(path, "r", locking=False) as h5:
            yield h5
    except InputError:
        raise
    except (OSError, KeyError, RuntimeError, IndexError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from error


def read_samples(h5: h5py.File, rows: Sequence[int], *, labels_only: bool = False) -> list[Sample]:
    """Read samples of an open shard; with ``labels_only`` their signal is NaN and their structure None."""
    # HDF5 takes longer to open a table than to read the few values of a shard's: each is read once, whole.
    sampling = float(h5.attrs["sampling"])
    channels = tuple(json.loads(h5.attrs["channels"]))
    indices, texts = h5["index"][()], h5["metadata"].asstr()[()]
    tables = {name: table[()] for name, table in h5["labels"].items()}
    offsets = tables.pop("offsets")
    signal = h5["signal"]
    atoms = h5["structure"] if "structure" in h5 and not labels_only else None
    samples = []
    for row in rows:
        part = slice(*offsets[row : row + 2])
        columns = {name: values[part] for name, values in tables.items()}
        points = np.column_stack([columns.pop("x_px"), columns.pop("y_px")])
        boxes = None
        if set(BOX_COLUMNS) <= set(columns):
            boxes = np.column_stack([columns.pop(name) for name in BOX_COLUMNS])
        samples.append(
            Sample(
                index=int(indices[row]),
                # Of the right shape at no cost; NaN cannot be mistaken for an image.
                signal=np.broadcast_to(np.float32(np.nan), signal.shape[1:]) if labels_only else signal[row],
                sampling=None if np.isnan(sampling) else sampling,
                channels=channels,
                labels=Annotations(points, boxes, {name: values.copy() for name, values in columns.items()}),
                metadata=json.loads(texts[row]),
                structure=None if atoms is None else _structure(atoms, row),
            )
        )
    return samples


def _structure(group: h5py.Group, row: int) -> Structure:
    part = slice(*group["offsets"][row : row + 2])
    numbers, positions, tags = (group[name][part] for name in ("numbers", "positions", "tags"))
    return Structure(numbers, positions, tags, group["cells"][row])
