"""Which atoms of a support a defect may take, and which of them it takes."""

import numpy as np
from ase import Atoms

from stemforge.structures.atoms.surface import Surface, covered_pixels
from stemforge.structures.cells import Indices, Mask, require_orthogonal
from stemforge.structures.checks import require, require_generator, require_range
from stemforge.structures.tags import Tag

__all__ = ["SITES", "covered_area", "draw_sites", "exposed"]

SITES = ("any", "surface", "volume")
_BALL = 2.0  # Å between centres: what a ball of this size touches from above or below is surface


def covered_area(atoms: Atoms) -> float:
    """Area [Å²] that the support covers in projection."""
    covered = covered_pixels(atoms[atoms.get_tags() == Tag.SUPPORT])
    return float(covered.mean() * np.prod(atoms.cell.lengths()[:2]))


def exposed(atoms: Atoms) -> Mask:
    """Which atoms lie on the top or bottom surface: a ball that comes down over them along z touches no other first.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import layered_material
    >>> from stemforge.structures.defects.sites import exposed
    >>> sheet = layered_material((20, 20), "MoS2", rng=np.random.default_rng(0))
    >>> [bool(exposed(sheet)[sheet.symbols == element].all()) for element in ("Mo", "S")]
    [False, True]
    """
    surface = Surface(atoms)
    open_ = np.zeros(len(atoms), dtype=bool)
    for side in (1.0, -1.0):
        touched = surface.heights(atoms.positions[:, :2], np.full(len(atoms), side), _BALL)
        open_ |= side * touched <= side * atoms.positions[:, 2] + _BALL + 1e-6
    return open_


def draw_sites(
    atoms: Atoms,
    element: str | None,
    site: str,
    fraction: float | None,
    areal_density: float | None,
    rng: np.random.Generator,
) -> Indices:
    """Draw atoms of the support, each with the same chance.

    Parameters
    ----------
    atoms
        Structure; only atoms with the tag `SUPPORT` are drawn.
    element
        Their symbol; None takes all elements.
    site
        ``"any"``, ``"surface"`` (top or bottom) or ``"volume"`` (all others).
    fraction
        Chance of each such atom. The number that is drawn is therefore binomial.
    areal_density
        In place of it: how many per nm² of the covered area, on average.
    rng
        Source of randomness.

    Returns
    -------
    numpy.ndarray of int
        Indices, in the order of the atoms.

    Raises
    ------
    ValueError
        If a parameter is out of range, no atom is such a site, or there are fewer than the density asks for.
    """
    require_orthogonal(atoms, "atoms")
    require(site in SITES, "site", f"one of {SITES}", site)
    require_generator(rng)
    given = (fraction is None) + (areal_density is None)
    require(given == 1, "fraction", "given, or else areal_density, and not both", (fraction, areal_density))
    of_support = atoms.get_tags() == Tag.SUPPORT
    elements = sorted({str(symbol) for symbol in atoms.symbols[of_support]})
    require(element is None or element in elements, "element", f"one of the support's {elements}", element)
    chosen = of_support if element is None else of_support & (atoms.symbols == element)
    if site != "any":
        outside = np.zeros(len(atoms), dtype=bool)
        outside[of_support] = exposed(atoms[of_support])
        chosen = chosen & (outside if site == "surface" else ~outside)
    sites = np.flatnonzero(chosen)
    if fraction is not None:
        require_range("fraction", fraction, 0.0, 1.0)
        chance = fraction
    else:
        require_range("areal_density", areal_density or 0.0, 0.0, mend="It counts defects per nm².")
        asked = (areal_density or 0.0) * covered_area(atoms) / 100
        mend = "Lower areal_density, or take another site or element."
        allowed = f"at most the {100 * len(sites) / max(covered_area(atoms), 1e-9):.3g} sites per nm²"
        require(asked <= len(sites), "areal_density", allowed, areal_density, mend)
        chance = asked / max(len(sites), 1)
    return sites[rng.random(len(sites)) < chance]
