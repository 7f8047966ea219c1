"""Graphitic carbon nitride: stacked sheets of heptazine (tri-s-triazine) units, C₆N₈ per cell."""

import numpy as np
from ase import Atoms
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from stemforge.structures.cells import Array, Indices, fit_cell
from stemforge.structures.checks import (
    require,
    require_count,
    require_generator,
    require_lengths,
    require_range,
)
from stemforge.structures.supports.random_fields import random_field

__all__ = ["carbon_nitride"]

LATTICE_CONSTANT = 7.13  # Å, edge of the hexagonal cell of one heptazine unit
_INNER, _EDGE, _BRIDGE = 1.39, 1.33, 1.47  # Å, C–N bonds: at the central N, at the rim, to the bridging N
_TOO_CLOSE = 1.2  # Å; atoms of two patches that come nearer are one atom
_STACKINGS = ("AA", "AB", "random")


def _heptazine_cell() -> tuple[Array, Indices]:
    """Positions (x, y) [Å] and atomic numbers of C₆N₈, centred on the unit, from its three bond lengths."""

    def star(radius: float, degrees: float) -> Array:
        angles = np.radians(degrees + np.array([0.0, 120.0, 240.0]))
        return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)

    bridge = LATTICE_CONSTANT / np.sqrt(3)  # the three-fold site of the cell
    inner, outer = star(_INNER, 90), star(bridge - _BRIDGE, 30)
    rim = []
    for neighbour in (inner, np.roll(inner, 1, axis=0)):  # each outer C lies between two inner C
        middle, across = (outer + neighbour) / 2, outer - neighbour
        length = np.linalg.norm(across, axis=1, keepdims=True)
        normal = across[:, ::-1] * (-1, 1) / length
        outwards = np.sign((normal * middle).sum(axis=1, keepdims=True))
        rim.append(middle + outwards * normal * np.sqrt(_EDGE**2 - (length / 2) ** 2))
    positions = np.concatenate([np.zeros((1, 2)), inner, outer, *rim, star(bridge, 30)[:1]])
    return positions, np.array([7] + [6] * 6 + [7] * 7)


def _sheet(repeats: tuple[int, int]) -> tuple[Array, Indices]:
    """Sheet of rectangular cells, a × √3a with two heptazine units, that begins at the origin."""
    a = LATTICE_CONSTANT
    positions, numbers = _heptazine_cell()
    units = np.array([*np.ndindex(repeats)])
    origins = np.concatenate([units, units + 0.5]) * (a, np.sqrt(3) * a)
    return (origins[:, None] + positions).reshape(-1, 2), np.tile(numbers, len(origins))


def _layer_shift(layer: int, stacking: str, rng: np.random.Generator) -> Array:
    """In-plane shift [Å] of a layer; AB puts its units over the large holes of the layer below."""
    if stacking == "random":
        return rng.random(2) * (LATTICE_CONSTANT, np.sqrt(3) * LATTICE_CONSTANT)
    offset = layer % 2 if stacking == "AB" else 0
    return np.array([0.0, offset * LATTICE_CONSTANT / np.sqrt(3)])


def _patchwork(edges: Array, centres: Array, angles: Array, shift: Array) -> tuple[Array, Indices]:
    """One layer of rotated patches, each cut to the (periodic) Voronoi cell of its centre."""
    reach = np.hypot(*edges) / 2
    # Three cells more than the patch can need: one for the ragged border, two for the shift.
    count = 2 * np.ceil(reach / (LATTICE_CONSTANT * np.array([1, np.sqrt(3)]))).astype(int) + 3
    sheet, kinds = _sheet((int(count[0]), int(count[1])))
    sheet = sheet - sheet.mean(axis=0) + shift
    tree = cKDTree(np.mod(centres, edges), boxsize=edges)
    positions, numbers = [], []
    for patch, (centre, angle) in enumerate(zip(centres, angles, strict=True)):
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turned = sheet @ rotation.T
        nearby = np.all(np.abs(turned) < edges / 2, axis=1)
        placed = np.mod(turned[nearby] + centre, edges)
        inside = tree.query(placed)[1] == patch
        positions.append(placed[inside])
        numbers.append(kinds[nearby][inside])
    xy, kind = np.concatenate(positions), np.concatenate(numbers)
    close = cKDTree(np.mod(xy, edges), boxsize=edges).query_pairs(_TOO_CLOSE, output_type="ndarray")
    keep = np.ones(len(xy), dtype=bool)
    keep[close[:, 1]] = False
    return xy[keep], kind[keep]


