"""Detectors on simulated images that none of them was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.console import progress
from stemforge.corpus.reader import Corpus
from stemforge.evaluate import match_distance
from stemforge.evaluate.likelihoods.calibration import held_out_images
from stemforge.infer import detect_atoms
from stemforge.micrograph.image import Micrograph
from stemforge.train import Card
from stemforge.train.labelled import LabelledImage
from stemforge.train.recipe import Visible

Detector = tuple[Any, Card]
"""A network and its card."""
RADIUS = 1.5
"""A found atom as near to a true one as this is that one [Å]."""
_SEED = 11  # of the recordings: others than the threshold was chosen on
_MOST = 24  # images


@dataclass(frozen=True)
class Comparison:
    """F1 of detectors on the same images.

    Parameters
    ----------
    f1
        Of all atoms of the images together, by detector.
    images
        Number of images.
    """

    f1: Mapping[str, float]
    images: int

    @property
    def best(self) -> str:
        """Name of the detector with the highest F1; of equals the last."""
        return max(reversed(tuple(self.f1)), key=self.f1.__getitem__)


def compare_detectors(
    detectors: Mapping[str, Detector],
    corpus: str | Path,
    visible: Visible,
    validation: float,
    *,
    quiet: bool = False,
) -> Comparison:
    """Score detectors on the validation part of a simulated corpus, each image recorded anew.

    Parameters
    ----------
    detectors
        Network and card by name; they may have been trained at any pixel size.
    corpus
        None of them was trained on its validation part.
    visible
        Which atoms count.
    validation
        Share of the corpus that is its validation part.
    quiet
        Show no progress.
    """
    opened = Corpus(corpus)
    images = held_out_images([opened], visible, validation, seed=_SEED)[:_MOST]
    counts = {name: np.zeros(3, dtype=int) for name in detectors}
    with progress("comparing detectors", len(images), "images", quiet) as advance:
        for labelled in images:
            for name, (model, its_card) in detectors.items():
                counts[name] += count_atoms(labelled, float(opened[0].sampling or 1), model, its_card)
            advance(1)
    f1 = {name: float(2 * hits / max(found + true, 1)) for name, (hits, found, true) in counts.items()}
    return Comparison(f1, len(images))


def count_atoms(
    labelled: LabelledImage, sampling: float, model: Any, card: Card, *, augment: bool = False
) -> NDArray[np.int_]:
    """Return numbers of hits, found and true atoms, shape (3,); one found on a doubtful atom does not count."""
    micrograph = Micrograph(labelled.image, sampling, "HAADF", "held out")
    found = detect_atoms(micrograph, model, card, augment=augment).atoms.points
    radius = RADIUS / sampling
    everything = np.concatenate([labelled.atoms, labelled.doubtful])
    pairs = match_distance(found, everything, radius).pairs
    hits = int((pairs[:, 1] < len(labelled.atoms)).sum())
    doubtful = len(pairs) - hits
    return np.array([hits, len(found) - doubtful, len(labelled.atoms)])
