"""Average precision of detected molecules when boxes are defined in another way than the detector learnt.

    python benchmarks/box_definitions.py CORPUS [--doses 500,1000,1500,3000,6000,10000,1000000]
        [--boxes van-der-waals,0.56,3.5] [--weights faster-rcnn] [--restorer divaesr] [--images 12]

Each image is detected once at each dose, and scored by every definition: labels by their atoms, detections converted.
Pyridine and thiophene of the published structures have boxes of 14 pixels (3.5 Å) at a margin of 0.56 Å round the
centres of their heavy atoms. `approximated` is the largest and the mean error of a side [Å] where labels, whose atoms
are known, are converted as detections are; sides at the frame are left out.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from stemforge import Corpus
from stemforge.evaluate import score_boxes
from stemforge.infer import detect_boxes
from stemforge.infer.molecules.detection import named_boxes, restoring
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate import BoxDefinition, convert_boxes, sample_molecule_boxes
from stemforge.simulate.recording.record import corpus_degradation
from stemforge.train import load_weights
from stemforge.train.data.exposures import expose
from stemforge.train.faster_rcnn.data import native_boxes, sample_boxes
from stemforge.train.networks import MoleculeDetector


def conversion_error(corpus: Corpus, definition: BoxDefinition) -> list[float]:
    """Return the largest and the mean error of a side that was converted without its atoms [Å]."""
    errors: list[float] = []
    for sample in corpus:
        if sample.structure is None:
            continue
        height, width = sample.signal.shape[-2:]
        held = sample.labels.boxes
        whole = (held.min(axis=1) > 0) & (held[:, 2] < width - 1) & (held[:, 3] < height - 1)
        bare = dataclasses.replace(sample, structure=None)
        exact, moved = (sample_molecule_boxes(one, definition)[whole] for one in (sample, bare))
        kept = (exact.min(axis=1) > 0) & (exact[:, 2] < width - 1) & (exact[:, 3] < height - 1)
        errors += list(np.abs(exact - moved)[kept].ravel() * sample.sampling)
    return [round(float(max(errors)), 3), round(float(np.mean(errors)), 3)] if errors else []


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--doses", default="500,1000,1500,3000,6000,10000,1000000")
    parser.add_argument("--boxes", default="van-der-waals,0.56,3.5")
    parser.add_argument("--weights", default="faster-rcnn")
    parser.add_argument("--restorer", default="divaesr")
    parser.add_argument("--images", type=int, default=12)
    args = parser.parse_args()
    corpus = Corpus(args.corpus)
    definitions = [BoxDefinition.parse(text) for text in args.boxes.split(",")]
    for definition in definitions:
        if definition != BoxDefinition():
            print(
                json.dumps({"boxes": str(definition), "approximated": conversion_error(corpus, definition)})
            )
    model, card = load_weights(args.weights)
    network, degradation = MoleculeDetector.named(card.architecture), corpus_degradation(corpus)
    restore, _ = restoring(card, load_weights(args.restorer), "cpu")
    classes = network.classes(card)
    for dose in (float(text) for text in args.doses.split(",")):
        found: dict[BoxDefinition, list[Annotations]] = {definition: [] for definition in definitions}
        known: dict[BoxDefinition, list[Annotations]] = {definition: [] for definition in definitions}
        for number in range(min(args.images, len(corpus))):
            sample, rng = corpus[number], np.random.default_rng([number, int(dose)])
            exposure = expose(sample, degradation, dose, rng, high_pass=card.inputs.high_pass)
            shown = network.shown(card, exposure.noisy, restore)
            boxes, labels, scores = detect_boxes(model, shown)
            boxes = native_boxes(boxes, card.inputs.zoom)
            for definition in definitions:
                wanted = sample_boxes(sample, exposure, classes, definition)
                sure = np.ones(len(wanted.boxes))
                moved = convert_boxes(
                    boxes, card.inputs.boxes, definition, sample.sampling, exposure.noisy.shape
                )
                found[definition].append(named_boxes(moved, labels, scores, classes))
                known[definition].append(named_boxes(wanted.boxes, wanted.classes, sure, classes))
        for definition in definitions:
            score = score_boxes(found[definition], known[definition], one_class=True)
            row: dict[str, Any] = {"dose": dose, "boxes": str(definition), "images": score.images}
            row |= {name: round(getattr(score, name), 3) for name in ("ap", "ap50", "ar")}
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