def carbon_nitride(
    size: tuple[float, float],
    *,
    num_layers: int = 3,
    interlayer_distance: float = 3.2,
    stacking: str = "AB",
    corrugation: float = 0.3,
    corrugation_wavelength: float = 20.0,
    patches: int = 1,
    disorder: float = 0.0,
    lost_fraction: float = 0.0,
    vacuum: float = 2.0,
    rng: np.random.Generator,
) -> Atoms:
    """Stack of heptazine-based g-C₃N₄ layers, periodic in x and y.

    Parameters
    ----------
    size : (float, float)
        Edges of the cell in x and y [Å]. With one patch the crystal stays unstrained and the cell takes the
        nearest whole number of rectangular unit cells, 7.13 × 12.35 Å; with several it has this size exactly.
    num_layers : int, default 3
        Layers along z.
    interlayer_distance : float, default 3.2
        Distance between layers [Å].
    stacking : {"AB", "AA", "random"}, default "AB"
        AB puts the units of a layer over the holes of the layer below, so that no column is empty in
        projection; AA keeps the holes open; random shifts every layer.
    corrugation : float, default 0.3
        Root-mean-square height of the waves that all layers share [Å]. Bonds lengthen with its square.
    corrugation_wavelength : float, default 20.0
        Wavelength of these waves [Å].
    patches : int, default 1
        Grains in the plane, cut along a periodic Voronoi diagram and turned about z at random; where two
        meet, one of two atoms nearer than 1.2 Å is dropped.
    disorder : float, default 0.0
        Root-mean-square displacement of each atom along each axis [Å].
    lost_fraction : float, default 0.0
        Share of the atoms that the beam has knocked out, at random.
    vacuum : float, default 2.0
        Empty margin [Å] below the lowest and above the highest atom.
    rng : numpy.random.Generator
        Source of randomness; the same state gives the same atoms.

    Returns
    -------
    ase.Atoms
        Atoms with tag `SUPPORT`; carbon and nitrogen as 3 : 4 in the perfect crystal.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    TypeError
        If `rng` is not a ``numpy.random.Generator``.

    References
    ----------
    .. [1] D. M. Teter and R. J. Hemley, "Low-compressibility carbon nitrides", Science 271, 53 (1996).
    .. [2] A. Thomas et al., "Graphitic carbon nitride materials", J. Mater. Chem. 18, 4893 (2008).

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import carbon_nitride
    >>> sheet = carbon_nitride((30, 30), num_layers=1, rng=np.random.default_rng(0))
    >>> sorted(sheet.symbols.formula.count().items())
    [('C', 96), ('N', 128)]
    """
    require_lengths("size", size, 2)
    require_count("num_layers", num_layers)
    require_range("interlayer_distance", interlayer_distance, 1.0)
    require(stacking in _STACKINGS, "stacking", f"one of {_STACKINGS}", stacking)
    require_range("corrugation", corrugation, 0.0, 5.0)
    require_range("corrugation_wavelength", corrugation_wavelength, 2.0)
    require_count("patches", patches)
    require_range("disorder", disorder, 0.0, 2.0, "It is a displacement in Å.")
    require_range("lost_fraction", lost_fraction, 0.0, 1.0)
    require_range("vacuum", vacuum, 0.0)
    require_generator(rng)

    rectangle = LATTICE_CONSTANT * np.array([1, np.sqrt(3)])
    repeats = np.maximum(np.round(np.asarray(size) / rectangle), 1).astype(int)
    edges = repeats * rectangle if patches == 1 else np.asarray(size, dtype=float)
    centres, angles = rng.random((patches, 2)) * edges, rng.uniform(0, np.pi / 3, patches)
    layers, numbers = [], []
    for layer in range(num_layers):
        shift = _layer_shift(layer, stacking, rng)
        if patches == 1:
            xy, kinds = _sheet((int(repeats[0]), int(repeats[1])))
            xy = np.mod(xy + shift, edges)
        else:
            xy, kinds = _patchwork(edges, centres, angles, shift)
        layers.append(np.column_stack([xy, np.full(len(xy), layer * interlayer_distance)]))
        numbers.append(kinds)
    positions, kind = np.concatenate(layers), np.concatenate(numbers)

    shape = (max(int(edges[0]), 4), max(int(edges[1]), 4))
    band = (corrugation_wavelength / 1.4, corrugation_wavelength * 1.4)
    waves = random_field(shape, (float(edges[0]), float(edges[1])), band, rng)
    pixels = (positions[:, :2] * (np.array(shape) / edges)).T
    positions[:, 2] += corrugation * map_coordinates(waves, pixels, order=3, mode="grid-wrap")
    positions += disorder * rng.standard_normal(positions.shape)

    lost = rng.choice(len(kind), round(lost_fraction * len(kind)), replace=False)
    atoms = Atoms(numbers=kind, positions=positions, cell=(*edges, 1.0))
    del atoms[lost]
    return fit_cell(atoms, vacuum, vacuum)
