"""The judgement of the labels of one file, by all that is known about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import poisson

from stemforge.evaluate.audit.evidence import log_ratios, share_on_spots
from stemforge.evaluate.audit.findings import Fault, Verdict, numbered, row_words
from stemforge.evaluate.audit.placements import Placement, Shape
from stemforge.evaluate.audit.runs import Run, split_runs
from stemforge.evaluate.audit.search import PRIORS, Candidate, gaps

MARGIN = float(np.log(1000))
"""A fault is reported, or labels are called sound, where they are a thousand times likelier than otherwise."""
# Rows of another image are looked for where labels fit otherwise: less will do. On the real Pt/NC images, rows shuffled
# 220 times, not a single run was taken for another image's, even without a margin.
_RUN_MARGIN = float(np.log(20))
# Rows from which on labels that fit would show it; each adds about 1.9 to the evidence on the real Pt/NC images.
_FEW = 8
# Probability that the next row is another image's.
_CHANGE = 0.03


@dataclass(frozen=True)
class Case:
    """All that is known about the labels of one file when they are judged.

    Parameters
    ----------
    image, table, points
        As in :class:`Verdict`.
    shapes
        Height and width of every image of the set [pixel].
    candidates
        Placements on the file's image, by map and kind of labels, the best first; empty for a table without rows.
    ranks
        Ranks of all rows, by image and map.
    tolerances, spacings
        How far a label may lie from its atom, and how far from others to be evidence for itself [pixel], by map.
    """

    image: str
    table: str
    points: NDArray[np.float64]
    shapes: Mapping[str, Shape]
    candidates: Mapping[tuple[str, int], Sequence[Candidate]] = field(default_factory=dict)
    ranks: Mapping[str, Mapping[str, NDArray[np.uint16]]] = field(default_factory=dict)
    tolerances: Mapping[str, float] = field(default_factory=dict)
    spacings: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def gaps(self) -> NDArray[np.float64]:
        """Distance of each row from the nearest one before it [pixel], shape (n,)."""
        return gaps(self.points)

    def others(self) -> list[str]:
        """Return the names of the other images."""
        return [name for name in self.ranks if name != self.image]

    def rows_on(self, image: str, basis: tuple[str, int]) -> NDArray[np.float64]:
        """Return the log likelihood ratio of each row on an image, shape (n,)."""
        name, kind = basis
        return np.where(self.gaps >= self.spacings[name], log_ratios()[kind][self.ranks[image][name]], 0.0)

    def ranking(self, basis: tuple[str, int]) -> list[Candidate]:
        """Return the placements on all images by one map, the best first."""
        prior = np.log(PRIORS["image"] / max(1, len(self.others())))
        elsewhere = [
            Candidate(Placement(image=name), float(self.rows_on(name, basis).sum() + prior))
            for name in self.others()
        ]
        return sorted([*self.candidates[basis], *elsewhere], key=lambda one: -one.score)


def judge(case: Case) -> Verdict:
    """Judge the labels of one file."""
    if not len(case.points):
        return Verdict(case.image, case.table, case.points, (), (), case.points, True, note="no labels")
    # The map that speaks for any placement most clearly; a wrong one speaks for none.
    rankings = {basis: case.ranking(basis) for basis in case.candidates}
    basis = max(rankings, key=lambda one: rankings[one][0].score)
    best = rankings[basis][0]
    sound = next(one for one in rankings[basis] if one.placement == Placement())
    splits = {basis: _runs(case, basis) for basis in case.candidates}
    clearest = max(splits, key=lambda one: splits[one][1])
    runs, score = splits[clearest]
    # Any of the maps may speak by chance; among placements by one map that makes no difference.
    enough = MARGIN + np.log(len(case.candidates))
    margin = _RUN_MARGIN if _fits_otherwise(case, runs, clearest) else MARGIN
    if len(runs) > 1 and score > max(enough, best.score + margin):
        return _of_runs(case, runs, clearest[0], (sound.score, score))
    evidence = (sound.score, best.score)
    if best.score > max(enough, sound.score + MARGIN):
        return _of_placement(case, best, rankings[basis], basis[0], evidence)
    if sound.score > enough:
        share = share_on_spots(case.ranks[case.image][basis[0]])
        return replace(_of_placement(case, sound, [sound], basis[0], evidence), share=share)
    return _undecided(case, basis[0], evidence)


def _runs(case: Case, basis: tuple[str, int]) -> tuple[list[Run], float]:
    """Split the rows by image; a last source stands for none."""
    names = [case.image, *case.others()]
    rows = np.stack([*(case.rows_on(name, basis) for name in names), np.zeros(len(case.points))])
    # Marking tools write to the file before or after: half of what is not the file's image is for these two.
    order = list(case.ranks)
    place = order.index(case.image)
    neighbours = {*order[max(0, place - 1) : place], *order[place + 1 : place + 2]}
    shares = [1 / (len(names) + 1), *[0.5 / len(names) + 0.25 * (name in neighbours) for name in names[1:]]]
    shares.append(0.5 / len(names))
    priors = np.log([PRIORS["sound"], *[PRIORS["image"] * share for share in shares[1:]]])
    return split_runs(rows, priors, np.log(_CHANGE * np.array(shares)))


def _fits_otherwise(case: Case, runs: Sequence[Run], basis: tuple[str, int]) -> bool:
    """Say whether every run fits an image, and those of the file's image beyond doubt."""
    home = case.rows_on(case.image, basis)
    total = sum(home[run.first : run.last + 1].sum() for run in runs if run.source == 0)
    return bool(total > MARGIN) and all(run.source < len(case.ranks) for run in runs)


