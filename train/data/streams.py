"""PyTorch data sets over a corpus, or over samples that are simulated when they are asked for.

Three ways to the same items, each made of one sample by a transform ``(sample, rng) -> item`` or list of items:

- :class:`CorpusDataset`: by number, for samplers;
- :class:`CorpusStream`: shard after shard, for corpora larger than memory, over workers and ranks;
- :class:`SimulationStream`: without a corpus.

The random numbers of an item come from (seed, epoch, sample), never from the worker that makes it.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.errors import InputError
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate import Degradation, SimulationRecipe, simulate_sample
from stemforge.simulate.recording.record import corpus_degradation, record
from stemforge.train.data.augment import PLAIN, Augmentation, View, draw_view
from stemforge.train.data.batches import Epochs, Place

Transform = Callable[[Sample, np.random.Generator], Any]
"""Makes an item, or a list of items, of a sample; all randomness comes from the generator."""

ImageTarget = tuple[Tensor, dict[str, NDArray[Any]]]
"""Image of shape (channels, height, width) and what is on it, by name: arrays, as a worker process can send many small
ones at a fraction of what as many tensors would cost."""


@dataclass(frozen=True)
class RecordedImages:
    """Transform of a sample into recorded images with targets: whole, or several crops.

    Degrading is most of the work, and it is done once a sample, on the whole image: many crops of it cost little
    more than one, and drift, flicker and charge jumps run over the frame as they should.

    Parameters
    ----------
    degradation
        Applied to simulated signals; None leaves them clean, as measured images must be left.
    size
        Side of square crops [pixel]; None keeps the whole image.
    per_sample
        Crops a sample, at random places.
    augmentation
        How to vary the crops; by default they are not.

    Examples
    --------
    >>> recipe = SimulationRecipe.load("fe-c3n4", {"scan.shape": [48, 48]})
    >>> crops = RecordedImages(recipe.degradation, size=32, per_sample=2)
    >>> (image, target), _ = crops(simulate_sample(recipe, 0), np.random.default_rng(0))
    >>> image.shape, target["points"].shape[1]
    (torch.Size([1, 32, 32]), 2)
    """

    degradation: Degradation | None
    size: int | None = None
    per_sample: int = 1
    augmentation: Augmentation = PLAIN

    def __post_init__(self) -> None:
        if self.per_sample < 1 or (self.size is not None and self.size < 1):
            raise InputError(f"size ({self.size}) and per_sample ({self.per_sample}) must be at least 1")
        if self.size is None and (self.per_sample > 1 or self.augmentation != PLAIN):
            raise InputError("per_sample and augmentation are for crops; give their size")

    def __call__(self, sample: Sample, rng: np.random.Generator) -> ImageTarget | list[ImageTarget]:
        """Return (image, target), or a list of them for crops.

        A target has ``index`` (number of the sample), ``points`` (n, 2) as (x, y) [pixel], ``boxes`` (n, 4) where
        the corpus has them, and each column of the labels; ``contrast`` and ``cnr`` hold for the dose drawn.
        """
        recording = record(sample, self.degradation, rng)
        if self.size is None:
            return torch.from_numpy(recording.image), _target(sample, recording.labels)
        shape = recording.image.shape[1:]
        if min(shape) < self.size:
            raise InputError(
                f"sample {sample.index}: its image of {shape[0]} × {shape[1]} pixels is smaller than the crops of "
                f"{self.size}"
            )
        made = []
        for _ in range(self.per_sample):
            view = draw_view(shape, self.size, self.augmentation, rng)
            cut = np.stack([_cut(view, channel) for channel in recording.image])
            made.append((torch.from_numpy(cut), _target(sample, _seen(view, recording.labels))))
        return made


def _cut(view: View, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut a view; one that neither turns nor magnifies is a slice."""
    if not np.array_equal(view.matrix, np.eye(2)):
        return view.cut(image)
    column, row = (round(c - (view.size - 1) / 2) for c in view.centre)
    return image[row : row + view.size, column : column + view.size].copy()


def _seen(view: View, labels: Annotations) -> Annotations:
    boxes = None if labels.boxes is None else view.move_boxes(labels.boxes)
    moved = Annotations(view.move(labels.points), boxes, labels.columns)
    return moved.where(moved.inside((view.size, view.size)))


def _target(sample: Sample, labels: Annotations) -> dict[str, NDArray[Any]]:
    target = {"index": np.array(sample.index), "points": labels.points.astype(np.float32)}
    if labels.boxes is not None:
        target["boxes"] = labels.boxes.astype(np.float32)
    numbers = {name: values for name, values in labels.columns.items() if values.dtype.kind in "biuf"}
    return target | numbers


