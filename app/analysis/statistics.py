"""Where the atoms of one image stand, in numbers with their unit and a sentence each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.app.analysis.edited import EditedImage, edited_image
from stemforge.errors import InputError
from stemforge.evaluate import (
    NeighbourDistances,
    PointPattern,
    Window,
    clark_evans,
    counted_density,
    nearest_neighbours,
)
from stemforge.evaluate.statistics.window import LEAST_ATOMS
from stemforge.files import plain
from stemforge.infer.specimen.mask import Specimen

EXPECTED_F1 = (
    "How well the detector expects to do here: 1 finds every visible atom and nothing else. By its own likelihoods, "
    "before corrections by hand."
)
"""What that number means to a user."""
_SIMULATIONS = 199  # random patterns for intervals of 95 %
_BINS = 24

Answer = dict[str, Any]


def measure(
    folder: str, name: str, sampling: float | None, edits: Mapping[str, Any], expected_f1: float | None
) -> dict[str, Any]:
    """Measure where the atoms that are shown stand.

    Parameters
    ----------
    folder, name, sampling, edits
        As for :func:`stemforge.app.analysis.edited.edited_image`.
    expected_f1
        Of the detection.

    Returns
    -------
    dict
        ``answers``, each with label, value, low, high, unit and explanation; ``series`` for a plot of distances to
        nearest neighbours beside those of random places; ``remarks``.
    """
    image = edited_image(folder, name, sampling, edits)
    counted = count_atoms(image)
    window, inside, answers = counted.window, counted.places, [*counted.answers]
    remarks = [counted.specimen.remark] if counted.specimen.remark else []
    series = None
    if len(inside) >= LEAST_ATOMS:
        neighbours = nearest_neighbours(PointPattern(inside, window, name), simulations=_SIMULATIONS)
        answers += _arranged(neighbours)
        series = _series(neighbours)
    else:
        remarks.append(f"With fewer than {LEAST_ATOMS} atoms nothing can be said of how they stand.")
    if expected_f1 is not None:
        answers.append(_answer("Expected F1", expected_f1, None, "", EXPECTED_F1))
    return {"answers": plain(answers), "series": plain(series), "remarks": remarks}


@dataclass(frozen=True, eq=False)
class Counted:
    """How many atoms a user sees on the specimen, and on how much of it.

    Parameters
    ----------
    specimen, window
        Where there is specimen.
    places
        Of the atoms on it (x, y) [pixel], shape (n, 2).
    answers
        Atoms, area and density, each with label, value, low, high, unit and explanation.
    """

    specimen: Specimen
    window: Window
    places: NDArray[np.float64]
    answers: tuple[Answer, ...]


def count_atoms(image: EditedImage) -> Counted:
    """Count the atoms that are shown, on the specimen.

    Raises
    ------
    InputError
        Nothing of the image is left.
    """
    atoms, specimen = image.chosen, image.specimen
    if not specimen.mask.any():
        raise InputError(f"{image.micrograph.name}: all of the image is masked; take a mask away")
    window = Window(specimen.mask, image.micrograph.sampling)
    inside = atoms.points[window.contains(atoms.points)]
    return Counted(specimen, window, inside, tuple(_counted(len(inside), len(atoms), window)))


def _answer(
    label: str, value: float, interval: tuple[float, float] | None, unit: str, explanation: str
) -> Answer:
    low, high = interval or (None, None)
    return {
        "label": label,
        "value": value,
        "low": low,
        "high": high,
        "unit": unit,
        "explanation": explanation,
    }


def _counted(number: int, shown: int, window: Window) -> list[Answer]:
    density, low, high = counted_density(number, window.area)
    beside = f" {shown - number} more are shown where there is no specimen." if shown > number else ""
    per = f"per {window.area_unit}"
    return [
        _answer("Atoms", number, None, "", f"Atoms that are shown on the specimen.{beside}"),
        _answer(
            "Specimen area",
            window.area,
            None,
            window.area_unit,
            "Without vacuum, borders, text and masked areas.",
        ),
        _answer(
            "Density",
            density,
            (low, high),
            per,
            "Atoms per area of specimen; 95 % interval of counting alone.",
        ),
    ]


def _arranged(neighbours: NeighbourDistances) -> list[Answer]:
    index, unit = clark_evans(neighbours), neighbours.unit
    interval = (neighbours.low, neighbours.high)
    return [
        _answer("Nearest neighbour, mean", neighbours.mean, None, unit, neighbours.sentence),
        _answer(
            "Nearest neighbour, random places",
            neighbours.expected,
            interval,
            unit,
            "What as many atoms at random places would have (Poisson); 95 % of random patterns lie in the interval.",
        ),
        _answer("Clark–Evans index", index.index, (index.low, index.high), "", index.sentence),
    ]


def _series(neighbours: NeighbourDistances) -> dict[str, Any]:
    """Return measured distances, and how many atoms random places would have in each bin."""
    curve = neighbours.distribution
    edges = np.linspace(0, curve.radii[-1], _BINS + 1)
    counts, _ = np.histogram(neighbours.distances, edges)
    below = np.interp(edges, np.concatenate([[0], curve.radii]), np.concatenate([[0], curve.theory]))
    return {
        "unit": neighbours.unit,
        "distances": np.sort(neighbours.distances).round(3),
        "edges": edges,
        "counts": counts,
        "expected": np.diff(below) * len(neighbours.distances),
    }
