"""Pairs for DIVAESR: a noisy patch, the clean one, and what is to be drawn with twice as many pixels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.errors import MicrographError
from stemforge.simulate import Degradation
from stemforge.simulate.recording.record import corpus_degradation
from stemforge.train.data.augment import PLAIN, draw_view, shade
from stemforge.train.data.batches import EpochBatches, Item, split_corpora
from stemforge.train.data.exposures import Exposure, draw_dose, drawn_atoms, enlarge, expose, require_segments
from stemforge.train.data.idpc import normalise_image
from stemforge.train.divaesr.model import PATCH, SCALE
from stemforge.train.divaesr.pairs import PublishedPair, cut_pair, read_published_pairs
from stemforge.train.divaesr.recipe import DIVAESRRecipe

Patches = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""Noisy and clean patches, shape (n, 64, 64), and targets, shape (n, 128, 128), all between 0 and 1."""


class PairSource(Protocol):
    """Where pairs come from: groups of patches by number."""

    recipe: DIVAESRRecipe

    def groups(self, part: str) -> Sequence[int]:
        """Return the numbers of the groups of ``"train"`` or ``"validation"``."""

    def patches(self, group: int, epoch: int, rng: np.random.Generator, part: str) -> Patches:
        """Return the patches of a group, augmented in training."""


class PublishedSource:
    """The pairs of a published archive; each epoch shuffles them into new groups.

    Parameters
    ----------
    path
        The zip file.
    recipe
        ``per_image`` pairs are a group.
    """

    def __init__(self, path: str | Path, recipe: DIVAESRRecipe) -> None:
        self.recipe = recipe
        parts: tuple[Literal["train", "validation"], ...] = ("train", "validation")
        self.pairs: dict[str, list[PublishedPair]] = {
            part: read_published_pairs(path, part, split=recipe.split, validation=recipe.validation)
            for part in parts
        }

    def groups(self, part: str) -> Sequence[int]:
        """Return the numbers of the groups; the last may be small."""
        return range(-(-len(self.pairs[part]) // self.recipe.per_image))

    def patches(self, group: int, epoch: int, rng: np.random.Generator, part: str) -> Patches:
        """Return a group's patches, turned and mirrored in training."""
        pairs = self.pairs[part]
        training = part == "train"
        order = np.arange(len(pairs))
        if training:
            np.random.default_rng([self.recipe.seed, epoch]).shuffle(order)
        size = self.recipe.per_image
        made = [
            cut_pair(pairs[i], rng if training else None) for i in order[group * size : (group + 1) * size]
        ]
        noisy, clean, target = (np.stack(images) for images in zip(*made, strict=True))
        return np.stack([normalise_image(image) for image in noisy]), clean, target


class CorpusSource:
    """Patches of iDPC images at doses drawn anew each epoch, from a corpus of segment signals.

    Parameters
    ----------
    corpus
        Of segment signals; with structures where atoms are to be drawn.
    recipe
        Doses, target, augmentation; ``per_image`` patches of an image are a group.
    parts
        Numbers of the samples in ``"train"`` and ``"validation"``.

    Raises
    ------
    CorpusError
        The corpus lacks what is needed.
    """

    def __init__(self, corpus: Corpus, recipe: DIVAESRRecipe, parts: Mapping[str, Sequence[int]]) -> None:
        require_segments([corpus], PATCH, structure=recipe.target == "atoms")
        self.corpus = corpus
        self.recipe = recipe
        self.parts = parts
        self.degradation = corpus_degradation(corpus) or Degradation(dose=0)

    def groups(self, part: str) -> Sequence[int]:
        """Return the numbers of the samples."""
        return self.parts[part]

    def patches(self, group: int, epoch: int, rng: np.random.Generator, part: str) -> Patches:
        """Return patches of one image at one dose."""
        sample, recipe = self.corpus[group], self.recipe
        augmentation = recipe.augmentation if part == "train" else PLAIN
        dose = draw_dose(recipe.doses, recipe.clean_share, rng)
        exposure = expose(sample, self.degradation, dose, rng, high_pass=recipe.high_pass)
        target = draw_target(recipe.target, sample, exposure)
        made = []
        for _ in range(recipe.per_image):
            view = draw_view(exposure.noisy.shape, PATCH, augmentation, rng)
            noisy = shade(np.clip(view.cut(exposure.noisy), 0, 1), augmentation, rng)
            made.append((noisy, view.cut(exposure.clean), view.cut(target, SCALE)))
        noisy_patches, clean, targets = (np.stack(images) for images in zip(*made, strict=True))
        return noisy_patches, np.clip(clean, 0, 1), np.clip(targets, 0, 1)


def draw_target(target: str, sample: Sample, exposure: Exposure) -> NDArray[np.float32]:
    """Draw the projected ``"atoms"`` or the ``"clean"`` image, shape (2 · height, 2 · width), between 0 and 1."""
    if target == "atoms":
        return drawn_atoms(sample, exposure, SCALE)
    return np.clip(enlarge(exposure.clean, SCALE), 0, 1)


class RestorationPairs(EpochBatches):
    """Batches of pairs from any sources.

    Parameters
    ----------
    sources
        Published pairs or corpora.
    part
        ``"train"`` or ``"validation"``.
    recipe
        Settings of the run.

    Yields
    ------
    noisy, clean, target
        Tensors of shape (n, 1, 64, 64), (n, 1, 64, 64) and (n, 1, 128, 128), float32 between 0 and 1.
    """

    def __init__(self, sources: Sequence[PairSource], part: str, recipe: DIVAESRRecipe) -> None:
        self.sources = list(sources)
        items = [
            Item(number, group) for number, source in enumerate(self.sources) for group in source.groups(part)
        ]
        super().__init__([], part, recipe, items)

    def batch(self, items: NDArray[np.int64], epoch: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the patches of some groups."""
        parts = [self._patches(self.items[int(item)], epoch) for item in items]
        noisy, clean, target = (
            torch.from_numpy(np.concatenate(arrays)[:, None].astype(np.float32))
            for arrays in zip(*parts, strict=True)
        )
        return noisy, clean, target

    def _patches(self, item: Item, epoch: int) -> Patches:
        try:
            return self.sources[item.source].patches(item.number, epoch, self.rng(item.key, epoch), self.part)
        except MicrographError:
            # Hardly an electron on the whole image. A blank pair keeps the number of batches.
            blank = np.zeros((1, PATCH, PATCH), np.float32)
            return blank, blank, np.zeros((1, PATCH * SCALE, PATCH * SCALE), np.float32)


def open_sources(data: Sequence[str | Path], recipe: DIVAESRRecipe) -> tuple[list[PairSource], list[Corpus]]:
    """Open zip files of published pairs and folders of corpora.

    Returns
    -------
    sources, corpora
        All of them, and the corpora among them.
    """
    corpora = [Corpus(path) for path in data if not _is_zip(path)]
    sources: list[PairSource] = [PublishedSource(path, recipe) for path in data if _is_zip(path)]
    both = (
        zip(("train", "validation"), split_corpora(corpora, recipe.validation), strict=True)
        if corpora
        else ()
    )
    parts = dict(both)
    for source, corpus in enumerate(corpora):
        numbers = {
            part: [item.number for item in items if item.source == source] for part, items in parts.items()
        }
        sources.append(CorpusSource(corpus, recipe, numbers))
    return sources, corpora


def _is_zip(path: str | Path) -> bool:
    return Path(path).suffix.lower() == ".zip"
