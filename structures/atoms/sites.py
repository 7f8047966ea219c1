"""Single atoms at sites of a surface or lattice: top, bridge, hollow, step, substitutional."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from scipy.spatial import Delaunay, cKDTree

from stemforge.structures.atoms.columns import outer_depths
from stemforge.structures.atoms.surface import Surface, covered_pixels
from stemforge.structures.cells import Array, Indices, Mask, fit_cell, require_orthogonal, wrapped
from stemforge.structures.checks import require, require_generator, require_range
from stemforge.structures.tags import SITE_ARRAY, Site, Tag

__all__ = ["SITE_PLACEMENTS", "scatter_at_sites", "surface_sites"]

SITE_PLACEMENTS = ("top", "bridge", "hollow", "step", "substitutional")
"""Placements that are sites; see :class:`stemforge.structures.tags.Site`."""

_MENDS = {"step": "Give the support steps.", "substitutional": "Look at replaces and depth_range."}
_PROBE = 2.5  # Å, radius of the ball that finds surface atoms; it stays out of the second layer of metals
_NEIGHBOUR = 1.2  # times the nearest distance: neighbours too
_FLAT = 1.0  # Å, height over which atoms belong to one terrace
_WIDEST = 3.0  # Å, radius of a hollow; wider ones are holes
_CONTACT = 0.4  # Å beyond the contact distance that count as contact
_BESIDE, _HIGHEST_STEP = 5.0, 4.5  # Å sideways and down, within which a lower terrace begins beside a step
_SAME = 0.5  # Å, sites nearer than this are one
_MARGIN = 2.0  # Å, that abTEM needs at both ends of the cell


def scatter_at_sites(
    support: Atoms,
    element: str,
    placement: str,
    *,
    areal_density: float,
    min_distance: float = 5.0,
    contact_distance: float = 2.0,
    replaces: str | None = None,
    depth_range: tuple[float, float] | None = None,
    impurity: bool = False,
    rng: np.random.Generator,
) -> Atoms:
    """Put single atoms on sites of a support.

    Parameters
    ----------
    support : ase.Atoms
        Support inside an orthogonal cell, periodic in x and y.
    element : str
        Symbol of the single atoms.
    placement : {"top", "bridge", "hollow", "step", "substitutional"}
        Which sites: see `surface_sites`; or ``substitutional``, in place of a support atom.
    areal_density : float
        Atoms per nm² of the area that the support covers in projection.
    min_distance : float, default 5.0
        Smallest distance in three dimensions between scattered atoms [Å].
    contact_distance : float, default 2.0
        Distance from an atom on a surface to the nearest support atom [Å].
    replaces : str, optional
        Element of the support that substitutional atoms stand in for.
    depth_range : (float, float), optional
        Least and greatest depth of substitutional atoms below the nearer surface [Å]; by default anywhere.
        ``(0, 0.5)`` is the outermost layer of both surfaces.
    impurity : bool, default False
        Whether these atoms are no targets.
    rng : numpy.random.Generator
        Source of randomness; the same state gives the same atoms.

    Returns
    -------
    ase.Atoms
        Support, then single atoms, as from :func:`stemforge.structures.scatter_single_atoms`, with the array
        ``site_kind`` of :class:`stemforge.structures.tags.Site`.

    Raises
    ------
    ValueError
        A parameter out of range, a support without such sites, or with fewer than are asked for.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import crystal_slab
    >>> from stemforge.structures.atoms.sites import scatter_at_sites
    >>> rng = np.random.default_rng(0)
    >>> slab = crystal_slab("mgo", (20, 20), face=(0, 0, 1), thickness=8, rng=rng)
    >>> doped = scatter_at_sites(slab, "Ir", "substitutional", replaces="Mg", areal_density=1.0, rng=rng)
    >>> doped.get_chemical_formula()
    'Ir4Mg196O200'
    """
    _check(support, element, placement, replaces, depth_range)
    require_range("areal_density", areal_density, 0.0, mend="It counts atoms per nm².")
    require_range("min_distance", min_distance, 0.1)
    require_range("contact_distance", contact_distance, 0.5)
    require_generator(rng)
    edges = support.cell.lengths()[:2]
    scattered = support.get_tags() != Tag.SUPPORT
    base = support[~scattered]
    base.positions[:] = wrapped(base.positions, edges)
    covered = covered_pixels(base)
    number = round(areal_density * float(covered.mean() * np.prod(edges)) / 100)
    if number == 0:
        return _with_sites(support.copy())
    if placement == "substitutional":
        instead = _replaceable(base, str(replaces), depth_range)
        candidates = base.positions[instead]
    else:
        candidates = surface_sites(base, placement, contact_distance)
    found = len(candidates)
    require(
        found > 0, "placement", "one that the support has sites for", placement, _MENDS.get(placement, "")
    )
    earlier = support.positions[scattered]
    chosen = _spread(candidates, number, min_distance, earlier, edges, rng)
    mend = f"Of {found} sites no more keep {min_distance:g} Å distance. Lower areal_density or min_distance."
    allowed = f"at most {100 * len(chosen) / (covered.mean() * np.prod(edges)):.3g} per nm² here"
    require(len(chosen) == number, "areal_density", allowed, areal_density, mend)
    tag = Tag.IMPURITY if impurity else Tag.SINGLE_ATOM
    added = Atoms([element] * number, positions=candidates[chosen], tags=[tag] * number)
    added.set_array(SITE_ARRAY, np.full(number, Site[placement.upper()], dtype=int))
    if placement == "substitutional":
        kept = np.ones(len(base), dtype=bool)
        kept[instead[chosen]] = False
        base = base[kept]
    z, height = support.positions[:, 2], support.cell.lengths()[2]
    below, above = max(z.min(), _MARGIN), max(height - z.max(), _MARGIN)
    whole = _with_sites(base) + _with_sites(support[scattered]) + added
    whole.info = dict(support.info)
    return fit_cell(whole, below, above)


def surface_sites(support: Atoms, placement: str, contact_distance: float = 2.0) -> Array:
    """Find sites on both surfaces of a support.

    A surface atom is one that a ball of 2.5 Å touches first when it comes down straight onto it. ``top`` sites are
    above surface atoms, ``bridge`` sites above the middles of pairs at nearest-neighbour distance, ``hollow`` sites
    above the centres of circles through three or more surface atoms of one terrace with none inside (Delaunay), and
    ``step`` sites are places of a lower terrace that touch an atom of the upper one's edge.

    Parameters
    ----------
    support : ase.Atoms
        Atoms inside an orthogonal cell, periodic in x and y.
    placement : {"top", "bridge", "hollow", "step"}
        Which sites.
    contact_distance : float, default 2.0
        Distance from a site to the nearest support atom [Å].

    Returns
    -------
    numpy.ndarray
        Positions [Å], shape ``(n, 3)``.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import crystal_slab
    >>> slab = crystal_slab("mgo", (20, 20), face=(0, 0, 1), thickness=8, rng=np.random.default_rng(0))
    >>> [len(surface_sites(slab, placement)) for placement in ("top", "bridge", "hollow", "step")]
    [200, 400, 200, 0]
    """
    surface, edges = Surface(support), support.cell.lengths()[:2]
    find = {"top": _tops, "bridge": _bridges, "hollow": _hollows, "step": _steps}[placement]
    found = []
    for side in (1.0, -1.0):
        xy, z = wrapped(support.positions[:, :2], edges), support.positions[:, 2]
        touched = surface.heights(xy, np.full(len(xy), side), _PROBE)
        outer = np.flatnonzero(np.abs(side * (touched - z) - _PROBE) < 1e-3)
        places = wrapped(find(np.column_stack([xy[outer], side * z[outer]]), edges), edges)[:, :2]
        if not len(places):
            continue
        heights = surface.heights(places, np.full(len(places), side), contact_distance)
        sites = np.column_stack([places, heights])
        if placement == "step":
            sites = _against_steps(sites, support.positions, edges, side, contact_distance)
        found.append(sites)
    return np.concatenate(found) if found else np.zeros((0, 3))


def _check(
    support: Atoms, element: str, placement: str, replaces: str | None, depth_range: Sequence[float] | None
) -> None:
    known = element in atomic_numbers and element != "X"
    require(known, "element", "a chemical symbol such as 'Pt'", element)
    require(placement in SITE_PLACEMENTS, "placement", f"one of {', '.join(SITE_PLACEMENTS)}", placement)
    require_orthogonal(support, "support")
    substitutes = placement == "substitutional"
    allowed = "an element of the support" if substitutes else "left out unless placement is substitutional"
    present = sorted(set(support[support.get_tags() == Tag.SUPPORT].get_chemical_symbols()))
    mend = f"It has {', '.join(present)}." if substitutes else ""
    require((replaces in present) if substitutes else replaces is None, "replaces", allowed, replaces, mend)
    if depth_range is not None:
        require(substitutes, "depth_range", "left out unless placement is substitutional", depth_range)
        low, high = depth_range
        require(0 <= low < high, "depth_range", "two depths in Å, the least first", depth_range)


def _with_sites(atoms: Atoms) -> Atoms:
    if SITE_ARRAY not in atoms.arrays:
        atoms.set_array(SITE_ARRAY, np.zeros(len(atoms), dtype=int))
    return atoms


def _replaceable(base: Atoms, replaces: str, depth_range: Sequence[float] | None) -> Indices:
    """Support atoms of an element, within a range of depths."""
    of_element = base.symbols == replaces
    if depth_range is not None:
        depth = np.full(len(base), np.inf)
        depth[of_element] = outer_depths(base, base.positions[of_element]).min(axis=1)
        of_element = of_element & (depth >= depth_range[0]) & (depth <= depth_range[1])
    return np.flatnonzero(of_element)


def _spread(
    candidates: Array, number: int, distance: float, earlier: Array, edges: Array, rng: np.random.Generator
) -> Indices:
    """Choose candidates at random that keep their distance; as many as are wanted, or fewer."""
    box = (*edges, 0.0)
    free: Mask = np.ones(len(candidates), dtype=bool)
    tree = cKDTree(wrapped(candidates, edges), boxsize=box)
    for near in tree.query_ball_point(wrapped(earlier, edges), distance) if len(earlier) else ():
        free[near] = False
    chosen: list[int] = []
    for one in rng.permutation(len(candidates)):
        if len(chosen) == number:
            break
        if free[one]:
            chosen.append(int(one))
            free[tree.query_ball_point(tree.data[one], distance)] = False
    return np.array(chosen, dtype=int)


def _around(outer: Array, edges: Array) -> Array:
    """Surface atoms with their periodic images within 8 Å of the cell."""
    shifts = np.stack(np.meshgrid((-1, 0, 1), (-1, 0, 1), indexing="ij"), -1).reshape(-1, 2) * edges
    copies = np.concatenate([outer + np.array([*shift, 0.0]) for shift in shifts])
    near = ((copies[:, :2] > -8.0) & (copies[:, :2] < edges + 8.0)).all(axis=1)
    return copies[near]


def _inside(xy: Array, edges: Array) -> Mask:
    return np.asarray(((xy > -1e-6) & (xy < edges - 1e-6)).all(axis=1))


def _tops(outer: Array, edges: Array) -> Array:
    return outer[:, :2]


def _bridges(outer: Array, edges: Array) -> Array:
    """Middles of pairs at the nearest distance of either."""
    points = _around(outer, edges)
    if len(points) < 2:
        return np.zeros((0, 2))
    tree = cKDTree(points)
    nearest = tree.query(points, k=2)[0][:, 1]
    pairs = tree.query_pairs(_NEIGHBOUR * float(min(nearest.max(), 4.0)), output_type="ndarray")
    length = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    pairs = pairs[length <= _NEIGHBOUR * nearest[pairs].min(axis=1)]
    middle = points[pairs].mean(axis=1)[:, :2]
    return middle[_inside(middle, edges)]


def _hollows(outer: Array, edges: Array) -> Array:
    """Centres of the circles through the corners of Delaunay triangles; those of a square or hexagon are one."""
    points = _around(outer, edges)
    if len(points) < 4:
        return np.zeros((0, 2))
    # The triangles of a square or hexagon are a matter of rounding; their centres are not.
    corners = points[Delaunay(points[:, :2]).simplices]
    a, b, c = (corners[:, n, :2] for n in range(3))
    u, v = b - a, c - a
    twice = 2 * (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        uu, vv = (u**2).sum(1), (v**2).sum(1)
        offset = np.column_stack([v[:, 1] * uu - u[:, 1] * vv, u[:, 0] * vv - v[:, 0] * uu]) / twice[:, None]
    radius = np.linalg.norm(offset, axis=1)
    kept = (np.abs(twice) > 0.1) & (radius <= _WIDEST) & (np.ptp(corners[..., 2], axis=1) <= _FLAT)
    centres = (a + offset)[kept]
    return _merged(centres, edges)


def _merged(xy: Array, edges: Array, distance: float = _SAME) -> Array:
    """Places inside the cell, of those nearer to each other than a distance the first."""
    xy = xy[_inside(xy, edges)]
    if not len(xy):
        return xy
    tree = cKDTree(wrapped(xy, edges), boxsize=edges)
    kept = np.ones(len(xy), dtype=bool)
    for first, second in sorted(tree.query_pairs(distance)):
        if kept[first]:
            kept[second] = False
    return xy[kept]


def _steps(outer: Array, edges: Array) -> Array:
    """Places on rings around surface atoms that have another terrace below them within reach."""
    points = _around(outer, edges)
    tree = cKDTree(points[:, :2])
    near = tree.query_ball_point(outer[:, :2], _BESIDE)
    drop = np.array(
        [
            any(_FLAT < z - points[n, 2] < _HIGHEST_STEP for n in found)
            for found, z in zip(near, outer[:, 2], strict=True)
        ]
    )
    angles = np.arange(24) * (2 * np.pi / 24)
    ring = np.column_stack([np.cos(angles), np.sin(angles)])
    radii = np.arange(1.25, 3.01, 0.25)
    offsets = (radii[:, None, None] * ring).reshape(-1, 2)
    return (outer[drop, None, :2] + offsets).reshape(-1, 2)


def _against_steps(sites: Array, positions: Array, edges: Array, side: float, contact: float) -> Array:
    """Of places beside steps, those that touch both terraces; of near ones that which touches most."""
    box: Any = (*edges, 0.0)
    atoms = wrapped(positions, edges) - [0, 0, positions[:, 2].min()]
    sites_in = wrapped(sites, edges) - [0, 0, positions[:, 2].min()]
    touching = cKDTree(atoms, boxsize=box).query_ball_point(sites_in, contact + _CONTACT)
    count = np.zeros(len(sites))
    for n, found in enumerate(touching):
        heights = side * atoms[found, 2]
        level = side * sites_in[n, 2]
        # Held from the side by the upper terrace, and from below by at least two atoms of the lower one.
        if (heights > level - _FLAT).any() and (heights < heights.max() - _FLAT).sum() >= 2:
            count[n] = len(found) - 1e-3 * level
    order = np.argsort(-count, kind="stable")[: np.count_nonzero(count)]
    chosen = wrapped(sites, edges)[order]
    kept = np.ones(len(chosen), dtype=bool)
    tree = cKDTree(chosen[:, :2], boxsize=edges) if len(chosen) else None
    for n in range(len(chosen)):
        if kept[n] and tree is not None:
            near = np.array(tree.query_ball_point(chosen[n, :2], 1.2))
            kept[near[near > n]] = False
    return chosen[kept]
