"""A detector of molecules at rising dose: average precision and recall of its boxes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.corpus.sample import Sample
from stemforge.errors import CorpusError
from stemforge.evaluate.crystals.molecules import score_boxes
from stemforge.evaluate.pairing import sample_name
from stemforge.evaluate.sweep.job import Job, Scorer
from stemforge.evaluate.sweep.result import Row
from stemforge.infer import detect_boxes
from stemforge.infer.molecules.detection import named_boxes, restoring
from stemforge.simulate import BoxDefinition, convert_boxes
from stemforge.train.data.exposures import require_segments
from stemforge.train.faster_rcnn.data import native_boxes, sample_boxes
from stemforge.train.networks import MoleculeDetector
from stemforge.train.weights import load_weights


def detecting(job: Job, restorer: str | Path | None, small: float, wanted: BoxDefinition) -> Scorer:
    """Return what scores a detector of molecules.

    Parameters
    ----------
    job
        Model and corpus.
    restorer
        Weights of the restorer of what the detector sees.
    small
        Side below which a box counts as small [pixel].
    wanted
        What a molecule's box is in the score.
    """
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
