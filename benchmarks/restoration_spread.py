"""Whether DIVAESR can say where it errs: the spread of draws from its latent distribution, and of turned images.

    python benchmarks/restoration_spread.py --fit CORPUS... --test CORPUS... [--doses 1000,3000] [--images 2]

Half an interval is a factor times one of these, the factor being that which holds 90 % of the true values on the images
of `--fit` (all doses together):

`constant`: 1, the same everywhere; `grey`: the restored image itself (controls);
`draws`: standard deviation over draws from the latent distribution of every patch, as in its training;
`turned`: standard deviation over the eight orientations of the image, each restored and turned back.

Of the images of `--test`: share of the pixels that the interval holds, mean half width, interval score (width, and 20
times what lies outside; less is better; Gneiting & Raftery 2007, doi:10.1198/016214506000001437), and correlation of
the error with the spread within an image, beside that of the U-Net's error with the width of its interval.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from stemforge import Corpus
from stemforge.simulate.recording.record import corpus_degradation
from stemforge.train import load_weights
from stemforge.train.data.exposures import expose
from stemforge.train.networks import Restorer
from stemforge.train.weights import find_weights

DRAWS = 6
KINDS = ("constant", "grey", "draws", "turned")
TINY = 1e-6


def spreads(model: torch.nn.Module, network: Restorer, noisy: np.ndarray) -> dict[str, np.ndarray]:
    """Restore an image, and estimate in each way how wrong that may be."""
    turned = []
    for quarter in range(4):
        for step in (1, -1):
            image = np.ascontiguousarray(np.rot90(noisy, quarter)[:, ::step])
            turned.append(np.rot90(network.restore(model, image).image[:, ::step], -quarter))
    model.vae.training = True  # draws; its normalisation stays as it is
    drawn = [network.restore(model, noisy).image for _ in range(DRAWS)]
    model.vae.training = False
    return {
        "image": turned[0],
        "constant": np.ones_like(turned[0]),
        "grey": turned[0].clip(0, 1) + TINY,
        "draws": np.std(drawn, axis=0, ddof=1) + TINY,
        "turned": np.std(turned, axis=0, ddof=1) + TINY,
    }


def restored(paths: list[Path], doses: list[float], number: int, part: str) -> list[dict]:
    """Restore the last images of corpora for fitting, the first for testing."""
    model, card = load_weights(find_weights("divaesr"))
    network = Restorer.named("divaesr")
    torch.manual_seed(0)
    rows = []
    for path in paths:
        corpus = Corpus(path)
        degradation = corpus_degradation(corpus)
        for dose in doses:
            for i in range(len(corpus) - number, len(corpus)) if part == "fit" else range(number):
                rng = np.random.default_rng([i, int(dose)])
                exposure = expose(corpus[i], degradation, dose, rng, high_pass=card.inputs.high_pass)
                row = spreads(model, network, exposure.noisy)
                row["error"] = np.abs(row["image"] - network.target(card, corpus[i], exposure))
                rows.append({"corpus": path.name, "dose": dose, "index": i, "exposure": exposure, **row})
    return rows


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of the pixels of two images."""
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def unet_correlation(paths: list[Path], rows: list[dict]) -> float:
    """Correlation of the U-Net's error with the width of its interval."""
    model, card = load_weights(find_weights("unet"))
    network, found = Restorer.named("unet"), []
    corpora = {path.name: Corpus(path) for path in paths}
    for row in rows:
        one = network.restore(model, row["exposure"].noisy)
        truth = network.target(card, corpora[row["corpus"]][row["index"]], row["exposure"])
        found.append(correlation(np.abs(one.image - truth), one.high - one.low))
    return float(np.mean(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fit", type=Path, nargs="+", required=True)
    parser.add_argument("--test", type=Path, nargs="+", required=True)
    parser.add_argument("--doses", default="1000,3000")
    parser.add_argument("--images", type=int, default=2)
    given = parser.parse_args()
    doses = [float(dose) for dose in given.doses.split(",")]
    fitted = restored(given.fit, doses, given.images, "fit")
    factors = {kind: float(np.quantile([row["error"] / row[kind] for row in fitted], 0.9)) for kind in KINDS}
    print(json.dumps({"factors": {kind: round(factor, 3) for kind, factor in factors.items()}}), flush=True)
    tested = restored(given.test, doses, given.images, "test")
    for corpus in given.test:
        rows = [row for row in tested if row["corpus"] == corpus.name]
        for kind in KINDS:
            half = [factors[kind] * row[kind] for row in rows]
            beyond = [np.maximum(row["error"] - h, 0) for row, h in zip(rows, half, strict=True)]
            figures = {
                "held": np.mean([b == 0 for b in beyond]),
                "half width": np.mean(half),
                "score": 2 * np.mean(half) + 20 * np.mean(beyond),
            }
            if kind != "constant":
                figures["correlation"] = np.mean([correlation(row["error"], row[kind]) for row in rows])
            rounded = {name: round(float(value), 3) for name, value in figures.items()}
            print(json.dumps({"corpus": corpus.name, "half": kind, **rounded}), flush=True)
        print(
            json.dumps({"corpus": corpus.name, "U-Net": round(unet_correlation([corpus], rows), 3)}),
            flush=True,
        )
