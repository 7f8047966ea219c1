"""Dose sweeps: the same images at rising dose, degraded, worked on by a model, scored."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stemforge.console import progress
from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.errors import CorpusError, InputError, MicrographError
from stemforge.evaluate.atoms.matching import match_boxes
from stemforge.evaluate.atoms.scores import AtomScore
from stemforge.evaluate.crystals.molecules import SMALL, score_boxes
from stemforge.evaluate.images.baselines import ALL_BASELINES, BASELINES, Baseline, tune_baselines
from stemforge.evaluate.images.differences import Comparison, Image
from stemforge.evaluate.images.quality import Scaling, image_quality
from stemforge.evaluate.pairing import sample_name
from stemforge.files import write_csv, write_json
from stemforge.infer import atom_finder, choose_atoms, detect_boxes
from stemforge.infer.molecules.detection import named_boxes, restoring
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate import BoxDefinition, Degradation, convert_boxes
from stemforge.simulate.labels.limits import bandwidth, ideal_recall, localisation_bound
from stemforge.simulate.recording.record import Recording, corpus_degradation, record
from stemforge.train.card import Card
from stemforge.train.data.batches import require_sampling, split_corpora
from stemforge.train.data.exposures import Exposure, expose, require_segments
from stemforge.train.data.idpc import shrink
from stemforge.train.faster_rcnn.data import native_boxes, sample_boxes
from stemforge.train.labelled import require_atoms, require_signal, visible_atoms
from stemforge.train.networks import Finds, MoleculeDetector, Restorer, network
from stemforge.train.weights import load_weights

DOSES = (100.0, 300.0, 500.0, 1000.0, 1500.0, 3000.0, 6000.0, 1e6)
"""Doses of Yang et al. (2024), Figures 3 and 4 [e/Å²]."""
_TUNING = 2
"""Training images on which the baselines are tuned at each dose."""
_COLUMNS = ("dose", "method", "metric", "mean", "sd", "images")
_SCORES = ("f1", "precision", "recall")


@dataclass(frozen=True)
class Row:
    """One method's figures on one image at one dose [e/Å²]; ``sample`` "all" where they are of all together.

    ``method`` is the name of the model's weights (:func:`model_name`), ``raw`` or a baseline.
    """

    dose: float
    method: str
    sample: str
    metrics: Mapping[str, float | None]


@dataclass(frozen=True)
class Sweep:
    """What a sweep measured.

    Parameters
    ----------
    architecture
        Of the model.
    finds
        What the model gives: atoms, images or molecules.
    rows
        Every figure of every image.
    settings
        How it was measured: weights, corpus, scaling, the baselines' parameters.
    comparisons
        Of a restorer: the first image at each dose, as every method restored it; stored in no file.

    Examples
    --------
    >>> rows = tuple(Row(dose, "sac-cnn", f"{n}", {"f1": dose / 1e5 + n / 10}) for dose in (1e4, 5e4) for n in (1, 2))
    >>> sweep = Sweep("sac-cnn", "atoms", rows, {})
    >>> [(one["dose"], round(one["mean"], 2), one["images"]) for one in sweep.summary()]
    [(10000.0, 0.25, 2), (50000.0, 0.65, 2)]
    """

    architecture: str
    finds: Finds
    rows: tuple[Row, ...]
    settings: Mapping[str, Any]
    comparisons: tuple[Comparison, ...] = ()

    def summary(self) -> list[dict[str, Any]]:
        """Return mean and standard deviation over images, by dose, method and figure of merit."""
        groups: dict[tuple[float, str, str], list[float]] = {}
        whole: dict[tuple[float, str, str], float] = {}
        for row in self.rows:
            for name, value in row.metrics.items():
                if value is None or not np.isfinite(value):
                    continue
                if row.sample == "all":
                    whole[row.dose, row.method, name] = value
                else:
                    groups.setdefault((row.dose, row.method, name), []).append(value)
        table = []
        for key in sorted({*groups, *whole}):
            values = groups.get(key, [])
            sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
            # Average precision of all images together is no mean of the images' own.
            mean = whole.get(key, float(np.mean(values)) if values else None)
            table.append(dict(zip(_COLUMNS, (*key, mean, sd, len(values)), strict=True)))
        return table

    def to_json(self, path: str | Path) -> None:
        """Write settings, summary and every row to a JSON file."""
        rows = [{"dose": r.dose, "method": r.method, "sample": r.sample, **r.metrics} for r in self.rows]
        head = {"architecture": self.architecture, "finds": self.finds, "settings": self.settings}
        write_json(path, head | {"summary": self.summary(), "rows": rows})

    def to_csv(self, path: str | Path) -> None:
        """Write mean and sd, one row a dose, method and figure of merit."""
        write_csv(path, _COLUMNS, (row.values() for row in self.summary()))


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
    job = _Job(corpus, degradation, model.to(device).eval(), card, model_name(weights), seed, device)
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
        scorer = _restoring(job, training, baselines, scaling, settings)
    elif finds == "molecules":
        wanted = card.inputs.boxes if boxes is None else boxes
        scorer = _detecting(job, restorer, small, wanted)
        settings |= {"restorer": None if restorer is None else str(restorer), "small": small}
        settings["boxes"] = wanted.margin
    else:
        scorer = _finding(job)
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


_Scorer = Callable[[float, Sequence[int]], Iterator[Row]]


@dataclass(frozen=True)
class _Job:
    """What the scorers share."""

    corpus: Corpus
    degradation: Degradation
    model: torch.nn.Module
    card: Card
    name: str
    seed: int
    device: str
    comparisons: list[Comparison] = field(default_factory=list)

    def rng(self, index: int, dose: float) -> np.random.Generator:
        """One stream for an image at a dose, whatever else is swept."""
        key = (17, index, round(dose * 1000) % 2**32, round(dose * 1000) // 2**32)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def expose(self, index: int, dose: float) -> tuple[Sample, Exposure]:
        sample, high_pass = self.corpus[index], self.card.inputs.high_pass
        return sample, expose(sample, self.degradation, dose, self.rng(index, dose), high_pass=high_pass)


def _finding(job: _Job) -> _Scorer:
    require_atoms([job.corpus])
    method = job.name

    def score(dose: float, indices: Sequence[int]) -> Iterator[Row]:
        for index in indices:
            sample = job.corpus[index]
            first = replace(sample, signal=sample.signal[:1], channels=sample.channels[:1])
            recording = record(first, job.degradation.at_dose(dose), job.rng(index, dose))
            visible = recording.labels.where(visible_atoms(recording.labels, job.card.visible)[0])
            figures: dict[str, float | None] = dict.fromkeys(_SCORES)
            try:
                image = require_signal(recording.image[0])
                _, find = atom_finder(job.model, job.card, image, device=job.device)
            except MicrographError:
                yield Row(dose, method, sample_name(sample), figures)
                continue
            figures |= _conditions(sample, visible)
            # Without an atom that anybody could see there is no F1.
            if len(visible):
                figures |= _atom_figures(sample, recording, visible, choose_atoms(find, job.card).atoms)
            yield Row(dose, method, sample_name(sample), figures)

    return score


def _atom_figures(
    sample: Sample, recording: Recording, visible: Annotations, found: Annotations
) -> dict[str, float | None]:
    """Score the atoms found on an image, beside what is possible there."""
    sampling, dose, settings = sample.sampling, recording.dose, recording.settings
    if sampling is None or dose is None or settings is None:
        raise CorpusError(f"sample {sample.index}: a simulated sample must have a pixel size")
    match = match_boxes(found.points, visible.points)
    score = AtomScore(match.true_positives, match.false_positives, match.false_negatives)
    conditions = (dose, settings.source_size, recording.texture)
    # Where nothing was found falsely, the rate at which it happens is below one an image: half of one.
    false, area = max(match.false_positives, 0.5), sample.signal[0].size * sampling**2
    recall = ideal_recall(visible["cnr"], false, bandwidth(visible, *conditions), area)
    figures: dict[str, float | None] = {name: getattr(score, name) for name in _SCORES}
    figures |= {"ideal_recall": float(recall.mean()), "placement_px": None, "bound_px": None}
    if match.true_positives:
        # The bound of the same atoms: those that were missed would have been harder to place.
        bound = localisation_bound(visible.where(match.pairs[:, 1]), *conditions) / sampling
        figures["placement_px"] = float(np.sqrt(np.mean(match.distances**2) / 2))
        figures["bound_px"] = float(np.sqrt(np.mean(bound**2)))
    return figures


def _conditions(sample: Sample, visible: Annotations) -> dict[str, float | None]:
    """Say how hard an image is: its visible atoms, their density and defocus, its thickness."""
    area = sample.signal[0].size * (sample.sampling or np.nan) ** 2 / 100
    thickness = sample.metadata.get("thickness_angstrom")
    return {
        "visible": float(len(visible)),
        "areal_density": len(visible) / area,
        "defocus_angstrom": float(np.abs(visible["defocus_angstrom"]).mean()) if len(visible) else None,
        "thickness_angstrom": None if thickness is None else float(thickness),
    }


def _restoring(
    job: _Job, training: Sequence[int], names: Sequence[str], scaling: Scaling, settings: dict[str, Any]
) -> _Scorer:
    net = Restorer.named(job.card.architecture)
    net.require(job.card, [job.corpus])

    def tuned(dose: float) -> dict[str, Baseline]:
        if not names:
            return {}
        pairs = []
        for index in training[-_TUNING:]:
            sample, exposure = job.expose(index, dose)
            wanted = net.target(job.card, sample, exposure)
            pairs.append((exposure.noisy, shrink(wanted, len(wanted) // len(exposure.noisy))))
        chosen = tune_baselines(pairs, names)
        settings["baselines"][f"{dose:g}"] = [baseline.to_dict() for baseline in chosen.values()]
        return chosen

    def score(dose: float, indices: Sequence[int]) -> Iterator[Row]:
        methods: dict[str, Callable[[Any], Any]] = {"raw": lambda image: image, **tuned(dose)}
        for index in indices:
            sample, exposure = job.expose(index, dose)
            wanted = net.target(job.card, sample, exposure)
            restored = net.restore(job.model, exposure.noisy)
            images = {name: method(exposure.noisy) for name, method in methods.items()}
            if index == indices[0]:
                job.comparisons.append(_compared(job, sample, exposure, wanted, images, restored.image))
            for name, image in (images | {job.name: restored.image}).items():
                figures = image_quality(image, wanted, scaling=scaling).to_dict()
                if name == job.name and restored.low is not None and restored.high is not None:
                    figures["held"] = float(np.mean((restored.low <= wanted) & (wanted <= restored.high)))
                yield Row(dose, name, sample_name(sample), figures)

    return score


def _compared(
    job: _Job,
    sample: Sample,
    exposure: Exposure,
    truth: Image,
    images: Mapping[str, Image],
    restored: Image,
) -> Comparison:
    shown = {job.name: restored} | {k: v for k, v in images.items() if k != "raw"}
    fine = None if sample.sampling is None else sample.sampling * len(exposure.noisy) / len(truth)
    return Comparison(sample_name(sample), exposure.noisy, truth, shown, fine, exposure.dose)


def _detecting(job: _Job, restorer: str | Path | None, small: float, wanted: BoxDefinition) -> _Scorer:
    require_segments([job.corpus], 1, boxes=True)
    net, method = MoleculeDetector.named(job.card.architecture), job.name
    restore, _ = restoring(job.card, None if restorer is None else load_weights(restorer), job.device)
    classes = net.classes(job.card)
    options: dict[str, Any] = {"one_class": len(classes) == 1, "small": small}
    held = job.card.inputs.boxes

    def converted(boxes: NDArray[np.float64], sample: Sample) -> NDArray[np.float64]:
        if held == wanted:
            return boxes
        if sample.sampling is None:
            raise CorpusError(
                f"sample {sample.index}: has no pixel size, so boxes of {held} cannot become {wanted}"
            )
        return convert_boxes(boxes, held, wanted, sample.sampling, sample.signal.shape[-2:])

    def score(dose: float, indices: Sequence[int]) -> Iterator[Row]:
        found, known = [], []
        for index in indices:
            sample, exposure = job.expose(index, dose)
            labelled = sample_boxes(sample, exposure, classes, wanted)
            shown = net.shown(job.card, exposure.noisy, restore)
            boxes, labels, scores = detect_boxes(job.model, shown, device=job.device)
            boxes = converted(native_boxes(boxes, job.card.inputs.zoom), sample)
            found.append(named_boxes(boxes, labels, scores, classes))
            known.append(named_boxes(labelled.boxes, labelled.classes, np.ones(len(labelled.boxes)), classes))
            alone = score_boxes(found[-1:], known[-1:], **options)
            figures = {"ap": alone.ap, "ap50": alone.ap50, "ar": alone.ar}
            yield Row(dose, method, sample_name(sample), figures)
        whole = score_boxes(found, known, **options)
        totals: dict[str, float | None] = {"ap": whole.ap, "ap50": whole.ap50, "ar": whole.ar}
        for name, values in whole.classes.items():
            totals |= {f"ap {name}": values["ap"], f"ar {name}": values["ar"]}
        yield Row(dose, method, "all", totals)

    return score
