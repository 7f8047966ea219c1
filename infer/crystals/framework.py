"""A crystal framework seen along the beam: its projected cell, its reflections, its atom columns."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial import cKDTree

from stemforge.errors import InputError
from stemforge.structures import guests_from_cell, zeolite, zeolite_cell
from stemforge.structures.tags import Tag
from stemforge.structures.zeolites.frameworks import FRAMEWORKS
from stemforge.structures.zeolites.viewing import channel_axis

_SAME = 0.05  # places in projection that are one [Å]
_MOST_REPEATS = 8  # of the projection in a tile along an edge


def framework_film(name: str, repeat: tuple[int, int] = (1, 1)) -> Atoms:
    """Return a film one cell thin, without guests, of a framework that is built in or that of a CIF file.

    It is seen along its channels: those that a CIF has are found, along b before other directions.

    Raises
    ------
    InputError
        Neither known nor a CIF file that can be read.
    """
    if name.lower() in FRAMEWORKS:
        return zeolite(name, repeat=repeat)
    if Path(name).suffix.lower() != ".cif":
        raise InputError(
            f"framework '{name}' is not known; there is {', '.join(FRAMEWORKS)}, or give a CIF file"
        )
    try:
        film = guests_from_cell(zeolite(name, repeat=repeat, zone_axis=channel_axis(zeolite_cell(name))))
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"framework {name}: {error}") from error
    bare = film[film.get_tags() != Tag.GUEST]
    bare.info["molecules"] = []
    return bare


def projected_cell(film: Atoms) -> Atoms:
    """Cut a film of one tile to the smallest rectangle that repeats in its projection.

    A tile repeats in space; seen along the beam a part of it may repeat already, since layers at different heights are
    displaced. Every such part has one copy of each projected atom.

    Examples
    --------
    >>> [projected_cell(framework_film(name)).cell.lengths()[:2].round(1).tolist() for name in ("mfi", "cha")]
    [[20.1, 13.4], [13.7, 12.5]]
    """
    lengths = film.cell.lengths()[:2]
    parts = [_repeats(film, along) for along in (0, 1)]
    size = lengths / parts
    # Half of what is one beyond the edges: rounding must not take an atom twice, or not at all.
    places = np.mod(film.positions[:, :2] + _SAME / 2, lengths)
    part: Atoms = film[np.flatnonzero(np.all(places < size, axis=1))]
    part.set_cell((*size, film.cell[2, 2]))
    part.info["tile_size"] = (float(size[0]), float(size[1]))
    return part


def _repeats(film: Atoms, along: int) -> int:
    """How often a projection repeats within one edge of its cell."""
    lengths = film.cell.lengths()[:2]
    places = np.mod(film.positions[:, :2], lengths) % lengths
    tree = cKDTree(np.column_stack([places / lengths]) % 1, boxsize=1.0)
    for number in range(_MOST_REPEATS, 1, -1):
        shift = np.zeros(2)
        shift[along] = 1 / number
        moved = (places / lengths + shift) % 1
        if all(
            np.count_nonzero(film.numbers[near] == z) == np.count_nonzero(film.numbers[at] == z)
            for near, at, z in zip(
                tree.query_ball_point(moved, _SAME / lengths.max()),
                tree.query_ball_point(places / lengths % 1, _SAME / lengths.max()),
                film.numbers,
                strict=True,
            )
        ):
            return number
    return 1


# Thermal vibration and the resolution of the microscope together fade the reflections: the standard deviation
# of a column's blur [Å]. Only the relative weight of fine and coarse reflections depends on it.
_BLUR = 0.45


def column_groups(
    fractional: NDArray[np.float64], cell: NDArray[np.float64], merge: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Group atoms that are near each other in projection.

    Parameters
    ----------
    fractional
        Positions along the two in-plane axes, shape (n, 2).
    cell
        Lengths of these axes, which are at right angles [Å].
    merge
        Average linkage: groups are one column while the mean distance between their atoms is below this [Å].

    Returns
    -------
    group, offset
        Number of each atom's column, from 0 on, shape (n,); and the way to it from the first atom of its column, across
        the border of the cell where that is shorter, in fractions of the axes, shape (n, 2).

    Examples
    --------
    >>> group, offset = column_groups(np.array([[0.99, 0.5], [0.01, 0.5], [0.5, 0.5]]), np.array([10.0, 10.0]), 1.0)
    >>> group.tolist(), offset[1].round(2).tolist()
    ([0, 0, 1], [0.02, 0.0])
    """
    if len(fractional) == 1:
        return np.zeros(1, dtype=np.int64), np.zeros((1, 2))
    # Across the border of the cell an atom's nearest neighbour is an image of another.
    between = fractional[:, None] - fractional[None]
    between -= np.rint(between)
    distance = np.hypot(*(between * cell).transpose(2, 0, 1))
    label = fcluster(linkage(distance[np.triu_indices(len(distance), 1)], "average"), merge, "distance")
    _, first, group = np.unique(label, return_index=True, return_inverse=True)
    group = group.ravel()
    return group.astype(np.int64), between[np.arange(len(group)), first[group]]


@dataclass(frozen=True)
class Columns:
    """The atom columns of one projected cell.

    Parameters
    ----------
    fractional
        Positions along the two in-plane axes, 0 ≤ value < 1, shape (n, 2).
    weight
        Sum of the atomic numbers in each column, shape (n,).

    Examples
    --------
    >>> square = Framework("square", (4.0, 4.0), np.array([[0.0, 0.0], [0.02, 0.0], [0.5, 0.5]]), np.array([14, 14, 8]))
    >>> columns = square.columns()  # two silicon atoms in line, and an oxygen
    >>> len(columns.fractional), columns.weight.tolist()
    (2, [28.0, 8.0])
    """

    fractional: NDArray[np.float64]
    weight: NDArray[np.float64]


