"""Whether restored images keep what tells pyridine from thiophene, to the detector that ships.

    python benchmarks/molecule_species.py [--doses 1000,3000,10000] [--work FOLDER]

Films of `zsm5-columns` of four cells, half of the channels filled, a source of 0.9 Å, eight specimens. Of each
molecule's box, as labelled, the features of the detector's head on the restored image; logistic regression on them with
several strengths of regularisation, each specimen judged by the fit to the seven others. `right` by dose; `commoner` is
the share of the commoner molecule, `AUC` the area under the ROC curve.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from occupancy_films import SOURCE, Films
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stemforge.corpus.reader import Corpus
from stemforge.simulate import Degradation, degrade, idpc_image
from stemforge.train import find_weights, load_weights, prepare_idpc
from stemforge.train.networks import MoleculeDetector, Restorer

CELLS, STRENGTHS = 4, (1.0, 0.1, 0.01, 0.001)


def features(corpus: Corpus, doses: list[float]) -> tuple[np.ndarray, ...]:
    """Return features of the labelled boxes, which molecule each is, its specimen and its dose."""
    detector, card = load_weights(find_weights("faster-rcnn"))
    restore = Restorer.named("divaesr").doubling(load_weights(find_weights("divaesr"))[0])
    network = MoleculeDetector.named(card.architecture)
    found, species, specimen, at = [], [], [], []
    for dose in doses:
        for number, sample in enumerate(corpus):
            rng = np.random.default_rng([number, int(dose), CELLS, 5])
            settings = Degradation(dose=dose, source_size=SOURCE)
            image = idpc_image(degrade(sample.signal, settings, sample.sampling, rng).image, sample.sampling)
            prepared = prepare_idpc(image, sample.sampling, card.inputs.high_pass)
            shown = np.ascontiguousarray(network.shown(card, prepared, restore))
            boxes = torch.from_numpy((sample.labels.boxes + 0.5) * card.inputs.zoom).float()
            with torch.inference_mode():
                images, _ = detector.transform([torch.from_numpy(shown)[None]])
                maps = detector.backbone(images.tensors)
                pooled = detector.roi_heads.box_roi_pool(maps, [boxes], images.image_sizes)
                found.append(detector.roi_heads.box_head(pooled).numpy())
            species.append(np.asarray(sample.labels["species"], dtype=int))
            specimen += [number] * len(boxes)
            at += [dose] * len(boxes)
    return np.concatenate(found), np.concatenate(species), np.array(specimen), np.array(at)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--doses", default="1000,3000,10000")
    parser.add_argument("--work", type=Path)
    given = parser.parse_args()
    doses = [float(dose) for dose in given.doses.split(",")]
    with TemporaryDirectory() as temporary:
        corpus = Films(given.work or Path(temporary)).corpus("columns", CELLS)
        x, y, specimen, dose = features(corpus, doses)
    for strength in STRENGTHS:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
        likely = cross_val_predict(
            model, x, y, groups=specimen, cv=LeaveOneGroupOut(), method="predict_proba"
        )[:, 1]
        right = {f"{d:g}": round(float(np.mean((likely > 0.5) == y, where=dose == d)), 3) for d in doses}
        row = {
            "C": strength,
            "boxes": len(y),
            "right": right,
            "AUC": round(float(roc_auc_score(y, likely)), 3),
        }
        print(json.dumps(row | {"commoner": round(max(y.mean(), 1 - y.mean()), 3)}), flush=True)
