"""What a restorer is worth: on published pairs, on fields without features, and whether its interval holds.

    python benchmarks/restoration.py published trainval.zip --weights runs/published/unet.safetensors
    python benchmarks/restoration.py featureless CORPUS [--weights unet] [--doses 500,1000,3000,10000]
    python benchmarks/restoration.py interval CORPUS [--weights unet] [--doses 1000,3000] [--images 12]
    python benchmarks/restoration.py noise2self CORPUS [--doses 1000,3000]
    python benchmarks/restoration.py residual CORPUS [--weights unet] [--doses 1000,10000]

`published`: pairs of structures that training kept aside, as they are and moved onto their labels: mean squared error
on 0–255, the published sum of absolute differences (brought to 896 images), SSIM, share of pixels in the interval;
beside bicubic (the image halved and enlarged again), the noisy image, black, and the mean label of all pairs.
`featureless`: vacuum, amorphous film and contamination, 20 each: standard deviation of the restored field on the grey
scale of the noisy image, beside that of the Wiener filter that is best for the corpus at this dose; share of the field
where the interval leaves out its surroundings' mean (something is claimed).
`interval`: share of pixels whose true value lies in the 90 % interval, of all pixels and of those in channels (within
3.5 Å of a molecule's or an empty channel's axis), and of what is claimed, how much is true.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np
from molecule_controls import FIELDS, field
from scipy import ndimage

from stemforge import Corpus
from stemforge.evaluate import denoise_noise2self, summed_absolute_error
from stemforge.evaluate.images.baselines import tune_baselines
from stemforge.evaluate.images.quality import similarity
from stemforge.infer import restoration_residual, restore_micrograph
from stemforge.simulate.recording.record import corpus_degradation
from stemforge.train import load_weights, prepare_idpc, read_published_pairs
from stemforge.train.data.exposures import expose
from stemforge.train.data.idpc import normalise_image, shrink
from stemforge.train.data.published import aligned, cut_pair
from stemforge.train.networks import Restorer
from stemforge.train.weights import find_weights

AROUND = 2.0  # Å, as in stemforge.infer.crystals.restoration


def say(row: dict) -> None:
    """Print a row."""
    rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
    print(json.dumps(rounded), flush=True)


def published(path: Path, weights: str) -> None:
    """Score on the published pairs."""
    model, card = load_weights(find_weights(weights))
    network = Restorer.named(card.architecture)
    pairs = read_published_pairs(path, "validation", split="structure")
    for place, kept in (("as published", pairs), ("moved onto labels", [aligned(pair) for pair in pairs])):
        cut = [cut_pair(pair, None, scale=1) for pair in kept]
        labels = [target for _, _, target in cut]
        noisy = [normalise_image(image) for image, _, _ in cut]
        mean = np.mean(labels, axis=0)
        scale = model.tiles.scale
        restored = [network.restore(model, shrink(image, scale)) for image in noisy]
        outputs = {
            card.architecture: [one.image.clip(0, 1) for one in restored],
            "bicubic": [
                ndimage.zoom(shrink(image), 2, order=3, grid_mode=True, mode="nearest").clip(0, 1)
                for image in noisy
            ],
            "noisy": noisy,
            "black": [np.zeros_like(image) for image in labels],
            "mean label": [mean] * len(labels),
        }
        for name, images in outputs.items():
            row = {
                "pairs": place,
                "images": len(images),
                "method": name,
                "mse": float(np.mean([(a - b) ** 2 for a, b in zip(images, labels, strict=True)]) * 255**2),
                "sum of absolute": summed_absolute_error(images, labels),
                "ssim": float(np.mean([similarity(a, b) for a, b in zip(images, labels, strict=True)])),
            }
            if name == card.architecture and restored[0].low is not None:
                row["held"] = float(
                    np.mean([(r.low <= b) & (b <= r.high) for r, b in zip(restored, labels, strict=True)])
                )
            say(row)


def exposures(corpus: Corpus, dose: float, high_pass: float, number: int) -> list:
    """Expose images of a corpus at a dose."""
    degradation = corpus_degradation(corpus)
    return [
        (
            corpus[i],
            expose(corpus[i], degradation, dose, np.random.default_rng([i, int(dose)]), high_pass=high_pass),
        )
        for i in range(min(number, len(corpus)))
    ]


def claims(
    image: np.ndarray, low: np.ndarray, high: np.ndarray, sampling: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return where the image is certain to lie above or below its surroundings, and the surroundings' mean."""
    mean = ndimage.gaussian_filter(image, AROUND / sampling, mode="reflect")
    return (low > mean) | (high < mean), mean