@dataclass(frozen=True)
class Framework:
    """One unit cell projected along the beam.

    Parameters
    ----------
    name
        What it is called.
    cell
        Lengths of the two in-plane axes, which are at right angles [Å].
    fractional
        Positions of the atoms in the projected cell, shape (n, 2).
    numbers
        Their atomic numbers, shape (n,).

    Examples
    --------
    >>> square = Framework("square", (4.0, 4.0), np.array([[0.0, 0.0], [0.5, 0.5]]), np.array([14, 14]))
    >>> hk, factors = square.reflections(1.9)
    >>> sorted({tuple(map(int, abs(index))) for index in hk})
    [(0, 2), (1, 1), (2, 0)]
    """

    name: str
    cell: tuple[float, float]
    fractional: NDArray[np.float64]
    numbers: NDArray[np.int64]

    @classmethod
    def from_atoms(cls, atoms: Atoms, name: str = "framework") -> "Framework":
        """Project one unit cell along z; its x and y axes must be at right angles."""
        cell = np.asarray(atoms.cell)
        a, b = cell[0, :2], cell[1, :2]
        lengths = float(np.hypot(*a)), float(np.hypot(*b))
        if not len(atoms) or min(lengths) == 0 or abs(a @ b) > 1e-3 * lengths[0] * lengths[1]:
            raise InputError(
                f"framework '{name}': needs atoms in a cell whose x and y axes are at right angles, with the "
                f"beam along z; the in-plane axes are {a.round(3).tolist()} and {b.round(3).tolist()}"
            )
        fractional = atoms.positions[:, :2] @ np.linalg.inv(np.array([a, b]))
        return cls(name, lengths, fractional % 1, np.asarray(atoms.numbers))

    @classmethod
    def named(cls, name: str) -> "Framework":
        """Return a framework that is built in, such as ``mfi``, or that of a CIF file; seen along its channels."""
        return cls.from_atoms(projected_cell(framework_film(name)), Path(name).stem)

    def reflections(self, resolution: float) -> tuple[NDArray[np.int64], NDArray[np.complex128]]:
        """Return the reflections of the projected potential down to a spacing, one of each Friedel pair.

        Parameters
        ----------
        resolution
            Smallest lattice-plane spacing [Å].

        Returns
        -------
        hk, factors
            Indices, shape (n, 2), and structure factors ∑ Z exp(2πi(hx + ky)) faded by a Gaussian blur of
            0.45 Å, shape (n,); strongest first. Those below 1 % of the strongest are left out.
        """
        most = [int(np.ceil(length / resolution)) for length in self.cell]
        h, k = np.meshgrid(np.arange(-most[0], most[0] + 1), np.arange(-most[1], most[1] + 1), indexing="ij")
        hk = np.column_stack([h.ravel(), k.ravel()])
        g = np.hypot(hk[:, 0] / self.cell[0], hk[:, 1] / self.cell[1])
        half = (hk[:, 0] > 0) | ((hk[:, 0] == 0) & (hk[:, 1] > 0))
        hk, g = hk[half & (g <= 1 / resolution)], g[half & (g <= 1 / resolution)]
        factors = np.exp(2j * np.pi * (hk @ self.fractional.T)) @ self.numbers
        factors = factors * np.exp(-2 * (np.pi * _BLUR * g) ** 2)
        strong = np.abs(factors) > 0.01 * np.abs(factors).max(initial=1e-12)
        order = np.argsort(-np.abs(factors[strong]), kind="stable")
        return hk[strong][order], factors[strong][order]

    def columns(self, merge: float = 1.0) -> Columns:
        """Return the atom columns: atoms closer than ``merge`` [Å] in projection are one.

        Parameters
        ----------
        merge
            Average linkage: two groups merge while the mean distance between their atoms is below this [Å].

        Returns
        -------
        Columns
            Each at the mean of its atoms weighted by atomic number.
        """
        if not merge > 0:
            raise InputError(f"merge must be a positive length [Å], not {merge}")
        group, offset = column_groups(self.fractional, np.array(self.cell), merge)
        places, weights = [], []
        for number in range(group.max() + 1):
            members = np.flatnonzero(group == number)
            weight = self.numbers[members].astype(float)
            places.append((self.fractional[members[0]] + weight @ offset[members] / weight.sum()) % 1)
            weights.append(weight.sum())
        return Columns(np.array(places), np.array(weights))

    def image(self, shape: tuple[int, int], resolution: float = 1.2) -> NDArray[np.float64]:
        """Return the projected cell as an image: rows along the second axis, columns along the first.

        Parameters
        ----------
        shape
            Number of rows and columns; the centre of pixel (0, 0) is the cell's origin.
        resolution
            Smallest spacing in it [Å].

        Returns
        -------
        ndarray
            Shape ``shape``, mean 0.
        """
        hk, factors = self.reflections(resolution)
        y, x = (np.arange(n) / n for n in shape)
        waves = np.exp(-2j * np.pi * np.outer(hk[:, 1], y))[:, :, None]
        waves = waves * np.exp(-2j * np.pi * np.outer(hk[:, 0], x))[:, None, :]
        return 2 * np.einsum("n,nij->ij", factors, waves).real
