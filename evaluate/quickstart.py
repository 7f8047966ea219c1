"""Quickstart: the whole chain on a small scale, and a report of it."""

import os
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from stemforge.colours import GREEN
from stemforge.console import progress
from stemforge.corpus.reader import Corpus
from stemforge.errors import InputError
from stemforge.evaluate.atoms.evaluation import evaluate_atoms
from stemforge.evaluate.corpora.inspection import contact_sheet, describe_corpus
from stemforge.evaluate.likelihoods.calibration import calibrate_threshold
from stemforge.evaluate.likelihoods.choosing import ThresholdCalibration
from stemforge.evaluate.reports.page import Report
from stemforge.infer import Detection, detect_atoms, draw_detection
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.drawing import draw_micrograph
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.readers import read_micrograph
from stemforge.outputs.places import check_folder
from stemforge.simulate import SimulationRecipe, degrade, simulate_corpus, simulate_sample
from stemforge.simulate.recording.record import record
from stemforge.simulate.stages import Stage
from stemforge.structures import draw_structure
from stemforge.train import Card, RunOptions, SACCNNRecipe, fit, load_weights
from stemforge.train.labelled import visible_atoms
from stemforge.train.running.curves import LearningCurves

# Images that are simulated for the test alone.
_TEST_IMAGES = 4
_RESULTS = frozenset({"corpus", "run", "unseen", "real", "report.html"})
# What differs from the shipped recipe of SAC-CNN.
TRAINING = {
    "epochs": 14,
    "learning_rate": 1e-3,
    "images_per_batch": 1,
    "crops.per_image": 128,
    "validation": 0.2,
}


def run_quickstart(out: str | Path, *, workers: int | None = None, quiet: bool = False) -> Report:
    """Simulate, train, detect and score on a small scale, and write report.html.

    A few minutes on two cores. Atoms are detected on simulated images that the network was not trained on, and on
    real ones where the environment variable STEMFORGE_DATA_DIR names a folder that holds the reference data.

    Parameters
    ----------
    out
        Folder for everything that is made. Run again, it goes on where it stopped.
    workers
        Processes that simulate; by default one for each core.
    quiet
        Show no progress.

    Returns
    -------
    Report
        As it was written; ``scores`` has the mean scores as text.

    Raises
    ------
    InputError
        The folder holds other files.

    Examples
    --------
    >>> Path("mine").mkdir()
    >>> _ = Path("mine/thesis.txt").write_text("words")
    >>> run_quickstart("mine")  # refused before any work
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: out mine: holds thesis.txt; choose an empty or new folder
    """
    out = Path(out)
    _check_folder(out)
    report = Report("stemforge quickstart", "recipe → structures → simulate → train → infer → evaluate")
    report.note(
        "The network is small and was trained for about a minute on two dozen images of a simple specimen; see the "
        "README for a recipe that matches real micrographs."
    )
    recipe = SimulationRecipe.shipped("quickstart")
    out.mkdir(parents=True, exist_ok=True)
    training = SACCNNRecipe.from_file(SACCNNRecipe.shipped_path(), TRAINING)
    with report.stage("structure"):
        _, atoms = recipe.build(0)
        report.add("One specimen", draw_structure(atoms), f"{len(atoms):,} atoms; scattered Pt highlighted.")
    with report.stage("simulate"):
        corpus = simulate_corpus(recipe, out / "corpus", workers=workers, quiet=quiet)
        _report_corpus(corpus, report)
    with report.stage("train"):
        weights, calibration = _train(out / "corpus", out / "run", training, quiet)
        figure = _training_figure(out / "run", calibration)
        report.add("Training", figure, "Loss an epoch; F1 over threshold, held-out images.")
    model, card = load_weights(weights)
    with report.stage("detect"):
        other = recipe.replace(seed=recipe.seed + 1, num_samples=_TEST_IMAGES)
        detections = []
        with progress("detect on unseen", _TEST_IMAGES, "images", quiet) as advance:
            for index in range(_TEST_IMAGES):
                detections.append(_detect_unseen(other, index, model, card, out / "unseen"))
                advance(1)
        figure = draw_detection(detections[0])
        report.add("Unseen simulated image", figure, "Atoms found, coloured by likelihood.")
    with report.stage("score"):
        evaluation = evaluate_atoms(out / "unseen" / "found", out / "unseen" / "truth")
        evaluation.to_json(out / "unseen" / "scores.json")
        report.score("simulated, unseen", evaluation)
        report.add("Scores on unseen simulated images", evaluation.figure(), "Published match criterion.")
    _real_images(model, card, out, report, quiet)
    report.write(out / "report.html")
    return report


def _check_folder(out: Path) -> None:
    """Refuse a folder that holds other files, before any work."""
    check_folder(out, "out")
    foreign = sorted({path.name for path in out.iterdir()} - _RESULTS) if out.exists() else []
    if foreign:
        raise InputError(f"out {out}: holds {', '.join(foreign[:4])}; choose an empty or new folder")