def featureless(corpus: Corpus, weights: str, doses: list[float]) -> None:
    """Contrast of what is restored where there is nothing."""
    model, card = load_weights(find_weights(weights))
    for dose in doses:
        shown = exposures(corpus, dose, card.inputs.high_pass, 6)
        wiener = tune_baselines([(e.noisy, e.signal) for _, e in shown], ["wiener"])["wiener"]
        crystal = float(np.mean([wiener(e.noisy).std() for _, e in shown]))
        for kind in ("vacuum", "amorphous", "contamination"):
            rows = []
            for number in range(FIELDS):
                recorded = field(kind, dose, number)
                restored = restore_micrograph(recorded, model, card)
                noisy = prepare_idpc(recorded.image, recorded.sampling, card.inputs.high_pass)
                row = [restored.image.std(), wiener(noisy).std(), 0.0, denoise_noise2self(noisy).std()]
                if restored.low is not None and restored.high is not None:
                    row[2] = claims(restored.image, restored.low, restored.high, restored.sampling)[0].mean()
                rows.append(row)
            contrast, linear, claimed, invariant = np.mean(rows, axis=0)
            say(
                {
                    "kind": kind,
                    "dose": dose,
                    "contrast": float(contrast),
                    "wiener": float(linear),
                    "ratio": float(contrast / linear),
                    "noise2self": float(invariant),
                    "wiener on the crystal": crystal,
                    "claimed": float(claimed),
                }
            )


def mean_or_nan(values: np.ndarray, where: np.ndarray) -> float:
    """Mean of what is marked."""
    return float(values[where].mean()) if where.any() else np.nan


