"""Which tiles of a film are copies of one another: variants."""

import numpy as np
from ase import Atoms

from stemforge.structures.cells import Array, Indices
from stemforge.structures.checks import require, require_count

__all__ = ["draw_variants", "shortest", "tile_offsets", "translates"]


def tile_offsets(atoms: Atoms) -> Array:
    """Position [Å] of each tile's corner, with z = 0, shape ``(nx·ny, 3)``."""
    nx, ny = atoms.info["tiles"]
    index = np.arange(nx * ny)
    return np.stack([index % nx, index // nx, 0 * index], axis=1) * (*atoms.info["tile_size"], 0.0)


def translates(atoms: Atoms, first: int, second: int, tolerance: float = 1e-6) -> bool:
    """Whether two tiles hold the same atoms in the same order at the same places, up to their offset [Å].

    Examples
    --------
    >>> from stemforge.structures import mfi
    >>> from stemforge.structures.zeolites.tiles import translates
    >>> translates(mfi(repeat=(2, 1)), 0, 1)
    True
    """
    a, b = (np.flatnonzero(atoms.arrays["tile"] == tile) for tile in (first, second))
    if len(a) != len(b) or np.any(atoms.numbers[a] != atoms.numbers[b]):
        return False
    offsets = tile_offsets(atoms)
    separation = shortest(atoms.positions[b] - atoms.positions[a] - offsets[second] + offsets[first], atoms)
    return bool(np.all(np.abs(separation) <= tolerance))


def shortest(vectors: Array, atoms: Atoms) -> Array:
    """Vectors [Å], shape ``(..., 3)``, between the nearest images in a cell that is periodic in x and y."""
    edges = atoms.cell.lengths() * (1.0, 1.0, 0.0)
    safe = np.where(edges > 0, edges, 1.0)
    return vectors - edges * np.round(vectors / safe)


def draw_variants(atoms: Atoms, variants: int | None, rng: np.random.Generator) -> Indices:
    """Variant of each tile: tiles of the same variant get the same content.

    Parameters
    ----------
    atoms : ase.Atoms
        Film with tiles. Variants drawn before, in ``info["variants"]``, are used again.
    variants : int or None
        How many distinct tiles; None makes each tile its own variant, unless variants were drawn before.
        Every variant is used at least once where there are tiles enough, and equally often within one tile.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray of int
        Variant of each tile, shape ``(nx·ny,)``.

    Raises
    ------
    ValueError
        If the number is out of range, or differs from the variants drawn before, or the tiles of one variant
        are not alike.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import mfi
    >>> from stemforge.structures.zeolites.tiles import draw_variants
    >>> sorted(draw_variants(mfi(repeat=(3, 2)), 2, np.random.default_rng(0)).tolist())
    [0, 0, 0, 1, 1, 1]
    """
    number = int(np.prod(atoms.info["tiles"]))
    if variants is not None:
        require_count("variants", variants)
    earlier = atoms.info.get("variants")
    if earlier is not None and (variants is None or int(variants) >= max(earlier) + 1):
        drawn = np.asarray(earlier)
    elif variants is None or variants >= number:
        drawn = np.arange(number)
    else:
        allowed = f"at least the {max(earlier or [0]) + 1} drawn before"
        require(earlier is None, "variants", allowed, variants, "Give every step the same number.")
        drawn = rng.permutation(np.arange(number) % variants)
    for variant in np.unique(drawn):
        first, *others = np.flatnonzero(drawn == variant)
        alike = all(translates(atoms, int(first), int(other)) for other in others)
        mend = "Give the same number of variants to substitute_aluminium()."
        require(alike, "variants", "None where the tiles differ already", variants, mend)
    return drawn
