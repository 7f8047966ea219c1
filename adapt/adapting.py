"""Adapting: from unlabelled images and a recipe to a detector that was trained for them."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from stemforge.adapt.posterior.checks import check_images
from stemforge.adapt.posterior.inference import calibrate_recipe
from stemforge.adapt.posterior.keeping import keep_calibration, kept_calibration
from stemforge.adapt.posterior.result import Calibration
from stemforge.adapt.training.comparison import Comparison, compare_detectors
from stemforge.adapt.training.grafts import require_atoms_to_graft, write_grafts
from stemforge.adapt.training.likelihoods import FittedLikelihoods, calibrate_on_images
from stemforge.adapt.training.plan import Costs, Plan, require_time
from stemforge.errors import InputError
from stemforge.evaluate.likelihoods.calibration import ThresholdCalibration, calibrate_threshold
from stemforge.files import write_json, write_text
from stemforge.infer import Detection, detect_atoms
from stemforge.infer.weights import load_finder
from stemforge.micrograph.image import Micrograph
from stemforge.outputs.places import check_folder
from stemforge.simulate import SimulationRecipe, plan_corpus, simulate_corpus
from stemforge.train import AtomNetRecipe, Card, RunOptions, fit, load_weights, save_weights
from stemforge.train.arithmetic import computes_in_bfloat16

LIKELY = 0.1
"""Likelihood from which on something may be an atom, and is neither taught as one nor as background."""
_INPUTS = "inputs.json"
_TRIALS = 8  # patches over which the cost of one is averaged
# Largest side of a simulated image [pixel]: many draws of the recipe teach more than large images.
_FIELD = 320
_TRAINING_BATCHES, _VALIDATION_BATCHES = 60, 12  # an epoch
_SMALLEST = 96  # least side of the crops [pixel]


@dataclass(frozen=True)
class AdaptOptions:
    """How an adaptation goes about its work.

    Parameters
    ----------
    minutes
        Time for everything; a few more may pass.
    start
        Weights of an AtomNet to start from: a file, or the name of weights that come with stemforge.
    posterior
        Calibrate the recipe on the images first; without, its priors stand.
    grafts
        Learn from atoms grafted into the images, too.
    seed
        Root of the randomness.
    workers
        Processes that simulate; by default one for each core.
    device
        On which atoms are found.
    quiet
        Show no progress.
    """

    minutes: float = 30.0
    start: str | Path = "atom-net"
    posterior: bool = True
    grafts: bool = True
    seed: int = 0
    workers: int | None = None
    device: str = "cpu"
    quiet: bool = False


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
    detections
        On the user's images.
    """

    weights: Path
    calibration: Calibration | None
    recipe: SimulationRecipe
    threshold: ThresholdCalibration
    likelihoods: FittedLikelihoods | None
    comparison: Comparison
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
    """
    options, out = options or AdaptOptions(), Path(out)
    require_time(options.minutes)
    require_atoms_to_graft(micrographs, recipe)
    model, card = load_finder(options.start, "atoms", "start")
    if card.architecture != AtomNetRecipe.NETWORK:
        raise InputError(
            f"start {options.start}: are weights of {card.architecture}, needed are those of atom-net"
        )
    _, side = check_images(micrographs, recipe)
    plan = _claim(out, micrographs, recipe, side, options)
    calibration = _calibrated(micrographs, recipe, out, plan, options)
    fitted = SimulationRecipe.load(out / "recipe.yaml")
    corpora = [_corpus(fitted, micrographs, out, plan, options)]
    if options.grafts:
        likely = [
            detect_atoms(micrograph, model, card, threshold=LIKELY, device=options.device).atoms
            for micrograph in micrographs
        ]
        corpora.append(out / "grafts")
        write_grafts(
            micrographs,
            likely,
            fitted,
            corpora[-1],
            rounds=plan.rounds,
            visible=AtomNetRecipe.shipped().visible,
            seed=options.seed,
            quiet=options.quiet,
        )
    weights = _trained(corpora, micrographs, out, plan, options)
    threshold = calibrate_threshold(weights, corpora[:1], quiet=options.quiet)
    adapted, adapted_card = load_weights(weights)
    comparison = compare_detectors(
        {"start": (model, card), "adapted": (adapted, adapted_card)}, corpora[0], quiet=options.quiet
    )
    final = out / "atom-net.safetensors"
    better, better_card = (adapted, adapted_card) if comparison.adapted_is_better else (model, card)
    better_card, likelihoods = calibrate_on_images(
        better, better_card, micrographs, corpora[0], device=options.device, quiet=options.quiet
    )
    if comparison.adapted_is_better:  # the other one has never met them
        better_card = _named(better_card, micrographs)
    save_weights(final, better, better_card, half=True)
    better, better_card = load_weights(final)
    detections = tuple(
        detect_atoms(micrograph, better, better_card, device=options.device) for micrograph in micrographs
    )
    return Adaptation(final, calibration, fitted, threshold, likelihoods, comparison, detections)


def _claim(
    out: Path, micrographs: Sequence[Micrograph], recipe: SimulationRecipe, side: int, options: AdaptOptions
) -> Plan:
    """Make the folder this adaptation's, or refuse one that holds something else; a run that goes on keeps its plan."""
    check_folder(out, "out")
    chosen = dataclasses.asdict(options)
    inputs: dict[str, Any] = {
        "images": {micrograph.name: image_hash(micrograph) for micrograph in micrographs},
        "recipe": recipe.content_hash,
        "options": {name: str(chosen[name]) for name in ("minutes", "start", "posterior", "grafts", "seed")},
    }
    file = out / _INPUTS
    if out.exists() and any(out.iterdir()):
        if not file.is_file():
            raise InputError(f"out {out}: holds other files; choose an empty or new folder")
        known = json.loads(file.read_text(encoding="utf-8"))
        plan = known.pop("plan", None)
        if known != inputs or plan is None:
            raise InputError(
                f"out {out}: holds the adaptation to other images, another recipe or other options; choose another "
                "folder"
            )
        return Plan(**plan)
    planned = _planned(micrographs, recipe, side, out, options)
    out.mkdir(parents=True, exist_ok=True)
    write_json(file, {**inputs, "plan": planned})
    return planned