def shown_truly(noisy: np.ndarray, wanted: np.ndarray, sampling: float) -> np.ndarray:
    """Return where the noisy image lies on the same side of its surroundings as the truth of its own."""
    enlarged = ndimage.zoom(noisy, len(wanted) // len(noisy), order=3, grid_mode=True, mode="nearest")
    sides = [
        np.sign(image - ndimage.gaussian_filter(image, AROUND / sampling, mode="reflect"))
        for image in (enlarged, wanted)
    ]
    return sides[0] == sides[1]


def interval(corpus: Corpus, weights: str, doses: list[float], images: int) -> None:
    """Share of the true values that the interval holds."""
    model, card = load_weights(find_weights(weights))
    network = Restorer.named(card.architecture)
    for dose in doses:
        rows = []
        for sample, exposure in exposures(corpus, dose, card.inputs.high_pass, images):
            restored = network.restore(model, exposure.noisy)
            wanted = network.target(card, sample, exposure)
            inside = (restored.low <= wanted) & (wanted <= restored.high)
            fine = sample.sampling * exposure.noisy.shape[0] / wanted.shape[0]
            marks = np.ones(wanted.shape, bool)
            points = np.rint(
                (exposure.degraded.move(sample.labels.points) + 0.5) * sample.sampling / fine - 0.5
            ).astype(int)
            ends = [(x, y) for x, y in points if 0 <= x < marks.shape[1] and 0 <= y < marks.shape[0]]
            for x, y in ends:
                marks[y, x] = False
            near = ndimage.distance_transform_edt(marks) * fine < 3.5 if ends else np.zeros_like(marks)
            claimed, mean = claims(restored.image, restored.low, restored.high, fine)
            right = np.sign(wanted - mean) == np.sign(restored.image - mean)
            close = claimed & near
            rows.append(
                [
                    inside.mean(),
                    mean_or_nan(inside, near),
                    claimed.mean(),
                    mean_or_nan(right, claimed),
                    mean_or_nan(claimed, near),
                    mean_or_nan(right, close),
                    mean_or_nan(shown_truly(exposure.noisy, wanted, fine), close),
                    (restored.high - restored.low).mean() / wanted.std(),
                ]
            )
        names = (
            "held",
            "held near molecules",
            "claimed",
            "claims that are true",
            "claimed near molecules",
            "claims near molecules that are true",
            "as recorded, there",
            "width over contrast",
        )
        say(
            {
                "dose": dose,
                "images": len(rows),
                **dict(zip(names, map(float, np.nanmean(rows, axis=0)), strict=True)),
            }
        )


def noise2self(corpus: Corpus, _: str, doses: list[float]) -> None:
    """Noise2Self on the noise of a recording, and on as much independent noise."""
    degradation = corpus_degradation(corpus)
    for dose in doses:
        rows = []
        for i in range(min(6, len(corpus))):
            noisy, behind = (
                expose(corpus[i], degradation, d, np.random.default_rng([i, int(dose)]), high_pass=0.02).noisy
                for d in (dose, 1e9)
            )
            gain, offset = np.polyfit(behind.ravel(), noisy.ravel(), 1)
            behind = (gain * behind + offset).astype(np.float32)
            noise = noisy - behind
            white = np.random.default_rng(i).normal(0, noise.std(), noise.shape).astype(np.float32)
            row = [np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1], noise.std() / behind.std()]
            for image in (noisy, behind + white):
                row += [similarity(one, behind) for one in (image, denoise_noise2self(image))]
            rows.append(row)
        names = (
            "correlation",
            "noise over contrast",
            "raw",
            "noise2self",
            "raw, independent",
            "noise2self, independent",
        )
        say(
            {"dose": dose, "images": len(rows), **dict(zip(names, map(float, np.mean(rows, 0)), strict=True))}
        )


def residual(corpus: Corpus, weights: str, doses: list[float]) -> None:
    """Structure that is left in the recorded image."""
    model, card = load_weights(find_weights(weights))
    network = Restorer.named(card.architecture)
    for dose in doses:
        rows = []
        for sample, exposure in exposures(corpus, dose, card.inputs.high_pass, 4):
            moved = exposure.signal.copy()
            half = moved.shape[1] // 2
            shift = round(2 / sample.sampling)
            moved[:, half:] = np.roll(exposure.signal, shift, axis=1)[:, half:]
            drawn = {
                "truth": exposure.signal,
                card.architecture: network.restore(model, exposure.noisy).image,
                "half moved": moved,
                "blurred": ndimage.gaussian_filter(exposure.noisy, 0.5 / sample.sampling),
            }
            rows.append(
                {name: restoration_residual(exposure.noisy, one).structure for name, one in drawn.items()}
            )
        for name in rows[0]:
            left = [row[name] for row in rows]
            say({"dose": dose, "images": len(rows), "method": name, "least": min(left), "most": max(left)})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["published", "featureless", "interval", "noise2self", "residual"])
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", default="unet")
    parser.add_argument("--doses", default="500,1000,1500,3000,6000,10000")
    parser.add_argument("--images", type=int, default=12)
    given = parser.parse_args()
    doses = [float(dose) for dose in given.doses.split(",")]
    if given.what == "published":
        published(given.data, given.weights)
    else:
        measures = {
            "featureless": featureless,
            "interval": partial(interval, images=given.images),
            "noise2self": noise2self,
            "residual": residual,
        }
        measures[given.what](Corpus(given.data), given.weights, doses)
