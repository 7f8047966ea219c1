"""Vacancies, substitutions and interstitials in a support."""

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from scipy.spatial import QhullError, Voronoi, cKDTree

from stemforge.structures.atoms.surface import Surface
from stemforge.structures.cells import Array, Mask, require_orthogonal, wrapped
from stemforge.structures.checks import require, require_generator, require_range
from stemforge.structures.defects.sites import covered_area, draw_sites
from stemforge.structures.tags import Tag

__all__ = ["add_interstitials", "make_vacancies", "substitute"]

_REACH = 7.0  # Å round an atom, in which voids are looked for
_ROOM = 0.75  # share of the sum of two covalent radii that a void must leave to its nearest atom
_TRIES = 30  # places tried for an interstitial


def _require_element(name: str, element: str) -> None:
    known = element in atomic_numbers and element != "X"
    require(known, name, "a chemical symbol such as 'W'", element)


def make_vacancies(
    atoms: Atoms,
    *,
    element: str | None = None,
    site: str = "any",
    fraction: float | None = None,
    areal_density: float | None = None,
    rng: np.random.Generator,
) -> Atoms:
    """Remove single atoms of a support. What is left does not relax.

    Parameters
    ----------
    atoms : ase.Atoms
        Structure in an orthogonal cell.
    element : str, optional
        Which atoms may be missing, such as ``"S"`` in MoS₂; by default all of the support.
    site : {"any", "surface", "volume"}
        Anywhere, on the top or bottom surface (in MoS₂ the sulphur), or everywhere but there.
    fraction : float, optional
        Chance of each such atom to be missing.
    areal_density : float, optional
        In place of it: vacancies per nm² of the covered area, on average.
    rng : numpy.random.Generator
        Source of randomness; the same state gives the same vacancies.

    Returns
    -------
    ase.Atoms
        Without the atoms. ``info["vacancies"]`` has their ``numbers`` (n,) and ``positions`` (n, 3) [Å], after
        those that were missing before.

    Raises
    ------
    ValueError
        If a parameter is out of range, or the support has too few such atoms.
    TypeError
        If `rng` is not a ``numpy.random.Generator``.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import layered_material, make_vacancies
    >>> rng = np.random.default_rng(0)
    >>> sheet = layered_material((50, 50), "MoS2", rng=rng)
    >>> defective = make_vacancies(sheet, element="S", fraction=0.02, rng=rng)
    >>> len(sheet) - len(defective) == len(defective.info["vacancies"]["positions"])
    True
    """
    missing = draw_sites(atoms, element, site, fraction, areal_density, rng)
    before = atoms.info.get("vacancies", {"numbers": np.zeros(0, int), "positions": np.zeros((0, 3))})
    left = atoms[np.setdiff1d(np.arange(len(atoms)), missing)]
    left.info["vacancies"] = {
        "numbers": np.concatenate([before["numbers"], atoms.numbers[missing]]),
        "positions": np.concatenate([before["positions"], atoms.positions[missing]]),
    }
    return left


def substitute(
    atoms: Atoms,
    by: str,
    *,
    element: str | None = None,
    site: str = "any",
    fraction: float | None = None,
    areal_density: float | None = None,
    label: bool = True,
    rng: np.random.Generator,
) -> Atoms:
    """Replace single atoms of a support by another element, in place. Nothing relaxes.

    Parameters
    ----------
    atoms, element, site, fraction, areal_density, rng
        As for :func:`stemforge.structures.make_vacancies`.
    by : str
        Symbol of the element that takes their place.
    label : bool, default True
        Whether these atoms are looked for: tagged `SINGLE_ATOM`. Otherwise they stay atoms of the support.

    Returns
    -------
    ase.Atoms
        The same number of atoms, in the same order.

    Raises
    ------
    ValueError, TypeError
        As for :func:`stemforge.structures.make_vacancies`.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import SINGLE_ATOM, layered_material, substitute
    >>> rng = np.random.default_rng(0)
    >>> sheet = substitute(layered_material((50, 50), rng=rng), "Si", areal_density=0.5, rng=rng)
    >>> bool(((sheet.symbols == "Si") == (sheet.get_tags() == SINGLE_ATOM)).all())
    True
    """
    _require_element("by", by)
    changed = draw_sites(atoms, element, site, fraction, areal_density, rng)
    result = atoms.copy()
    result.numbers[changed] = atomic_numbers[by]
    if label:
        tags = result.get_tags()
        tags[changed] = Tag.SINGLE_ATOM
        result.set_tags(tags)
    return result


