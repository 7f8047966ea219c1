"""Dose sweeps: the same images at rising dose, degraded, worked on by a model, scored."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stemforge.console import progress
from stemforge.corpus.reader import Corpus
from stemforge.errors import CorpusError, InputError
from stemforge.evaluate.crystals.molecules import SMALL
from stemforge.evaluate.images.baselines import ALL_BASELINES, BASELINES
from stemforge.evaluate.images.quality import Scaling
from stemforge.evaluate.sweep.atoms import finding
from stemforge.evaluate.sweep.job import Job
from stemforge.evaluate.sweep.molecules import detecting
from stemforge.evaluate.sweep.restorers import restoring
from stemforge.evaluate.sweep.result import Row, Sweep
from stemforge.simulate import BoxDefinition
from stemforge.simulate.recording.record import corpus_degradation
from stemforge.train.data.batches import require_sampling, split_corpora
from stemforge.train.networks import network
from stemforge.train.weights import load_weights

DOSES = (100.0, 300.0, 500.0, 1000.0, 1500.0, 3000.0, 6000.0, 1e6)
"""Doses of Yang et al. (2024), Figures 3 and 4 [e/Å²]."""


def sweep_doses(
    corpus: Corpus,
    weights: str | Path,
    doses: Sequence[float] = DOSES,
    *,
    restorer: str | Path | None = None,
    validation: float | None = None,
    baselines: Sequence[str] = BASELINES,
    scaling: Scaling = "affine",
    small: float = SMALL,
    boxes: BoxDefinition | None = None,
    seed: int = 0,
    device: str = "cpu",
    quiet: bool = False,
) -> Sweep:
    """Score a trained model on held-out images of a corpus over the dose.

    AtomNet and SAC-CNN are scored by F1 against the atoms that are visible at the dose, beside what is possible
    (:mod:`stemforge.simulate.labels.limits`): ``ideal_recall`` at as many false positives, and for localisation error
    ``placement_px`` the Cramér-Rao bound ``bound_px``, root mean squares of one coordinate of the atoms found [pixel].
    Each row also has the image's thickness [Å], and the number, density [1/nm²] and mean absolute defocus [Å] of its
    visible atoms.

    Restorers are scored by MSE, PSNR, SSIM and VIF against the target that they were trained for, beside the raw image
    and classical baselines that are tuned, at each dose, on the corpus' training part; ``held`` is the share of pixels
    whose true value lies in the interval, where the network gives one. Faster R-CNN by AP, AP50 and AR.

    Parameters
    ----------
    corpus
        Simulated. Its last images are scored; no dose touches another's random numbers.
    weights
        Of the model.
    doses
        Electrons per area [e/Å²]; all else of the degradation is as the corpus' recipe says.
    restorer
        Weights of the restorer of what the detector of molecules sees.
    validation
        Share of the corpus that is scored, from its end; by default what the model's training kept. With 1 every image
        is, where no baselines are tuned: for weights that find atoms or molecules, on a corpus that they never met.
    baselines
        Which of :data:`~stemforge.evaluate.images.baselines.ALL_BASELINES` stand beside a restorer.
    scaling
        How images are fitted to their target, see :func:`~stemforge.evaluate.image_quality`.
    small
        Side below which a box counts as small [pixel], see :func:`~stemforge.evaluate.score_boxes`.
    boxes
        What a molecule's box is in the score; by default what the weights were trained with. Labels are made of the
        corpus's atoms where it keeps them, detected boxes converted, see :func:`~stemforge.simulate.convert_boxes`.
    seed
        Root of the randomness.
    device
        Where the networks run.
    quiet
        Show no progress.

    Returns
    -------
    Sweep
        Every figure, and their summary.

    Raises
    ------
    InputError
        Doses that are no doses, a corpus that lacks what the model needs, weights that do not fit.

    Examples
    --------
    >>> from stemforge import Annotations, ingest_images
    >>> from stemforge.micrograph.writers import write_tiff
    >>> write_tiff("a.tif", np.random.default_rng(0).random((64, 64)), sampling=0.3)
    >>> Annotations([[9, 9]]).to_csv("a.csv")
    >>> measured = ingest_images(["a.tif"], ["a.csv"], "measured")
    >>> sweep_doses(Corpus("measured"), "sac-cnn")
    Traceback (most recent call last):
        ...
    stemforge.errors.CorpusError: measured: holds measured images, whose dose cannot be changed
    """
    if not doses or any(not (np.isfinite(dose) and dose > 0) for dose in doses):
        raise InputError(f"doses must be positive numbers [e/Å²], not {list(doses)}")
    model, card = load_weights(weights)
    share = card.validation if validation is None else validation
    finds = network(card.architecture).finds
    if not (0 < share < 1 or (share == 1 and finds != "images")):
        tuned = "; on the other images baselines are tuned" if finds == "images" else ", or be 1"
        raise InputError(f"validation must lie between 0 and 1{tuned}, not {share}")
    if seed < 0:
        raise InputError(f"seed must not be negative, not {seed}")
    degradation = corpus_degradation(corpus)
    if degradation is None:
        raise CorpusError(f"{corpus.folder}: holds measured images, whose dose cannot be changed")
    training, held_out = _divided(corpus, share)
    job = Job(corpus, degradation, model.to(device).eval(), card, model_name(weights), seed, device)
    settings: dict[str, Any] = {
        "weights": str(weights),
        "corpus": str(corpus.folder),
        "images": [int(corpus[number].index) for number in held_out],
        "doses": list(doses),
        "seed": seed,
    }
    if restorer is not None and finds != "molecules":
        raise InputError(f"restorer: is for weights that find molecules; {card.architecture} finds {finds}")
    if boxes is not None and finds != "molecules":
        raise InputError(f"boxes: is for weights that find molecules; {card.architecture} finds {finds}")
    if finds == "images":
        settings |= {"scaling": scaling, "baselines": {}}
        scorer = restoring(job, training, baselines, scaling, settings)
    elif finds == "molecules":
        wanted = card.inputs.boxes if boxes is None else boxes
        scorer = detecting(job, restorer, small, wanted)
        settings |= {"restorer": None if restorer is None else str(restorer), "small": small}
        settings["boxes"] = wanted.margin
    else:
        scorer = finding(job)
        settings |= {"threshold": card.threshold, "min_expected_f1": card.min_expected_f1}
    require_sampling([corpus], card.sampling)
    rows: list[Row] = []
    with progress(f"sweep {job.name}", len(doses) * len(held_out), "images", quiet) as advance:
        for dose in sorted(doses):
            for found in scorer(dose, held_out):
                rows.append(found)
                if found.sample != "all" and found.method == job.name:
                    advance(1)
    return Sweep(card.architecture, finds, tuple(rows), settings, tuple(job.comparisons))


def model_name(weights: str | Path) -> str:
    """Return what rows call a model: the name of its weights, as several of one architecture are compared.

    Examples
    --------
    >>> model_name("atom-net"), model_name("runs/thick/epoch-40.safetensors"), model_name("raw.safetensors")
    ('atom-net', 'epoch-40', 'raw (weights)')
    """
    name = Path(weights).stem
    return f"{name} (weights)" if name in ("raw", *ALL_BASELINES) else name


def _divided(corpus: Corpus, share: float) -> tuple[list[int], list[int]]:
    """Return the numbers of the images on which baselines are tuned, and of those that are scored."""
    if share == 1:
        return [], list(range(len(corpus)))
    training, held_out = split_corpora([corpus], share)
    return [item.number for item in training], [item.number for item in held_out]
