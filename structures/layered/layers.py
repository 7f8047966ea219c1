"""Stacks of sheets: graphene, h-BN, MoS₂, WS₂."""

import numpy as np
from ase import Atoms
from scipy.ndimage import map_coordinates

from stemforge.structures.cells import Array, fit_cell
from stemforge.structures.checks import (
    require,
    require_count,
    require_generator,
    require_lengths,
    require_range,
)
from stemforge.structures.layered.grains import in_grains, merge_close, with_holes
from stemforge.structures.layered.materials import MATERIALS, Material
from stemforge.structures.layered.periodic import common_cell, fill_cell, turned
from stemforge.structures.supports.random_fields import random_field

__all__ = ["layered_material"]

_LARGEST_HOLES = 0.9  # areal fraction


def layered_material(
    size: tuple[float, float],
    material: str = "graphene",
    *,
    num_layers: int = 1,
    stacking: str | None = None,
    rotation: float = 0.0,
    twist: float = 0.0,
    interlayer_distance: float | None = None,
    ripple_amplitude: float = 0.0,
    ripple_wavelength: float = 50.0,
    grains: int = 1,
    hole_fraction: float = 0.0,
    hole_radius: float = 8.0,
    vacuum: float = 2.0,
    rng: np.random.Generator,
) -> Atoms:
    """Stack of sheets of a layered material, periodic in x and y.

    Parameters
    ----------
    size : (float, float)
        Smallest edges of the cell in x and y [Å]. One grain takes a cell up to 24 Å larger, into which all its
        layers fit with little strain: none where neither rotation nor twist is asked, otherwise 0.2 % or less for one
        orientation on fields above 150 Å, and some tenths of a percent for twisted stacks; ``atoms.info["strain"]``
        says how much. Several grains take exactly this size.
    material : {"graphene", "h-BN", "MoS2", "WS2"}
        What the sheets are; lattice constants are those of the bulk, measured by X-ray diffraction.
    num_layers : int, default 1
        Sheets along z. MoS₂ and WS₂ count a metal plane and its two planes of sulphur as one.
    stacking : str, optional
        ``"AA"``, ``"AB"`` or ``"ABC"`` for graphene, ``"AA"``, ``"AA'"`` or ``"AB"`` for h-BN, ``"AA"``, ``"2H"`` or
        ``"3R"`` for MoS₂ and WS₂. By default that of the bulk: AB, AA', 2H.
    rotation : float, default 0
        How far the stack is turned about z [degrees]; at 0 a zigzag row runs along x.
    twist : float, default 0
        How far each sheet is turned beyond the one before it [degrees].
    interlayer_distance : float, optional
        From sheet to sheet [Å]; by default that of the bulk.
    ripple_amplitude : float, default 0
        Root-mean-square height of the waves that all sheets share [Å]. Bonds lengthen with its square.
    ripple_wavelength : float, default 50
        Wavelength of these waves [Å].
    grains : int, default 1
        Grains in the plane, cut along a periodic Voronoi diagram and turned about z at random. Where two meet, one
        of two atoms nearer than 0.8 of the sum of their covalent radii is dropped.
    hole_fraction : float, default 0
        Share of the area that round holes take, on average; their number is random.
    hole_radius : float, default 8
        Radius of the holes [Å].
    vacuum : float, default 2
        Empty margin [Å] below the lowest and above the highest atom.
    rng : numpy.random.Generator
        Source of randomness; the same state gives the same atoms.

    Returns
    -------
    ase.Atoms
        Atoms with tag `SUPPORT`.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    TypeError
        If `rng` is not a ``numpy.random.Generator``.

    References
    ----------
    .. [1] Y. Baskin and L. Meyer, Phys. Rev. 100, 544 (1955): graphite.
    .. [2] R. S. Pease, Acta Cryst. 5, 356 (1952): h-BN.
    .. [3] K. D. Bronsema, J. L. de Boer and F. Jellinek, Z. anorg. allg. Chem. 540, 15 (1986): MoS₂.
    .. [4] W. J. Schutte, J. L. de Boer and F. Jellinek, J. Solid State Chem. 70, 207 (1987): WS₂.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import layered_material
    >>> sheet = layered_material((30, 30), "MoS2", rng=np.random.default_rng(0))
    >>> sorted(sheet.symbols.formula.count().items())
    [('Mo', 120), ('S', 240)]
    """
    require_lengths("size", size, 2)
    require(material in MATERIALS, "material", f"one of {tuple(MATERIALS)}", material)
    kind = MATERIALS[material]
    stacking = kind.stackings[0] if stacking is None else stacking
    require(stacking in kind.stackings, "stacking", f"one of {kind.stackings} for {material}", stacking)
    require_count("num_layers", num_layers)
    require_range("rotation", rotation, -360.0, 360.0, "It is in degrees.")
    require_range("twist", twist, -360.0, 360.0, "It is in degrees.")
    distance = kind.interlayer_distance if interlayer_distance is None else interlayer_distance
    least = kind.thickness + 1.5
    require_range("interlayer_distance", distance, least, mend="Layers must not grow into each other.")
    require_range("ripple_amplitude", ripple_amplitude, 0.0, 10.0)
    require_range("ripple_wavelength", ripple_wavelength, 5.0)
    require_count("grains", grains)
    require_range("hole_fraction", hole_fraction, 0.0, _LARGEST_HOLES)
    require_range("hole_radius", hole_radius, 1.0, 2 * min(size))
    require_range("vacuum", vacuum, 0.0)
    require_generator(rng)

    units = [turned(kind.unit(stacking, layer), rotation + layer * twist) for layer in range(num_layers)]
    atoms = _crystal(units, size) if grains == 1 else _polycrystal(units, size, kind, grains, rng)
    atoms.positions[:, 2] += distance * atoms.get_array("layer")
    del atoms.arrays["layer"]
    if ripple_amplitude:
        atoms.positions[:, 2] += ripple_amplitude * _waves(atoms, ripple_wavelength, rng)
    if hole_fraction:
        atoms = with_holes(atoms, hole_radius, hole_fraction, rng)
    return fit_cell(atoms, vacuum, vacuum)


