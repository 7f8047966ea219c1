"""Simulated structures as the page draws them: places, colours, names."""

from typing import Any

import numpy as np
from ase.data import chemical_symbols, covalent_radii

from stemforge.app.analysis.simulating.images import structure_of
from stemforge.app.analysis.simulating.recipes import recipe_of
from stemforge.colours import BLUE, GREEN, GREY, OLIVE, ORANGE, PURPLE, SKY, VERMILION, YELLOW
from stemforge.structures.tags import Tag

MOST = 40_000
"""Atoms that are drawn; of larger supports as many, chosen at random."""

_COLOURS = {
    "C": GREY,
    "N": SKY,
    "O": VERMILION,
    "Mg": GREEN,
    "B": PURPLE,
    "S": YELLOW,
    "Mo": BLUE,
    "W": OLIVE,
}
_SINGLE = ORANGE


def show_structure(support: str, element: str | None, values: dict[str, float]) -> dict[str, Any]:
    """Return the structure that is imaged, for drawing.

    Parameters
    ----------
    support, element, values
        As in :func:`stemforge.app.analysis.simulating.controls.read_values`.

    Returns
    -------
    dict
        ``places`` (16 bits, shape (n, 3), in hundredths of an ångström from the middle of the cell), ``kinds`` (n,),
        the kinds' ``names``, ``colours``, ``radii`` [Å] and numbers of atoms (``counts``), ``cell`` [Å], how many atoms
        there are (``atoms``) and how many are drawn (``drawn``).
    """
    atoms = structure_of(recipe_of(support, element, values))
    tags, numbers = atoms.get_tags(), atoms.numbers
    scattered = tags != Tag.SUPPORT
    of_support = np.flatnonzero(~scattered)
    room = MOST - int(scattered.sum())
    if len(of_support) > room:
        of_support = np.sort(np.random.default_rng(0).choice(of_support, room, replace=False))
    chosen = np.concatenate([of_support, np.flatnonzero(scattered)])
    cell = atoms.cell.lengths()
    depth = atoms.positions[:, 2]
    middle = np.array([cell[0] / 2, cell[1] / 2, (depth.min() + depth.max()) / 2])
    places = np.clip(np.rint((atoms.positions[chosen] - middle) * 100), -32767, 32767).astype("<i2")
    keys = [(int(scattered[one]), int(numbers[one])) for one in chosen]
    kinds = sorted(set(keys), key=lambda key: (-key[0], key[1]))
    order = {key: place for place, key in enumerate(kinds)}
    return {
        "places": places,
        "kinds": np.array([order[key] for key in keys], dtype=np.uint8),
        "names": [chemical_symbols[number] + (" (single)" if single else "") for single, number in kinds],
        "colours": [
            _SINGLE if single else _COLOURS.get(chemical_symbols[number], GREY) for single, number in kinds
        ],
        "radii": [float(covalent_radii[number]) for _, number in kinds],
        "counts": [
            int(((numbers == number) & (scattered == bool(single))).sum()) for single, number in kinds
        ],
        "cell": [float(cell[0]), float(cell[1]), float(np.ptp(depth))],
        "atoms": len(atoms),
        "drawn": len(chosen),
    }
