"""Single atoms and small clusters, scattered on or in a support."""

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

from stemforge.structures.atoms.clusters import (
    LARGEST_RAFT,
    LIGANDS,
    lay_on_surface,
    ligand_atoms,
    rafts,
    turn_inside,
)
from stemforge.structures.atoms.surface import Surface, covered_pixels
from stemforge.structures.cells import Array, Indices, Mask, fit_cell, require_orthogonal, wrapped
from stemforge.structures.checks import require, require_generator, require_range
from stemforge.structures.neighbours import clear_of
from stemforge.structures.packing import random_packing
from stemforge.structures.tags import Tag

__all__ = ["scatter_single_atoms"]

_MARGIN = 2.0  # Å, empty space that abTEM needs at both ends of the cell
_LIGAND_CLEARANCE = 1.5  # Å; support atoms nearer to a ligand give way
_DISC_LIMIT = 0.5  # of the plane; sequential insertion of discs saturates at 0.547

Region = tuple[float, float, float, float]


def _in_region(positions: Array, region: Region) -> Mask:
    x0, y0, x1, y1 = region
    x, y = positions[:, 0], positions[:, 1]
    return (x >= x0) & (x < x1) & (y >= y0) & (y < y1)


def _require_room(enough: bool, most: float, spacing: float, areal_density: float) -> None:
    allowed = f"at most about {100 * most:.3g} per nm² where sites lie {spacing:.3g} Å apart"
    mend = "Lower areal_density, min_distance or cluster_size."
    require(enough, "areal_density", allowed, areal_density, mend)


