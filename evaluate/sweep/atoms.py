"""A detector of atoms at rising dose: F1, and what is possible there."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from stemforge.corpus.sample import Sample
from stemforge.errors import CorpusError, MicrographError
from stemforge.evaluate.atoms.matching import match_boxes
from stemforge.evaluate.atoms.scores import AtomScore
from stemforge.evaluate.pairing import sample_name
from stemforge.evaluate.sweep.job import Job, Scorer
from stemforge.evaluate.sweep.result import Row
from stemforge.infer import atom_finder, choose_atoms
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate.labels.limits import bandwidth, ideal_recall, localisation_bound
from stemforge.simulate.recording.record import Recording, record
from stemforge.train.labelled import require_atoms, require_signal, visible_atoms

_SCORES = ("f1", "precision", "recall")


def finding(job: Job) -> Scorer:
    """Return what scores a detector of atoms.

    Raises
    ------
    CorpusError
        The corpus has no atoms to find.
    """
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
