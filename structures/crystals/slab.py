"""A slab of any crystal, for a beam along a zone axis or normal to a face."""

import warnings
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build.supercells import lattice_points_in_supercell

from stemforge.errors import StructureWarning
from stemforge.structures.cells import fit_cell, wrapped
from stemforge.structures.checks import (
    require,
    require_count,
    require_generator,
    require_lengths,
    require_range,
)
from stemforge.structures.crystals.known import known_crystal
from stemforge.structures.crystals.orientation import Orientation, orient
from stemforge.structures.crystals.planes import Cuts, find_cuts
from stemforge.structures.crystals.surfaces import beside_edge, rough_levels, terrace_levels
from stemforge.structures.reading.disorder import draw_occupied
from stemforge.structures.reading.files import read_sites
from stemforge.structures.reading.sites import Sites

__all__ = ["crystal_slab"]

_LARGEST_MISTILT = 200.0  # mrad; beyond it another zone axis is meant
_SIGMA = 0.08  # Å, root mean square displacement of sites for which a file has none
_MOST_VACUUM = 0.95


def crystal_slab(
    crystal: str | PathLike[str],
    size: tuple[float, float],
    *,
    zone_axis: Sequence[int] | None = None,
    face: Sequence[int] | None = None,
    thickness: float = 40.0,
    rotation: float = 0.0,
    mistilt: tuple[float, float] = (0.0, 0.0),
    steps: int = 0,
    roughness: float = 0.0,
    vacuum_fraction: float = 0.0,
    edge_angle: float = 0.0,
    edge_roughness: float = 0.0,
    max_strain: float = 0.02,
    sha256: str | None = None,
    rng: np.random.Generator,
) -> Atoms:
    """Slab of a crystal, periodic in x and y.

    Parameters
    ----------
    crystal : str or path-like
        Name of a well-known crystal (:data:`stemforge.structures.crystals.known.KNOWN_CRYSTALS`), symbol of an element,
        or a structure file; partly occupied sites are drawn.
    size : (float, float)
        Least edges of the field along x and y [Å]. The field is the next one into which the crystal fits.
    zone_axis, face : sequence of int
        Lattice direction ``[u v w]`` along the beam, or Miller indices ``(h k l)`` of the face that the beam hits at a
        right angle; one of both, in terms of the conventional cell.
    thickness : float, default 40
        Along the beam [Å], to the nearest number of whole layers; see
        :func:`stemforge.structures.crystals.planes.find_cuts`.
    rotation : float, default 0
        Azimuth of the image's x axis from the closest row of lattice points across the beam [rad].
    mistilt : (float, float), default (0, 0)
        Angles [mrad] between beam and zone axis in the x–z and y–z planes. They shear the slab about its middle,
        ``x += z · tan(tilt)``, which keeps it periodic.
    steps : int, default 0
        Step edges, one layer high, across each of the two surfaces.
    roughness : float, default 0
        Root mean square roughness of each surface [Å], in whole layers.
    vacuum_fraction, edge_angle, edge_roughness : float, default 0
        Share of the field that is vacuum beside the crystal, azimuth of the direction towards it [rad], and root mean
        square deviation of the edge from a straight line [Å].
    max_strain : float, default 0.02
        Largest strain by which the crystal is fitted to an orthogonal field.
    sha256 : str or None
        Of the content that the file is expected to have.
    rng : numpy.random.Generator
        Source of randomness; the same state gives the same atoms.

    Returns
    -------
    ase.Atoms
        Atoms in an orthogonal cell, 2 Å of margin under and over them. ``info["crystal"]`` holds ``strain``, ``layer``
        (height of a layer [Å]), ``layers`` (their number) and ``edges`` (of the field, in units of the lattice
        vectors).

    Raises
    ------
    FileNotFoundError, stemforge.errors.ChangedFileError
        There is no such file, or its content is not the expected one.
    ValueError
        An unknown crystal, a file that cannot be read, a parameter out of range, or a direction with no orthogonal
        field within `max_strain`.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import crystal_slab
    >>> slab = crystal_slab("mgo", (20, 20), face=(0, 0, 1), thickness=10, rng=np.random.default_rng(0))
    >>> slab.get_chemical_formula(), slab.cell.lengths().round(2).tolist()
    ('Mg250O250', [21.06, 21.06, 12.42])
    """
    require_lengths("size", size, 2)
    require_range("thickness", thickness, 0.1)
    require_range("rotation", rotation, -2 * np.pi, 2 * np.pi)
    require(np.shape(mistilt) == (2,), "mistilt", "two angles in mrad", mistilt)
    for angle in mistilt:
        require_range("mistilt", angle, -_LARGEST_MISTILT, _LARGEST_MISTILT, "Choose another zone_axis.")
    if steps:
        require_count("steps", steps)
    require_range("roughness", roughness, 0.0)
    require_range("vacuum_fraction", vacuum_fraction, 0.0, _MOST_VACUUM)
    require_range("edge_roughness", edge_roughness, 0.0)
    require_range("max_strain", max_strain, 0.0, 0.2)
    require_generator(rng)
    sites = _sites(crystal, sha256)
    view = orient(
        sites.atoms.cell.array, size, zone_axis=zone_axis, face=face, rotation=rotation, max_strain=max_strain
    )
    field = view.lengths[:2]
    period = _laid_out(sites.atoms, view)
    cuts = find_cuts(period.positions[:, 2], period.numbers, period.arrays["occupancy"], view.lengths[2])
    layers = cuts.layers(thickness)
    rise = sum(cuts.rises) / len(cuts.rises)
    # Room for surfaces that rise above the mean, at both ends.
    room = 2 + int(np.ceil(4 * roughness / rise))
    atoms, level = _stacked(period, view, cuts, layers + 2 * room)
    level -= room
    xy = atoms.positions[:, :2]
    bottom, top = (
        terrace_levels(xy, field, steps, view.rows, rng) + rough_levels(xy, field, roughness, rise, rng)
        for _ in range(2)
    )
    kept = (level >= -bottom) & (level < np.maximum(layers + top, 1 - bottom))
    kept &= ~beside_edge(xy, field, vacuum_fraction, edge_angle, edge_roughness, rng)
    atoms = atoms[kept]
    require(len(atoms) > 0, "thickness", "such that atoms are left", thickness)
    middle = atoms.positions[:, 2].min() / 2 + atoms.positions[:, 2].max() / 2
    atoms.positions[:, :2] += (atoms.positions[:, 2:] - middle) * np.tan(np.asarray(mistilt) / 1e3)
    atoms = _occupied(fit_cell(atoms), sites, rng)
    atoms.info = {
        "crystal": {
            "strain": view.strain,
            "layer": float(rise),
            "layers": layers,
            "edges": view.edges.tolist(),
        }
    }
    return atoms


