"""What all data sets share: randomness by (seed, epoch, item), and work divided among processes."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from stemforge.corpus.reader import Corpus, divide
from stemforge.corpus.sample import Sample
from stemforge.errors import CorpusError
from stemforge.train.recipe import TrainingRecipe


class Epochs:
    """Randomness that depends on (seed, epoch, item) and not on who makes the item.

    Parameters
    ----------
    seed
        Root of the randomness.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._carried = (0, 1)
        # In shared memory: worker processes that outlive an epoch (persistent_workers) must hear of the next one.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def epoch(self) -> int:
        """Number of the pass over the data; set it before each pass."""
        return int(self._epoch)

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._epoch.fill_(epoch)

    @property
    def place(self) -> "Place":
        """Which of the processes that share the work this is."""
        worker = get_worker_info()
        ranks = _ranks() or self._carried
        return Place(*ranks, worker.id if worker else 0, worker.num_workers if worker else 1)

    def __getstate__(self) -> dict[str, Any]:
        # Data-loader workers that are started anew belong to no group of processes: their rank goes with the data.
        return {**self.__dict__, "_carried": self.place[:2]}

    def rng(self, key: tuple[int, ...], epoch: int) -> np.random.Generator:
        """Return the stream of random numbers of one item in one epoch."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(*key, epoch)))


class Item(NamedTuple):
    """One showing of an image in an epoch: which source, which of its images, and how often it was shown before."""

    source: int
    number: int
    repeat: int = 0

    @property
    def key(self) -> tuple[int, ...]:
        """What its random numbers depend on, beside seed and epoch."""
        return tuple(self) if self.repeat else (self.source, self.number)


class EpochBatches(Epochs, IterableDataset):
    """Batches over samples of corpora, or over other numbered items; shuffled by epoch, shared among processes.

    A subclass says in :meth:`batch` what items look like as tensors. Its randomness comes from :meth:`rng`
    alone, so that an item's content depends on (seed, epoch, item) and not on who makes it.

    Parameters
    ----------
    corpora
        Whose samples are the items, divided by structure.
    part
        ``"train"`` or ``"validation"``.
    recipe
        Seed, images a batch, share of validation; whether the images of smaller sources are shown more than once.
    items
        What is shown instead of the samples, as (source, number in it).

    Attributes
    ----------
    device
        Where networks that prepare images compute; the run sets it to where it trains.
    """

    device = "cpu"

    def __init__(
        self,
        corpora: Sequence[Corpus],
        part: str,
        recipe: TrainingRecipe,
        items: Sequence[Item] | None = None,
    ) -> None:
        super().__init__(recipe.seed)
        self.corpora = list(corpora)
        self.part = part
        self.per_batch = recipe.images_per_batch
        if items is None:
            items = split_corpora(self.corpora, recipe.validation)[part == "validation"]
        self.items = balanced(items) if recipe.balance and part == "train" else list(items)

    def sample(self, item: Item) -> Sample:
        """Read the sample that an item shows."""
        return self.corpora[item.source][item.number]

    def batch(self, items: NDArray[np.int64], epoch: int) -> Any:
        """Return the tensors of some items, given by their places in ``self.items``."""
        raise NotImplementedError

    def rng(self, key: tuple[int, ...], epoch: int) -> np.random.Generator:
        """Return the stream of random numbers of one item in one epoch of this part."""
        sequence = np.random.SeedSequence(self.seed, spawn_key=(*key, epoch, self.part == "validation"))
        return np.random.default_rng(sequence)

    def __len__(self) -> int:
        batches = -(-len(self.items) // self.per_batch)
        return max(batches // self.place.ranks, min(batches, 1))

    def __iter__(self) -> Iterator[Any]:
        validating = self.part == "validation"
        # Validation sees the same batches in every epoch, so that its loss can be compared.
        epoch = 0 if validating else self.epoch
        order = np.arange(len(self.items))
        if not validating:
            np.random.default_rng([self.seed, epoch]).shuffle(order)
        batches = [order[i : i + self.per_batch] for i in range(0, len(order), self.per_batch)]
        for items in batches[_share(self.place, len(batches))]:
            yield self.batch(items, epoch)


def every_batch(batches: EpochBatches) -> Iterator[Any]:
    """Yield all batches in order as they are in the first epoch, in any process: none is left to another rank."""
    for first in range(0, len(batches.items), batches.per_batch):
        yield batches.batch(np.arange(first, min(first + batches.per_batch, len(batches.items))), 0)


def balanced(items: Sequence[Item]) -> list[Item]:
    """Repeat the items of smaller sources until every source has as many as the largest.

    Examples
    --------
    >>> [tuple(item) for item in balanced([Item(0, 0), Item(0, 1), Item(0, 2), Item(1, 5)])]
    [(0, 0, 0), (0, 1, 0), (0, 2, 0), (1, 5, 0), (1, 5, 1), (1, 5, 2)]
    """
    by_source: dict[int, list[Item]] = {}
    for item in items:
        by_source.setdefault(item.source, []).append(item)
    most = max(map(len, by_source.values()), default=0)
    return [
        few[i % len(few)]._replace(repeat=i // len(few)) for few in by_source.values() for i in range(most)
    ]


class Place(NamedTuple):
    """Which process this is: rank among distributed ranks, worker among its rank's data-loader workers."""

    rank: int
    ranks: int
    worker: int
    workers: int