def collate(items: Sequence[ImageTarget | list[ImageTarget]]) -> tuple[Tensor, list[dict[str, NDArray[Any]]]]:
    """Collate items of :class:`RecordedImages`: images are stacked, targets, whose lengths differ, listed.

    Examples
    --------
    >>> image = torch.zeros(1, 8, 8)
    >>> one, two = ({"points": np.zeros((n, 2))} for n in (1, 2))
    >>> images, targets = collate([(image, one), [(image, two), (image, two)]])
    >>> images.shape, [len(t["points"]) for t in targets]
    (torch.Size([3, 1, 8, 8]), [1, 2, 2])
    """
    pairs = [pair for item in items for pair in (item if isinstance(item, list) else [item])]
    shapes = {tuple(image.shape) for image, _ in pairs}
    if len(shapes) > 1:
        raise InputError(f"images of different shapes {sorted(shapes)} make no batch; cut crops of one size")
    return torch.stack([image for image, _ in pairs]), [target for _, target in pairs]


class CorpusDataset(Epochs, Dataset[Any]):
    """A corpus by number, for PyTorch's samplers.

    Parameters
    ----------
    corpus
        A corpus, or a part of one.
    transform
        Makes an item of a sample; by default the whole image, degraded as the corpus' recipe says.
    seed
        An item depends on (seed, epoch, number) alone; set :attr:`epoch` before each pass.

    Examples
    --------
    >>> from stemforge import Annotations, Corpus, CorpusWriter, Sample
    >>> from torch.utils.data import DataLoader
    >>> writer = CorpusWriter("corpus", {"name": "demo", "degradation": {"dose": 2e4}}, "0" * 64)
    >>> clean = np.full((1, 16, 16), 0.05, "float32")
    >>> _ = writer.write(0, [Sample(i, clean, 0.3, ("HAADF",), Annotations([[i, 3]])) for i in range(3)])
    >>> data = CorpusDataset(Corpus("corpus"))
    >>> loader = DataLoader(data, batch_size=2, shuffle=True, collate_fn=collate)
    >>> for data.epoch in range(2):
    ...     for images, targets in loader:
    ...         print(data.epoch, tuple(images.shape))
    0 (2, 1, 16, 16)
    0 (1, 1, 16, 16)
    1 (2, 1, 16, 16)
    1 (1, 1, 16, 16)
    """

    def __init__(self, corpus: Corpus, transform: Transform | None = None, *, seed: int = 0) -> None:
        super().__init__(seed)
        self.corpus = corpus
        self.transform = transform or RecordedImages(corpus_degradation(corpus))

    def __len__(self) -> int:
        return len(self.corpus)

    def __getitem__(self, number: int) -> Any:
        """Return what the transform makes of a sample."""
        number = range(len(self))[number]  # so that -1 is the last, with the same random numbers
        return self.transform(self.corpus[number], self.rng((number,), self.epoch))


