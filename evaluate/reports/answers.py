"""The answers of a page's first screen: how many atoms, how dense, how they stand, how far to trust it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.evaluate.reports.page import Answer, digits
from stemforge.evaluate.statistics.curves import Curve
from stemforge.evaluate.statistics.density import Count, corrected_density, pooled_density
from stemforge.evaluate.statistics.survey import Survey

_LEVEL = 0.05
_NAMES = 4  # of images in such a remark
_DOUBTFUL = 0.6  # expected F1 below which a reader should look at the images


@dataclass(frozen=True)
class Verdict:
    """Whether atoms stand like random places.

    Parameters
    ----------
    word
        In a word or two.
    sentence
        The same in a sentence.
    p
        Smallest of the p values of Clark and Evans' index, L and g, times three: they are three tests of one question.
    """

    word: str
    sentence: str
    p: float

    @property
    def random(self) -> bool:
        """Whether random places are not contradicted."""
        return not self.p < _LEVEL


def judge_places(survey: Survey) -> Verdict:
    """Say whether the atoms of all images together stand like random places, and what differs else.

    The p values of Clark and Evans' index, L and g are corrected by their number (Bonferroni). What differs is read off
    the test with the smallest one: of g and L, where they leave the envelope that holds 95 % of random patterns at all
    distances together.

    Examples
    --------
    >>> from stemforge.evaluate import PointPattern, Window, survey_patterns
    >>> window = Window.frame((300, 300), sampling=0.3)
    >>> rng = np.random.default_rng(3)
    >>> pairs = window.draw(30, rng)
    >>> near = (np.repeat(pairs, 2, axis=0) + rng.normal(0, 4, (60, 2))).clip(0, 299)
    >>> patterns = [PointPattern(near, window, "pairs")]
    >>> judge_places(survey_patterns(patterns, simulations=199)).word
    'clustered'
    """
    index = survey.clark_evans
    tests = {"R": index.p}
    for curve in (survey.l_curve, survey.g):
        if curve.envelope is not None:
            tests[curve.name] = curve.envelope.p
    tests = {name: p for name, p in tests.items() if np.isfinite(p)}
    p = min(1.0, len(tests) * min(tests.values(), default=1.0))
    if p >= _LEVEL:
        return Verdict("like random places", "Their places cannot be told from random ones", p)
    found = find_departures(survey.g) or find_departures(survey.l_curve)
    if not found:
        near = index.index < 1
        text = f"nearest neighbours are {'nearer' if near else 'farther'} than those of random places"
        word = ("clustered" if near else "ordered") if index.p < _LEVEL else "not random"
        return Verdict(word, f"They do not stand like random places: {text}", p)
    parts = [f"{'more' if one.above else 'fewer'} neighbours than random {one.where}" for one in found]
    text = " and ".join([parts[0], *(part.replace(" neighbours than random", "") for part in parts[1:])])
    spacing = 2 * float(np.median([one.neighbours.expected for one in survey.images]))
    side = 0 if not index.p < _LEVEL else -1 if index.index < 1 else 1
    word = name_departures(found, spacing, side)
    return Verdict(word, f"They do not stand like random places: {text}", p)


@dataclass(frozen=True)
class Departure:
    """Distances at which a curve leaves its envelope: upwards or downwards, from which to which one, and in words.

    Where it is ``cumulative``, as L is, it tells of all neighbours within a distance, not of those at it.
    """

    above: bool
    start: float
    end: float
    where: str
    cumulative: bool = False


def name_departures(found: Sequence[Departure], spacing: float, side: int) -> str:
    """Return a word for how places depart from random ones: the nearest distances decide.

    Clusters leave gaps between them, and what keeps its distance gathers just beyond it. A density that varies over an
    image gives more neighbours than random, too, but over many distances and without bringing nearest ones nearer.

    Parameters
    ----------
    found
        Departures, nearest first, at least one.
    spacing
        Mean distance between atoms, 1/√λ: g of clusters leaves its envelope within it, and is back in it by twice that,
        or nearest neighbours are nearer than at random.
    side
        -1 or 1 where nearest neighbours are nearer or farther than those of random places, 0 where that is not known.

    Examples
    --------
    >>> name_departures([Departure(True, 20.0, 40.0, "from 20 Å on")], 15.0, 0)
    'uneven'
    """
    first = found[0]
    if first.above and first.cumulative:
        return "clustered" if side < 0 else "uneven"
    if first.above:
        local = side < 0 or first.end < 2 * spacing
        return "clustered" if first.start <= spacing and local else "uneven"
    return "ordered" if side > 0 or len(found) == 1 else "not random"


def find_departures(curve: Curve) -> list[Departure]:
    """Return where a curve lies above and below its global envelope, the widest range of each, nearest first."""
    found = []
    for above in (True, False) if curve.envelope is not None else ():
        ranges = _widest(curve, above)
        if ranges is not None:
            found.append(Departure(above, *ranges, _where(curve, *ranges), curve.name == "L"))
    return sorted(found, key=lambda one: one.start)


def _widest(curve: Curve, above: bool) -> tuple[float, float] | None:
    """Return the ends of the widest range of distances at which a curve is outside its envelope; None without any."""
    if curve.envelope is None:
        return None
    excess = curve.values - curve.envelope.global_high if above else curve.envelope.global_low - curve.values
    outside = np.flatnonzero(excess > 0)
    if not len(outside):
        return None
    widest = max(np.split(outside, np.flatnonzero(np.diff(outside) > 1) + 1), key=len)
    return float(curve.radii[widest[0]]), float(curve.radii[widest[-1]])


def _where(curve: Curve, first: float, last: float) -> str:
    unit, step = curve.unit, curve.radii[1] - curve.radii[0]
    if curve.name == "L":  # counts all neighbours up to a distance
        return f"within {last:.2g} {unit}"
    if last >= curve.radii[-1]:
        return f"from {first:.2g} {unit} on"
    if first <= 3 * step:
        return f"within {last:.2g} {unit}"
    return f"at {first:.2g} to {last:.2g} {unit}" if last > first else f"at {first:.2g} {unit}"


def pooled_neighbours(survey: Survey) -> tuple[float, float, float, float] | None:
    """Return the mean distance to the nearest neighbour of all images' atoms [unit], with that of random places.

    Returns
    -------
    tuple or None
        Measured, expected of random places, and the ends of the interval that holds 95 of 100 random ones.
    """
    near = [one for one in survey.images if np.isfinite(one.neighbours.low)]
    if not near:
        return None
    weights: NDArray[np.float64] = np.array([len(one.pattern) for one in near], dtype=float)
    weights /= weights.sum()
    mean, expected = (
        float(weights @ [getattr(one.neighbours, name) for one in near]) for name in ("mean", "expected")
    )
    drawn = weights @ np.stack([one.neighbours.random_means for one in near])
    low, high = np.quantile(drawn[np.isfinite(drawn)], [_LEVEL / 2, 1 - _LEVEL / 2])
    return mean, expected, float(low), float(high)


def answer_all(
    counts: Sequence[Count], survey: Survey | None, facts: Sequence[Mapping[str, Any]], unit: str, failed: int
) -> tuple[str, list[Answer]]:
    """Return the answer as a sentence or two, and the numbers of the first screen.

    Parameters
    ----------
    counts
        Of all images.
    survey
        Their statistics; None where no image has atoms enough.
    facts
        What ``run.json`` says of each image; empty mappings where there is none.
    unit
        Of areas.
    failed
        Number of images that were left out.
    """
    atoms, area = sum(one.atoms for one in counts), sum(one.area for one in counts)
    density, low, high = pooled_density(counts)
    images = f"{len(counts)} image{'s' if len(counts) > 1 else ''}"
    interval = f"{density:.3g} per {unit} (95 %: {low:.2g} to {high:.2g})"
    show = "show" if len(counts) > 1 else "shows"
    found = f"{_number(atoms)} atom{'s' if atoms != 1 else ''}"
    answers = [Answer("Atoms found", _number(atoms), f"on {images}, {_number(area)} {unit} of specimen")]
    how = (
        "95 % interval: counting and what images differ by"
        if len(counts) > 1
        else "95 % interval, counting alone"
    )
    detail = f"{low:.2g} to {high:.2g} ({how})"
    corrected = corrected_density(counts)
    if corrected is not None:
        detail += f". {corrected.sentence.capitalize()}"
        interval += f"; with errors of detection {corrected.low:.2g} to {corrected.high:.2g}"
    lead = f"{images} {show} {found} on {_number(area)} {unit} of specimen: {interval}."
    answers.append(Answer("Density", f"{density:.3g} per {unit}", detail))
    if survey is None:
        lead += " Too few atoms to say how they stand."
        return lead, [*answers, *_trust(facts, len(counts), failed)]
    near = pooled_neighbours(survey)
    if near is not None:
        length = survey.window.unit
        mean, expected, lowest, highest = near
        detail = f"random places: {digits(expected)} {length}, "
        detail += f"95 % of random patterns {digits(lowest)} to {digits(highest)}"
        answers.append(Answer("Nearest neighbour, mean", f"{digits(mean)} {length}", detail))
    verdict = judge_places(survey)
    lead += f" {verdict.sentence}."
    index = survey.clark_evans
    detail = f"{format_p(verdict.p)}, corrected for three tests; Clark–Evans {index.index:.2f}, "
    detail += f"random {index.low:.2f} to {index.high:.2f}"
    answers.append(Answer("Arrangement", verdict.word.capitalize(), detail))
    if survey.bonded is not None:
        bonded = survey.bonded
        detail = f"{100 * bonded.low:.1f} to {100 * bonded.high:.1f} %, beyond coincidences of projection"
        detail += f"; within {bonded.length:.3g} {bonded.unit} of another atom"
        answers.append(Answer("Bonded atoms", f"{100 * max(bonded.fraction, 0):.1f} %", detail))
    return lead, [*answers, *_trust(facts, len(counts), failed)]


def _number(value: float) -> str:
    """Return a number of many digits in groups of three, others with three or four that count."""
    if value < 10_000:
        return f"{value:.4g}"
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def format_p(p: float) -> str:
    """Return a p value as it is printed.

    Examples
    --------
    >>> format_p(0.0312), format_p(1e-9)
    ('p = 0.031', 'p < 0.001')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def _trust(facts: Sequence[Mapping[str, Any]], images: int, failed: int) -> list[Answer]:
    """Say how far to trust what was found: the F1 to be expected, and images left out."""
    scores = [one["expected_f1"] for one in facts if one.get("expected_f1") is not None]
    out = f"{failed or 'no'} image{'s' if failed > 1 else ''} left out"
    if not scores:
        return [
            Answer(
                "How far to trust it", "not known", f"no calibrated likelihoods in these tables; {out}", True
            )
        ]
    median = float(np.median(scores))
    detail = (
        f"median, {min(scores):.2f} to {max(scores):.2f} over {len(scores)} of {images} images, "
        if images > 1
        else ""
    )
    detail += f"by the likelihoods alone; {out}"
    return [Answer("Expected F1", f"{median:.2f}", detail, median < _DOUBTFUL or failed > 0)]


def gather_remarks(remarks: Iterable[tuple[str, str]]) -> list[str]:
    """Return remarks on images as lines; the same one on many images once.

    Parameters
    ----------
    remarks
        Name of the image and the remark; an empty name for what holds for all.

    Examples
    --------
    >>> gather_remarks([("a", "blurred"), ("", "no masks"), *((str(n), "too dark") for n in range(5))])
    ['a: blurred', 'no masks', '5 images (0, 1, 2, 3 …): too dark']
    """
    names: dict[str, list[str]] = defaultdict(list)
    for name, text in remarks:
        if name not in names[text]:
            names[text].append(name)
    return [f"{_listed(images)}: {text}" if any(images) else text for text, images in names.items()]


def _listed(names: Sequence[str]) -> str:
    if len(names) <= _NAMES:
        return ", ".join(names)
    return f"{len(names)} images ({', '.join(names[:_NAMES])} …)"
