"""The columns that a framework has in one cell: where they are, what they hold, and what that scatters."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy import fft

from stemforge.infer.crystals.framework import column_groups
from stemforge.infer.occupancy.crystal import potential_spectrum
from stemforge.structures.zeolites.frameworks import T_ELEMENTS

MERGE = 0.7
"""Mean distance in projection below which atoms are one column [Å]; no image tells them from each other."""
TETRAHEDRAL, OXYGEN = "T", "O"
"""What a column holds: T atoms (and what oxygen lies over them), or oxygen alone."""
_SHARP = 0.4  # standard deviation with which a column is seen before it is multiplied with itself [Å]
_PIXELS, _STEP = 40, 0.2  # of its picture there [Å]
_SILICON = Atoms("Si", [(0.0, 0.0, 0.0)])


@dataclass(frozen=True)
class ColumnSite:
    """A column of one projected cell.

    Parameters
    ----------
    place
        Its centre (x, y) [Å], the mean of its atoms weighted by atomic number.
    atoms
        With positions (x, y) from there [Å].
    kind
        ``T`` or ``O``.
    strength
        What it scatters forward, in silicon atoms.

    Examples
    --------
    >>> pair = ColumnSite.of(Atoms("Si2", [(1, 1, 0), (1, 1.2, 3)]))
    >>> pair.kind, pair.place.round(2).tolist(), pair.strength
    ('T', [1.0, 1.1], 2.0)
    """

    place: NDArray[np.float64]
    atoms: Atoms
    kind: str
    strength: float

    @classmethod
    def of(cls, atoms: Atoms) -> "ColumnSite":
        """Return the column of some atoms."""
        weight = atoms.numbers / atoms.numbers.sum()
        place = weight @ atoms.positions[:, :2]
        beside = atoms.copy()
        beside.positions[:, :2] -= place
        still = Atoms(atoms.numbers, atoms.positions)
        forward = [potential_spectrum(one, np.zeros((1, 2)))[0].real for one in (still, _SILICON)]
        kind = TETRAHEDRAL if np.isin(atoms.get_chemical_symbols(), T_ELEMENTS).any() else OXYGEN
        return cls(place, beside, kind, float(forward[0] / forward[1]))

    def spectrum(self, k: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return the transform of its projected potential at frequencies (x, y) [1/Å], shape (..., 2)."""
        return potential_spectrum(self.atoms, k)

    def products(self, k: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return transforms of its potential's square and of the square of its slope; shape (2, ...).

        They are as strong as the potential's own: thick films and defocus show columns by such products, too.
        """
        axis = (np.arange(_PIXELS) - _PIXELS // 2) * _STEP
        frequency = fft.fftfreq(_PIXELS, _STEP)
        grid = np.stack(np.meshgrid(frequency, frequency), -1)
        sharp = self.spectrum(grid) * np.exp(-2 * (np.pi * _SHARP) ** 2 * (grid**2).sum(-1))
        values = fft.fftshift(fft.ifft2(sharp).real) / _STEP**2
        slope = np.stack(np.gradient(values, _STEP))
        flat = k.reshape(-1, 2)
        rows, columns = (np.exp(-2j * np.pi * np.outer(flat[:, part], axis)) for part in (1, 0))
        both = np.array([((rows @ one) * columns).sum(1) for one in (values**2, (slope**2).sum(0))])
        total = np.array([(values**2).sum(), (slope**2).sum()])
        return np.asarray((both / total[:, None]).reshape(2, *k.shape[:-1]) * sharp.flat[0].real)


def column_sites(atoms: Atoms, merge: float = MERGE) -> tuple[ColumnSite, ...]:
    """Return the columns of a cell: atoms that are near each other in projection are one.

    Parameters
    ----------
    atoms
        One cell, its x and y axes at right angles, the beam along z.
    merge
        Average linkage: groups of atoms are one column while their mean distance is below this [Å].

    Examples
    --------
    >>> from collections import Counter
    >>> from stemforge.structures import mfi
    >>> sorted(Counter(site.kind for site in column_sites(mfi())).items())
    [('O', 36), ('T', 24)]
    """
    cell = np.array([atoms.cell[0, 0], atoms.cell[1, 1]])
    group, offset = column_groups(atoms.positions[:, :2] / cell, cell, merge)
    sites = []
    for number in range(group.max() + 1):
        members = np.flatnonzero(group == number)
        column = atoms[members]
        # Together, where the border of the cell parts them.
        column.positions[:, :2] = atoms.positions[members[0], :2] + offset[members] * cell
        sites.append(ColumnSite.of(column))
    return tuple(sites)
