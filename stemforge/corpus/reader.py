"""The corpus: a lazy sequence of the samples in a folder; :mod:`stemforge.corpus.writer` says how it is laid out."""

from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self, SupportsIndex, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemforge.corpus.sample import Kind, Sample
from stemforge.corpus.shard import open_shard, read_header, read_samples
from stemforge.corpus.writer import read_recipe, shard_number
from stemforge.errors import CorpusError

_AT_ONCE = 16  # samples read from an open shard before the first of them is given out

_PLACE = np.dtype([("shard", "i4"), ("row", "i4"), ("index", "i8"), ("structure", "u8")])


class Corpus(Sequence[Sample]):
    """Reads a corpus: a lazy sequence of samples, or of some of them.

    A slice, an array of numbers, :meth:`split`, :meth:`filter` and :meth:`labels_only` give a corpus too: a view
    that reads the same files and can be used wherever a corpus can.

    Parameters
    ----------
    folder
        Folder with ``recipe.yaml`` and shards; or a corpus, to have another of the same samples.

    Raises
    ------
    CorpusError
        No corpus there, no finished shard, or a shard that is damaged, foreign or of another schema.

    Notes
    -----
    To open a corpus only the first bytes of each shard are read. A shard's hash is checked when a process first
    reads from it; damage is a :class:`CorpusError`, never wrong data. No file is held open: a corpus can be
    pickled, forked, and shared among threads.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from stemforge import Annotations, CorpusWriter, Sample
    >>> writer = CorpusWriter(tempfile.mkdtemp(), {"name": "demo"}, "0" * 64)
    >>> image = np.ones((1, 8, 8), "float32")
    >>> samples = [Sample(i, image, 0.3, ("HAADF",), Annotations([[i, 3]])) for i in range(10)]
    >>> _ = writer.write(0, samples)
    >>> corpus = Corpus(writer.folder)
    >>> [sample.index for sample in corpus[-3:]]
    [7, 8, 9]
    >>> len(corpus.filter(lambda sample: sample.labels.points[0, 0] < 4, labels_only=True))
    4
    >>> training, test = corpus.split([0.8, 0.2], seed=1)
    >>> len(training) + len(test)
    10
    """

    folder: Path
    recipe: dict[str, Any]
    recipe_hash: str
    kind: Kind

    def __init__(self, folder: "str | Path | Corpus") -> None:
        if isinstance(folder, Corpus):
            self.__dict__.update(folder.__dict__)
            return
        self.folder = Path(folder)
        self.recipe, self.recipe_hash, self.kind = read_recipe(self.folder)
        self._labels_only = False
        names = sorted(p.name for p in self.folder.iterdir() if shard_number(p.name) is not None)
        self._names = tuple(sorted(names, key=lambda name: shard_number(name) or 0))
        places = []
        for number, name in enumerate(self._names):
            header = read_header(self.folder / name)
            if header.recipe_hash != self.recipe_hash:
                raise CorpusError(f"{self.folder / name}: belongs to another recipe's corpus; move it away")
            place = np.empty(header.count, _PLACE)
            place["shard"], place["row"] = number, np.arange(header.count)
            place["index"], place["structure"] = header.indices, header.keys
            places.append(place)
        if not places:
            raise CorpusError(f"{self.folder}: holds no finished shard yet; run the simulation (again)")
        self._places = np.concatenate(places)
        self._all = len(self._places)
        if len(np.unique(self._places["index"])) < self._all:
            raise CorpusError(
                f"{self.folder}: two shards hold the same samples; find them with: stemforge verify {self.folder}"
            )

    @property
    def indices(self) -> NDArray[np.int64]:
        """Number of each sample in the whole corpus."""
        return self._places["index"].copy()

    @property
    def shards(self) -> NDArray[np.int64]:
        """Number of the shard file in which each sample lies; readers that stay in one read it once."""
        numbers = np.array([shard_number(name) or 0 for name in self._names], dtype=np.int64)
        return numbers[self._places["shard"]]

    @property
    def structures(self) -> NDArray[np.uint64]:
        """A number for each sample that two samples share where they show the same structure."""
        return self._places["structure"].copy()

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, item: SupportsIndex) -> Sample: ...

    @overload
    def __getitem__(self, item: slice | ArrayLike) -> "Corpus": ...

    def __getitem__(self, item: Any) -> "Sample | Corpus":
        """Return one sample by its place, or a view of several by slice, list or array of places or booleans."""
        if isinstance(item, slice):
            return self._view(self._places[item])
        if not hasattr(item, "__index__") or np.ndim(item):
            return self._view(self._places[_places(item, len(self))])
        return next(self._read(self._places[[int(item)]]))

    def __iter__(self) -> Iterator[Sample]:
        for first in range(0, len(self), _AT_ONCE):
            yield from self._read(self._places[first : first + _AT_ONCE])

    def _read(self, places: NDArray) -> Iterator[Sample]:
        """Read samples, with a file open only while they are read."""
        ends = np.flatnonzero(np.diff(places["shard"])) + 1
        for part in np.split(places, ends):
            path = self.folder / self._names[part[0]["shard"]]
            with open_shard(path) as h5:
                if h5.attrs["recipe_hash"] != self.recipe_hash:
                    raise CorpusError(
                        f"{path}: now belongs to another recipe's corpus; open the corpus again"
                    )
                samples = read_samples(h5, part["row"].tolist(), labels_only=self._labels_only)
            if [sample.index for sample in samples] != part["index"].tolist():
                raise CorpusError(f"{path}: was replaced since the corpus was opened; open it again")
            yield from samples

    def _view(self, places: NDArray, labels_only: bool | None = None) -> Self:
        view = type(self)(self)  # type: ignore[call-arg, arg-type, unused-ignore]
        view._places = places
        view._labels_only = self._labels_only if labels_only is None else labels_only
        return view

    def labels_only(self) -> "Corpus":
        """Return the same samples without what is large: signals of the right shape but NaN, no structures.

        Much faster to read: to count labels, or to look at the metadata of a large corpus.
        """
        return self._view(self._places, labels_only=True)

    def evenly(self, most: int) -> "Corpus":
        """Return up to ``most`` samples, spread evenly over the corpus, as a view."""
        return self[np.unique(np.linspace(0, len(self) - 1, min(most, len(self))).astype(int))]

    def filter(self, predicate: Callable[[Sample], bool], *, labels_only: bool = False) -> "Corpus":
        """Return the samples of which a function says yes, as a view; each is read once, now.

        Parameters
        ----------
        predicate
            Is given a sample.
        labels_only
            It looks at labels and metadata alone: signals and structures are not read.
        """
        samples = self.labels_only() if labels_only else self
        kept = np.fromiter((bool(predicate(sample)) for sample in samples), bool, len(self))
        return self._view(self._places[kept])

    def split(self, shares: Sequence[float], seed: int = 0) -> "tuple[Corpus, ...]":
        """Divide the samples by structure: samples of the same structure are in the same part.

        A structure's part depends on the seed and on the structure itself, not on its place: when the corpus is
        extended, or merged with another, every structure stays in the part where it was. Therefore the parts have
        their shares only on average. An exception: a part that would be empty is given the one structure that
        nearly fell into it, which may go back when the corpus has grown.

        The structure is known by its atoms where the corpus keeps them, else by the sample's number; that of a
        measured image by its file.

        Parameters
        ----------
        shares
            Share of each part; any positive numbers, such as ``[0.8, 0.1, 0.1]`` or ``[8, 1, 1]``.
        seed
            Another seed, another division.

        Returns
        -------
        tuple of Corpus
            A view for each share, in the order of this corpus.

        Raises
        ------
        CorpusError
            Shares that are not positive, or fewer structures than parts.
        """
        try:
            part = divide(self._places["structure"], shares, seed)
        except CorpusError as error:
            raise CorpusError(f"{self.folder}: {error}") from error
        return tuple(self._view(self._places[part == i]) for i in range(len(shares)))

    def __repr__(self) -> str:
        part = "" if len(self) == self._all else f" of {self._all}"
        return f"Corpus({str(self.folder)!r}): {len(self)}{part} {self.kind} samples"


