"""What all data sets share: randomness by (seed, epoch, item), and work divided among processes."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from stemforge.corpus.reader import Corpus
from stemforge.errors import CorpusError


class Epochs:
    """Randomness that depends on (seed, epoch, item) and not on who makes the item.

    Parameters
    ----------
    seed
        Root of the randomness.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        # In shared memory: worker processes that outlive an epoch (persistent_workers) must hear of the next one.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def epoch(self) -> int:
        """Number of the pass over the data; set it before each pass."""
        return int(self._epoch)

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._epoch.fill_(epoch)

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
    """Batches over numbered items, shuffled by epoch and shared among processes.

    A subclass says in :meth:`batch` what items look like as tensors. Its randomness comes from :meth:`rng`
    alone, so that an item's content depends on (seed, epoch, item) and not on who makes it.

    Parameters
    ----------
    items
        What there is, as (source, number in it).
    part
        ``"train"`` or ``"validation"``.
    per_batch
        Items that share a batch.
    seed
        Root of the randomness.
    balance
        Show the images of smaller sources more than once in training, so that all sources are shown equally often.
    """

    def __init__(
        self,
        items: Sequence[tuple[int, int]],
        *,
        part: str,
        per_batch: int,
        seed: int,
        balance: bool = False,
    ) -> None:
        super().__init__(seed)
        shown = [Item(*item) for item in items]
        self.items = balanced(shown) if balance and part == "train" else shown
        self.part = part
        self.per_batch = per_batch

    def batch(self, items: NDArray[np.int64], epoch: int) -> Any:
        """Return the tensors of some items, given by their places in ``self.items``."""
        raise NotImplementedError

    def rng(self, key: tuple[int, ...], epoch: int) -> np.random.Generator:
        """Return the stream of random numbers of one item in one epoch of this part."""
        sequence = np.random.SeedSequence(self.seed, spawn_key=(*key, epoch, self.part == "validation"))
        return np.random.default_rng(sequence)

    def __len__(self) -> int:
        batches = -(-len(self.items) // self.per_batch)
        return batches // ranks if (ranks := _ranks()[1]) <= batches else batches

    def __iter__(self) -> Iterator[Any]:
        validating = self.part == "validation"
        # Validation sees the same batches in every epoch, so that its loss can be compared.
        epoch = 0 if validating else self.epoch
        order = np.arange(len(self.items))
        if not validating:
            np.random.default_rng([self.seed, epoch]).shuffle(order)
        batches = [order[i : i + self.per_batch] for i in range(0, len(order), self.per_batch)]
        for items in batches[_share(len(batches))]:
            yield self.batch(items, epoch)


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
        own[i % len(own)]._replace(repeat=i // len(own)) for own in by_source.values() for i in range(most)
    ]


class Place(NamedTuple):
    """Which process this is: rank among distributed ranks, worker among its rank's data-loader workers."""

    rank: int
    ranks: int
    worker: int
    workers: int

    @classmethod
    def here(cls) -> "Place":
        """Return this process' place."""
        worker = get_worker_info()
        return cls(*_ranks(), worker.id if worker else 0, worker.num_workers if worker else 1)


def require_sampling(corpora: Sequence[Corpus], sampling: float | None) -> None:
    """Refuse corpora whose pixels are more than 2 % off those that weights were trained at [Å].

    Raises
    ------
    CorpusError
        Names the corpus and both sizes.
    """
    for corpus in corpora:
        there = corpus[0].sampling
        if sampling and there and abs(sampling / there - 1) > 0.02:
            raise CorpusError(
                f"{corpus.folder}: has pixels of {there:g} Å, the weights were trained at {sampling:g} Å"
            )


def split_corpora(corpora: Sequence[Corpus], part: str, validation: float) -> list[tuple[int, int]]:
    """Return the samples of one part as (corpus, sample): the last of each corpus validate.

    A sample is one structure: no structure is in both parts. At least one sample stays in each.

    Raises
    ------
    CorpusError
        A corpus of fewer than two samples.
    """
    items: list[tuple[int, int]] = []
    for number, corpus in enumerate(corpora):
        if len(corpus) < 2:
            raise CorpusError(f"{corpus.folder}: needs at least two samples, one of them for validation")
        split = min(max(1, round(len(corpus) * (1 - validation))), len(corpus) - 1)
        chosen = range(split) if part == "train" else range(split, len(corpus))
        items += [(number, i) for i in chosen]
    return items


def _share(batches: int) -> slice:
    """Return the batches of this process: every n-th, over data-loader workers and distributed ranks."""
    here = Place.here()
    # First among ranks, then among a rank's workers. Every rank gets the same number of batches: a rank without
    # work would leave the others waiting.
    usable = batches - batches % here.ranks if batches >= here.ranks else batches
    return slice(here.rank + here.ranks * here.worker, usable, here.ranks * here.workers)


def _ranks() -> tuple[int, int]:
    """Return the number of this distributed process, and how many there are."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