def _report_corpus(corpus: Corpus, report: Report) -> None:
    words = describe_corpus(corpus).items()
    text = "; ".join(f"{name} {value}" for name, value in words if name not in {"corpus", "recipe hash"})
    report.add("Simulated corpus", contact_sheet(corpus, 8), f"{text}. Circles: atoms that are visible.")
    report.add("From signal to image", _dose_series(corpus), "One image at rising dose; left, noise-free.")


def _train(corpus: Path, run: Path, training: SACCNNRecipe, quiet: bool) -> tuple[Path, ThresholdCalibration]:
    """Train, or go on with a training that was stopped; return the weights and how they were calibrated."""
    weights = run / "sac-cnn.safetensors"
    if not weights.exists():
        resume = (run / "checkpoints" / "last.ckpt").exists()
        fit(training, [corpus], run, RunOptions(resume, num_workers=0, quiet=quiet))
    return weights, calibrate_threshold(weights, [corpus], quiet=quiet)


def _detect_unseen(
    recipe: SimulationRecipe, index: int, model: torch.nn.Module, card: Card, folder: Path
) -> Detection:
    """Simulate an image from another seed, detect on it, and write truth and result as CSV."""
    sample = simulate_sample(recipe, index)
    recording = record(sample, recipe.degradation, recipe.rng(index, Stage.DEGRADATION))
    counted, _ = visible_atoms(recording.labels, card.visible)
    name = f"unseen-{index:03d}"
    micrograph = Micrograph(recording.image[0], recipe.scan.sampling, "HAADF", name)
    detection = detect_atoms(micrograph, model, card)
    tables = {"found": detection.atoms, "truth": Annotations(recording.labels.points[counted])}
    for part, table in tables.items():
        (folder / part).mkdir(parents=True, exist_ok=True)
        table.to_csv(folder / part / f"{name}.csv", micrograph.sampling)
    return detection


def _real_images(model: torch.nn.Module, card: Card, out: Path, report: Report, quiet: bool) -> None:
    """Detect and score on the reference data, if the environment names its folder."""
    folder = os.environ.get("STEMFORGE_DATA_DIR")
    images = sorted(Path(folder, "pt-nc", "images").glob("*.tif")) if folder else []
    if not images:
        report.note("Real images: skipped, STEMFORGE_DATA_DIR names no folder with the reference data.")
        return
    with report.stage("real images"), progress("detect on real", len(images), "images", quiet) as advance:
        found = out / "real"
        found.mkdir(exist_ok=True)
        for path in images:
            detection = detect_atoms(read_micrograph(path), model, card)
            detection.atoms.to_csv(found / f"{path.stem}.csv", detection.micrograph.sampling)
            if path == images[0]:
                caption = "Pt on N-doped carbon, Mitchell et al. 2022."
                report.add("Real micrograph", draw_detection(detection), caption)
            advance(1)
        evaluation = evaluate_atoms(found, Path(str(folder)) / "pt-nc" / "labels")
        report.score("real, Pt on N-doped carbon", evaluation)
        caption = "Against expert labels; trained on simulation alone."
        report.add("Scores on real images", evaluation.figure(), caption)


def _dose_series(corpus: Corpus) -> Figure:
    """One image, noise-free and at three doses."""
    sample = corpus[0]
    figure = Figure(figsize=(12, 3.3), layout="constrained")
    clean, *noisy = figure.subplots(1, 4)
    draw_micrograph(clean, Micrograph(sample.signal[0], sample.sampling))
    clean.set_title("noise-free", fontsize=9)
    recipe = SimulationRecipe.from_mapping(corpus.recipe)
    for axes, dose in zip(noisy, (1e3, 1e4, 1e5), strict=True):
        settings = recipe.degradation.at_dose(dose).replace(drift=0.0, tear=0.0)
        image = degrade(sample.signal[:1], settings, recipe.scan.sampling, np.random.default_rng(0)).image[0]
        draw_micrograph(axes, Micrograph(image, sample.sampling))
        axes.set_title(f"{dose:,.0f} e/Å²", fontsize=9)
    return figure


def _training_figure(run: Path, calibration: ThresholdCalibration) -> Figure:
    """Loss over epochs from the CSV log, and F1 over the threshold."""
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    LearningCurves.read(run).draw(left)
    curve = calibration.thresholds, calibration.f1_mean, calibration.f1_sd
    right.errorbar(*curve, fmt="o-", color=GREEN, markersize=3)
    right.axvline(calibration.best, color="0.6", linestyle="--")
    right.set(xlabel="threshold", ylabel="F1 (mean ± sd)", ylim=(0, 1), title=f"best at {calibration.best:g}")
    return figure
