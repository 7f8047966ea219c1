"""What mixtures of intensities say of single atoms and of atoms in line.

    python benchmarks/intensities.py drawn [--sets 60] [--atoms 40 150 500]
    python benchmarks/intensities.py simulated [--images 8] [--seed 41] [--sets 60]

`drawn`: log-normal intensities of single atoms, and with one of five atoms in line with a second one, at several
numbers of atoms and spreads of the logarithm: in percent of the sets, how often single atoms are taken for a mixture
(false), how often atoms in line are found as such (found), and the mean share of them where they are, with its standard
deviation.
`simulated`: images of the recipe pt-nc as recorded, isolated atoms of contrast-to-noise 4 and more, fitted where they
are; each image's intensities over their median. Their spread, skewness of intensities and of their logarithms, and
what the mixture says; then the same with some atoms replaced by the sum of two drawn from all: one of five, and none as
the control (drawn with replacement), over random sets of as many.
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import skew

from stemforge import Annotations
from stemforge.evaluate import mix_intensities
from stemforge.infer import refine_places
from stemforge.infer.atoms.places.refinement import WIDTH
from stemforge.simulate import SimulationRecipe, record, simulate_sample
from stemforge.simulate.recording.record import recording_rng

SHARE = 0.2  # of atoms that have a second one in line
MIN_CNR, ALONE = 4.0, 10.0  # contrast-to-noise; distance to the next labelled atom [pixel]
Values = NDArray[np.float64]


def judged(draw: Callable[[float], Values], sets: int) -> dict[str, object]:
    """Return how often mixtures are found of single atoms, and of such with a fifth in line."""
    names: dict[float, Counter[str]] = {0.0: Counter(), SHARE: Counter()}
    shares = []
    for share, counter in names.items():
        for _ in range(sets):
            mixture = mix_intensities(draw(share))
            counter[" + ".join(mixture.names)] += 1
            if share and "2 atoms in line" in mixture.names:
                shares.append(mixture.shares[mixture.names.index("2 atoms in line")])
    found = {
        "false %": round(100 * (1 - names[0.0]["one atom"] / sets), 1),
        "found %": round(100 * len(shares) / sets, 1),
        "as": dict(names[SHARE]),
    }
    if shares:
        found |= {"share": round(float(np.mean(shares)), 3), "share_sd": round(float(np.std(shares)), 3)}
    return found


def drawn(sets: int, numbers: list[int]) -> dict[str, object]:
    rng = np.random.default_rng(5)

    def single(number: int, spread: float) -> Callable[[float], Values]:
        def draw(share: float) -> Values:
            values = rng.lognormal(0, spread, number)
            values[: round(share * number)] *= 2
            return values

        return draw

    cases = [(number, spread) for spread in (0.15, 0.2, 0.3) for number in numbers]
    return {
        f"{number} atoms, spread {spread}": judged(single(number, spread), sets) for number, spread in cases
    }


def intensities(images: int, seed: int) -> list[Values]:
    """Return the intensities of isolated, visible atoms, each image's over their median."""
    recipe = SimulationRecipe.load("pt-nc", {"seed": seed})
    found = []
    for index in range(images):
        sample = simulate_sample(recipe, index)
        recording = record(sample, recipe.degradation, recording_rng({}, index, seed))
        atoms = recording.labels.where(recording.labels["cnr"] >= MIN_CNR)
        if len(atoms) < 10:
            continue
        alone = cKDTree(atoms.points).query(atoms.points, k=2)[0][:, 1] > ALONE
        bare = Annotations(atoms.points[alone])
        fits = refine_places(recording.image[0], bare, WIDTH / (sample.sampling or 1.0))
        values = fits["intensity"][fits["fitted"] == 1]
        found.append(values / np.median(values))
    return found


def simulated(images: int, seed: int, sets: int) -> dict[str, object]:
    values = np.concatenate(intensities(images, seed))
    rng, logs = np.random.default_rng(6), np.log(values)

    def draw(share: float) -> Values:
        found = rng.choice(values, len(values))
        second = round(share * len(values))
        found[:second] += rng.choice(values, second)
        return found

    return {
        "atoms": len(values),
        "spread of the logarithm": round(float(logs.std()), 3),
        "skewness": round(float(skew(values)), 2),
        "skewness of the logarithm": round(float(skew(logs)), 2),
        "all": mix_intensities(values).summary(),
        "resampled": judged(draw, sets),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["drawn", "simulated"])
    parser.add_argument("--sets", type=int, default=60)
    parser.add_argument("--atoms", type=int, nargs="+", default=[40, 150, 500])
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--seed", type=int, default=41)
    options = parser.parse_args()
    simulate = options.what == "simulated"
    found = (
        simulated(options.images, options.seed, options.sets)
        if simulate
        else drawn(options.sets, options.atoms)
    )
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
