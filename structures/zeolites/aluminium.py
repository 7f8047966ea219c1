"""Aluminium in a framework: T sites exchanged under Löwenstein's rule, each with its acid proton."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from scipy.spatial import cKDTree

from stemforge.structures.cells import Array, Indices, wrapped
from stemforge.structures.checks import require, require_count, require_generator, require_range
from stemforge.structures.tags import Tag
from stemforge.structures.zeolites.channels import find_channels, require_film, shear_at
from stemforge.structures.zeolites.tiles import draw_variants, shortest, tile_offsets

__all__ = ["BOND", "proton_place", "substitute_aluminium"]

_OXYGEN_HYDROGEN = 0.97  # Å
_GUEST = 3.2  # Å, from the proton to the middle of a pyridine ring bonded to it
BOND = 2.0
"""Longest T–O bond [Å]."""
_CLEARANCE = {"O": 1.9, "H": 1.8, "other": 2.2}  # Å, from the proton to atoms that it is not bonded to


@dataclass(frozen=True)
class _Bonds:
    """Si and Al atoms of a film with the oxygens that link them, periodic in x and y.

    Parameters
    ----------
    oxygens : dict of int to list of int
        Oxygens bonded to each T atom.
    partners : dict of int to list of int
        T atoms bonded to each oxygen: two, or one at a face of the film.
    """

    oxygens: dict[int, list[int]]
    partners: dict[int, list[int]]

    @classmethod
    def of(cls, atoms: Atoms) -> "_Bonds":
        edges = atoms.cell.lengths()[:2]
        box = (*edges, 0.0)
        framework = (atoms.get_tags() == Tag.SUPPORT) & (atoms.arrays["molecule"] < 0)
        t = np.flatnonzero(framework & (atoms.arrays["site"] > 0))
        o = np.flatnonzero(framework & (atoms.numbers == 8))
        trees = [cKDTree(wrapped(atoms.positions[index], edges), boxsize=box) for index in (t, o)]
        near = trees[0].query_ball_tree(trees[1], BOND)
        oxygens = {int(atom): [int(o[k]) for k in found] for atom, found in zip(t, near, strict=True)}
        partners: dict[int, list[int]] = {int(atom): [] for atom in o}
        for atom, found in oxygens.items():
            for oxygen in found:
                partners[oxygen].append(atom)
        return cls(oxygens, partners)

    def neighbours(self, t: int) -> list[int]:
        """T atoms that share an oxygen with one."""
        return [other for oxygen in self.oxygens[t] for other in self.partners[oxygen] if other != t]


def proton_place(oxygen: Array, arms: Array) -> Array:
    """Place a proton on an oxygen: away from both T atoms, along their bisector, 0.97 Å off.

    Parameters
    ----------
    oxygen : numpy.ndarray
        Position of the oxygen [Å], shape ``(3,)``.
    arms : numpy.ndarray
        Vectors from it to its T atoms [Å], shape ``(2, 3)``.

    Returns
    -------
    numpy.ndarray
        Position of the proton [Å], shape ``(3,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures.zeolites.aluminium import proton_place
    >>> proton_place(np.zeros(3), np.array([[1.4, 0.8, 0], [-1.4, 0.8, 0]])).tolist()
    [0.0, -0.97, 0.0]
    """
    arms = arms / np.linalg.norm(arms, axis=1, keepdims=True)
    outwards = -arms.sum(axis=0)
    length = np.linalg.norm(outwards)
    if length < 0.05:  # a straight T–O–T bond has no bisector: any direction across it will do
        outwards = np.cross(arms[0], np.eye(3)[np.argmin(np.abs(arms[0]))])
        length = np.linalg.norm(outwards)
    return np.asarray(oxygen + _OXYGEN_HYDROGEN * outwards / length)


def _proton(atoms: Atoms, bonds: _Bonds, oxygen: int) -> Array:
    """Position [Å] of a proton on an oxygen of a film."""
    arms = shortest(atoms.positions[bonds.partners[oxygen]] - atoms.positions[oxygen], atoms)
    return proton_place(atoms.positions[oxygen], arms)


def _has_room(atoms: Atoms, proton: Array, bonds: _Bonds, oxygen: int) -> bool:
    """Whether a proton keeps its distance from all atoms but its oxygen and the two T atoms."""
    separation = shortest(atoms.positions - proton, atoms)
    least = np.full(len(atoms), _CLEARANCE["other"])
    least[atoms.numbers == 8] = _CLEARANCE["O"]
    least[atoms.numbers == 1] = _CLEARANCE["H"]
    least[[oxygen, *bonds.partners[oxygen]]] = 0.0
    return bool(np.all((separation**2).sum(axis=1) >= least**2))


class _Draft:
    """A film in which sites are exchanged one after another, alike in all tiles of a variant."""

    def __init__(self, atoms: Atoms, variant: Indices, oxygen: int | None) -> None:
        self.film, self.variant, self.oxygen = atoms.copy(), variant, oxygen
        self.bonds = _Bonds.of(atoms)
        self.offsets = tile_offsets(atoms)
        self.members = [np.flatnonzero(atoms.arrays["tile"] == tile) for tile in range(len(variant))]
        self.channels = find_channels(atoms)
        self.size = np.asarray(atoms.info["tile_size"])

    def candidates(self, site: int | None) -> Indices:
        """Variant and index within the tile of each fully bonded Si, shape ``(n, 2)``."""
        rows = []
        for v in np.unique(self.variant):
            for local, atom in enumerate(self.members[np.flatnonzero(self.variant == v)[0]]):
                number = self.film.arrays["site"][atom]
                right = number == site if site is not None else number > 0
                if right and self.film.numbers[atom] == 14 and len(self.bonds.oxygens[int(atom)]) == 4:
                    rows.append((v, local))
        return np.array(rows, dtype=int).reshape(-1, 2)

    def _off_axis(self, oxygen: int, proton: Array) -> float:
        """Distance [Å] in projection of a guest at a proton from the axis of the nearest channel."""
        guest = proton + _GUEST * (proton - self.film.positions[oxygen]) / _OXYGEN_HYDROGEN
        separation = guest[:2] - shear_at(self.film, guest[2]) - self.channels[:, :2]
        separation -= self.size * np.round(separation / self.size)
        return float(np.linalg.norm(separation, axis=1).min(initial=np.inf))

    def _choices(self, t: int, rng: np.random.Generator) -> list[tuple[int, Array]]:
        """Oxygens of a T atom that may take the proton, each with the proton's position [Å]."""
        linked = [o for o in self.bonds.oxygens[t] if len(self.bonds.partners[o]) == 2]
        protons = [(o, _proton(self.film, self.bonds, o)) for o in linked]
        if self.oxygen is None:
            return [protons[k] for k in rng.permutation(len(protons))]
        protons.sort(key=lambda choice: round(self._off_axis(*choice), 6))
        return protons[self.oxygen : self.oxygen + 1]

    def exchange(self, v: int, local: int, rng: np.random.Generator) -> bool:
        """Exchange one Si in all tiles of a variant, if the rule and the room allow it."""
        film, tiles = self.film, np.flatnonzero(self.variant == v)
        group = [int(self.members[tile][local]) for tile in tiles]
        around = {other for t in group for other in self.bonds.neighbours(t)}
        if around & set(group) or any(film.numbers[t] == 13 for t in around):
            return False
        for oxygen, proton in self._choices(group[0], rng):
            edges = film.cell.lengths()[:2]
            step = self.offsets[tiles] - self.offsets[tiles[0]]
            protons = wrapped(proton + step, edges)
            # The same oxygen in the other tiles, which may belong to their neighbours.
            owners = [self._at(film.positions[oxygen] + shift, group[n]) for n, shift in enumerate(step)]
            places = zip(protons, owners, strict=True)
            if not all(_has_room(film, place, self.bonds, owner) for place, owner in places):
                continue
            film.numbers[group] = atomic_numbers["Al"]
            added = Atoms("H" * len(tiles), positions=protons, tags=[Tag.SUPPORT] * len(tiles))
            added.set_array("tile", tiles.astype(int))
            added.set_array("site", np.zeros(len(tiles), dtype=int))
            added.set_array("molecule", np.full(len(tiles), -1))
            added.set_array("thermal_sigma", film.arrays["thermal_sigma"][owners])
            film += added
            return True
        return False

    def _at(self, place: Array, t: int) -> int:
        """Oxygen of a T atom that is nearest to a place [Å]."""
        near = np.array(self.bonds.oxygens[t])
        separation = shortest(self.film.positions[near] - place, self.film)
        return int(near[np.argmin((separation**2).sum(axis=1))])


def substitute_aluminium(
    atoms: Atoms,
    *,
    site: int | None = None,
    number: int | None = None,
    fraction: float | None = None,
    oxygen: int | None = None,
    variants: int | None = None,
    rng: np.random.Generator,
) -> Atoms:
    """Exchange silicon for aluminium, each with an acid proton on a neighbouring oxygen.

    Sites are drawn one after another under Löwenstein's rule: no two aluminium atoms share an oxygen [1]_.
    Each Al takes one proton, which keeps the framework neutral: 0.97 Å from an oxygen that links the Al to a
    silicon, along the bisector that points away from both, into the pore. Where the proton would come too
    near to other atoms (1.9 Å to O, 1.8 Å to H, 2.2 Å to others), another site or oxygen is taken.

    Parameters
    ----------
    atoms : ase.Atoms
        Film from `mfi` or `zeolite`; not changed.
    site : int, optional
        Number of the T site to exchange, 1–12 in MFI; any by default.
    number : int, optional
        Al atoms in each tile. Give it or `fraction`.
    fraction : float, optional
        Part of all T atoms of the film that become Al, 0–0.5, rounded to whole atoms (of one copy of each
        variant where `variants` are drawn).
    oxygen : int, optional
        Which of the Al's four oxygens takes the proton, 0–3, in the order of how near to the axis of a
        channel along the beam a molecule would lie that is bonded to the proton: 0 for anchored guests. Any
        by default.
    variants : int, optional
        How many distinct tiles to draw and spread over the film; see `place_guest`.
    rng : numpy.random.Generator
        Source of randomness; the same state gives the same atoms.

    Returns
    -------
    ase.Atoms
        The film's atoms in their order, with some Si replaced by Al, then the protons: ``Tag.SUPPORT``, the
        ``tile`` of their Al, ``site`` 0, ``molecule`` −1, ``thermal_sigma`` of their oxygen.

    Raises
    ------
    ValueError
        If a parameter is out of range, the site does not exist, or fewer sites than asked for are left by
        Löwenstein's rule and by room for the proton.
    TypeError
        If `rng` is not a ``numpy.random.Generator``.

    References
    ----------
    .. [1] W. Löwenstein, Am. Mineral. 39, 92 (1954).

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import mfi, substitute_aluminium
    >>> acid = substitute_aluminium(mfi(), site=12, number=2, rng=np.random.default_rng(0))
    >>> acid.get_chemical_formula(), set(acid.arrays["site"][acid.symbols == "Al"].tolist())
    ('H2Al2O192Si94', {12})
    """
    require_film(atoms)
    require_generator(rng)
    require((number is None) != (fraction is None), "number", "given, or else fraction, not both", number)
    if number is not None:
        require_count("number", number)
    else:
        require_range("fraction", float(fraction or 0.0), 0.0, 0.5, "Löwenstein's rule allows no more.")
    known = np.unique(atoms.arrays["site"][atoms.numbers == 14]).tolist()
    allowed = (
        f"the number of a T site that holds Si, {known[0]}–{known[-1]}" if known else "None: no Si is left"
    )
    require(site in (None, *known), "site", allowed, site)
    require(oxygen in (None, 0, 1, 2, 3), "oxygen", "0, 1, 2 or 3", oxygen)
    variant = draw_variants(atoms, variants, rng)
    draft = _Draft(atoms, variant, oxygen)
    sites = draft.candidates(site)
    if number is not None:
        pools = [(sites[sites[:, 0] == v], int(number)) for v in np.unique(variant)]
    else:
        copies = len(np.unique(variant)) / len(variant)
        pools = [(sites, round(float(fraction or 0.0) * copies * int((atoms.arrays["site"] > 0).sum())))]
    for pool, wanted in pools:
        count = 0
        for v, local in rng.permutation(pool):
            if count == wanted:
                break
            count += draft.exchange(int(v), int(local), rng)
        name, value = ("number", number) if number is not None else ("fraction", fraction)
        mend = "Löwenstein's rule and room for the protons leave no more sites: lower it."
        require(count == wanted, str(name), f"such that at most {count} Si are exchanged here", value, mend)
    draft.film.info["variants"] = variant.tolist()
    return draft.film