def scatter_single_atoms(
    support: Atoms,
    element: str,
    *,
    areal_density: float,
    min_distance: float = 5.0,
    placement: str = "surface",
    cluster_fraction: float = 0.0,
    cluster_size: tuple[int, int] = (2, 4),
    bond_distance: float | None = None,
    ligand: str | None = None,
    ligand_fraction: float = 1.0,
    contact_distance: float = 2.0,
    impurity: bool = False,
    region: tuple[float, float, float, float] | None = None,
    rng: np.random.Generator,
) -> Atoms:
    """Scatter single atoms, and if asked small clusters, over a support.

    Parameters
    ----------
    support : ase.Atoms
        Support inside an orthogonal cell, periodic in x and y. Atoms of it that are tagged as scattered keep
        their tags and their distance, so that two elements can be scattered one after the other.
    element : str
        Symbol of the scattered element, such as ``"Pt"``.
    areal_density : float
        Sites per area that the support covers in projection [1/nm²]: vacuum does not count, and a site is
        a single atom or a cluster. The number is the nearest whole one, without Poisson spread: draw the
        density itself at random to have it. Pt/NC catalysts show 0.2–0.5.
    min_distance : float, default 5.0
        Smallest distance in three dimensions between atoms of different sites [Å], across the periodic
        boundary too; in projection, atoms of the two surfaces may lie closer.
    placement : {"surface", "volume"}, default "surface"
        On the top or the bottom surface, at even odds, or anywhere in the support. Inside, support atoms
        nearer than `contact_distance` are removed.
    cluster_fraction : float, default 0.0
        Share of the sites that hold a cluster. Clusters are flat, close-packed rafts: lying on a surface,
        turned at random inside.
    cluster_size : (int, int), default (2, 4)
        Fewest and most atoms in a cluster, between 2 and 7, at even odds.
    bond_distance : float, optional
        Distance between neighbours in a cluster [Å]; by default twice the covalent radius of the element.
    ligand : {None, "Cl", "OH"}, optional
        Group bonded to single atoms (not to clusters), pointing away from the support, at the sum of the
        covalent radii.
    ligand_fraction : float, default 1.0
        Share of the single atoms that carry the ligand.
    contact_distance : float, default 2.0
        Distance from a scattered atom to the nearest support atom [Å]: a surface atom comes down along z
        until it touches the first one at this distance. Over a hole wider than that, as in carbon nitride,
        it comes to rest in the outermost layer.
    impurity : bool, default False
        Whether these atoms are no targets: tagged `Tag.IMPURITY`, they are imaged and not labelled.
    region : (float, float, float, float), optional
        Rectangle ``(x0, y0, x1, y1)`` [Å] to which the sites keep; by default the whole cell.
    rng : numpy.random.Generator
        Source of randomness; the same state gives the same atoms.

    Returns
    -------
    ase.Atoms
        Support, then scattered atoms, then ligands, distinguished by their `Tag`. The cell grows along z where
        atoms stand out, and keeps the margins of the support, or 2 Å where those are less.

    Raises
    ------
    ValueError
        If a parameter is out of range, or the sites do not fit at `min_distance`.
    TypeError
        If `rng` is not a ``numpy.random.Generator``.

    References
    ----------
    .. [1] B. Cordero et al., "Covalent radii revisited", Dalton Trans., 2832 (2008).

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import SINGLE_ATOM, carbon_nitride, scatter_single_atoms
    >>> rng = np.random.default_rng(0)
    >>> sheet = carbon_nitride((50, 50), rng=rng)
    >>> specimen = scatter_single_atoms(sheet, "Pt", areal_density=0.4, rng=rng)
    >>> int((specimen.get_tags() == SINGLE_ATOM).sum())
    10
    """
    bond = 2 * covalent_radii[atomic_numbers.get(element, 0)] if bond_distance is None else bond_distance
    known = element in atomic_numbers and element != "X"
    require(known, "element", "a chemical symbol such as 'Pt'", element)
    require_range("cluster_fraction", cluster_fraction, 0.0, 1.0)
    fewest, most = cluster_size
    allowed = f"two numbers, fewest and most, between 2 and {LARGEST_RAFT}"
    require(2 <= fewest <= most <= LARGEST_RAFT, "cluster_size", allowed, cluster_size)
    require_range("bond_distance", bond, 0.5)
    require(ligand is None or ligand in LIGANDS, "ligand", f"None or one of {tuple(LIGANDS)}", ligand)
    require_range("ligand_fraction", ligand_fraction, 0.0, 1.0)
    require_orthogonal(support, "support")
    require_range("areal_density", areal_density, 0.0, mend="It counts sites per nm².")
    require_range("min_distance", min_distance, 0.1)
    require(placement in ("surface", "volume"), "placement", "'surface' or 'volume'", placement)
    require_range("contact_distance", contact_distance, 0.5)
    require_generator(rng)
    edges = support.cell.lengths()[:2]
    region = _checked_region(region, edges)

    scattered = support.get_tags() != Tag.SUPPORT
    base = support[~scattered]
    earlier = support.positions[scattered]
    base.positions[:] = wrapped(base.positions, edges)

    covered = covered_pixels(base)
    pixel = edges / covered.shape
    pixels = np.argwhere(covered)
    pixels = pixels[_in_region((pixels + 0.5) * pixel, region)]
    area = len(pixels) * float(np.prod(pixel))
    number = round(areal_density * area / 100)
    if number == 0:
        return support.copy()

    shapes = rafts(bond)
    reach = np.linalg.norm(shapes[most], axis=1).max() if cluster_fraction > 0 else 0.0
    spacing = min_distance + 2 * reach
    allowed = f"such that sites ({spacing:.3g} Å apart with their clusters) fit into the cell"
    require(0 < spacing <= edges.min(), "min_distance", allowed, min_distance)
    layers = 1 + float(np.ptp(base.positions[:, 2])) / spacing
    on_surface = placement == "surface"
    # Refused before any work: what no random placement can reach, discs on so many layers of the area.
    highest = _DISC_LIMIT * (min(2.0, layers) if on_surface else layers) * area / (np.pi / 4 * spacing**2)
    _require_room(number <= highest, highest / area, spacing, areal_density)

    surface = Surface(base) if on_surface else None
    inside = base.positions[_in_region(base.positions, region)]

    def draw(n: int) -> Array:
        """Candidates: centre, side, number of atoms and their positions."""
        size = np.where(rng.random(n) < cluster_fraction, rng.integers(fewest, most + 1, size=n), 1)
        if surface is not None:
            xy = (pixels[rng.integers(len(pixels), size=n)] + rng.random((n, 2))) * pixel
            members, side = lay_on_surface(surface, xy, shapes[size], contact_distance, rng)
            centre = np.column_stack([xy, members[:, 0, 2]])
        else:
            centre = inside[rng.integers(len(inside), size=n)]
            members, side = turn_inside(centre, shapes[size], rng)
        rows = np.column_stack([centre, side, size, members.reshape(n, -1)])
        return rows[_in_region(centre, region) & clear_of(centre, earlier, spacing, edges)]

    box = (float(edges[0]), float(edges[1]), float(support.cell.lengths()[2]))
    rows = random_packing(draw, number, box=box, min_distance=spacing)
    _require_room(len(rows) == number, len(rows) / area, spacing, areal_density)

    side, size, members = rows[:, 3], rows[:, 4].astype(int), rows[:, 5:].reshape(number, LARGEST_RAFT, 3)
    added = _tagged(element, size, members, impurity)
    if not on_surface:
        base = base[clear_of(base.positions, added.positions, contact_distance, edges)]
    if ligand is not None:
        single = np.flatnonzero(size == 1)
        chosen = np.sort(rng.choice(single, round(ligand_fraction * len(single)), replace=False))
        symbols, positions = ligand_atoms(ligand, element, members[chosen, 0], side[chosen], rng)
        added += Atoms(symbols, positions=positions, tags=[Tag.LIGAND] * len(symbols))
        base = base[clear_of(base.positions, positions, _LIGAND_CLEARANCE, edges)]

    z, height = support.positions[:, 2], support.cell.lengths()[2]
    below, above = max(z.min(), _MARGIN), max(height - z.max(), _MARGIN)
    return fit_cell(base + support[scattered] + added, below, above)


def _checked_region(region: Region | None, edges: Array) -> Region:
    """Return the rectangle to which sites keep: by default the whole cell."""
    x0, y0, x1, y1 = region = region or (0.0, 0.0, float(edges[0]), float(edges[1]))
    inside = 0 <= x0 < x1 <= edges[0] + 1e-6 and 0 <= y0 < y1 <= edges[1] + 1e-6
    require(inside, "region", f"(x0, y0, x1, y1) inside the cell of {edges[0]:g} × {edges[1]:g} Å", region)
    return region


def _tagged(element: str, size: Indices, members: Array, impurity: bool) -> Atoms:
    """Return the scattered atoms of all sites, with their tags."""
    real = np.arange(LARGEST_RAFT) < size[:, None]
    tags = np.where(np.broadcast_to(size[:, None] > 1, real.shape), Tag.CLUSTER_ATOM, Tag.SINGLE_ATOM)[real]
    if impurity:
        tags[:] = Tag.IMPURITY
    return Atoms([element] * int(real.sum()), positions=members[real], tags=tags)