def _sites(crystal: str | PathLike[str], sha256: str | None) -> Sites:
    if isinstance(crystal, str) and not Path(crystal).suffix and not Path(crystal).exists():
        return known_crystal(crystal)
    sites = read_sites(crystal, sha256=sha256)
    for remark in sites.remarks:
        warnings.warn(f"{sites.source}: {remark}", StructureWarning, stacklevel=3)
    whole = sites.atoms.cell.rank == 3
    require(
        whole,
        f"the structure in {sites.source!r}",
        "a crystal with a unit cell",
        sites.atoms.cell.array.tolist(),
    )
    return sites


def _laid_out(unit: Atoms, view: Orientation) -> Atoms:
    """Atoms of one period along the beam over the whole field."""
    points = lattice_points_in_supercell(view.edges) @ view.edges
    inverse = np.linalg.inv(view.edges)
    fractions = np.mod((unit.get_scaled_positions(wrap=False) + points[:, None]) @ inverse, 1.0).reshape(
        -1, 3
    )
    fractions[fractions > 1 - 1e-9] = 0.0
    x, y, rise = view.lengths
    frame = np.array([[x, 0, 0], [0, y, 0], [*view.shift, rise]])
    atoms = Atoms(numbers=np.tile(unit.numbers, len(points)), positions=fractions @ frame, cell=(x, y, rise))
    for name in ("occupancy", "kind", "thermal_sigma"):
        atoms.set_array(name, np.tile(unit.arrays[name], len(points)))
    return atoms


def _stacked(period: Atoms, view: Orientation, cuts: Cuts, layers: int) -> tuple[Atoms, np.ndarray]:
    """Whole layers, one upon the other, and the number of the layer that each atom is in."""
    heights = cuts.heights(layers)
    below = int(np.floor(heights[0] / view.lengths[2])) - 1
    above = int(np.ceil(heights[-1] / view.lengths[2])) + 1
    up = np.array([*view.shift, view.lengths[2]])
    copies = np.arange(below, above)
    positions = (period.positions + (copies[:, None] * up)[:, None]).reshape(-1, 3)
    level = np.searchsorted(heights, positions[:, 2], side="right") - 1
    inside = np.flatnonzero((level >= 0) & (level < layers))
    index = inside % len(period)
    atoms = period[index]
    atoms.positions[:] = wrapped(positions[inside], np.asarray(view.lengths[:2]))
    return atoms, level[inside]


def _occupied(atoms: Atoms, sites: Sites, rng: np.random.Generator) -> Atoms:
    """Draw partly occupied sites, and keep of the arrays what is simulated."""
    if sites.partial.any():
        atoms = fit_cell(atoms[draw_occupied(atoms, sites, rng)])
    sigma = atoms.arrays["thermal_sigma"]
    known = np.isfinite(sigma)
    for name in ("occupancy", "kind", "thermal_sigma"):
        del atoms.arrays[name]
    if known.any():
        atoms.set_array("thermal_sigma", np.where(known, sigma, _SIGMA))
    return atoms
