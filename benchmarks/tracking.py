"""Whether atoms are followed rightly through series whose truth is known, and whether intervals hold what they say.

    python benchmarks/tracking.py links [--series 10]
    python benchmarks/tracking.py hops [--series 25] [--frames 40] [--recall 0.8]
    python benchmarks/tracking.py still [--series 40]
    python benchmarks/tracking.py diffusion [--series 60]
    python benchmarks/tracking.py losses [--series 25] [--frames 40] [--recall 0.8] [--loss 0.02]
    python benchmarks/tracking.py distortion [--series 20]
    python benchmarks/tracking.py strangers [--series 30]
    python benchmarks/tracking.py images [--frames 12] [--out FOLDER]

Series of 256 × 256 pixels, 0.293 Å a pixel, with 0.3 atoms per nm² (about 17 on a frame), drift of 1 Å a frame at
random and 0.7 Å steadily, places found to 0.15–0.38 Å, three false atoms a frame (Poisson), and a recall that differs
from atom to atom (Beta law, mean 0.8, 0.88 or 0.95). `links`: atoms that diffuse by 1 Å (rms) from frame to frame,
and atoms that stay: share of links that are right, of those that are true and of those that were made. `hops`: 3 in
100 atoms hop by 2 to 5 Å from frame to frame; their rate, corrected and as counted, over the true one, and over that of
hops within the reach of the series. `still`: nothing moves: share moved, hops, D. `diffusion`: how often the interval
of D holds the truth.
`losses`: 2 in 100 atoms disappear from frame to frame and as many come (`--loss 0`: none). `distortion`: frames drift
by 1 to 3 Å while they are scanned, with the correction and without, beside frames that do not. `strangers`: frames of
independent random points, and series whose second half shows another specimen: how many are refused. `images`: frames
simulated by `kernels`, of atoms on carbon, detected by the weights that ship, a fifth of the atoms hop once; beside a
series in which none moves.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from stemforge import Annotations, Micrograph
from stemforge.errors import InputError
from stemforge.evaluate import Series, Tracks, track_atoms
from stemforge.evaluate.series import distortion as alignment
from stemforge.evaluate.series.rates import rate
from stemforge.infer import detect_atoms
from stemforge.infer.weights import load_finder
from stemforge.simulate import SimulationRecipe, degrade
from stemforge.structures.tags import Tag

RECALLS = (0.8, 0.88, 0.95)
SIDE, SAMPLING, DENSITY, MARGIN = 256, 0.293, 0.3, 20.0
LENGTH = SIDE * SAMPLING
FALSE, SCATTER = 3.0, 0.25  # false atoms a frame; error of a coordinate [Å]
HOP_LENGTHS = (2.0, 5.0)


@dataclass(frozen=True)
class Truth:
    """What a series was made of: which atom each detection is (−1: false), lengths of hops [Å], losses, arrivals.

    ``chances``: atoms present, summed over steps from frame to frame. ``places``: where each detection's atom was [Å],
    without drift, NaN of false ones.
    """

    atoms: NDArray[np.int64]
    places: NDArray[np.float64]
    drift: NDArray[np.float64]
    lengths: NDArray[np.float64]
    losses: int
    arrivals: int
    chances: int

    @property
    def hops(self) -> int:
        return len(self.lengths)


def simulate(
    seed: int,
    frames: int,
    recall: float = 0.88,
    hop: float = 0.0,
    rms: float = 0.0,
    loss: float = 0.0,
    within: tuple[float, float] = (0.0, 0.0),
) -> tuple[Series, Truth]:
    """Make a series of tables."""
    rng = np.random.default_rng(seed)
    field = (LENGTH + 2 * MARGIN) ** 2 / 100
    points = rng.uniform(-MARGIN, LENGTH + MARGIN, (round(DENSITY * field), 2))
    names = np.arange(len(points))
    drift = np.cumsum(rng.normal(0, 1, (frames, 2)) + np.array([0.6, -0.4]), 0)
    drift -= drift[0]
    chances = rng.beta(12 * recall, 12 * (1 - recall), 5000)
    tables, atoms, places, lengths, losses, arrivals, chances_given = [], [], [], [], 0, 0, 0
    for frame in range(frames):
        if frame:
            points = points + rng.normal(0, rms / np.sqrt(2), points.shape)
            hopping, going = rng.random(len(points)) < hop, rng.random(len(points)) < loss
            angle = rng.uniform(0, 2 * np.pi, len(points))
            length = np.sqrt(rng.uniform(*np.square(HOP_LENGTHS), len(points)))
            points = points + (hopping * length * np.stack([np.cos(angle), np.sin(angle)])).T
            inside = _inside(points + drift[frame])
            lengths.append(length[hopping & inside])
            losses += int((going & inside).sum())
            chances_given += int(inside.sum())
            new = rng.uniform(-MARGIN, LENGTH + MARGIN, (rng.poisson(loss * DENSITY * field), 2))
            arrivals += int(_inside(new + drift[frame]).sum())
            points = np.concatenate([points[~going], new])
            names = np.concatenate([names[~going], 1000 * frame + np.arange(len(new))])
        shown = distorted(points + drift[frame], within, np.random.default_rng([seed, frame]))
        inside = _inside(shown)
        table, who = _detected(shown[inside], names[inside], chances, rng)
        tables.append(table)
        atoms.append(who)
        known = dict(zip(names.tolist(), points, strict=True))
        places.append([known.get(name, np.full(2, np.nan)) for name in who.tolist()])
    truth = Truth(
        np.concatenate(atoms), np.concatenate(places), drift, np.concatenate(lengths), losses, arrivals, chances_given
    )  # fmt: skip
    return Series(tables, (SIDE, SIDE), SAMPLING), truth


def distorted(
    points: NDArray[np.float64], within: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Displace points by drift within the frame: its length [Å] between these, a third of it gets faster or slower."""
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(*within)
    steady = length / 2 * np.array([np.cos(angle), np.sin(angle)])
    faster = length / 6 * rng.normal(0, 1, 2)
    shown = points
    for _ in range(3):  # an atom is displaced by what the line has on which it is recorded
        line = np.clip(2 * shown[:, 1:] / LENGTH - 1, -1.5, 1.5)
        shown = points + steady * line + faster * (1.5 * line**2 - 0.5)
    return shown