def add_interstitials(
    atoms: Atoms, element: str, *, areal_density: float, label: bool = True, rng: np.random.Generator
) -> Atoms:
    """Put atoms into voids of a support: places farthest from the atoms around, inside, not on a surface.

    Parameters
    ----------
    atoms : ase.Atoms
        Structure in an orthogonal cell.
    element : str
        Symbol of what is put in.
    areal_density : float
        Per nm² of the covered area, on average; the number is of Poisson's distribution.
    label : bool, default True
        Whether these atoms are looked for: tagged `SINGLE_ATOM`, otherwise `IMPURITY`.
    rng : numpy.random.Generator
        Source of randomness; the same state gives the same atoms.

    Returns
    -------
    ase.Atoms
        Structure, then interstitials. None is nearer to another atom than 0.75 of the sum of their covalent radii.

    Raises
    ------
    ValueError
        If a parameter is out of range, or there are too few voids, such as in a single sheet.
    TypeError
        If `rng` is not a ``numpy.random.Generator``.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import add_interstitials, layered_material
    >>> rng = np.random.default_rng(0)
    >>> bilayer = layered_material((50, 50), num_layers=2, rng=rng)
    >>> added = add_interstitials(bilayer, "Li", areal_density=0.3, rng=rng)[len(bilayer) :]
    >>> bool(np.all(np.abs(added.positions[:, 2] - bilayer.positions[:, 2].mean()) < 0.5))
    True
    """
    _require_element("element", element)
    require_range("areal_density", areal_density, 0.0, mend="It counts interstitials per nm².")
    require_orthogonal(atoms, "atoms")
    require_generator(rng)
    number = int(rng.poisson(areal_density * covered_area(atoms) / 100))
    result = atoms.copy()
    tag = Tag.SINGLE_ATOM if label else Tag.IMPURITY
    voids = _Voids(atoms, element)
    for _ in range(number):
        place = voids.draw(rng)
        allowed = "such that there are voids inside the support, away from its surfaces, for all"
        require(place is not None, "areal_density", allowed, areal_density, "A single sheet has none.")
        result += Atoms(element, positions=[place], tags=[tag])
    return result


class _Voids:
    """Voids of a support into which an element fits."""

    def __init__(self, atoms: Atoms, element: str) -> None:
        self.edges = atoms.cell.lengths()[:2]
        self.positions, self.numbers = wrapped(atoms.positions, self.edges), atoms.numbers
        self.support = np.flatnonzero(atoms.get_tags() == Tag.SUPPORT)
        self.number = atomic_numbers[element]
        self.surface = Surface(atoms[self.support])
        self.tree = cKDTree(self.positions, boxsize=(*self.edges, 0.0))
        self.filled: list[Array] = []

    def draw(self, rng: np.random.Generator) -> Array | None:
        """Take a void near a random atom [Å], shape (3,); None where none was found."""
        for _ in range(_TRIES):
            found = self._near(self.positions[rng.choice(self.support)])
            if len(found):
                place = found[rng.integers(len(found))]
                self.filled.append(place)
                return np.asarray(place)
        return None

    def _near(self, centre: Array) -> Array:
        offsets = self.positions[self.tree.query_ball_point(centre, _REACH)] - centre
        offsets[:, :2] -= self.edges * np.round(offsets[:, :2] / self.edges)
        try:
            corners = Voronoi(offsets).vertices
        except (QhullError, ValueError):  # too few atoms, or all in a plane
            return np.zeros((0, 3))
        # Farther out, atoms beyond the reach may be nearer.
        corners = corners[np.linalg.norm(corners, axis=1) < _REACH / 2] + centre
        places = wrapped(corners, self.edges)
        distance, nearest = self.tree.query(places)
        needed = _ROOM * (covalent_radii[self.number] + covalent_radii[self.numbers[nearest]])
        places, distance = places[distance >= needed], distance[distance >= needed]
        return places[self._enclosed(places, distance) & self._unfilled(places)]

    def _enclosed(self, places: Array, distance: Array) -> Mask:
        """Whether a ball that comes down from above or below does not get to the void."""
        closed = np.ones(len(places), dtype=bool)
        for place, (radius, at) in enumerate(zip(distance, places, strict=True)):
            for side in (1.0, -1.0):
                touched = self.surface.heights(at[None, :2], np.array([side]), float(radius))[0]
                closed[place] &= side * touched > side * at[2] + 0.5
        return closed

    def _unfilled(self, places: Array) -> Mask:
        if not self.filled:
            return np.ones(len(places), dtype=bool)
        offsets = places[:, None] - np.array(self.filled)
        offsets[..., :2] -= self.edges * np.round(offsets[..., :2] / self.edges)
        return np.linalg.norm(offsets, axis=-1).min(axis=1) >= 2 * _ROOM * covalent_radii[self.number]
