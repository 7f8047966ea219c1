"""Along which direction a framework is best seen: that of its widest channels."""

from itertools import product

import numpy as np
from ase import Atoms

from stemforge.structures.zeolites.channels import OPEN, find_channels
from stemforge.structures.zeolites.film import crystal_film
from stemforge.structures.zeolites.guests import guests_from_cell

__all__ = ["channel_axis"]

_USUAL = (0, 1, 0)
_LONGEST = 80.0  # Å, of a tile's edges


def channel_axis(crystal: Atoms) -> tuple[int, int, int]:
    """Find the direction along which a crystal has channels.

    Among the axes, the diagonals of the cell's faces and those of the cell: b where channels run along b, else the
    direction whose channels are widest; b where there are none at all. How wide they are says `find_channels`;
    molecules in them do not count.

    Parameters
    ----------
    crystal : ase.Atoms
        Unit cell with the arrays ``thermal_sigma`` and ``site``, as from `zeolite_cell`.

    Returns
    -------
    (int, int, int)
        Zone axis ``[u v w]``.

    Examples
    --------
    >>> from stemforge.structures import zeolite_cell
    >>> from stemforge.structures.zeolites.viewing import channel_axis
    >>> channel_axis(zeolite_cell("mfi")), channel_axis(zeolite_cell("fau"))
    ((0, 1, 0), (0, 1, 1))
    """
    if _widest(crystal, _USUAL) >= OPEN:
        return _USUAL
    directions = [(u, v, w) for u, v, w in product((0, 1, -1), repeat=3) if _first((u, v, w)) > 0]
    width, best = max((round(_widest(crystal, axis), 2), _fewest(axis)) for axis in directions)
    return best[1] if width > 0 else _USUAL


def _first(axis: tuple[int, ...]) -> int:
    """First entry that is not zero; one of each pair of opposite directions has a positive one."""
    return next((n for n in axis if n), 0)


def _fewest(axis: tuple[int, int, int]) -> tuple[int, tuple[int, int, int]]:
    """Order directions that are equally wide: axes before diagonals."""
    return -int(np.abs(axis).sum()), axis


def _widest(crystal: Atoms, axis: tuple[int, int, int]) -> float:
    """Radius [Å] of the widest channel along a direction; 0 where there is none, or no tile across it."""
    try:
        film = crystal_film(crystal, zone_axis=axis, max_length=_LONGEST)
    except ValueError:
        return 0.0
    found = find_channels(guests_from_cell(film))
    return float(found[0, 2]) if len(found) else 0.0
