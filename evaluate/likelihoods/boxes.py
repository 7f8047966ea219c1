"""Threshold and meaning of the likelihoods of a detector of molecules, with what channels of the image say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torchvision.ops import box_iou

from stemforge.console import progress
from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.errors import CorpusError, InputError, WeightsError
from stemforge.evaluate.atoms.scores import AtomScore, summarise
from stemforge.evaluate.likelihoods.choosing import (
    MAX_FALSE,
    THRESHOLDS,
    ThresholdCalibration,
    Trial,
    choose_threshold,
)
from stemforge.evaluate.likelihoods.reliability import BINS, Reliability, fit_platt
from stemforge.infer import CANDIDATE, best_expected_f1
from stemforge.infer.molecules.detection import MoleculeDetection, detect_molecules
from stemforge.infer.molecules.files import restorer_of
from stemforge.infer.molecules.states import ChannelStates
from stemforge.infer.occupancy.crystal import ChannelCrystal
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph
from stemforge.simulate import Degradation, degrade, idpc_image, sample_molecule_boxes
from stemforge.simulate.recording.record import corpus_degradation
from stemforge.train.card import Calibration, Card
from stemforge.train.data.batches import require_sampling, split_corpora
from stemforge.train.data.exposures import require_segments
from stemforge.train.weights import load_weights, save_weights, stored_in_half

SAME = 0.5
"""Overlap (intersection over union) from which a box is that of a molecule."""


@dataclass(frozen=True)
class BoxTrial:
    """All candidates on an image, and which of them are right.

    Parameters
    ----------
    boxes
        Candidates with column ``score`` and those of channels, see :class:`~stemforge.infer.MoleculeDetection`; those
        in empty channels, beside the crystal, and in a channel with a better one are left out.
    odds
        Log odds that their channels are filled, shape (n,); not a number where no channel was measured.
    right
        Whether each is the box of a molecule, shape (n,); one of each molecule at most.
    molecules
        On the image.
    area
        Of the image [nm²].
    """

    boxes: Annotations
    odds: NDArray[np.float64]
    right: NDArray[np.bool_]
    molecules: int
    area: float

    def likelihood(self, card: Card) -> NDArray[np.float64]:
        """Return how probable it is that each is right, by a card's calibrations."""
        return card.box_likelihood(self.boxes["score"], self.odds)

    def score(self, card: Card, threshold: float) -> AtomScore:
        """Return hits, false boxes and misses."""
        chosen = self.likelihood(card) >= threshold
        hits = int(np.sum(chosen & self.right))
        return AtomScore(hits, int(chosen.sum()) - hits, self.molecules - hits)


