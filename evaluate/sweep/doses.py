"""Dose sweeps: the same images at rising dose, degraded, worked on by a model, scored."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stemforge.console import progress
from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.errors import CorpusError, InputError, MicrographError
from stemforge.evaluate.atoms.limits import bandwidth, ideal_recall, localisation_bound
from stemforge.evaluate.atoms.matching import match_boxes
from stemforge.evaluate.atoms.scores import AtomScore
from stemforge.evaluate.crystals.molecules import SMALL, score_boxes
from stemforge.evaluate.images.baselines import BASELINES, Baseline, tune_baselines
from stemforge.evaluate.images.quality import Scaling, image_quality
from stemforge.infer import atom_finder, choose_atoms, detect_boxes
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate import Degradation
from stemforge.simulate.recording.record import Recording, corpus_degradation, record
from stemforge.train import DIVAESR, SACCNN, AtomNet, Card, Crops, FasterRCNN, detector_input, load_weights
from stemforge.train import restore_image as restore
from stemforge.train.data.batches import require_sampling, split_corpora
from stemforge.train.data.exposures import Exposure, drawn_atoms, enlarge, expose, require_segments
from stemforge.train.divaesr.model import PATCH, SCALE
from stemforge.train.divaesr.pairs import shrink
from stemforge.train.faster_rcnn.data import sample_boxes
from stemforge.train.faster_rcnn.model import class_names
from stemforge.train.sac_cnn.data import as_recorded, require_atoms, visible_atoms

DOSES = (100.0, 300.0, 500.0, 1000.0, 1500.0, 3000.0, 6000.0, 1e6)
"""Doses of Yang et al. (2024), Figures 3 and 4 [e/Å²]."""
_TUNING = 2
"""Training images on which the baselines are tuned at each dose."""


@dataclass(frozen=True)
class Row:
    """One method's figures on one image at one dose [e/Å²]; ``sample`` "all" where they are of all together."""

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
    rows
        Every figure of every image.
    settings
        How it was measured: weights, corpus, scaling, the baselines' parameters.
    """

    architecture: str
    rows: tuple[Row, ...]
    settings: Mapping[str, Any]

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
            dose, method, metric = key
            entry = {"dose": dose, "method": method, "metric": metric, "mean": mean, "sd": sd}
            table.append({**entry, "images": len(values)})
        return table

    def to_json(self, path: str | Path) -> None:
        """Write settings, summary and every row to a JSON file."""
        rows = [{"dose": r.dose, "method": r.method, "sample": r.sample, **r.metrics} for r in self.rows]
        content = {
            "architecture": self.architecture,
            "settings": self.settings,
            "summary": self.summary(),
            "rows": rows,
        }
        Path(path).write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")

    def to_csv(self, path: str | Path) -> None:
        """Write mean and sd, one row a dose, method and figure of merit."""
        with Path(path).open("w", newline="", encoding="utf-8") as stream:
            names = ["dose", "method", "metric", "mean", "sd", "images"]
            writer = csv.DictWriter(stream, names, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.summary())


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
    seed: int = 0,
    device: str = "cpu",
    quiet: bool = False,
) -> Sweep:
    """Score a trained model on held-out images of a corpus over the dose.

    AtomNet and SAC-CNN are scored by F1 against the atoms that are visible at the dose, beside what is possible
    (:mod:`stemforge.evaluate.atoms.limits`): ``ideal_recall`` at as many false positives, and for localisation error
    ``placement_px`` the Cramér-Rao bound ``bound_px``, root mean squares of one coordinate of the atoms found [pixel].
    Each row also has the image's thickness [Å], and the number, density [1/nm²] and mean absolute defocus [Å] of its
    visible atoms.

    DIVAESR is scored by MSE, PSNR, SSIM and VIF against the target that it was trained for, beside the raw image and
    classical baselines that are tuned, at each dose, on the corpus' training part. Faster R-CNN by AP, AP50 and AR.

    Parameters
    ----------
    corpus
        Simulated. Its last images are scored; no dose touches another's random numbers.
    weights
        Of the model.
    doses
        Electrons per area [e/Å²]; all else of the degradation is as the corpus' recipe says.
    restorer
        Weights of the divaesr that restores what the detector of molecules sees.
    validation
        Share of the corpus that is scored, from its end; by default what the model's training kept.
    baselines
        Which of :data:`~stemforge.evaluate.images.baselines.BASELINES` stand beside DIVAESR.
    scaling
        How images are fitted to their target, see :func:`~stemforge.evaluate.image_quality`.
    small
        Side below which a box counts as small [pixel], see :func:`~stemforge.evaluate.score_boxes`.
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
    """
    if not doses or any(not (np.isfinite(dose) and dose > 0) for dose in doses):
        raise InputError(f"doses must be positive numbers [e/Å²], not {list(doses)}")
    model, card = load_weights(weights)
    share = card.recipe.get("validation", 0.15) if validation is None else validation
    if not 0 < share < 1:
        raise InputError(f"validation must lie between 0 and 1, not {share}")
    degradation = corpus_degradation(corpus)
    if degradation is None:
        raise CorpusError(f"{corpus.folder}: holds measured images, whose dose cannot be changed")
    held_out = [index for _, index in split_corpora([corpus], "validation", share)]
    training = [index for _, index in split_corpora([corpus], "train", share)]
    job = _Job(corpus, degradation, card, seed, device)
    settings: dict[str, Any] = {
        "weights": str(weights),
        "corpus": str(corpus.folder),
        "images": [int(corpus[index].index) for index in held_out],
        "doses": list(doses),
        "seed": seed,
    }
    if isinstance(model, DIVAESR):
        settings |= {"scaling": scaling, "target": card.recipe.get("target", "atoms"), "baselines": {}}
        scorer = _restoring(job, model, training, baselines, scaling, settings)
    elif isinstance(model, FasterRCNN):
        scorer = _detecting(job, model, restorer, small)
        settings |= {"restorer": None if restorer is None else str(restorer), "small": small}
    elif isinstance(model, AtomNet | SACCNN):
        if restorer is not None:
            raise InputError(
                "--restorer: is for weights that find molecules; atoms are found on images as they are"
            )
        scorer = _finding(job, model)
        settings |= {"threshold": card.threshold, "min_expected_f1": card.min_expected_f1}
    else:
        raise InputError(f"{weights}: a {card.architecture} cannot be swept")
    require_sampling([corpus], card.sampling)
    rows: list[Row] = []
    with progress(f"sweep {card.architecture}", len(doses) * len(held_out), "images", quiet) as advance:
        for dose in sorted(doses):
            for found in scorer(dose, held_out):
                rows.append(found)
                if found.sample != "all" and found.method == card.architecture:
                    advance(1)
    return Sweep(card.architecture, tuple(rows), settings)


_Scorer = Callable[[float, Sequence[int]], Iterator[Row]]


@dataclass(frozen=True)
class _Job:
    """What the scorers share."""

    corpus: Corpus
    degradation: Degradation
    card: Card
    seed: int
    device: str

    def rng(self, index: int, dose: float) -> np.random.Generator:
        """One stream for an image at a dose, whatever else is swept."""
        key = (17, index, round(dose * 1000) % 2**32, round(dose * 1000) // 2**32)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def expose(self, index: int, dose: float) -> tuple[Sample, Exposure]:
        sample = self.corpus[index]
        high_pass = float(self.card.inputs.get("high_pass") or 0)
        return sample, expose(sample, self.degradation, dose, self.rng(index, dose), high_pass=high_pass)


def _name(sample: Sample) -> str:
    return str(sample.metadata.get("name") or f"{sample.index:06d}")


def _finding(job: _Job, model: torch.nn.Module) -> _Scorer:
    require_atoms([job.corpus])
    method = job.card.architecture
    crops = Crops.from_mapping(job.card.recipe.get("crops", {}))

    def score(dose: float, indices: Sequence[int]) -> Iterator[Row]:
        for index in indices:
            sample = job.corpus[index]
            first = replace(sample, signal=sample.signal[:1], channels=sample.channels[:1])
            recording = record(first, job.degradation.at_dose(dose), job.rng(index, dose))
            visible = recording.labels.where(visible_atoms(recording.labels, crops)[0])
            figures: dict[str, float | None] = {"f1": None, "precision": None, "recall": None}
            try:
                _, find = atom_finder(model, job.card, as_recorded(recording.image[0]), device=job.device)
            except MicrographError:
                yield Row(dose, method, _name(sample), figures)
                continue
            figures |= _conditions(sample, visible)
            # Without an atom that anybody could see there is no F1.
            if len(visible):
                figures |= _atom_figures(sample, recording, visible, choose_atoms(find, job.card).atoms)
            yield Row(dose, method, _name(sample), figures)

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
    seen_at = (dose, settings.source_size, recording.texture)
    # Where nothing was found falsely, the rate at which it happens is below one an image: half of one.
    false, area = max(match.false_positives, 0.5), sample.signal[0].size * sampling**2
    recall = ideal_recall(visible["cnr"], false, bandwidth(visible, *seen_at), area)
    figures: dict[str, float | None] = {
        "f1": score.f1,
        "precision": score.precision,
        "recall": score.recall,
        "ideal_recall": float(recall.mean()),
        "placement_px": None,
        "bound_px": None,
    }
    if match.true_positives:
        # The bound of the same atoms: those that were missed would have been harder to place.
        bound = localisation_bound(visible.where(match.pairs[:, 1]), *seen_at) / sampling
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
    job: _Job,
    model: DIVAESR,
    training: Sequence[int],
    names: Sequence[str],
    scaling: Scaling,
    settings: dict[str, Any],
) -> _Scorer:
    target_name = job.card.recipe.get("target", "atoms")
    require_segments([job.corpus], PATCH, structure=target_name == "atoms")
    network = model.to(job.device).eval()

    def target(sample: Sample, exposure: Exposure) -> Any:
        if target_name == "atoms":
            return drawn_atoms(sample, exposure, SCALE)
        return np.clip(enlarge(exposure.clean, SCALE), 0, 1)

    def tuned(dose: float) -> dict[str, Baseline]:
        if not names:
            return {}
        pairs = []
        for index in training[-_TUNING:]:
            sample, exposure = job.expose(index, dose)
            pairs.append((exposure.noisy, shrink(target(sample, exposure))))
        chosen = tune_baselines(pairs, names)
        settings["baselines"][f"{dose:g}"] = [baseline.to_dict() for baseline in chosen.values()]
        return chosen

    def score(dose: float, indices: Sequence[int]) -> Iterator[Row]:
        methods: dict[str, Callable[[Any], Any]] = {"raw": lambda image: image, **tuned(dose)}
        methods["divaesr"] = lambda image: restore(network, image)
        for index in indices:
            sample, exposure = job.expose(index, dose)
            wanted = target(sample, exposure)
            for name, method in methods.items():
                quality = image_quality(method(exposure.noisy), wanted, scaling=scaling)
                yield Row(dose, name, _name(sample), quality.to_dict())

    return score


def _detecting(job: _Job, model: FasterRCNN, restorer: str | Path | None, small: float) -> _Scorer:
    require_segments([job.corpus], 1, boxes=True)
    network: DIVAESR | None = None
    if restorer is not None:
        loaded, card = load_weights(restorer)
        if not isinstance(loaded, DIVAESR):
            raise InputError(f"--restorer {restorer}: are weights of a {card.architecture}, not of a divaesr")
        network = loaded.to(job.device).eval()
    elif job.card.inputs.get("restorer"):
        raise InputError(
            f"the detector was trained on restored images: give {job.card.inputs['restorer']['file']} (--restorer)"
        )
    zoom = int(job.card.inputs.get("zoom", 1))
    classes = model.settings.classes
    one_class = len(classes) == 1

    def score(dose: float, indices: Sequence[int]) -> Iterator[Row]:
        found, known = [], []
        for index in indices:
            sample, exposure = job.expose(index, dose)
            there = sample_boxes(sample, exposure, classes)
            shown = detector_input(exposure.noisy, network, zoom)
            boxes, labels, scores = detect_boxes(model, shown, device=job.device)
            boxes = boxes / zoom - 0.5
            columns = {"label": np.array(class_names(model.settings, torch.from_numpy(labels)), dtype=object)}
            centres = (boxes[:, :2] + boxes[:, 2:]) / 2
            found.append(Annotations(centres, boxes, {**columns, "score": scores}))
            names = np.array([classes[int(c) - 1] for c in there.classes], dtype=object)
            middle = (there.boxes[:, :2] + there.boxes[:, 2:]) / 2
            known.append(Annotations(middle, there.boxes, {"label": names}))
            alone = score_boxes(found[-1:], known[-1:], one_class=one_class, small=small)
            alone_figures = {"ap": alone.ap, "ap50": alone.ap50, "ar": alone.ar}
            yield Row(dose, "faster-rcnn", _name(sample), alone_figures)
        whole = score_boxes(found, known, one_class=one_class, small=small)
        totals: dict[str, float | None] = {"ap": whole.ap, "ap50": whole.ap50, "ar": whole.ar}
        for name, values in whole.classes.items():
            totals |= {f"ap {name}": values["ap"], f"ar {name}": values["ar"]}
        yield Row(dose, "faster-rcnn", "all", totals)

    return score