def _of_runs(case: Case, runs: Sequence[Run], basis: str, evidence: tuple[float, float]) -> Verdict:
    names: list[str | None] = [case.image, *case.others(), None]
    images: list[str | None] = [None] * len(case.points)
    faults = []
    for run in runs:
        name = names[run.source]
        for row in range(run.first, run.last + 1):
            images[row] = None if row in run.doubtful else name
        if name == case.image:
            continue
        span = f"rows {run.first + 1} to {run.last + 1}"
        message = f"{span} are labels of image {name}" if name else f"{span} fit no image of the set"
        if run.doubtful:
            verb = "is" if len(run.doubtful) == 1 else "are"
            message += f"; {row_words(run.doubtful)} may be of either and {verb} left out"
        rows = tuple(range(run.first + 1, run.last + 2))
        faults.append(Fault("rows", message, rows, name))
    return _finish(case, faults, images, case.points, basis, evidence)


def _of_placement(
    case: Case, best: Candidate, ranking: Sequence[Candidate], basis: str, evidence: tuple[float, float]
) -> Verdict:
    place = best.placement
    image = place.image or case.image
    placed = place.apply(case.points, case.shapes[image])
    rivals = [
        one
        for one in ranking
        if one.score > best.score - MARGIN and not _alike(one.placement, place, case, case.tolerances[basis])
    ]
    faults = []
    if place != Placement():
        message = place.words()
        if rivals:
            message += f"; or {rivals[0].placement.words().removeprefix('the labels ')}"
        faults.append(Fault(place.kind, message, image=place.image))
    images: list[str | None] = [image] * len(case.points)
    return _finish(case, faults, images, placed, basis, evidence, certain=not rivals)


def _alike(one: Placement, other: Placement, case: Case, tolerance: float) -> bool:
    """Say whether two placements put the labels to the same places."""
    if one.image != other.image:
        return False
    shape = case.shapes[one.image or case.image]
    way = one.apply(case.points, shape) - other.apply(case.points, shape)
    return bool(np.median(np.hypot(*way.T)) <= 2 * tolerance)


def _undecided(case: Case, basis: str, evidence: tuple[float, float]) -> Verdict:
    number = len(np.unique(case.points, axis=0))
    if number < _FEW:
        note = f"{number} label{'s'[: number != 1]}: too few to tell whether they fit"
        faults = []
    else:
        note = ""
        text = (
            "the labels lie no better on bright spots than random points, as given, turned, shifted or scaled"
        )
        faults = [Fault("nowhere", f"{text}, and on no other image of the set")]
    images: list[str | None] = [case.image] * len(case.points)
    return _finish(case, faults, images, case.points, basis, evidence, certain=False, note=note)


def _finish(
    case: Case,
    faults: list[Fault],
    images: list[str | None],
    placed: NDArray[np.float64],
    basis: str,
    evidence: tuple[float, float],
    certain: bool = True,
    note: str = "",
) -> Verdict:
    """Add duplicates and labels off the image to the faults, and take them out of the mend."""
    copies: list[int] = []
    outside: list[int] = []
    for name in {name for name in images if name is not None}:
        rows = np.array([row for row, image in enumerate(images) if image == name])
        height, width = case.shapes[name]
        x, y = placed[rows].T
        off = (x < -0.5) | (y < -0.5) | (x > width - 0.5) | (y > height - 0.5)
        outside += rows[off].tolist()
        # Where the size of atoms is not known, only equal rows count.
        copies += rows[
            _copies(placed[rows], case.tolerances[basis] if certain else 0.0, height * width)
        ].tolist()
    if copies:
        faults.append(
            Fault("duplicates", f"{row_words(copies)}: an atom that is labelled before", numbered(copies))
        )
    if outside:
        faults.append(Fault("outside", f"{row_words(outside)}: off the image", numbered(outside)))
    for row in {*copies, *outside}:
        images[row] = None
    return Verdict(
        case.image,
        case.table,
        case.points,
        tuple(faults),
        tuple(images),
        placed,
        certain,
        evidence,
        basis,
        note,
    )


def _copies(points: NDArray[np.float64], tolerance: float, area: float) -> NDArray[np.intp]:
    """Return the rows that mark an atom which a row before marks, too.

    Atoms one behind the other lie as near by chance: up to a third of the tolerance a second label is one too many,
    up to the whole only where there are more such pairs than chance makes.
    """
    tree = cKDTree(points)
    expected = len(points) ** 2 * np.pi * tolerance**2 / (2 * area)
    pairs = tree.query_pairs(tolerance, output_type="ndarray")
    if poisson.sf(len(pairs) - 1, expected) > 1e-3:
        pairs = tree.query_pairs(tolerance / 3, output_type="ndarray")
    return np.unique(pairs.max(axis=1)) if len(pairs) else np.zeros(0, dtype=np.intp)
