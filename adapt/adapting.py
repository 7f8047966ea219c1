"""Adapting: from unlabelled images and a recipe to a detector that was trained for them."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from stemforge.adapt.posterior.checks import check_images
from stemforge.adapt.posterior.inference import calibrate_recipe
from stemforge.adapt.posterior.keeping import keep_calibration, kept_calibration
from stemforge.adapt.posterior.result import Calibration
from stemforge.adapt.training.claim import claim_folder, image_hash, scan_of
from stemforge.adapt.training.comparison import Comparison, Detector, compare_detectors
from stemforge.adapt.training.grafts import require_atoms_to_graft, write_grafts
from stemforge.adapt.training.likelihoods import FittedLikelihoods, calibrate_on_images
from stemforge.adapt.training.options import STARTS, AdaptOptions
from stemforge.adapt.training.plan import Plan, require_time
from stemforge.errors import InputError
from stemforge.evaluate.likelihoods.calibration import calibrate_threshold
from stemforge.evaluate.likelihoods.choosing import ThresholdCalibration
from stemforge.files import write_text
from stemforge.infer import Detection, detect_atoms
from stemforge.infer.resampling import resampled
from stemforge.infer.weights import load_finder
from stemforge.installation.machine import usable_cores
from stemforge.micrograph.image import Micrograph
from stemforge.simulate import SimulationRecipe, simulate_corpus
from stemforge.train import AtomNetRecipe, Card, RunOptions, fit, load_weights, save_weights
from stemforge.train.arithmetic import computes_in_bfloat16
from stemforge.train.running.devices import trainer_devices

ADAPTED = "adapted"
"""Name of the adapted detector in a comparison."""
LIKELY = 0.1
"""Likelihood from which on something may be an atom, and is neither taught as one nor as background."""
_TRAINING_BATCHES, _VALIDATION_BATCHES = 60, 12  # an epoch
_SMALLEST = 96  # least side of the crops [pixel]
_FINER = 0.9  # share of the network's pixel size below which images are brought to it


@dataclass(frozen=True)
class Adaptation:
    """An adapted detector and what is known of it.

    Parameters
    ----------
    weights
        The file.
    calibration
        What the images say of the recipe; None without a posterior.
    recipe
        By which training images were simulated.
    threshold
        How likelihoods and threshold were calibrated on simulated images.
    likelihoods
        How the user's images changed that; None where they do not tell.
    comparison
        The detector that it started from beside the adapted one, on simulated images that neither had seen.
    averaged
        Whether atoms are found by the mean over eight orientations, which evens out what training left to chance: so it
        is where training helped.
    detections
        On the user's images.

    Examples
    --------
    >>> recipe = SimulationRecipe.shipped("pt-nc")
    >>> threshold = ThresholdCalibration((0.4, 0.5), (0.71, 0.74), (0.05, 0.04), 12)
    >>> scores = Comparison({"atom-net": 0.69, ADAPTED: 0.74}, 12)
    >>> adapted = Adaptation(Path("atom-net.safetensors"), None, recipe, threshold, None, scores, True, ())
    >>> adapted.comparison.best == ADAPTED, adapted.threshold.best
    (True, 0.5)
    """

    weights: Path
    calibration: Calibration | None
    recipe: SimulationRecipe
    threshold: ThresholdCalibration
    likelihoods: FittedLikelihoods | None
    comparison: Comparison
    averaged: bool
    detections: tuple[Detection, ...]


def adapt_detector(
    micrographs: Sequence[Micrograph],
    recipe: SimulationRecipe,
    out: str | Path,
    options: AdaptOptions | None = None,
) -> Adaptation:
    """Train a detector for unlabelled images: posterior, simulation, grafts, training, calibration.

    The recipe is calibrated on the images (:func:`stemforge.adapt.calibrate_recipe`); an AtomNet learns from images
    that it simulates, and from copies of the user's images into which simulated atoms were grafted; its likelihoods are
    calibrated on held-out simulated images, then on the user's. Where the detector that it started from is better on
    the simulated ones, that one is returned. Run again with the same images and options, it goes on where it was
    stopped.

    Parameters
    ----------
    micrographs
        Annular images of one kind and pixel size, three at least.
    recipe
        Of the specimen, with priors that are wide enough.
    out
        Folder for everything that is made: ``recipe.yaml``, ``corpus/``, ``grafts/``, ``run/`` and the weights,
        ``atom-net.safetensors``.
    options
        Time, starting weights, what to leave out.

    Returns
    -------
    Adaptation
        With the weights' file.

    Raises
    ------
    InputError
        Before anything is made: a folder that holds another adaptation, too few images, too little time, a recipe
        without atoms, images that the recipe cannot explain.

    Examples
    --------
    >>> recipe = SimulationRecipe.shipped("pt-nc")
    >>> adapt_detector([], recipe, "adapted", AdaptOptions(minutes=0.5))  # refused before anything is made
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: minutes must be 1 or more, got 0.5
    >>> Path("adapted").exists()
    False
    """
    options, out = options or AdaptOptions(), Path(out)
    require_time(options.minutes)
    require_atoms_to_graft(micrographs, recipe)
    _, side = check_images(micrographs, recipe)
    starts = _starts(options)
    shown = _as_learnt(micrographs, [card for _, card in starts.values()])
    scan, learnt = scan_of(shown, recipe), _recipe(shown, options)
    plan = claim_folder(out, micrographs, recipe, scan, side, options)
    calibration = _calibrated(micrographs, recipe, out, plan, options)
    fitted = SimulationRecipe.load(out / "recipe.yaml")
    corpora = [_corpus(fitted.replace(scan=scan), out, plan, options)]
    start = _best_start(starts, corpora[0], learnt, options)
    model, card = starts[start]
    if options.grafts:
        likely = [
            detect_atoms(micrograph, model, card, threshold=LIKELY, device=options.device).atoms
            for micrograph in shown
        ]
        corpora.append(out / "grafts")
        write_grafts(
            shown,
            likely,
            fitted,
            corpora[-1],
            rounds=plan.rounds,
            visible=learnt.visible,
            seed=options.seed,
            quiet=options.quiet,
        )
    weights = _trained(learnt, start, corpora, out, plan, options)
    threshold = calibrate_threshold(weights, corpora[:1], quiet=options.quiet)
    adapted, adapted_card = load_weights(weights)
    comparison = compare_detectors(
        {start: (model, card), ADAPTED: (adapted, adapted_card)},
        corpora[0],
        learnt.visible,
        learnt.validation,
        quiet=options.quiet,
    )
    final = out / "atom-net.safetensors"
    is_better = comparison.best == ADAPTED
    better, better_card = (adapted, adapted_card) if is_better else (model, card)
    better_card, likelihoods = calibrate_on_images(
        better, better_card, micrographs, corpora[0], device=options.device, quiet=options.quiet
    )
    if is_better:  # the other one has never met them
        better_card = _named(better_card, micrographs)
    save_weights(final, better, better_card, half=True)
    better, better_card = load_weights(final)
    detections = tuple(
        detect_atoms(micrograph, better, better_card, device=options.device, augment=is_better)
        for micrograph in micrographs
    )
    return Adaptation(final, calibration, fitted, threshold, likelihoods, comparison, is_better, detections)


def _calibrated(
    micrographs: Sequence[Micrograph], recipe: SimulationRecipe, out: Path, plan: Plan, options: AdaptOptions
) -> Calibration | None:
    """Write ``recipe.yaml``, calibrated on the images or as it is; or read what an earlier run wrote."""
    file = out / "recipe.yaml"
    if file.is_file():
        return kept_calibration(out) if options.posterior else None
    sampling = micrographs[0].sampling
    if not options.posterior:
        at_pixel = recipe if sampling is None else recipe.replace(scan=recipe.scan.replace(sampling=sampling))
        write_text(file, at_pixel.to_yaml())
        return None
    calibration = calibrate_recipe(
        micrographs,
        recipe,
        num=plan.patches,
        seed=options.seed,
        workers=options.workers,
        work=out / "patches",
        quiet=options.quiet,
    )
    keep_calibration(calibration, out)
    return calibration


def _as_learnt(micrographs: Sequence[Micrograph], cards: Sequence[Card]) -> list[Micrograph]:
    """Return the images as training sees them: those of finer pixels at the pixel size of the weights it starts from.

    A network that was trained at another pixel size would first have to learn how large an atom is.
    """
    known = [card.sampling for card in cards if card.sampling is not None]
    pixel = float(micrographs[0].sampling or 0)
    side = min(min(micrograph.shape) for micrograph in micrographs)
    if not known or pixel > _FINER * min(known) or side * pixel / min(known) < _SMALLEST:
        return list(micrographs)
    brought = []
    for micrograph in micrographs:
        image, sampling = resampled(micrograph.image, micrograph.sampling, min(known), white=True)
        brought.append(dataclasses.replace(micrograph, image=image, sampling=sampling))
    return brought


def _corpus(fitted: SimulationRecipe, out: Path, plan: Plan, options: AdaptOptions) -> Path:
    """Simulate what is learnt from."""
    settings = fitted.replace(
        name=f"{fitted.name}-adapted",
        seed=options.seed + 1,  # the patches of the posterior have the other
        num_samples=plan.images,
        store_structures=False,
    )
    simulate_corpus(settings, out / "corpus", workers=options.workers, quiet=options.quiet)
    return out / "corpus"


def _starts(options: AdaptOptions) -> dict[str, Detector]:
    """Read the weights that training may start from, by name."""
    starts = {}
    for start in STARTS if options.start is None else (str(options.start),):
        starts[start] = load_finder(start, "atoms", "start")
        architecture = starts[start][1].architecture
        if architecture != AtomNetRecipe.NETWORK:
            raise InputError(f"start {start}: are weights of {architecture}, needed are those of atom-net")
    return starts


def _best_start(
    starts: Mapping[str, Detector], corpus: Path, recipe: AtomNetRecipe, options: AdaptOptions
) -> str:
    """Return the name of the weights that are best on simulated images of the specimen."""
    if len(starts) == 1:
        return next(iter(starts))
    compared = compare_detectors(starts, corpus, recipe.visible, recipe.validation, quiet=options.quiet)
    return compared.best


def _recipe(micrographs: Sequence[Micrograph], options: AdaptOptions) -> AtomNetRecipe:
    """Return the settings of the training."""
    side = min(min(micrograph.shape) for micrograph in micrographs)
    crop = min(256, side // 8 * 8)
    if crop < _SMALLEST:
        raise InputError(
            f"images of {side} pixels are too small to learn from; at least {_SMALLEST} are needed"
        )
    return AtomNetRecipe.from_file(
        AtomNetRecipe.shipped_path("atom-net-fine-tuning"),
        {
            "seed": options.seed,
            "epochs": 10_000,  # the time ends it
            "schedule": "constant",
            "learning_rate": 5e-4,
            "patience": 10_000,
            "crop": crop,
            "balance": options.grafts,
        },
    )


def _trained(
    recipe: AtomNetRecipe, start: str, corpora: Sequence[Path], out: Path, plan: Plan, options: AdaptOptions
) -> Path:
    """Train, or go on with a training that was stopped."""
    run = out / "run"
    weights = run / "atom-net.safetensors"
    if weights.is_file():
        return weights
    preparing = 1
    # Epochs are short, so that the time never ends before the first one does.
    trainer: dict[str, Any] = {
        "max_time": timedelta(minutes=plan.training),
        "limit_train_batches": _TRAINING_BATCHES,
        "limit_val_batches": _VALIDATION_BATCHES,
    }
    if options.device != "cpu":
        trainer |= trainer_devices(options.device)
        # Beside a GPU the processor's cores have nothing else to do than to prepare images.
        preparing = max(1, (options.workers or usable_cores()) - 1)
    if computes_in_bfloat16(options.device):
        trainer["precision"] = "bf16-mixed"
    resume = (run / "checkpoints" / "last.ckpt").is_file()
    settings = RunOptions(
        resume, None if resume else start, num_workers=preparing, quiet=options.quiet, trainer_options=trainer
    )
    fit(recipe, [str(path) for path in corpora], run, settings)
    return weights


def _named(card: Card, micrographs: Sequence[Micrograph]) -> Card:
    """Name the images to which the detector was adapted, by hash."""
    lines = tuple(f"adapted to {m.name}, sha256 {image_hash(m)}" for m in micrographs)
    return dataclasses.replace(card, data=(*card.data, *lines))
