"""Pairs for restorers: a noisy patch, the clean one, and what is to be drawn."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.errors import InputError, MicrographError
from stemforge.simulate import Degradation
from stemforge.simulate.recording.record import corpus_degradation
from stemforge.train.data.augment import PLAIN, draw_view, shade
from stemforge.train.data.batches import EpochBatches, Item, split_corpora
from stemforge.train.data.exposures import (
    Exposure,
    draw_dose,
    drawn_atoms,
    enlarge,
    expose,
    require_segments,
    without_order,
)
from stemforge.train.data.idpc import normalise_image
from stemforge.train.data.published import SIDE, PublishedPair, aligned, cut_pair, read_published_pairs
from stemforge.train.data.restorer import RestorationRecipe

Patches = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""Noisy and clean patches, shape (n, patch, patch), and targets, (n, scale · patch, scale · patch)."""

GREY = 255.0
"""White of the 8-bit grey scale in which errors of restorers are published."""


class PairSource(Protocol):
    """Where pairs come from: groups of patches by number."""

    recipe: RestorationRecipe

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

    def __init__(self, path: str | Path, recipe: RestorationRecipe) -> None:
        self.recipe = recipe
        parts: tuple[Literal["train", "validation"], ...] = ("train", "validation")
        self.pairs: dict[str, list[PublishedPair]] = {
            part: read_published_pairs(path, part, split=recipe.split, validation=recipe.validation)
            for part in parts
        }
        if recipe.align:
            self.pairs = {part: [aligned(pair) for pair in pairs] for part, pairs in self.pairs.items()}

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
        chosen = order[group * size : (group + 1) * size]
        cut = partial(
            cut_pair,
            rng=rng if training else None,
            scale=self.recipe.scale,
            turn=self.recipe.augmentation.rotation != "none",
            flip=self.recipe.augmentation.flip,
        )
        made = [cut(pairs[i]) for i in chosen]
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

    def __init__(self, corpus: Corpus, recipe: RestorationRecipe, parts: Mapping[str, Sequence[int]]) -> None:
        require_segments([corpus], recipe.PATCH, structure=recipe.target == "atoms")
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
        if recipe.target == "signal":  # its grey scale is the noisy image's
            augmentation = augmentation.replace(brightness=0.0, contrast=0.0)
        dose = draw_dose(recipe.doses, recipe.clean_share, rng)
        if recipe.featureless_share and dose is not None and rng.random() < recipe.featureless_share:
            sample = without_order(sample, rng)
        exposure = expose(sample, self.degradation, dose, rng, high_pass=recipe.high_pass)
        target = draw_target(recipe.target, sample, exposure, recipe.scale)
        made = []
        for _ in range(recipe.per_image):
            view = draw_view(exposure.noisy.shape, recipe.PATCH, augmentation, rng)
            noisy = shade(np.clip(view.cut(exposure.noisy), 0, 1), augmentation, rng)
            made.append((noisy, view.cut(exposure.clean), view.cut(target, recipe.scale)))
        noisy_patches, clean, targets = (np.stack(images) for images in zip(*made, strict=True))
        if recipe.target != "signal":
            targets = np.clip(targets, 0, 1)
        return noisy_patches, np.clip(clean, 0, 1), targets


def draw_target(target: str, sample: Sample, exposure: Exposure, scale: int = 2) -> NDArray[np.float32]:
    """Draw a :data:`Target`, shape (scale · height, scale · width); all but ``"signal"`` between 0 and 1."""
    if target == "atoms":
        return drawn_atoms(sample, exposure, scale)
    if target == "signal":
        return enlarge(exposure.signal, scale)
    return np.clip(enlarge(exposure.clean, scale), 0, 1)


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
        Float32 tensors of shape (n, 1, patch, patch), twice, and (n, 1, scale · patch, scale · patch).

    Examples
    --------
    >>> from PIL import Image
    >>> from stemforge.train import DIVAESRRecipe
    >>> import zipfile
    >>> Image.fromarray(np.random.default_rng(0).integers(0, 255, (128, 128), "uint8")).save("a.png")
    >>> with zipfile.ZipFile("pairs.zip", "w") as archive:
    ...     for number in range(4):
    ...         for folder in ("input", "label"):
    ...             archive.write("a.png", f"{folder}/molecule_{number}_a.png")
    >>> recipe = DIVAESRRecipe(validation=0.25)
    >>> sources, _ = open_sources(["pairs.zip"], recipe)
    >>> [noisy.shape for noisy, clean, target in RestorationPairs(sources, "validation", recipe)]
    [torch.Size([1, 1, 64, 64])]
    """

    def __init__(self, sources: Sequence[PairSource], part: str, recipe: RestorationRecipe) -> None:
        self.sources, self.recipe = list(sources), recipe
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
            scale = self.recipe.scale
            side = self.recipe.PATCH
            blank = np.zeros((1, side, side), np.float32)
            return blank, blank, np.zeros((1, side * scale, side * scale), np.float32)


def open_sources(
    data: Sequence[str | Path], recipe: RestorationRecipe
) -> tuple[list[PairSource], list[Corpus]]:
    """Open zip files of published pairs and folders of corpora.

    Returns
    -------
    sources, corpora
        All of them, and the corpora among them.
    """
    archives = [path for path in data if _is_zip(path)]
    if archives and recipe.target == "signal":
        raise InputError(f"{archives[0]}: published pairs show drawn atoms; train on them with target: atoms")
    if archives and len(archives) < len(data) and recipe.PATCH * recipe.scale != SIDE:
        raise InputError(
            f"{archives[0]}: its patches have {SIDE // recipe.scale} pixels along a side and those of corpora "
            f"{recipe.PATCH}; train on one of the two"
        )
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
