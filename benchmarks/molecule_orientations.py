"""What boxes gain from looking at an image in all of its eight orientations.

    python benchmarks/molecule_orientations.py [--dose 1000] [--images 2] [--work FOLDER]

Films of `zsm5-columns` of four cells, a source of 0.9 Å: half of the channels filled, and empty. Boxes from a (mean)
score of 0.5 on, of the detector alone: hits and false ones (IoU from 0.5 on) in one orientation and in all; and
`agreement`, the share of the orientations that have a box, mean over right candidates and over false ones.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from occupancy_films import SOURCE, Films

from stemforge import Micrograph
from stemforge.evaluate.likelihoods.boxes import right_boxes
from stemforge.infer import detect_molecules
from stemforge.simulate import Degradation, degrade, idpc_image
from stemforge.train import Calibration, find_weights, load_weights

CELLS, SCORE = 4, 0.5

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dose", type=float, default=1000)
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--work", type=Path)
    given = parser.parse_args()
    model, card = load_weights(find_weights("faster-rcnn"))
    # All candidates, whatever they are likely to be.
    card = replace(card, calibration=Calibration(), min_expected_f1=None)
    restorer = load_weights(find_weights("divaesr"))
    with TemporaryDirectory() as temporary:
        for kind in ("columns", "empty"):
            corpus = Films(given.work or Path(temporary)).corpus(kind, CELLS)
            for number in range(given.images):
                sample = corpus[number]
                rng = np.random.default_rng([number, int(given.dose), CELLS, 5])
                settings = Degradation(dose=given.dose, source_size=SOURCE)
                counted = degrade(sample.signal, settings, sample.sampling, rng)
                micrograph = Micrograph(idpc_image(counted.image, sample.sampling), sample.sampling)
                row: dict[str, Any] = {"kind": kind, "number": number, "molecules": len(sample.labels)}
                for augment in (False, True):
                    start = time.process_time()
                    found = detect_molecules(micrograph, model, card, restorer=restorer, augment=augment)
                    boxes = found.candidates
                    assert boxes is not None
                    assert boxes.boxes is not None
                    right = right_boxes(boxes.boxes, sample.labels.boxes)
                    kept = boxes["score"] >= SCORE
                    name = "eight" if augment else "one"
                    row[name] = {"hits": int((kept & right).sum()), "false": int((kept & ~right).sum())}
                    row[name]["seconds"] = round(time.process_time() - start, 1)
                    if augment:
                        for word, chosen in (("right", right), ("false", ~right)):
                            if chosen.any():
                                row[f"agreement, {word}"] = round(float(boxes["agreement"][chosen].mean()), 2)
                print(json.dumps(row), flush=True)