def _crystal(units: list[Atoms], size: tuple[float, float]) -> Atoms:
    """All layers of one grain, each with its number in the array ``layer``, in a cell that they fit."""
    edges, repeats, strain = common_cell([unit.cell[:2, :2] for unit in units], size)
    sheets = [fill_cell(unit, number, edges) for unit, number in zip(units, repeats, strict=True)]
    atoms = _joined(sheets, edges)
    atoms.info["strain"] = strain
    return atoms


def _polycrystal(
    units: list[Atoms], size: tuple[float, float], kind: Material, grains: int, rng: np.random.Generator
) -> Atoms:
    """All layers of several grains, which all layers share, with the same array."""
    edges = np.asarray(size, dtype=float)
    centres, angles = rng.random((grains, 2)) * edges, rng.uniform(0, kind.symmetry, grains)
    return _joined([merge_close(in_grains(unit, edges, centres, angles)) for unit in units], edges)


def _joined(sheets: list[Atoms], edges: Array) -> Atoms:
    atoms = Atoms(cell=(*edges, 1.0), pbc=(True, True, False))
    for sheet in sheets:
        atoms += sheet
    atoms.set_array("layer", np.repeat(np.arange(len(sheets)), [len(sheet) for sheet in sheets]))
    return atoms


def _waves(atoms: Atoms, wavelength: float, rng: np.random.Generator) -> Array:
    """Height of the ripples at each atom, with a root mean square of 1 over the field."""
    edges = atoms.cell.lengths()[:2]
    shape = (max(int(edges[0]), 4), max(int(edges[1]), 4))
    waves = random_field(shape, (float(edges[0]), float(edges[1])), (wavelength / 1.4, wavelength * 1.4), rng)
    pixels = (atoms.positions[:, :2] * (np.array(shape) / edges)).T
    return np.asarray(map_coordinates(waves, pixels, order=3, mode="grid-wrap"))
