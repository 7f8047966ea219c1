"""One nanoparticle, by ASE's cluster builders."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.cluster import Decahedron, HexagonalClosedPacked, Icosahedron, Octahedron, wulff_construction
from ase.data import atomic_numbers, reference_states

from stemforge.structures.cells import Array
from stemforge.structures.checks import require, require_range

__all__ = ["SHAPES", "nanoparticle", "volume_diameter"]

SHAPES = ("wulff", "octahedron", "cuboctahedron", "decahedron", "icosahedron")
_SMALLEST, _LARGEST = 6.0, 200.0  # Å
# Facets and their energies in units of the first, from the bonds to nearest neighbours that a cut breaks: J. K.
# Mackenzie, A. J. W. Moore and J. F. Nicholas, J. Phys. Chem. Solids 23, 185 (1962), doi:10.1016/0022-3697(62)90001-X.
_ENERGIES = {
    "fcc": {"111": 1.0, "100": 1.1547},
    "bcc": {"110": 1.0, "100": 1.4142},
    "hcp": {"0001": 1.0, "10-10": 1.1785, "10-11": 1.1453},
}


def _lattice(element: str) -> tuple[str, float]:
    """Bravais lattice of an element and the volume of an atom [Å³]."""
    state: dict[str, Any] = dict(reference_states[atomic_numbers.get(element, 0)] or {})
    kind = str(state.get("symmetry"))
    require(kind in _ENERGIES, "element", f"a metal whose crystal is one of {tuple(_ENERGIES)}", element)
    edge = float(state["a"])
    if kind == "hcp":
        return kind, edge**3 * float(state["c/a"]) * np.sqrt(3) / 4
    return kind, edge**3 / (4 if kind == "fcc" else 2)


def volume_diameter(element: str, number: int) -> float:
    """Diameter [Å] of the sphere that has the volume of so many atoms of the bulk.

    Examples
    --------
    >>> from stemforge.structures.nanoparticles.shapes import volume_diameter
    >>> round(volume_diameter("Au", 309), 1)
    21.6
    """
    return float((6 * number * _lattice(element)[1] / np.pi) ** (1 / 3))


def nanoparticle(
    element: str,
    diameter: float,
    shape: str = "wulff",
    *,
    surface_energies: Mapping[str, float] | None = None,
) -> Atoms:
    """Make one particle, centred on the origin, its crystal axes along x, y and z.

    Parameters
    ----------
    element : str
        A metal that crystallises fcc, bcc or hcp. Interatomic distances are those of its bulk.
    diameter : float
        Of the sphere with the particle's volume [Å]. Closed shells come in steps: the nearest size is taken.
    shape : {"wulff", "octahedron", "cuboctahedron", "decahedron", "icosahedron"}
        Equilibrium shape, or one of ASE's clusters, which are for fcc metals. The decahedron is Marks's, with
        its five-fold axis along z; the icosahedron has two-fold axes along x, y and z.
    surface_energies : mapping, optional
        Energy of each facet by its Miller indices, ``{"111": 1.0, "100": 1.1}``; only their ratios matter. By
        default those that follow from broken bonds to nearest neighbours.

    Returns
    -------
    ase.Atoms
        Without cell.

    Raises
    ------
    ValueError
        An element without one of these lattices, a shape that is not known, or a diameter below a few atoms.

    References
    ----------
    .. [1] L. D. Marks, "Experimental studies of small particle structures", Rep. Prog. Phys. 57, 603 (1994).

    Examples
    --------
    >>> from stemforge.structures.nanoparticles.shapes import nanoparticle
    >>> len(nanoparticle("Au", 21.0, "icosahedron"))
    309
    """
    require(shape in SHAPES, "shape", f"one of {SHAPES}", shape)
    kind, volume = _lattice(element)
    require_range("diameter", diameter, _SMALLEST, _LARGEST, "It is in Å.")
    wanted = max(1, round(np.pi * diameter**3 / (6 * volume)))
    if shape == "wulff":
        atoms = _wulff(element, wanted, kind, dict(surface_energies or _ENERGIES[kind]))
    else:
        mend = "Take the shape wulff."
        require(kind == "fcc", "element", f"an fcc metal for the shape {shape}", element, mend)
        require(
            surface_energies is None, "surface_energies", f"left out for the shape {shape}", surface_energies
        )
        atoms = _closed_shells(element, wanted, shape)
    return Atoms(atoms.numbers, positions=atoms.positions - atoms.positions.mean(axis=0))


def _wulff(element: str, number: int, kind: str, energies: Mapping[str, float]) -> Atoms:
    facets = [tuple(int(index) for index in re.findall(r"-?\d", name)) for name in energies]
    count = 4 if kind == "hcp" else 3
    allowed = f"facets of {count} Miller indices with energies above 0, such as {_ENERGIES[kind]}"
    fine = all(len(facet) == count and any(facet) for facet in facets) and min(energies.values()) > 0
    require(fine, "surface_energies", allowed, dict(energies))
    structure: Any = HexagonalClosedPacked if kind == "hcp" else kind
    # One atom is no particle, and ASE rounds small numbers down to it.
    return wulff_construction(
        element, facets, list(energies.values()), max(number, 13), structure, rounding="closest"
    )


def _closed_shells(element: str, wanted: int, shape: str) -> Atoms:
    """Return the cluster of the shape whose diameter is nearest to that of the wanted number of atoms."""
    build, smallest = {
        "octahedron": (lambda n: Octahedron(element, n), 2),
        "cuboctahedron": (lambda n: Octahedron(element, 2 * n - 1, cutoff=n - 1), 2),
        "decahedron": (lambda n: Decahedron(element, n, n, 1), 2),
        "icosahedron": (lambda n: Icosahedron(element, n), 2),
    }[shape]
    # The number of atoms grows about as n³ times that of the second shell over 8: start well below.
    n = max(smallest, int(0.5 * (wanted / len(build(4))) ** (1 / 3) * 4))
    larger = build(n)
    smaller = larger
    while len(larger) < wanted:
        smaller, n = larger, n + 1
        larger = build(n)
    near = abs(len(smaller) ** (1 / 3) - wanted ** (1 / 3)) <= abs(len(larger) ** (1 / 3) - wanted ** (1 / 3))
    return smaller if near else larger


def zone_direction(element: str, zone_axis: tuple[int, int, int]) -> Array:
    """Direction of a zone axis [uvw] in a particle as :func:`nanoparticle` makes it: a unit vector, shape (3,)."""
    require(any(zone_axis), "zone_axis", "a direction, not [0, 0, 0]", zone_axis)
    kind, _ = _lattice(element)
    axes = np.eye(3)
    if kind == "hcp":
        state: dict[str, Any] = dict(reference_states[atomic_numbers[element]] or {})
        ratio = float(state["c/a"])
        axes = np.array([[1, 0, 0], [-0.5, np.sqrt(3) / 2, 0], [0, 0, ratio]])
    direction = np.asarray(zone_axis, dtype=float) @ axes
    return direction / np.linalg.norm(direction)