def right_boxes(boxes: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say which boxes (x0, y0, x1, y1) are those of molecules: paired one to one, by most overlap.

    Examples
    --------
    >>> right_boxes(np.array([[0, 0, 9, 9], [0, 0, 10, 10], [50, 50, 60, 60.0]]), np.array([[0, 0, 10, 10.0]])).tolist()
    [False, True, False]
    """
    right = np.zeros(len(boxes), dtype=bool)
    overlap = box_iou(*(torch.tensor(each, dtype=torch.float64) for each in (boxes, truth))).numpy()
    rows, columns = linear_sum_assignment(np.where(overlap >= SAME, overlap, 0), maximize=True)
    right[rows[overlap[rows, columns] >= SAME]] = True
    return right


def calibrate_boxes(
    weights: str | Path,
    data: Sequence[str | Path],
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    validation: float | None = None,
    control: Sequence[str | Path] = (),
    max_false: float = MAX_FALSE,
    quiet: bool = False,
) -> ThresholdCalibration:
    """Calibrate a detector of molecules, choose its threshold on held-out images, and store both with the weights.

    A box's likelihood is the probability that it is the box of a molecule (IoU from 0.5 on), by its score and, where
    the image as recorded shows its channel, by how probable it is that this is filled. Else as
    :func:`stemforge.evaluate.calibrate_threshold` for atoms, which calls this.

    Parameters
    ----------
    weights, thresholds, validation, max_false, quiet
        As for :func:`stemforge.evaluate.calibrate_threshold`.
    data
        Corpora of segment signals with molecules.
    control
        Corpora of the same without molecules. Likelihoods are fitted to half of their images; the others judge which
        thresholds are allowed. A single image does both.
    """
    path = Path(weights)
    model, card = load_weights(path)
    share = card.validation if validation is None else validation
    if not 0 < share < 1:
        raise InputError(f"validation must lie between 0 and 1, not {share}")
    corpora, nothing = ([Corpus(folder) for folder in folders] for folders in (data, control))
    require_segments([*corpora, *nothing], 1, boxes=True)
    require_sampling([*corpora, *nothing], card.sampling)
    if any(len(sample.labels) for corpus in nothing for sample in corpus.labels_only()):
        raise InputError("a control must hold no molecule that has a label")
    _, held_out = split_corpora(corpora, share)
    finder = BoxFinder(model, card, path)
    number = len(held_out) + sum(len(corpus) for corpus in nothing)
    with progress("find molecules", number, "images", quiet) as advance:

        def trial(corpus: Corpus, index: int, *key: int) -> BoxTrial:
            advance(1)
            seed = np.random.SeedSequence(0, spawn_key=(9, *key, index))
            return finder(corpus[index], corpus_degradation(corpus), np.random.default_rng(seed))

        trials = [trial(corpora[item.source], item.number, 0, item.source) for item in held_out]
        empty = [trial(c, i, 1, place) for place, c in enumerate(nothing) for i in range(len(c))]
    trials = [one for one in trials if one.molecules]
    if not trials:
        raise InputError("not one molecule on the corpora's validation part, so no threshold can be chosen")
    card, found = calibrated(card, trials, empty, thresholds, max_false)
    save_weights(path, model, card, half=stored_in_half(path))
    return found


def calibrated(
    card: Card,
    trials: Sequence[BoxTrial],
    empty: Sequence[BoxTrial],
    thresholds: Sequence[float] = THRESHOLDS,
    max_false: float = MAX_FALSE,
) -> tuple[Card, ThresholdCalibration]:
    """Return a card with calibrations and threshold, and how they were chosen.

    Parameters
    ----------
    card
        Of a detector of molecules.
    trials, empty
        On images with molecules, and on those without.
    thresholds, max_false
        As for :func:`calibrate_boxes`.
    """
    every = [*trials, *empty[::2]]
    card = fit_boxes(card, every)
    halves = every[::2], every[1::2]
    true = np.concatenate([one.right for half in halves for one in half])
    before = np.concatenate([one.boxes["score"] for half in halves for one in half])
    # Either half of the images judged by what the other half gave; by the fit to all where that one gives none.
    cards = [fit_boxes(card, half) if _both(half) else card for half in halves[::-1]]
    after = np.concatenate(
        [one.likelihood(by) for half, by in zip(halves, cards, strict=True) for one in half]
    )
    curves: tuple[Reliability | None, Reliability | None] = (None, None)
    sure = after >= CANDIDATE
    if min(len(before), int(sure.sum())) >= BINS:
        curves = Reliability.of(before, true), Reliability.of(after[sure], true[sure])
    tried = [_trial(one, card, thresholds) for one in trials]
    chosen = [best_expected_f1(_candidates(one.likelihood(card))).threshold for one in trials]
    scores = [
        [one.score(card, value) for value in (*thresholds, at)]
        for one, at in zip(trials, chosen, strict=True)
    ]
    choice = choose_threshold(
        card,
        tried,
        np.array([[score.f1 for score in row] for row in scores]),
        [_trial(one, card, thresholds) for one in empty[1::2] or empty],
        thresholds,
        max_false=max_false,
        reliability=curves,
    )
    found = choice.calibration
    mean = summarise([row[column] for row, column in zip(scores, choice.columns, strict=True)]).mean
    metrics = {f"held_out_{name}": mean[name] or 0.0 for name in ("precision", "recall", "f1")}
    if curves[1] is not None:
        metrics["calibration_error"] = curves[1].error
    if found.chosen_false is not None:
        metrics["false_per_nm2"] = found.chosen_false
    card = replace(
        card,
        threshold=found.best,
        min_expected_f1=found.min_expected_f1,
        metrics={**card.metrics, **metrics},
    )
    return card, found


def fit_boxes(card: Card, trials: Sequence[BoxTrial]) -> Card:
    """Return a card whose likelihoods say how often candidates are right, by score alone and with channels.

    Raises
    ------
    InputError
        All candidates are right, or none is.
    """
    if not _both(trials):
        raise InputError(
            "likelihoods can be calibrated only where some candidates are molecules and some are not"
        )
    score, right, odds = (
        np.concatenate(values)
        for values in zip(*((one.boxes["score"], one.right, one.odds) for one in trials), strict=True)
    )
    measured = ~np.isnan(odds)
    alone, channels = fit_platt(score, right), None
    if right[measured].any() and not right[measured].all():
        channels = fit_platt(score[measured], right[measured], odds[measured])
    return replace(card, calibration=alone, channel_calibration=channels)


class BoxFinder:
    """Finds candidates on simulated samples, and asks their channels.

    Parameters
    ----------
    model, card
        Of a detector of molecules.
    path
        Where its weights lie: its restorer is looked for beside them.
    """

    def __init__(self, model: Any, card: Card, path: Path) -> None:
        # Scores as they are, down to those of candidates.
        self.card = replace(card, calibration=Calibration(), channel_calibration=None, min_expected_f1=None)
        self.model = model
        restorer = restorer_of(card, path)
        self.restorer = None if restorer is None else load_weights(restorer)
        framework = card.inputs.framework
        self.crystal = None if framework is None else ChannelCrystal.named(framework)

    def __call__(self, sample: Sample, degradation: Degradation | None, rng: np.random.Generator) -> BoxTrial:
        """Degrade a sample, and find candidates on the image."""
        if sample.sampling is None or degradation is None:
            raise CorpusError(f"sample {sample.index}: is no simulated one with a pixel size")
        degraded = degrade(sample.signal, degradation, sample.sampling, rng)
        image = idpc_image(degraded.image, sample.sampling)
        micrograph = Micrograph(image, sample.sampling, name=f"sample {sample.index}")
        detection = detect_molecules(micrograph, self.model, self.card, restorer=self.restorer)
        truth = sample_molecule_boxes(sample, self.card.inputs.boxes)
        if truth is None:
            raise CorpusError(f"sample {sample.index}: has no molecule boxes")
        area = image.size * (sample.sampling / 10) ** 2
        return self.trial(detection, degraded.move_boxes(truth), area)

    def trial(self, detection: MoleculeDetection, truth: NDArray[np.float64], area: float) -> BoxTrial:
        """Return the candidates that their channels leave, as in :func:`check_channels`, held against the truth."""
        boxes = detection.candidates
        if boxes is None or boxes.boxes is None:
            raise WeightsError(f"weights of {self.card.architecture} give no boxes")
        states = ChannelStates.unknown(np.zeros(len(boxes), dtype=bool), "")
        if self.crystal is not None:
            states = ChannelStates.at(detection.micrograph, boxes.points, self.crystal)
        left = ~(states.denied | states.surplus(boxes["score"]))
        boxes = states.added_to(boxes).where(left)
        assert boxes.boxes is not None  # noqa: S101 - they had boxes before; for the type checker
        return BoxTrial(boxes, states.odds[left], right_boxes(boxes.boxes, truth), len(truth), area)


def _both(trials: Sequence[BoxTrial]) -> bool:
    """Say whether some candidates are right and some are not."""
    right = np.concatenate([np.zeros(0, dtype=bool), *(one.right for one in trials)])
    return bool(right.any() and not right.all())


def _candidates(likelihood: NDArray[np.float64]) -> NDArray[np.float64]:
    return likelihood[likelihood >= CANDIDATE]


def _trial(one: BoxTrial, card: Card, thresholds: Sequence[float]) -> Trial:
    likelihood = one.likelihood(card)
    best = best_expected_f1(_candidates(likelihood))
    points = [one.boxes.points[likelihood >= value] for value in (*thresholds, best.threshold)]
    return Trial(points, best.expected_f1 or 0.0, one.area)
