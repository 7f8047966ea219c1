"""How well channels of ZSM-5 are told to be filled or empty, beside an ideal observer.

    python benchmarks/occupancy.py simulated [--thickness 1,2,4,8] [--doses 500,1000,3000,10000] [--images 24]
        [--kinds empty,columns,single] [--work FOLDER]
    STEMFORGE_DATA_DIR=... python benchmarks/occupancy.py published

`simulated`: films of the recipe zsm5-columns, a source of 0.9 Å, aberrations, tilt and turn drawn. `empty` has no
molecule, `columns` one in every unit cell along a filled channel, `single` one in a filled channel. `filled` and
`empty` are shares of the channels that are called so; `open` is the rest. `AUC` is that of the evidence over all
channels, and `ideal` that of an observer who knows the framework's image, the molecule's pose and the noise; `share` is
that of AUC − ½. `d` is the ideal observer's contrast, mean over the filled channels. `calibration` is the mean
difference between probability and truth over ten bins, weighed by their channels.

`published`: images of ZSM-5 with a pyridine in half of the channels (Yang et al. 2024), by dose.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from published import published_image
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.stats import norm

from stemforge import Micrograph
from stemforge.corpus.reader import Corpus
from stemforge.errors import InputError
from stemforge.infer import measure_occupancy
from stemforge.infer.occupancy.noise import Noise
from stemforge.simulate import Degradation, SimulationRecipe, degrade, idpc_image, simulate_corpus

SPECIMENS = 8
SOURCE = 0.9
NEAR = 2.5  # Å, of a molecule from the axis of its channel
FILM = {
    "empty": {"occupancy": 0.0, "variants": 1},
    "columns": {"occupancy": 0.5, "columns": True},
    "single": {"occupancy": 0.5, "columns": False},
}


def corpus_of(kind: str, thickness: int, folder: Path, *, without: bool = False) -> Corpus:
    """Simulate films; ``without`` the molecules, else alike."""
    recipe = SimulationRecipe.load("zsm5-columns")
    fields = {f"support.{name}": value for name, value in FILM[kind].items()} | {
        "support.thickness": thickness
    }
    if without:
        fields["support.occupancy"] = 0.0
    values = recipe.model_dump(mode="json")
    fixed = {"seed": 1700 + thickness, "num_samples": SPECIMENS, "store_structures": False}
    return simulate_corpus(SimulationRecipe.from_mapping(values, fields | fixed), folder, quiet=True)


def contrast(guests: np.ndarray, noise: Noise, points: np.ndarray, sampling: float) -> np.ndarray:
    """Return what an ideal observer sees of each molecule, in standard deviations of the noise."""
    y, x = np.indices(guests.shape)
    found = []
    for point in points:
        near = np.exp(-(((np.hypot(x - point[0], y - point[1]) * sampling) / 6) ** 8))
        power = np.abs(np.fft.fft2(guests * near)) ** 2 / guests.size
        radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n, sampling) for n in guests.shape), indexing="ij"))
        found.append(np.sqrt((power / (noise.at(radius) / sampling**2)).sum()))
    return np.array(found)


def measured(kind: str, thickness: int, dose: float, images: int, work: Path) -> dict[str, Any]:
    """Measure films of one kind at one dose."""
    corpus = corpus_of(kind, thickness, work / f"{kind}-{thickness}")
    bare = (
        corpus_of(kind, thickness, work / f"{kind}-{thickness}-bare", without=True)
        if kind != "empty"
        else None
    )
    settings = Degradation(dose=dose, source_size=SOURCE)
    truth, probability, evidence, state, ideal = [], [], [], [], []
    failed = 0
    for number in range(images):
        sample = corpus[number % len(corpus)]
        sampling = sample.sampling
        rng = np.random.default_rng([number, int(dose), thickness])
        image = idpc_image(degrade(sample.signal, settings, sampling, rng).image, sampling)
        try:
            found = measure_occupancy(Micrograph(image, name=f"{kind} {number}"))
        except InputError:
            failed += 1
            continue
        filled = np.zeros(len(found.points), dtype=bool)
        if bare is not None and len(sample.labels):
            distance, which = cKDTree(sample.labels.points).query(found.points)
            filled = distance * sampling < NEAR
            if number < len(corpus):
                blur = (0, *[SOURCE / np.sqrt(8 * np.log(2)) / sampling] * 2)
                clean, empty = (
                    idpc_image(ndimage.gaussian_filter(s.signal, blur, mode="reflect"), sampling)
                    for s in (sample, bare[number])
                )
                # Images are fractions of electrons here, counts above.
                scale = (image * clean).sum() / (clean**2).sum()
                noise = Noise.of(np.asarray(image - scale * clean, dtype=float), sampling)
                points = sample.labels.points[which[filled]]
                ideal += list(contrast(scale * (clean - empty), noise, points, sampling))
        truth += list(filled)
        probability += list(found.probability)
        evidence += list(found.evidence)
        state += list(found.state)
    y, p, e, s = (np.array(values) for values in (truth, probability, evidence, state))
    row: dict[str, Any] = {"kind": kind, "thickness": thickness, "dose": dose, "images": images - failed}
    for name, chosen in (("without", ~y), ("with", y)):
        if chosen.any():
            row[f"{name} a molecule"] = int(chosen.sum())
            row |= {f"{name}: {word}": float(np.mean(s[chosen] == word)) for word in ("filled", "empty")}
    if y.any() and not y.all():
        row["AUC"] = float(np.mean(e[~y][:, None] < e[y]) + 0.5 * np.mean(e[~y][:, None] == e[y]))
        row["ideal"] = float(norm.cdf(np.array(ideal) / np.sqrt(2)).mean())
        row["share"] = (row["AUC"] - 0.5) / (row["ideal"] - 0.5)
        row["d"] = float(np.mean(ideal))
        place = np.minimum((p * 10).astype(int), 9)
        row["calibration"] = float(
            sum(abs((p - y)[place == i].sum()) for i in range(10) if (place == i).any()) / len(p)
        )
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}


def published() -> None:
    """Measure published images: which half is filled is known from their structures."""
    folder = Path(os.environ["STEMFORGE_DATA_DIR"]) / "zsm5-idpc" / "pyridine"
    for dose in (1_000_000, 6000, 4500, 3000, 1500, 1000, 500):
        counts = np.zeros((2, 3), dtype=int)
        for number in range(1, 6):
            image = published_image(folder / f"{number}_dose_{dose}.tiff")
            found = measure_occupancy(Micrograph(image, name=str(number)))
            middle = found.lattice.to_fractional(found.points)[:, 0] % 1
            classes = np.abs(middle - 0.5) < 0.25
            # Five by five cells shown from a corner: the filled class is the one of 25 whole channels.
            classes = classes if classes.sum() > (~classes).sum() else ~classes
            for row, chosen in enumerate((classes, ~classes)):
                counts[row] += [np.sum(found.state[chosen] == word) for word in ("filled", "empty", "open")]
        names = ("filled", "empty", "open")
        rows = zip(("with", "without"), counts, strict=True)
        print(
            json.dumps({"dose": dose} | {n: dict(zip(names, c.tolist(), strict=True)) for n, c in rows}),
            flush=True,
        )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("what", choices=("simulated", "published"))
    parser.add_argument("--thickness", default="1,2,4,8")
    parser.add_argument("--doses", default="500,1000,3000,10000")
    parser.add_argument("--kinds", default="empty,columns,single")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--work", type=Path)
    args = parser.parse_args()
    if args.what == "published":
        published()
        return
    with tempfile.TemporaryDirectory() as temporary:
        for kind in args.kinds.split(","):
            for thickness in (int(value) for value in args.thickness.split(",")):
                for dose in (float(value) for value in args.doses.split(",")):
                    row = measured(kind, thickness, dose, args.images, args.work or Path(temporary))
                    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
