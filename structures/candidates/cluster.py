"""A cluster cut from a crystal around an acid site and its guest, with hydrogen in place of the oxygens cut away."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.geometry import get_distances
from scipy.spatial import cKDTree

from stemforge.structures.candidates.images import images_near
from stemforge.structures.cells import Array, Indices, Mask
from stemforge.structures.tags import Tag
from stemforge.structures.zeolites.aluminium import BOND

__all__ = ["Cluster", "cut_cluster"]

_SILICON_HYDROGEN = 1.48  # Å, as in silane
_MARGIN = 5.0  # Å, around what is kept: far enough for the neighbours of its neighbours


@dataclass(frozen=True)
class Cluster:
    """Part of a crystal, whole and not periodic.

    Parameters
    ----------
    atoms : ase.Atoms
        Its atoms, those that end it last.
    parent : numpy.ndarray of int
        Index in the crystal of each atom, −1 of those that end the cluster, shape ``(n,)``.
    free : numpy.ndarray of bool
        Which atoms may move: guest, proton, and the framework near to the aluminium; shape ``(n,)``.
    """

    atoms: Atoms
    parent: Indices
    free: Mask

    @property
    def fixed(self) -> Indices:
        """Indices of the atoms that stay."""
        return np.flatnonzero(~self.free)

    def index(self, parent: int) -> int:
        """Index in the cluster of an atom of the crystal."""
        return int(np.flatnonzero(self.parent == parent)[0])

    def put_back(self, crystal: Atoms, positions: Array) -> Atoms:
        """Return the crystal with the atoms that may move at new positions [Å], shape ``(n, 3)``."""
        relaxed = crystal.copy()
        moved = np.flatnonzero(self.free)
        relaxed.positions[self.parent[moved]] += positions[moved] - self.atoms.positions[moved]
        return relaxed


def cut_cluster(crystal: Atoms, *, radius: float = 3.5, free: float = 2.2) -> Cluster:
    """Cut an acid site with its guest out of a crystal.

    Kept are the oxygens within a radius of the guest, those of the aluminium, and all T atoms that these link. Where a
    T atom loses an oxygen, hydrogen ends the bond, 1.48 Å from it: the cluster is neutral and its electrons paired.

    Parameters
    ----------
    crystal : ase.Atoms
        From `dock_guest`, or any crystal with one guest (``Tag.GUEST``) and ``info["acid"]`` with the indices
        ``aluminium`` and ``proton``.
    radius : float, default 3.5
        Largest distance [Å] of an oxygen from the guest's nearest atom.
    free : float, default 2.2
        Framework atoms within this distance [Å] of the aluminium may move, unless they are next to the cut.

    Returns
    -------
    Cluster
        The guest where it is in the crystal.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import acid_sites, dock_guest, make_acid, zeolite_cell
    >>> from stemforge.structures.candidates.cluster import cut_cluster
    >>> crystal = zeolite_cell()
    >>> docked = dock_guest(make_acid(crystal, acid_sites(crystal)[-2]), rng=np.random.default_rng(0))
    >>> cluster = cut_cluster(docked)
    >>> int((cluster.atoms.symbols == "Al").sum()), int(cluster.free.sum())
    (1, 17)
    """
    acid = crystal.info["acid"]
    guest = np.flatnonzero(crystal.get_tags() == Tag.GUEST)
    proton = crystal.positions[acid["proton"]]
    aluminium = _nearest_image(crystal, acid["aluminium"], proton)
    centres = np.vstack([crystal.positions[guest], proton, aluminium])
    index, places = images_near(crystal, centres, radius + _MARGIN)
    wall = (crystal.get_tags()[index] != Tag.GUEST) & (index != acid["proton"])
    index, places = index[wall], places[wall]
    kept, caps = _selection(crystal.numbers[index] == 8, places, crystal.positions[guest], aluminium, radius)
    numbers = np.where(crystal.numbers[index[kept]] == 8, 8, 14)
    central = np.linalg.norm(places[kept] - aluminium, axis=1) < 1e-3
    numbers[central] = 13  # of the site's images in other cells none counts
    parents = np.concatenate([index[kept], [acid["proton"]], guest, np.full(len(caps), -1)])
    positions = np.vstack([places[kept], proton, crystal.positions[guest], caps.reshape(-1, 3)])
    atoms = Atoms(
        [*numbers, 1, *crystal.numbers[guest], *[1] * len(caps)],
        positions,
        tags=[int(Tag.SUPPORT)] * (len(kept) + 1)
        + [int(Tag.GUEST)] * len(guest)
        + [int(Tag.SUPPORT)] * len(caps),
    )
    movable = np.zeros(len(atoms), dtype=bool)
    movable[: len(kept)] = np.linalg.norm(places[kept] - aluminium, axis=1) <= free
    if len(caps):
        movable[: len(kept)] &= get_distances(places[kept], caps)[1].min(axis=1) > 1.1 * _SILICON_HYDROGEN
    movable[len(kept) : len(kept) + 1 + len(guest)] = True
    return Cluster(atoms, parents, movable)


def _nearest_image(crystal: Atoms, atom: int, place: Array) -> Array:
    places = images_near(crystal[[atom]], place[None], 6.0)[1]
    return np.asarray(places[np.argmin(np.linalg.norm(places - place, axis=1))])


def _selection(
    oxygen: Mask, places: Array, guest: Array, aluminium: Array, radius: float
) -> tuple[Indices, Array]:
    """Choose the framework atoms to keep, and where hydrogen ends the cluster [Å], shape ``(m, 3)``."""
    t = np.flatnonzero(~oxygen)
    o = np.flatnonzero(oxygen)
    bonds = cKDTree(places[t]).query_ball_tree(cKDTree(places[o]), BOND)
    oxygens = {int(atom): {int(o[k]) for k in near} for atom, near in zip(t, bonds, strict=True)}
    near = set(o[get_distances(places[o], guest)[1].min(axis=1) <= radius].tolist())
    central = int(t[np.argmin(np.linalg.norm(places[t] - aluminium, axis=1))])
    wanted = near | oxygens[central]
    inner = {atom for atom, around in oxygens.items() if around & wanted}
    owners: dict[int, int] = {}
    for atom in inner:
        for k in oxygens[atom]:
            owners[k] = owners.get(k, 0) + 1
    linked = {k for k, count in owners.items() if count == 2}
    caps = []
    for atom in sorted(inner):
        for k in sorted(oxygens[atom] - linked):
            arm = places[k] - places[atom]
            caps.append(places[atom] + _SILICON_HYDROGEN * arm / np.linalg.norm(arm))
    return np.array(sorted(inner | linked), dtype=int), np.array(caps).reshape(-1, 3)
