"""Candidates made: a docked guest brought to rest at its acid site, measured, and refused where it is none."""

from collections.abc import Callable

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.geometry import get_distances
from ase.neighborlist import natural_cutoffs, neighbor_list

from stemforge.errors import StructureError
from stemforge.structures.candidates.cluster import Cluster, cut_cluster
from stemforge.structures.candidates.docking import IN_CHANNEL
from stemforge.structures.candidates.guest_at_site import Candidate
from stemforge.structures.candidates.pores import Pores
from stemforge.structures.candidates.relaxation import Relaxed, relax
from stemforge.structures.candidates.search import CandidateSearch, Start
from stemforge.structures.cells import Mask
from stemforge.structures.tags import Tag
from stemforge.structures.zeolites.clashes import contact_radii

__all__ = ["Relaxer"]

_NEAREST = 0.65  # of the sum of van der Waals radii; relaxed guests keep 0.8
_FARTHEST = (
    4.5  # Å, from the guest's heteroatom to the acid site's oxygen: beyond, it is no longer bonded to it
)
_LOST = 2.4  # Å, from aluminium to an oxygen: beyond, it is no longer bonded to it
_TORN = 1.3  # of its length at the start; a bond longer than this is broken


class Relaxer:
    """Relaxes candidates of one framework and guest.

    Parameters
    ----------
    crystal : ase.Atoms
        Unit cell of the framework.
    calculator : callable or None
        Makes a new ASE calculator at each call; None leaves guests where they were docked.
    search : CandidateSearch
        Limits of the relaxation and size of the cluster.
    """

    def __init__(
        self, crystal: Atoms, calculator: Callable[[], BaseCalculator] | None, search: CandidateSearch
    ) -> None:
        self.pores, self.calculator, self.search = Pores(crystal), calculator, search
        self._molecule: Relaxed | None = None  # the guest alone, once it is known

    def candidate(self, start: Start) -> Candidate:
        """Relax one candidate.

        Raises
        ------
        stemforge.errors.StructureError
            If the calculator fails, or the guest leaves its channel or site, comes too near to the wall, or breaks.
        """
        if self.calculator is None:
            return _measured(start, start.atoms)
        cluster = cut_cluster(start.atoms, radius=self.search.radius)
        relaxed = self._relax(cluster, self.calculator())
        atoms = cluster.put_back(start.atoms, relaxed.atoms.positions)
        self.examine(start.atoms, atoms)
        empty = self._relax(_emptied(cluster, start), self.calculator())
        if self._molecule is None:
            guest = cluster.atoms.get_tags() == Tag.GUEST
            self._molecule = self._relax(_only(cluster, guest), self.calculator())
        return _measured(start, atoms, relaxed, (empty, self._molecule))

    def _relax(self, cluster: Cluster, calculator: BaseCalculator) -> Relaxed:
        fixed, search = cluster.fixed.tolist(), self.search
        return relax(cluster.atoms, calculator, fixed=fixed, fmax=search.fmax, steps=search.steps)

    def examine(self, before: Atoms, after: Atoms) -> None:
        """Refuse a relaxed candidate that is none.

        Parameters
        ----------
        before, after : ase.Atoms
            Crystal with the guest, docked and relaxed.

        Raises
        ------
        stemforge.errors.StructureError
            The guest broke, left its channel or its site, or came too near to the wall.
        """
        guest = before.get_tags() == Tag.GUEST
        first, last = before[guest], after[guest]
        i, j, lengths = neighbor_list("ijd", _free(first), natural_cutoffs(first, mult=1.15))
        now = np.linalg.norm(last.positions[i] - last.positions[j], axis=1)
        if np.any(now > _TORN * lengths):
            raise StructureError("the guest broke apart")
        heavy = last.numbers > 1
        away = self.pores.distance(last.positions[heavy if heavy.any() else slice(None)].mean(axis=0))
        if away > IN_CHANNEL:
            raise StructureError(f"the guest left its channel: its centre lies {away:.1f} Å beside it")
        head, oxygen = after.info["acid"]["head"], _nearest_oxygen(after)
        if after.get_distance(head, oxygen, mic=True) > _FARTHEST:
            raise StructureError("the guest left its acid site")
        closest = _closest_contact(after)
        if closest < _NEAREST:
            raise StructureError(
                f"the guest came too near to the wall: {closest:.2f} of the sum of two van der Waals radii"
            )