def require_sampling(corpora: Sequence[Corpus], sampling: float | None) -> None:
    """Refuse corpora whose pixels are more than 2 % off those that weights were trained at [Å].

    Raises
    ------
    CorpusError
        Names the corpus and both sizes.
    """
    for corpus in corpora:
        pixel = corpus[0].sampling
        if sampling and pixel and abs(sampling / pixel - 1) > 0.02:
            raise CorpusError(
                f"{corpus.folder}: has pixels of {pixel:g} Å, the weights were trained at {sampling:g} Å; take weights "
                f"for these pixels, or a corpus of those (stemforge simulate … --scan.sampling {sampling:g})"
            )


def require_size(corpora: Sequence[Corpus], side: int) -> None:
    """Refuse corpora whose images are smaller than the crops of ``side`` [pixel] that are to be cut.

    Raises
    ------
    CorpusError
        Names the corpus and both sizes.
    """
    for corpus in corpora:
        height, width = corpus[0].signal.shape[1:]
        if min(height, width) < side:
            raise CorpusError(
                f"{corpus.folder}: its images of {height} × {width} pixels are smaller than the crops of {side}"
            )


def split_corpora(corpora: Sequence[Corpus], validation: float) -> tuple[list[Item], list[Item]]:
    """Divide the samples of corpora into training and validation, by structure.

    Samples of one structure are all in one part, also when they lie in several corpora, and whatever else is in
    the corpora: see :func:`stemforge.corpus.reader.divide`. Both parts have a structure at least.

    Parameters
    ----------
    corpora
        At least two different structures among them.
    validation
        Share of the structures kept for validation.

    Raises
    ------
    CorpusError
        All samples show one structure.
    """
    items = [Item(source, number) for source, corpus in enumerate(corpora) for number in range(len(corpus))]
    structures = np.concatenate([corpus.structures for corpus in corpora])
    try:
        part = divide(structures, [1 - validation, validation], exact=True)
    except CorpusError as error:
        folders = ", ".join(str(corpus.folder) for corpus in corpora)
        raise CorpusError(
            f"{folders}: {error}; training needs structures to learn from and others to validate on, so add a "
            "corpus or more samples"
        ) from error
    training, held_out = ([item for item, p in zip(items, part, strict=True) if p == k] for k in (0, 1))
    return training, held_out


def _share(here: Place, batches: int) -> slice:
    """Return the batches of a process: every n-th, over data-loader workers and distributed ranks."""
    # First among ranks, then among a rank's workers. Every rank gets the same number of batches: a rank without
    # work would leave the others waiting.
    if 0 < batches < here.ranks:
        # Too few to share: some ranks do the same.
        first = here.rank % batches
        return slice(first, first + 1 if here.worker == 0 else first)
    usable = batches - batches % here.ranks
    return slice(here.rank + here.ranks * here.worker, usable, here.ranks * here.workers)


def _ranks() -> tuple[int, int] | None:
    """Return the number of this distributed process, and how many there are; None where it belongs to no group."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return None


def describe(corpora: Sequence[Corpus]) -> tuple[str, ...]:
    """Return a line about each corpus for the card."""
    return tuple(
        f"{c.recipe.get('name', c.folder.name)} {c.recipe_hash[:12]} ({len(c)} {c.kind})" for c in corpora
    )


def common_sampling(corpora: Sequence[Corpus]) -> float | None:
    """Return the pixel size [Å] of the corpora.

    Raises
    ------
    CorpusError
        They differ; a crop has so many pixels whatever they measure.
    """
    found = {str(c.folder): c[0].sampling for c in corpora}
    sizes = [s for s in found.values() if s is not None]
    if sizes and max(sizes) > 1.1 * min(sizes):
        listed = ", ".join(f"{name}: {s} Å" for name, s in found.items())
        raise CorpusError(f"the corpora differ in pixel size by more than 10 % ({listed}); train on one size")
    return float(sum(sizes) / len(sizes)) if sizes else None
