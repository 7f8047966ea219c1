"""What the scorers of a dose sweep share: the model, the corpus, and one stream of randomness for an image and dose."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.evaluate.images.differences import Comparison
from stemforge.evaluate.sweep.result import Row
from stemforge.simulate import Degradation
from stemforge.train.card import Card
from stemforge.train.data.exposures import Exposure, expose

Scorer = Callable[[float, Sequence[int]], Iterator[Row]]
"""Scores images, by their numbers in the corpus, at a dose [e/Å²]."""


@dataclass(frozen=True)
class Job:
    """A model on a corpus.

    Parameters
    ----------
    corpus
        Simulated.
    degradation
        Of the corpus' recipe; only its dose is changed.
    model, card
        From :func:`stemforge.train.load_weights`.
    name
        What rows call the model.
    seed
        Root of the randomness.
    device
        Where the networks run.
    comparisons
        Pictures that a scorer of restorers adds.
    """

    corpus: Corpus
    degradation: Degradation
    model: torch.nn.Module
    card: Card
    name: str
    seed: int
    device: str
    comparisons: list[Comparison] = field(default_factory=list)

    def rng(self, index: int, dose: float) -> np.random.Generator:
        """Return one stream for an image at a dose, whatever else is swept."""
        key = (17, index, round(dose * 1000) % 2**32, round(dose * 1000) // 2**32)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def expose(self, index: int, dose: float) -> tuple[Sample, Exposure]:
        """Return a sample, and how it is recorded at a dose."""
        sample, high_pass = self.corpus[index], self.card.inputs.high_pass
        return sample, expose(sample, self.degradation, dose, self.rng(index, dose), high_pass=high_pass)
