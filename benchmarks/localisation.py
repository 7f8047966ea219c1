"""How near atoms' places come to the Cramér-Rao bound: simulated, isolated, well visible atoms.

    python benchmarks/localisation.py WEIGHTS [--images 150] [--doses 5e4 4e5] [--recipe pt-nc] [--microscope.B2 0 ...]

Small fields of the recipe with few atoms apart from each other. Counted are atoms of a contrast-to-noise from --min-cnr
on (at the image's dose, source and texture), none of whose neighbours of contrast-to-noise 1 is within 20 px, nor the
border within 16 px. Root mean square errors are of one coordinate [px], over atoms found within 5 px of their place;
the bound's root mean square is over the same atoms. Beside the network stands a prewhitened matched filter that knows
each atom's width and where to look: what of the bound can be had where atoms are no Gaussians, texture is measured,
and lines jitter. `fit` is what `stemforge infer atoms` writes: the network's places after `refine_places`, with those
that could not be fitted; `fitted` are those that could. Of these, pulls are errors over the stated ones, and a
Kolmogorov-Smirnov test asks whether offsets from pixel centres are uniform. Labels stand where the atom is, not where
coma and the jitter of lines show it: `line_jitter 0` and `B2 0` say what these cost.
"""

import argparse
import json
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.stats import kstest

from stemforge import Annotations
from stemforge.console import progress
from stemforge.errors import InputError
from stemforge.evaluate import match_distance
from stemforge.infer import atom_finder, choose_atoms, refine_places
from stemforge.infer.atoms.places.refinement import WIDTH
from stemforge.options import parse_overrides
from stemforge.simulate import Recording, SimulationRecipe, record, simulate_sample
from stemforge.simulate.labels.limits import localisation_bound
from stemforge.simulate.labels.visibility import noise_power
from stemforge.simulate.microscope import FWHM
from stemforge.simulate.recording.record import recording_rng
from stemforge.train import AtomNet, Card, load_weights

RADIUS = 5.0
ALONE = 20.0
BORDER = 16.0
BINS = (5.0, 6.5, 9.0, 13.0, np.inf)


def alone(labels: Annotations, shape: tuple[int, int], min_cnr: float) -> Annotations:
    """Return the well visible atoms that have no seen neighbour nearby."""
    shown = labels.where(labels["cnr"] >= 1)
    if not len(shown):
        return shown
    x, y = shown.points.T
    inner = (np.minimum(x, y) >= BORDER) & (x < shape[1] - BORDER) & (y < shape[0] - BORDER)
    nearest = cKDTree(shown.points).query(shown.points, k=2)[0][:, 1]
    return shown.where((shown["cnr"] >= min_cnr) & inner & (nearest > ALONE))


def matched_filter(recording: Recording, atoms: Annotations, sampling: float) -> np.ndarray:
    """Place atoms where the prewhitened matched filter of their own width peaks near them."""
    image = recording.image[0] - ndimage.gaussian_filter(recording.image[0], 24.0, mode="reflect")
    spectrum = np.fft.fft2(image)
    q = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n, sampling) for n in image.shape), indexing="ij"))
    source = (recording.settings.source_size / FWHM) ** 2
    noise = noise_power(q, recording.dose, recording.settings.source_size, recording.texture)
    points = []
    for (x, y), width in zip(atoms.points, atoms["noise_width_angstrom"], strict=True):
        filtered = np.fft.ifft2(spectrum * np.exp(-2 * np.pi**2 * (width**2 + source) * q**2) / noise).real
        rows, columns = np.indices(image.shape)
        near = np.where(np.hypot(columns - x, rows - y) <= RADIUS, filtered, -np.inf)
        row, column = np.unravel_index(near.argmax(), image.shape)
        points.append([_top(filtered[row], column), _top(filtered[:, column], row)])
    return np.array(points).reshape(-1, 2)


def _top(values: np.ndarray, at: int) -> float:
    """Place of the parabola's top through a maximum and its neighbours."""
    left, middle, right = values[at - 1 : at + 2]
    curvature = left - 2 * middle + right
    return at + float(np.clip((left - right) / (2 * curvature), -1, 1)) if curvature < 0 else float(at)


def ratio(error2: np.ndarray, bound2: np.ndarray) -> dict:
    """Compare squared errors with squared bounds, each the mean of both coordinates' [px²]."""
    if not len(error2):
        return {"atoms": 0, "rmse_px": None, "bound_px": None, "ratio": None, "ratio_se": None}
    rmse, bound = np.sqrt(error2.mean()), np.sqrt(bound2.mean())
    spread = error2.std() / error2.mean() / (2 * np.sqrt(len(error2)))
    figures = {"rmse_px": rmse, "bound_px": bound, "ratio": rmse / bound, "ratio_se": rmse / bound * spread}
    return {"atoms": len(error2), **{name: round(float(value), 3) for name, value in figures.items()}}