def _planned(
    micrographs: Sequence[Micrograph], recipe: SimulationRecipe, side: int, out: Path, options: AdaptOptions
) -> Plan:
    """Measure what an image costs on this machine, and plan by it."""
    scan = recipe.scan.replace(shape=(side, side))
    if micrographs[0].sampling is not None:
        scan = scan.replace(sampling=micrographs[0].sampling)
    of_patch = recipe.replace(scan=scan, store_structures=False)
    trial = plan_corpus(of_patch, num=1, workers=options.workers, folder=out, trials=_TRIALS)
    seconds = trial.seconds_per_sample / trial.workers
    costs = Costs(seconds, seconds * float(np.prod(_field(micrographs))) / side**2)
    return Plan.of(options.minutes, len(micrographs), costs)


def _field(micrographs: Sequence[Micrograph]) -> tuple[int, int]:
    """Return height and width of the images that are simulated to learn from [pixel]."""
    height, width = (int(n) for n in np.min([micrograph.shape for micrograph in micrographs], axis=0))
    return min(height, _FIELD), min(width, _FIELD)


def image_hash(micrograph: Micrograph) -> str:
    """Return the SHA-256 of an image's values and pixel size."""
    digest = hashlib.sha256(np.ascontiguousarray(micrograph.image).tobytes())
    digest.update(f"{micrograph.shape} {micrograph.sampling}".encode())
    return digest.hexdigest()


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


def _corpus(
    fitted: SimulationRecipe, micrographs: Sequence[Micrograph], out: Path, plan: Plan, options: AdaptOptions
) -> Path:
    """Simulate what is learnt from."""
    scan = fitted.scan.replace(shape=_field(micrographs))
    settings = fitted.replace(
        name=f"{fitted.name}-adapted",
        seed=options.seed + 1,  # the patches of the posterior have the other
        num_samples=plan.images,
        scan=scan,
        store_structures=False,
    )
    simulate_corpus(settings, out / "corpus", workers=options.workers, quiet=options.quiet)
    return out / "corpus"


def _trained(
    corpora: Sequence[Path],
    micrographs: Sequence[Micrograph],
    out: Path,
    plan: Plan,
    options: AdaptOptions,
) -> Path:
    """Train, or go on with a training that was stopped."""
    run = out / "run"
    weights = run / "atom-net.safetensors"
    if weights.is_file():
        return weights
    side = min(min(micrograph.shape) for micrograph in micrographs)
    crop = min(256, side // 8 * 8)
    if crop < _SMALLEST:
        raise InputError(
            f"images of {side} pixels are too small to learn from; at least {_SMALLEST} are needed"
        )
    recipe = AtomNetRecipe.from_file(
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
    # Epochs are short, so that the time never ends before the first one does.
    trainer: dict[str, Any] = {
        "max_time": timedelta(minutes=plan.training),
        "limit_train_batches": _TRAINING_BATCHES,
        "limit_val_batches": _VALIDATION_BATCHES,
    }
    if options.device != "cpu":
        trainer["accelerator"] = "gpu"
    if computes_in_bfloat16(options.device):
        trainer["precision"] = "bf16-mixed"
    resume = (run / "checkpoints" / "last.ckpt").is_file()
    settings = RunOptions(
        resume, None if resume else options.start, num_workers=1, quiet=options.quiet, trainer_options=trainer
    )
    fit(recipe, [str(path) for path in corpora], run, settings)
    return weights


def _named(card: Card, micrographs: Sequence[Micrograph]) -> Card:
    """Name the images to which the detector was adapted, by hash."""
    lines = tuple(f"adapted to {m.name}, sha256 {image_hash(m)}" for m in micrographs)
    return dataclasses.replace(card, data=(*card.data, *lines))