def _places(item: Any, length: int) -> NDArray[np.int64]:
    """Return places in a sequence, given as integers or as a boolean for each."""
    chosen = np.asarray(item)
    if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iub"):
        raise TypeError(f"a corpus is indexed by an integer, a slice or a list of integers, not by {item!r}")
    if chosen.dtype == bool:
        if len(chosen) != length:
            raise IndexError(f"{len(chosen)} booleans for {length} samples")
        return np.flatnonzero(chosen)
    if np.any((chosen < -length) | (chosen >= length)):
        raise IndexError(f"places must be between {-length} and {length - 1}")
    return chosen.astype(np.int64)


def divide(
    structures: NDArray[np.uint64], shares: Sequence[float], seed: int = 0, *, exact: bool = False
) -> NDArray[np.int64]:
    """Divide samples by structure, as :meth:`Corpus.split` says.

    Parameters
    ----------
    structures
        A number for each sample that two samples share where they show the same structure, shape (n,).
    shares
        Share of each part; any positive numbers.
    seed
        Another seed, another division.
    exact
        Give each part its share of the structures to the nearest one, and one at least. A few of them then change sides
        when others come or go; without, a structure's part depends on itself alone, and parts have their shares on
        average.

    Returns
    -------
    ndarray
        Number of the part of each sample, shape (n,).

    Raises
    ------
    CorpusError
        Shares that are not positive, or fewer structures than parts.
    """
    weights = np.asarray(shares, dtype=float)
    if weights.ndim != 1 or not len(weights) or not np.all((weights > 0) & np.isfinite(weights)):
        raise CorpusError(f"shares must be positive numbers, one for each part, not {shares!r}")
    keys, group = np.unique(structures, return_inverse=True)
    if len(keys) < len(weights):
        raise CorpusError(
            f"has {len(keys)} different structure{'s'[: len(keys) != 1]}, which cannot be divided into {len(weights)} "
            "parts"
        )
    bounds = np.concatenate([[0.0], np.cumsum(weights / weights.sum())])
    place = np.array([_uniform(int(key), seed) for key in keys])
    if exact:
        ends = np.clip(np.rint(bounds[1:-1] * len(keys)), np.arange(1, len(weights)), None)
        ends = np.minimum(ends, len(keys) - np.arange(len(weights) - 1, 0, -1))
        rank = np.argsort(np.argsort(place))
        return np.searchsorted(ends, rank, side="right")[group]
    part = np.clip(np.searchsorted(bounds, place, side="right") - 1, 0, len(weights) - 1)
    for empty in np.setdiff1d(np.arange(len(weights)), part):
        distance = np.maximum(bounds[empty] - place, place - bounds[empty + 1])
        distance[np.bincount(part, minlength=len(weights))[part] < 2] = np.inf
        part[np.argmin(distance)] = empty
    return part[group]


def _uniform(key: int, seed: int) -> float:
    """Return a number in [0, 1) that depends on key and seed alone."""
    text = f"{seed} {key}".encode()
    return int.from_bytes(blake2b(text, digest_size=6).digest()) / 2**48
