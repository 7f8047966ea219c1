"""Two detectors on simulated images that neither was trained on."""

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
    def adapted_is_better(self) -> bool:
        """Whether the adapted detector is no worse than the one that it started from."""
        return self.f1["adapted"] >= self.f1["start"]


def compare_detectors(
    detectors: Mapping[str, tuple[Any, Card]], corpus: str | Path, *, quiet: bool = False
) -> Comparison:
    """Score detectors on the validation part of a simulated corpus, each image recorded anew.

    Parameters
    ----------
    detectors
        Network and card by name, ``start`` and ``adapted`` among them; they may have been trained at any pixel size.
    corpus
        On whose validation part the adapted one was validated.
    quiet
        Show no progress.

    Returns
    -------
    Comparison
        Visible atoms count as the adapted detector's card says.
    """
    opened = Corpus(corpus)
    card = detectors["adapted"][1]
    validation = float((card.recipe or {}).get("validation", 0.15))
    images = held_out_images([opened], card.visible, validation, seed=_SEED)[:_MOST]
    counts = {name: np.zeros(3, dtype=int) for name in detectors}
    with progress("comparing detectors", len(images), "images", quiet) as advance:
        for labelled in images:
            for name, (model, its_card) in detectors.items():
                counts[name] += count_atoms(labelled, float(opened[0].sampling or 1), model, its_card)
            advance(1)
    f1 = {name: float(2 * hits / max(found + true, 1)) for name, (hits, found, true) in counts.items()}
    return Comparison(f1, len(images))


def count_atoms(labelled: LabelledImage, sampling: float, model: Any, card: Card) -> NDArray[np.int_]:
    """Return numbers of hits, found and true atoms, shape (3,); one found on a doubtful atom does not count."""
    found = detect_atoms(Micrograph(labelled.image, sampling, "HAADF", "held out"), model, card).atoms.points
    radius = RADIUS / sampling
    everything = np.concatenate([labelled.atoms, labelled.doubtful])
    pairs = match_distance(found, everything, radius).pairs
    hits = int((pairs[:, 1] < len(labelled.atoms)).sum())
    doubtful = len(pairs) - hits
    return np.array([hits, len(found) - doubtful, len(labelled.atoms)])