def _inside(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(((points >= 0) & (points <= LENGTH)).all(1))


def _detected(
    points: NDArray[np.float64],
    names: NDArray[np.int64],
    chances: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[Annotations, NDArray[np.int64]]:
    """Return the atoms that are found, with errors and likelihoods, and false ones among them."""
    hit = rng.random(len(points)) < chances[names % len(chances)]
    number, false = int(hit.sum()), int(rng.poisson(FALSE))
    error = np.concatenate([SCATTER * rng.uniform(0.6, 1.5, number), np.full(false, 0.4)])
    places = np.concatenate([points[hit], rng.uniform(0, LENGTH, (false, 2))])
    places[:number] += rng.normal(0, 1, (number, 2)) * error[:number, None]
    score = np.concatenate([rng.beta(8, 1.2, number), rng.beta(4, 2.5, false)])
    who = np.concatenate([names[hit], np.full(false, -1)])
    order = rng.permutation(number + false)
    columns = {"score": score, "x_error_px": error / SAMPLING, "y_error_px": error / SAMPLING}
    return Annotations((places / SAMPLING)[order], columns={k: v[order] for k, v in columns.items()}), who[
        order
    ]


def links_right(tracks: Tracks, truth: Truth) -> tuple[int, int, int]:
    """Return how many links are right, how many are true, and how many were made."""
    true: set[tuple[int, int]] = set()
    for atom in np.unique(truth.atoms[truth.atoms >= 0]):
        index = np.flatnonzero(truth.atoms == atom).tolist()
        true |= set(pairwise(index))
    made = {pair for one in tracks.tracks for pair in pairwise(one.index.tolist())}
    return len(true & made), len(true), len(made)


def links(series: int) -> dict[str, Any]:
    found = {}
    for motion, rms in (("1 Å rms", 1.0), ("stay", 0.0)):
        for recall in (0.8, 0.88, 0.95):
            counts, errors = np.zeros(3), []
            for seed in range(series):
                made, truth = simulate(seed, 20, recall, rms=rms)
                tracks = track_atoms(made)
                counts += links_right(tracks, truth)
                errors.append(np.sqrt(np.mean((tracks.drift - truth.drift) ** 2)))
            of_true, of_made = counts[0] / counts[1], counts[0] / counts[2]
            found[f"{motion}, recall {recall}"] = {
                "of_true": of_true, "of_made": of_made, "links": counts[1], "drift_rms": float(np.mean(errors)),
            }  # fmt: skip
    return found


def _rates(
    series: int,
    frames: int,
    options: dict[str, float],
    rates: dict[str, tuple[Callable[[Tracks], Any], Callable[[Tracks, Truth], float]]],
    recalls: Sequence[float],
) -> dict[str, Any]:
    """Compare rates with the truth, for some recalls."""
    found = {}
    for recall in recalls:
        made = [simulate(seed, frames, recall, **options) for seed in range(series)]
        followed = [(track_atoms(one), truth) for one, truth in made]
        for name, (rate_of, true_rate) in rates.items():
            ones = [rate_of(tracks) for tracks, _ in followed]
            values, true = (
                np.array([one.value for one in ones]),
                np.array([true_rate(*one) for one in followed]),
            )
            expected = next(iter(options.values()))
            expected *= DENSITY * LENGTH**2 / 100 if name == "arrivals" else 1.0
            found[f"{name}, recall {recall}"] = {
                "measured": values.mean(), "error": values.std() / np.sqrt(series), "true": true.mean(),
                "ratio": values.mean() / true.mean() if true.any() else None,
                "interval_holds": float(np.mean([one.low <= expected <= one.high for one in ones])),
            }  # fmt: skip
    return found


def hops(series: int, frames: int = 40, recalls: Sequence[float] = RECALLS) -> dict[str, Any]:
    def within(tracks: Tracks, truth: Truth) -> float:
        return float((truth.lengths < tracks.model.reach).sum() / truth.chances)

    rates: dict[str, Any] = {
        "hops": (lambda tracks: tracks.hop_rate, lambda tracks, truth: truth.hops / truth.chances),
        "hops as counted": (
            lambda tracks: rate(tracks.hops, tracks.watched),
            lambda tracks, truth: truth.hops / truth.chances,
        ),
        "hops within reach": (lambda tracks: tracks.hop_rate, within),
    }
    return _rates(series, frames, {"hop": 0.03}, rates, recalls)


def losses(
    series: int, frames: int = 40, recalls: Sequence[float] = RECALLS, loss: float = 0.02
) -> dict[str, Any]:
    return _rates(series, frames, {"loss": loss}, {
        "losses": (lambda tracks: tracks.loss_rate, lambda tracks, truth: truth.losses / truth.chances),
        "arrivals": (lambda tracks: tracks.arrival_rate, lambda tracks, truth: truth.arrivals / (frames - 1)),
    }, recalls)  # fmt: skip


def still(series: int) -> dict[str, Any]:
    atoms = moved = jumps = watched = zero = 0
    lost = exposure = 0.0
    for seed in range(series):
        tracks = track_atoms(simulate(1000 + seed, 20)[0])
        atoms, moved = atoms + len(tracks.tracks), moved + int(tracks.moved.sum())
        jumps, watched = jumps + tracks.hops, watched + tracks.watched
        lost, exposure = lost + tracks.presence.losses, exposure + tracks.presence.exposure
        zero += tracks.diffusion.low <= 0 <= tracks.diffusion.high
    return {
        "atoms": atoms, "moved": moved, "hops": jumps, "per_atom_and_frame": jumps / watched,
        "losses_per_atom_and_frame": lost / exposure, "d_interval_holds_0": zero / series,
    }  # fmt: skip


def diffusion(series: int) -> dict[str, Any]:
    found = {}
    for rms in (0.3, 1.0):
        true, ones = rms**2 / 4, []
        for seed in range(series):
            ones.append(track_atoms(simulate(2000 + seed, 20, rms=rms)[0]).diffusion)
        values = np.array([one.value for one in ones])
        found[f"{rms} Å rms a frame"] = {
            "true": true, "mean": values.mean(), "error_of_mean": values.std() / np.sqrt(series),
            "interval_holds": float(np.mean([one.low <= true <= one.high for one in ones])),
            "sd": values.std(), "stated_error": float(np.mean([one.error for one in ones])),
        }  # fmt: skip
    return found


def distortion(series: int) -> dict[str, Any]:
    """Follow with the correction and without, frames that are distorted and frames that are not."""
    found = {}
    motions: dict[str, dict[str, float]] = {"stay": {}, "hop": {"hop": 0.03}, "1 Å rms": {"rms": 1.0}}
    for length in ((0.0, 0.0), (1.0, 3.0)):
        for motion, options in motions.items():
            for corrected in (False, True):
                with _correcting(corrected):
                    made = [simulate(6000 + seed, 20, within=length, **options) for seed in range(series)]
                    followed = [(track_atoms(one), truth) for one, truth in made]
                name = f"{length[0]:g}–{length[1]:g} Å, {motion}, {'corrected' if corrected else 'as it is'}"
                found[name] = _followed(followed)
    return found


@contextmanager
def _correcting(on: bool) -> Iterator[None]:
    """Leave frames as they are recorded, or straighten them."""
    if on:
        yield
        return
    with patch.object(alignment, "FALSE_SHARE", 0.0):
        yield


def _followed(followed: Sequence[tuple[Tracks, Truth]]) -> dict[str, float]:
    counts = np.sum([links_right(tracks, truth) for tracks, truth in followed], axis=0)
    hop_rates = [tracks.hop_rate.value for tracks, _ in followed]
    values = np.array([tracks.diffusion.value for tracks, _ in followed])
    return {
        "of_true": counts[0] / counts[1], "of_made": counts[0] / counts[2],
        "places_rms": float(np.sqrt(np.mean(np.concatenate([_place_errors(*one) for one in followed]) ** 2))),
        "D": values.mean(), "error_of_D": values.std() / np.sqrt(len(values)), "hop_rate": float(np.mean(hop_rates)),
        "true_hop_rate": sum(truth.hops for _, truth in followed) / sum(truth.chances for _, truth in followed),
        "frames_corrected": float(np.mean([tracks.distortion.corrected.mean() for tracks, _ in followed])),
    }  # fmt: skip


def _place_errors(tracks: Tracks, truth: Truth) -> NDArray[np.float64]:
    """Return by how much places err without what errs alike on all frames (x and y) [Å], of rightly linked ones."""
    errors = []
    for one in tracks.tracks:
        right = one.index[truth.atoms[one.index] == truth.atoms[one.index[0]]]
        error = one.path.points[np.isin(one.index, right)] - truth.places[right]
        if np.isfinite(error).all() and len(error) > 2:
            errors.append((error - error.mean(0)) * np.sqrt(len(error) / (len(error) - 1)))
    return np.concatenate(errors)


def strangers(series: int) -> dict[str, Any]:
    refused: dict[str, int] = {
        "independent frames": 0,
        "another specimen from the middle on": 0,
        "one specimen": 0,
    }
    for seed in range(series):
        rng = np.random.default_rng(3000 + seed)
        random = [Annotations(rng.uniform(0, SIDE, (20, 2))) for _ in range(20)]
        one, other = (simulate(4000 + 2 * seed + i, 20)[0] for i in (0, 1))
        tables = {
            "independent frames": random,
            "another specimen from the middle on": [*one.atoms[:10], *other.atoms[10:]],
            "one specimen": list(one.atoms),
        }
        for name, atoms in tables.items():
            try:
                track_atoms(Series(atoms, (SIDE, SIDE), SAMPLING))
            except InputError:
                refused[name] += 1
    return {name: number / series for name, number in refused.items()}


def images(frames: int, folder: Path | None = None) -> dict[str, Any]:
    """Simulate frames of one specimen, detect and follow its atoms: a fifth of them hop, and none."""
    model, card = load_finder("any-atom", "atoms")
    found = {}
    for share in (0.2, 0.0):
        shown, places, drift = simulated_frames(frames, share)
        if folder is not None:
            tifffile.imwrite(
                folder / f"hops-{share:g}.tif", np.stack(shown), imagej=True, resolution=(10 / SAMPLING,) * 2,
                metadata={"unit": "nm", "axes": "TYX"},
            )  # fmt: skip
        tables = [detect_atoms(Micrograph(image, SAMPLING), model, card).atoms for image in shown]
        tracks = track_atoms(Series(tables, (SIDE, SIDE), SAMPLING, shown))
        found[f"{100 * share:g} % hop once"] = _judged(tracks, places, drift)
    return found


def simulated_frames(
    frames: int, share: float
) -> tuple[list[NDArray[np.float32]], NDArray[np.float64], NDArray[np.float64]]:
    """Return images, places of atoms (x, y) [Å] without drift, shape (frames, atoms, 2), and drift [Å]."""
    overrides = {
        "scan.shape": [320, 320], "support.mean_thickness": 60, "support.vacuum_fraction": 0, "focus": 0.3,
        "single_atoms": [{"element": "Pt", "areal_density": 0.4, "placement": "surface", "min_distance": 4}],
        "degradation.dose": 3e4, "degradation.source_size": 1.2, "microscope.A1": 0,
    }  # fmt: skip
    recipe = SimulationRecipe.load("quickstart", overrides)
    drawn, atoms = recipe.build(3)
    rng = np.random.default_rng(5)
    single = np.flatnonzero(np.isin(atoms.get_tags(), (Tag.SINGLE_ATOM, Tag.CLUSTER_ATOM)))
    hopping = single[rng.random(len(single)) < share]
    when = rng.integers(2, frames - 2, len(hopping))
    angle, length = rng.uniform(0, 2 * np.pi, len(hopping)), rng.uniform(*HOP_LENGTHS, len(hopping))
    step = (length * np.stack([np.cos(angle), np.sin(angle)])).T
    drift = np.cumsum(rng.normal(0, 0.6, (frames, 2)) + np.array([0.5, -0.3]), 0)
    drift -= drift[0]
    margin = np.array([32, 32])
    shown, places = [], []
    for frame in range(frames):
        atoms.positions[hopping[when == frame], :2] += step[when == frame]
        signal = drawn.engine.image(atoms, drawn.microscope, drawn.scan, drawn.focus_depth(atoms))[0]
        moved = ndimage.shift(signal, drift[frame, ::-1] / SAMPLING, order=3, mode="nearest")
        cut = moved[margin[1] : margin[1] + SIDE, margin[0] : margin[0] + SIDE]
        shown.append(degrade(cut[None], drawn.degradation, SAMPLING, rng).image[0])
        origin = np.array(drawn.scan.origin((atoms.cell[0, 0], atoms.cell[1, 1])))
        places.append(atoms.positions[single, :2] - origin - margin * SAMPLING)
    return shown, np.array(places), drift


def _judged(tracks: Tracks, places: NDArray[np.float64], drift: NDArray[np.float64]) -> dict[str, Any]:
    """Compare tracks with the atoms that they follow, within 1.5 Å of their first place."""
    counts = dict.fromkeys(
        ("atoms", "followed_hop", "named_moved", "followed_stay", "wrongly_moved", "of_no_atom"), 0
    )
    counts["atoms"] = len(tracks.tracks)
    for one, moved in zip(tracks.tracks, tracks.moved, strict=True):
        distance = np.hypot(*(places[one.path.frame[0]] - one.path.points[0]).T)
        atom = int(distance.argmin())
        if distance[atom] > 1.5:
            counts["of_no_atom"] += 1
            continue
        during = places[one.path.frame[0] : one.path.frame[-1] + 1, atom]
        hopped = bool((np.abs(np.diff(during, axis=0)) > 0).any())
        counts["followed_hop" if hopped else "followed_stay"] += 1
        counts["named_moved" if hopped else "wrongly_moved"] += int(moved)
    error = np.sqrt(np.mean((tracks.drift - drift) ** 2))
    numbers = {
        "hops": tracks.hops,
        "recall": tracks.recall,
        "drift_rms": error,
        "localisation": tracks.localisation,
    }
    return {**counts, **numbers, "diffusion": [tracks.diffusion.low, tracks.diffusion.high]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    measures: dict[str, tuple[Callable[..., dict[str, Any]], int]] = {
        "links": (links, 10), "hops": (hops, 25), "still": (still, 40), "diffusion": (diffusion, 60),
        "losses": (losses, 25), "strangers": (strangers, 30),
        "distortion": (distortion, 20),
    }  # fmt: skip
    parser.add_argument("what", choices=[*measures, "images"])
    parser.add_argument("--series", type=int)
    parser.add_argument("--frames", type=int, help="of a series of `hops`, `losses` (40) and `images` (12)")
    parser.add_argument("--recall", type=float, help="of `hops` and `losses`; by default 0.8, 0.88 and 0.95")
    parser.add_argument("--loss", type=float, default=0.02, help="of `losses`, from frame to frame")
    parser.add_argument("--out", type=Path, help="folder for the stacks of `images`")
    given = parser.parse_args()
    if given.what == "images":
        found = images(given.frames or 12, given.out)
    else:
        measure, number = measures[given.what]
        options: dict[str, Any] = {}
        if given.what in ("hops", "losses"):
            options = {"frames": given.frames or 40, "recalls": [given.recall] if given.recall else RECALLS}
        if given.what == "losses":
            options["loss"] = given.loss
        found = measure(given.series or number, **options)
    print(json.dumps(found, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
