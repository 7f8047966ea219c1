"""Threshold and meaning of a detector's likelihoods, from images that the network was not trained on."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stemforge.console import progress
from stemforge.corpus.reader import Corpus
from stemforge.errors import InputError, MicrographError, WeightsError
from stemforge.evaluate.atoms.matching import match_boxes
from stemforge.evaluate.atoms.scores import AtomScore, score_atoms, summarise
from stemforge.evaluate.likelihoods.boxes import calibrate_boxes
from stemforge.evaluate.likelihoods.choosing import (
    MAX_FALSE,
    THRESHOLDS,
    ThresholdCalibration,
    Trial,
    choose_threshold,
)
from stemforge.evaluate.likelihoods.reliability import BINS, Reliability, fit_counting, fit_platt
from stemforge.infer import CANDIDATE, atom_finder, best_expected_f1
from stemforge.simulate.recording.record import corpus_degradation
from stemforge.train.card import Calibration, Card, log_odds
from stemforge.train.data.batches import require_sampling, split_corpora
from stemforge.train.labelled import LabelledImage, labelled_image, require_atoms, require_signal
from stemforge.train.networks import network
from stemforge.train.recipe import Visible
from stemforge.train.weights import load_weights, save_weights, stored_in_half


def held_out_images(
    corpora: Sequence[Corpus], visible: Visible, validation: float, seed: int = 0, repeats: int = 1
) -> list[LabelledImage]:
    """Degrade the validation part of corpora; images that show nothing are left out."""
    _, held_out = split_corpora(corpora, validation)
    degradations = [corpus_degradation(corpus) for corpus in corpora]
    images = []
    for repeat in range(repeats):
        for item in held_out:
            key = (7, item.source, item.number, repeat)
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
            sample = corpora[item.source][item.number]
            with suppress(MicrographError):
                images.append(labelled_image(sample, visible, degradations[item.source], rng))
    return images


def calibrate_threshold(
    weights: str | Path,
    data: Sequence[str | Path],
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    validation: float | None = None,
    control: Sequence[str | Path] = (),
    max_false: float = MAX_FALSE,
    quiet: bool = False,
) -> ThresholdCalibration:
    """Choose the threshold of a trained detector on held-out images, and store it with the weights.

    Where atoms are peaks, likelihoods are calibrated first, so that of the candidates with a likelihood of 0.7 seven in
    ten are atoms that count as visible; and what the number of atoms on an image is then off by is stored, too. An
    image can then have a threshold of its own, see :func:`stemforge.infer.decide`. It gets one where its likelihoods
    promise an F1 from ``min_expected_f1`` on: the lowest value that leaves the control alone. Where the single
    threshold is better on the held-out images, all get that. Detectors of molecules: see
    :func:`stemforge.evaluate.likelihoods.boxes.calibrate_boxes`.

    Parameters
    ----------
    weights
        A safetensors file; its card is rewritten with the threshold and the F1 measured.
    data
        Corpora; their validation part, the same as in training, is used.
    thresholds
        Likelihoods to try.
    validation
        Share of each corpus to use, from its end; by default that of the training run.
    control
        Simulated corpora without an atom to be found, such as of the recipe ``metal-free`` with a seed of their own:
        only thresholds are taken at which hardly anything is found there. All of their images are used, so training
        must not have seen them.
    max_false
        Atoms a nm² of ``control`` that may be found.
    quiet
        Show no progress.

    Returns
    -------
    ThresholdCalibration
        The curve; ``best`` is what was stored.

    Examples
    --------
    >>> calibrate_threshold("model.onnx", ["corpus"])
    Traceback (most recent call last):
        ...
    stemforge.errors.WeightsError: model.onnx: only a stemforge weights file (.safetensors) can carry a threshold
    """
    path = Path(weights)
    if path.suffix != ".safetensors":
        raise WeightsError(f"{path}: only a stemforge weights file (.safetensors) can carry a threshold")
    model, card = load_weights(path)
    finds = network(card.architecture).finds
    if finds == "molecules":
        options: dict[str, Any] = {"control": control, "max_false": max_false, "quiet": quiet}
        return calibrate_boxes(path, data, thresholds=thresholds, validation=validation, **options)
    if finds != "atoms":
        raise WeightsError(f"{path}: are weights of {card.architecture}, which detects nothing")
    share = card.validation if validation is None else validation
    if not 0 < share < 1:
        raise InputError(f"validation must lie between 0 and 1, not {share}")
    corpora, nothing = ([Corpus(folder) for folder in folders] for folders in (data, control))
    require_atoms([*corpora, *nothing])
    require_sampling([*corpora, *nothing], card.sampling)
    for corpus in nothing:
        if corpus.kind != "simulated" or any(len(sample.labels) for sample in corpus.labels_only()):
            raise InputError(
                f"{corpus.folder}: a control must be simulated and hold no atom that has a label"
            )
    images = held_out_images(corpora, card.visible, share)
    if not images:
        raise InputError("the corpora's validation part holds no image with signal; use larger corpora")
    if not any(len(labelled.atoms) for labelled in images):
        raise InputError(
            "not one visible atom on the corpora's validation part, so no threshold can be chosen; "
            "add a corpus with atoms"
        )
    before = after = None
    metrics: dict[str, float] = {}
    if card.inputs.spots == "peaks":
        card, before, after = _calibrate(model, card, images, quiet)
        if after is not None:
            metrics["calibration_error"] = after.error
    with progress("choose threshold", len(images), "images", quiet) as advance:
        table: list[list[AtomScore]] = []
        trials: list[Trial] = []
        for labelled in images:
            # Without atoms F1 is 1 or 0: one false atom would weigh as much as a whole image.
            if len(labelled.atoms):
                trials.append(_trial(model, card, labelled.image, thresholds))
                table.append(_scores(trials[-1], labelled))
            advance(1)
    controls = _control_trials(model, card, nothing, thresholds, quiet)
    f1 = np.array([[score.f1 for score in row] for row in table])
    choice = choose_threshold(
        card, trials, f1, controls, thresholds, max_false=max_false, reliability=(before, after)
    )
    found = choice.calibration
    summary = summarise([row[column] for row, column in zip(table, choice.columns, strict=True)])
    metrics |= {f"held_out_{name}": summary.mean[name] or 0.0 for name in ("precision", "recall", "f1")}
    if found.chosen_false is not None:
        metrics["false_per_nm2"] = found.chosen_false
    card = replace(
        card,
        threshold=found.best,
        min_expected_f1=found.min_expected_f1,
        metrics={**card.metrics, **metrics},
    )
    save_weights(path, model, card, half=stored_in_half(path))
    return replace(found, chosen_f1=(metrics["held_out_f1"], summary.sd["f1"] or 0.0))


def _trial(
    model: torch.nn.Module,
    card: Card,
    image: NDArray[np.float32],
    thresholds: Sequence[float],
    area: float = 0.0,
) -> Trial:
    _, find = atom_finder(model, card, image)
    best = best_expected_f1(find(CANDIDATE)["score"])
    points = [find(value).points for value in (*thresholds, best.threshold)]
    return Trial(points, best.expected_f1 or 0.0, area)


def _calibrate(
    model: torch.nn.Module, card: Card, images: Sequence[LabelledImage], quiet: bool
) -> tuple[Card, Reliability | None, Reliability | None]:
    """Calibrate a network's likelihoods; return its card with that, and its reliability before and after.

    None of what cannot be told: nothing where all candidates are atoms or none is.
    """
    card = replace(card, calibration=None, counting=None, sizing=None)
    scores, hits = [], []
    with progress("calibrate", len(images), "images", quiet) as advance:
        for labelled in images:
            _, find = atom_finder(model, card, labelled.image)
            # Likelihoods may rise: what will be a candidate may not be one yet.
            found = find(CANDIDATE / 4)
            hit = np.zeros(len(found), dtype=bool)
            hit[match_boxes(found.points, labelled.atoms).pairs[:, 0]] = True
            scores.append(np.asarray(found["score"], dtype=float))
            hits.append(hit)
            advance(1)
    score, true = np.concatenate(scores), np.concatenate(hits)
    if true.all() or not true.any():
        return card, None, None
    calibration = fit_platt(score, true)
    image = np.repeat(np.arange(len(scores)), [len(one) for one in scores])
    judged = _cross_judged(score, true, image % 2 == 0, calibration)
    card = replace(card, calibration=calibration)
    likelihood = [p[p >= CANDIDATE] for p in (calibration.likelihood(log_odds(s)) for s in scores)]
    if len(images) > 1:
        counting = fit_counting(
            [p.sum() for p in likelihood],
            [(p * (1 - p)).sum() for p in likelihood],
            [len(labelled.atoms) for labelled in images],
        )
        card = replace(card, counting=counting)
    likely, sure = score >= CANDIDATE, judged >= CANDIDATE
    if min(likely.sum(), sure.sum()) < BINS:
        return card, None, None
    return card, Reliability.of(score[likely], true[likely]), Reliability.of(judged[sure], true[sure])


def _cross_judged(
    score: NDArray[np.float64], true: NDArray[np.bool_], first: NDArray[np.bool_], whole: Calibration
) -> NDArray[np.float64]:
    """Return calibrated likelihoods, each half of the images judged by the fit to the other."""
    judged = np.empty(len(score))
    for fit, test in ((first, ~first), (~first, first)):
        some = true[fit].any() and not true[fit].all()
        calibration = fit_platt(score[fit], true[fit]) if some else whole
        judged[test] = calibration.likelihood(log_odds(score[test]))
    return judged


def _control_trials(
    model: torch.nn.Module, card: Card, corpora: Sequence[Corpus], thresholds: Sequence[float], quiet: bool
) -> list[Trial]:
    """Return what is found on images that have no atom."""
    trials: list[Trial] = []
    if not corpora:
        return trials
    with progress("control", sum(len(corpus) for corpus in corpora), "images", quiet) as advance:
        for place, corpus in enumerate(corpora):
            degradation = corpus_degradation(corpus)
            for sample in corpus:
                rng = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(8, place, sample.index)))
                advance(1)
                try:
                    image = labelled_image(sample, card.visible, degradation, rng, require_signal).image
                except MicrographError:
                    continue
                area = image.size * ((sample.sampling or np.nan) / 10) ** 2
                trials.append(_trial(model, card, image, thresholds, area))
    return trials


def _scores(trial: Trial, labelled: LabelledImage) -> list[AtomScore]:
    # Doubtful atoms count as background: excused, they would pull the threshold down to where most of what is
    # found is too faint for an expert to mark.
    return [score_atoms(points, labelled.atoms) for points in trial.points]