class SampleStream(Epochs, IterableDataset[Any]):
    """Items of samples one after the other, through a shuffle buffer; a list of items is taken apart.

    A subclass says which samples this process makes, and makes them.

    Parameters
    ----------
    transform
        Makes an item, or a list of items, of a sample.
    seed
        An item's content depends on (seed, epoch, sample); the order also on how many workers and ranks there are.
    buffer
        Items kept to be drawn from at random; 0 keeps the order.
    """

    def __init__(self, transform: Transform, *, seed: int, buffer: int) -> None:
        super().__init__(seed)
        if buffer < 0:
            raise InputError(f"buffer must not be negative, got {buffer}")
        self.transform = transform
        self.buffer = buffer

    def numbers(self, place: Place, epoch: int) -> Iterable[int]:
        """Return the samples that one process makes in an epoch, in their order."""
        raise NotImplementedError

    def sample(self, number: int) -> Sample:
        """Return a sample."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        place, epoch = self.place, self.epoch
        order = np.random.default_rng([self.seed, epoch, place.rank, place.worker])
        return _shuffled(self._items(self.numbers(place, epoch), epoch), self.buffer, order)

    def _items(self, numbers: Iterable[int], epoch: int) -> Iterator[Any]:
        for number in numbers:
            made = self.transform(self.sample(number), self.rng((number,), epoch))
            yield from made if isinstance(made, list) else [made]


class CorpusStream(SampleStream):
    """A corpus shard after shard, shuffled, divided among data-loader workers and distributed ranks.

    Shards are shuffled, and so is each in itself; each worker reads whole shards, and finished items pass through a
    shuffle buffer. Ranks get equal numbers of samples, or one more: only a shard that lies across the border of two
    ranks is read by both, each its part. Over all of them, every sample comes exactly once an epoch.

    Parameters
    ----------
    corpus
        A corpus, or a part of one.
    transform
        Makes an item, or a list of items, of a sample; by default the whole image, degraded as the recipe says.
    seed
        Root of the randomness; set :attr:`epoch` before each pass.
    shuffle
        False keeps the corpus' order.
    buffer
        Items in the shuffle buffer of each worker; they are kept in memory.
    even
        Leave out the few samples by which ranks would differ: a rank with more would wait for the others.

    Examples
    --------
    >>> from stemforge import Annotations, Corpus, CorpusWriter, Sample
    >>> from torch.utils.data import DataLoader
    >>> writer = CorpusWriter("corpus", {"name": "demo", "degradation": {"dose": 2e4}}, "0" * 64)
    >>> clean = np.full((1, 16, 16), 0.05, "float32")
    >>> for shard in range(2):
    ...     sample = Sample(shard, clean, 0.3, ("HAADF",), Annotations([[shard + 4, 3]]))
    ...     _ = writer.write(shard, [sample])
    >>> corpus = Corpus("corpus")
    >>> crops = RecordedImages(corpus_degradation(corpus), size=8, per_sample=3)
    >>> data = CorpusStream(corpus, crops, buffer=4)
    >>> for data.epoch in range(2):
    ...     for images, targets in DataLoader(data, batch_size=6, collate_fn=collate):
    ...         print(data.epoch, tuple(images.shape))
    0 (6, 1, 8, 8)
    1 (6, 1, 8, 8)
    """

    def __init__(
        self,
        corpus: Corpus,
        transform: Transform | None = None,
        *,
        seed: int = 0,
        shuffle: bool = True,
        buffer: int = 64,
        even: bool = False,
    ) -> None:
        transform = transform or RecordedImages(corpus_degradation(corpus))
        super().__init__(transform, seed=seed, buffer=buffer if shuffle else 0)
        self.corpus = corpus
        self.shuffle = shuffle
        self.even = even

    def numbers(self, place: Place, epoch: int) -> Iterable[int]:
        """Return the samples of one process: whole shards of its rank's part of the shuffled corpus."""
        total = len(self.corpus)
        # Of a view, a split for instance, a shard may hold a few samples only.
        ends = np.flatnonzero(np.diff(self.corpus.shards)) + 1
        shards = np.split(np.arange(total), ends)
        if self.shuffle:
            rng = np.random.default_rng([self.seed, epoch])
            shards = [rng.permutation(shards[i]) for i in rng.permutation(len(shards))]
        usable = total - total % place.ranks if self.even else total
        first, end = (usable * rank // place.ranks for rank in (place.rank, place.rank + 1))
        starts = np.cumsum([0, *(len(shard) for shard in shards[:-1])])
        mine = [
            shard[max(first - start, 0) : max(end - start, 0)]
            for shard, start in zip(shards, starts, strict=True)
        ]
        mine = [shard for shard in mine if len(shard)][place.worker :: place.workers]
        return (int(number) for shard in mine for number in shard)

    def sample(self, number: int) -> Sample:
        """Read a sample."""
        return self.corpus[number]


class SimulationStream(SampleStream):
    """A corpus that is never stored: samples of a recipe, simulated when they are asked for.

    Sample n is the one that the corpus of the recipe would hold. Processes take turns, so that no sample is made
    twice.

    Parameters
    ----------
    recipe
        What is simulated.
    transform
        Makes an item, or a list of items, of a sample; by default the whole image, degraded as the recipe says.
    num_samples
        Samples an epoch, over all workers and ranks; each epoch goes on where the one before it ended, so that epoch
        0 is a corpus of as many. None never ends.
    seed
        Root of the transform's randomness; samples have the recipe's.
    buffer
        Items in the shuffle buffer; they are new ones anyway.

    Examples
    --------
    SAC-CNN learns from images that nobody will see again; each item is a batch of crops of one of them:

    >>> from torch.utils.data import DataLoader
    >>> from stemforge.train import SACCNN, Crops, CutAtoms
    >>> recipe = SimulationRecipe.load("fe-c3n4", {"scan.shape": [48, 48]})
    >>> data = SimulationStream(recipe, CutAtoms(Crops(), recipe.degradation), num_samples=2)
    >>> model = SACCNN()
    >>> for crops, classes in DataLoader(data, batch_size=None):
    ...     loss = torch.nn.functional.cross_entropy(model(crops), classes)
    >>> bool(torch.isfinite(loss))
    True
    """

    def __init__(
        self,
        recipe: SimulationRecipe,
        transform: Transform | None = None,
        *,
        num_samples: int | None = None,
        seed: int = 0,
        buffer: int = 0,
    ) -> None:
        super().__init__(transform or RecordedImages(recipe.degradation), seed=seed, buffer=buffer)
        if num_samples is not None and num_samples < 1:
            raise InputError(f"num_samples must be at least 1, or None for no end, not {num_samples}")
        self.recipe = recipe.pinned()  # workers that read a file later must find the same one
        self.num_samples = num_samples

    def numbers(self, place: Place, epoch: int) -> Iterable[int]:
        """Return every n-th number, n processes in all."""
        # Ranks first, then workers, as batches are shared.
        start = place.rank + place.ranks * place.worker
        step = place.ranks * place.workers
        if self.num_samples is None:
            return itertools.count(start, step)
        first = epoch * self.num_samples
        return range(first + start, first + self.num_samples, step)

    def sample(self, number: int) -> Sample:
        """Simulate a sample."""
        return simulate_sample(self.recipe, number)


def _shuffled(items: Iterable[Any], size: int, rng: np.random.Generator) -> Iterator[Any]:
    """Yield items in a random order: each waits in a buffer until it is drawn."""
    kept: list[Any] = []
    for item in items:
        if len(kept) < size:
            kept.append(item)
            continue
        if not size:
            yield item
            continue
        drawn = int(rng.integers(size))
        yield kept[drawn]
        kept[drawn] = item
    for i in rng.permutation(len(kept)):
        yield kept[i]