def _free(atoms: Atoms) -> Atoms:
    """Atoms without periodicity: a guest is whole where it is."""
    return Atoms(atoms.numbers, atoms.positions)


def _only(cluster: Cluster, group: Mask) -> Cluster:
    """Return the part of a cluster that some of its atoms make."""
    return Cluster(cluster.atoms[group], cluster.parent[group], cluster.free[group])


def _emptied(cluster: Cluster, start: Start) -> Cluster:
    """Return the cluster of a candidate without its guest, the proton on the framework."""
    empty = _only(cluster, cluster.atoms.get_tags() != Tag.GUEST)
    empty.atoms.positions[empty.index(start.atoms.info["acid"]["proton"])] = start.site.proton
    return empty


def _nearest_oxygen(atoms: Atoms) -> int:
    """Index of the aluminium's oxygen that is nearest to the proton."""
    oxygens = np.flatnonzero(atoms.numbers == 8)
    oxygens = oxygens[atoms.get_tags()[oxygens] != Tag.GUEST]
    acid = atoms.info["acid"]
    bonded = oxygens[atoms.get_distances(acid["aluminium"], oxygens, mic=True) < _LOST]
    if not len(bonded):
        raise StructureError(f"the aluminium lost its oxygens: none is within {_LOST:g} Å")
    return int(bonded[np.argmin(atoms.get_distances(acid["proton"], bonded, mic=True))])


def _closest_contact(atoms: Atoms) -> float:
    """Smallest distance between guest and wall over the sum of their radii; the hydrogen bond does not count."""
    acid, tags = atoms.info["acid"], atoms.get_tags()
    guest = np.flatnonzero((tags == Tag.GUEST) & (np.arange(len(atoms)) != acid["head"]))
    wall = np.flatnonzero((tags != Tag.GUEST) & (np.arange(len(atoms)) != acid["proton"]))
    separation = get_distances(atoms.positions[guest], atoms.positions[wall], cell=atoms.cell, pbc=True)[1]
    radii = contact_radii(atoms.numbers[guest])[:, None] + contact_radii(atoms.numbers[wall])
    return float(
        (separation / radii).min(initial=np.inf)
    )  # of a guest of one atom nothing but the bond is left


def _measured(
    start: Start, atoms: Atoms, relaxed: Relaxed | None = None, references: tuple[Relaxed, ...] = ()
) -> Candidate:
    """Measure a candidate; its energy is that beyond the references, empty site and molecule."""
    acid = atoms.info["acid"]
    oxygen = _nearest_oxygen(atoms)
    to_guest = float(atoms.get_distance(acid["head"], acid["proton"], mic=True))
    to_oxygen = float(atoms.get_distance(oxygen, acid["proton"], mic=True))
    heavy = (atoms.get_tags() == Tag.GUEST) & (atoms.numbers > 1)
    moved = ((atoms.positions - start.atoms.positions)[heavy] ** 2).sum(axis=1)
    return Candidate(
        start.name,
        start.site.t,
        start.site.oxygen_site,
        atoms,
        relaxed.energy - sum(one.energy for one in references) if relaxed else None,
        head_proton=to_guest,
        head_oxygen=float(atoms.get_distance(acid["head"], oxygen, mic=True)),
        oxygen_proton=to_oxygen,
        transferred=to_guest < to_oxygen,
        displacement=float(np.sqrt(moved.mean())) if heavy.any() else 0.0,
        force=relaxed.force if relaxed else None,
        steps=relaxed.steps if relaxed else 0,
        converged=bool(relaxed and all(one.converged for one in (relaxed, *references))),
        reference_force=max(one.force for one in references) if references else None,
    )