def measure(recording: Recording, sampling: float, model: AtomNet, card: Card, min_cnr: float) -> dict:
    """Return contrast-to-noise, bound², errors [px], (squared) of an image's atoms, NaN where one was not found."""
    image = recording.image[0]
    atoms = alone(recording.labels, image.shape, min_cnr)
    seen_at = (recording.dose, recording.settings.source_size, recording.texture)
    bound = localisation_bound(atoms, *seen_at) / sampling
    network, sigma, fitted = np.full((3, len(atoms)), np.nan)
    error, stated, offset = np.full((3, len(atoms), 2), np.nan)
    if len(atoms):
        found = choose_atoms(atom_finder(model, card, image)[1], card).atoms
        placed = refine_places(image, found, WIDTH / sampling)
        match = match_distance(found.points, atoms.points, RADIUS)
        which, truth = match.pairs.T
        network[truth] = match.distances**2 / 2
        sigma[truth] = found["sigma_px"][which]
        fitted[truth] = placed["fitted"][which]
        error[truth] = placed.points[which] - atoms.points[truth]
        stated[truth] = np.column_stack([placed["x_error_px"], placed["y_error_px"]])[which]
        offset[truth] = placed.points[which] - np.rint(placed.points[which])
    filtered = ((matched_filter(recording, atoms, sampling) - atoms.points) ** 2).mean(1)
    return {
        "cnr": atoms["cnr"],
        "bound2": bound**2,
        "network": network,
        "filter": filtered,
        "sigma2": sigma**2,
        "fitted": fitted,
        "error": error,
        "stated": stated,
        "offset": offset,
    }


def judge_fit(atoms: dict[str, np.ndarray], here: np.ndarray) -> dict:
    """Compare the fit with the bound, its errors with the stated ones, and its offsets with uniform ones."""
    squares = (atoms["error"] ** 2).mean(1)
    found, fitted = here & np.isfinite(squares), here & (atoms["fitted"] == 1)
    result = {"fit": ratio(squares[found], atoms["bound2"][found])}
    result["fitted"] = ratio(squares[fitted], atoms["bound2"][fitted])
    if fitted.any():
        pulls = atoms["error"][fitted] / atoms["stated"][fitted]
        uniform = kstest(atoms["offset"][fitted].ravel() + 0.5, "uniform").pvalue
        result["pulls"] = {
            "sd": round(float(pulls.std()), 3),
            "mean": pulls.mean(0).round(3).tolist(),
            "se": round(float(pulls.std() / np.sqrt(2 * pulls.size)), 3),
        }
        result["offsets"] = {
            "rms_px": round(float(atoms["offset"][fitted].std()), 3),
            "ks_p": round(float(uniform), 4),
        }
    return result


def summary(rows: list[dict]) -> dict:
    """Put the atoms of all images together."""
    atoms = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    found = np.isfinite(atoms["network"])
    bins = [*pairwise(BINS)]
    inside = [(atoms["cnr"] >= low) & (atoms["cnr"] < high) for low, high in bins]
    own_sigma = np.sqrt(atoms["sigma2"][found].mean()) if found.any() else np.nan
    return {
        "atoms": len(found),
        "found": round(float(found.mean()), 3) if len(found) else None,
        "network": ratio(atoms["network"][found], atoms["bound2"][found]),
        "network_own_sigma_px": round(float(own_sigma), 3) if found.any() else None,
        "matched_filter": ratio(atoms["filter"], atoms["bound2"]),
        **judge_fit(atoms, np.ones(len(found), dtype=bool)),
        "by_cnr": [
            {
                "cnr": [low, high if np.isfinite(high) else None],
                "found": round(float(found[here].mean()), 3) if here.any() else None,
                "network": ratio(atoms["network"][here & found], atoms["bound2"][here & found]),
                "matched_filter": ratio(atoms["filter"][here], atoms["bound2"][here]),
                **judge_fit(atoms, here),
            }
            for (low, high), here in zip(bins, inside, strict=True)
        ],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("weights")
    parser.add_argument("--images", type=int, default=150)
    parser.add_argument("--recipe", default="pt-nc")
    parser.add_argument("--size", type=int, default=128, help="side of the fields [px]")
    parser.add_argument("--density", type=float, default=0.5, help="atoms per nm², most of them out of focus")
    parser.add_argument("--min-cnr", type=float, default=5.0)
    parser.add_argument("--doses", type=float, nargs="*", help="e/Å²; by default as the recipe draws them")
    parser.add_argument("--threshold", type=float, help="by default the weights' own")
    parser.add_argument("--seed", type=int, default=5)
    options, others = parser.parse_known_args()  # the others are fields of the recipe
    model, card = load_weights(options.weights)
    if card.architecture != "atom-net":
        sys.exit(f"{options.weights}: a {card.architecture}; only an atom-net places atoms within a pixel")
    element = {"element": "Pt", "areal_density": options.density, "placement": "volume", "min_distance": 10}
    overrides = {
        "scan.shape": [options.size] * 2,
        "single_atoms": [element],
        "support.vacuum_fraction": 0,
        "store_structures": False,
        "seed": options.seed,
    }
    if card.sampling:
        overrides["scan.sampling"] = card.sampling
    try:
        recipe = SimulationRecipe.load(options.recipe, overrides | parse_overrides(others))
    except InputError as error:
        sys.exit(str(error))
    if options.threshold is not None:
        card = replace(card, threshold=options.threshold, min_expected_f1=None)
    doses = options.doses or [None]
    rows = {dose: [] for dose in doses}
    with progress("isolated atoms", options.images, "images") as advance:
        for index in range(options.images):
            sample = simulate_sample(recipe, index)
            first = replace(sample, signal=sample.signal[:1], channels=sample.channels[:1])
            for dose in doses:
                degradation = recipe.degradation if dose is None else recipe.degradation.at_dose(dose)
                recording = record(first, degradation, recording_rng({}, index, recipe.seed))
                rows[dose].append(measure(recording, sample.sampling, model.eval(), card, options.min_cnr))
            advance(1)
    result = {"weights": options.weights, "threshold": card.threshold, "images": options.images}
    for dose in doses:
        print(json.dumps(result | {"dose": dose} | summary(rows[dose]), indent=2))
