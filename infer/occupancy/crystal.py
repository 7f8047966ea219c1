"""What a framework and its guests scatter: Fourier coefficients of their projected potentials."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from stemforge.errors import InputError
from stemforge.infer.crystals.framework import Framework, framework_film, projected_cell
from stemforge.structures import find_channels, place_guest

RESOLUTION = 1.1
"""Spacing down to which images are compared with what they should be [Å]."""
_NYQUIST = 2.1  # pixels in the finest spacing
GUESTS = ("pyridine", "thiophene")
"""Molecules that are looked for."""

_POSES = 32  # of a molecule that are drawn, at least
_SEED = 0  # of the poses: the same image has the same result
_FINEST = 3.0  # [1/Å]; beyond, nothing is asked of a scattering factor
_STEP = 0.2  # of the grid on which powers of the potential are made [Å]
# The potential whose square and whose slope stand for what is not linear in it is seen this sharp [Å].
_SHARP = 0.4


@dataclass(frozen=True)
class Molecule:
    """A molecule in one pose.

    Parameters
    ----------
    name
        What it is.
    atoms
        With positions (x, y) [Å] from the axis of its channel.
    """

    name: str
    atoms: Atoms

    def mirrored(self) -> "tuple[Molecule, ...]":
        """Return the four poses that a framework with the plane group p2gg makes equal."""
        poses = []
        for sign in ((1, 1), (-1, -1), (1, -1), (-1, 1)):
            atoms = self.atoms.copy()
            atoms.positions[:, :2] *= sign
            poses.append(Molecule(self.name, atoms))
        return tuple(poses)

    def spectrum(self, k: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return the transform of the projected potential at frequencies (x, y) [1/Å], shape (..., 2)."""
        return potential_spectrum(self.atoms, k)


def finest_spacing(sampling: float) -> float:
    """Return the spacing [Å] down to which an image with pixels of ``sampling`` [Å] is compared with a crystal's."""
    return max(RESOLUTION, _NYQUIST * sampling)


@dataclass(frozen=True)
class Crystal:
    """A crystal seen along the beam.

    Parameters
    ----------
    framework
        For finding the lattice.
    atoms
        One cell, the beam along z.

    Examples
    --------
    >>> crystal = Crystal.named("mfi")
    >>> len(crystal.atoms), crystal.cell.round(2).tolist()
    (288, [20.11, 13.41])
    """

    framework: Framework
    atoms: Atoms

    @classmethod
    def named(cls, framework: str = "mfi") -> "Crystal":
        """Return a framework that is built in, or that of a CIF, seen along its channels; molecules are left out.

        Raises
        ------
        InputError
            Neither known nor a CIF file that can be read.
        """
        cell = projected_cell(framework_film(framework))
        return Crystal(Framework.from_atoms(cell, Path(framework).stem), cell)

    @property
    def cell(self) -> NDArray[np.float64]:
        """Lengths of the in-plane axes [Å]."""
        return np.array(self.framework.cell)

    def indices(self, resolution: float) -> NDArray[np.int64]:
        """Return the indices (h, k) of all reflections down to a spacing [Å], one of each Friedel pair."""
        most = np.ceil(self.cell / resolution).astype(int)
        h, k = np.meshgrid(*(np.arange(-n, n + 1) for n in most), indexing="ij")
        hk = np.column_stack([h.ravel(), k.ravel()])
        half = (hk[:, 0] > 0) | ((hk[:, 0] == 0) & (hk[:, 1] > 0))
        return hk[half & (np.hypot(*(hk / self.cell).T) < 1 / resolution)]

    def coefficients(self, hk: NDArray[np.int64]) -> NDArray[np.complex128]:
        """Return the framework's Fourier coefficients: mean of potential × exp(−2πi g·r)."""
        return potential_spectrum(self.atoms, hk / self.cell) / self.cell.prod()

    def powers(self, hk: NDArray[np.int64]) -> NDArray[np.complex128]:
        """Return coefficients of the potential's square and of its slope's square, shape (2, n).

        Thick films and defocus add to an image what is not linear in the potential: to second order, products of it.
        """
        linear = self.coefficients(hk) * np.exp(-2 * (np.pi * _SHARP) ** 2 * ((hk / self.cell) ** 2).sum(1))
        shape = np.ceil(self.cell / _STEP).astype(int)
        values = cell_image(linear, hk, (int(shape[1]), int(shape[0])))
        values = values - values.min()
        y, x = np.gradient(np.pad(values, 2, mode="wrap"))
        slope = (x**2 + y**2)[2:-2, 2:-2]
        rows, columns = _waves(hk, values.shape)
        both = [
            np.einsum("yx,ny,nx->n", v, rows.conj(), columns.conj(), optimize=True) / v.size
            for v in (values**2, slope)
        ]
        # As strong as the potential's, so that one measure of what is likely holds for all.
        return np.array([c / np.abs(c).max() * np.abs(linear).max() for c in both])


@dataclass(frozen=True)
class ChannelCrystal(Crystal):
    """A framework with channels along the beam, and the molecules that may be in them.

    Parameters
    ----------
    framework
        For finding the lattice.
    atoms
        One cell of it, without guests, the beam along z.
    channels
        Axes of the channels (x, y) [Å], shape (n, 2).
    guests
        Poses of molecules.

    Examples
    --------
    >>> crystal = ChannelCrystal.named("mfi", ("pyridine",))
    >>> crystal.channels.round(1).tolist(), len(crystal.guests)
    ([[0.0, 6.7], [10.1, 0.0]], 128)
    """

    channels: NDArray[np.float64]
    guests: tuple[Molecule, ...]

    @classmethod
    def named(cls, framework: str = "mfi", guests: tuple[str, ...] = GUESTS) -> "ChannelCrystal":
        """Return a framework that is built in, or that of a CIF, seen along its channels.

        Raises
        ------
        InputError
            Unknown or without channels, or a molecule that does not fit into them.
        """
        try:
            tile = framework_film(framework)
            cell = projected_cell(tile)
            axes = find_channels(cell)[:, :2]
            if not len(axes):
                raise InputError(f"framework {framework}: has no channels along the beam")
            side = int(np.ceil(np.sqrt(_POSES / len(find_channels(tile)))))
            film = framework_film(framework, (side, side))
            rng = np.random.default_rng(_SEED)
            poses = [pose for name in guests for pose in _poses(film, name, rng)]
        except InputError:
            raise
        except (OSError, ValueError) as error:
            raise InputError(f"framework {framework}: {error}") from error
        every = tuple(one for pose in poses for one in pose.mirrored())
        return cls(Framework.from_atoms(cell, Path(framework).stem), cell, axes, every)


@cache
def _scattering(number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from abtem.parametrizations import LobatoParametrization  # see Microscope.probe

    k = np.linspace(0, _FINEST, 1501)
    return k, np.asarray(LobatoParametrization().scattering_factor(chemical_symbols[number])(k**2))


def potential_spectrum(atoms: Atoms, k: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return the transform of atoms' projected potential, up to a constant.

    Scattering factors of Lobato and van Dyck (2014), doi:10.1107/S205327331401643X, with Debye-Waller factors by the
    array ``thermal_sigma``.

    Parameters
    ----------
    atoms
        Seen along z.
    k
        Frequencies (x, y) [1/Å], shape (..., 2).

    Returns
    -------
    ndarray
        Σ f exp(−2πi k·r) [Å], shape (...).
    """
    radius = np.hypot(k[..., 0], k[..., 1])
    sigma = atoms.arrays.get("thermal_sigma", np.zeros(len(atoms)))
    total = np.zeros(radius.shape, dtype=np.complex128)
    for number, width in sorted(set(zip(atoms.numbers.tolist(), sigma.round(3).tolist(), strict=True))):
        alike = (atoms.numbers == number) & (sigma.round(3) == width)
        waves = np.exp(-2j * np.pi * (k @ atoms.positions[alike, :2].T)).sum(-1)
        total += waves * np.interp(radius, *_scattering(number)) * np.exp(-2 * (np.pi * width * radius) ** 2)
    return total


def cell_image(
    coefficients: NDArray[np.complex128], hk: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return one cell, rows along the second axis, from coefficients of one of each Friedel pair."""
    rows, columns = _waves(hk, shape)
    return 2 * np.einsum("n,ny,nx->yx", coefficients, rows, columns, optimize=True).real


def _waves(hk: NDArray[np.int64], shape: Sequence[int]) -> tuple[NDArray[np.complex128], ...]:
    y, x = (np.arange(n) / n for n in shape)
    return np.exp(2j * np.pi * np.outer(hk[:, 1], y)), np.exp(2j * np.pi * np.outer(hk[:, 0], x))


def _poses(film: Atoms, name: str, rng: np.random.Generator) -> list[Molecule]:
    """Draw a molecule into every channel of a film."""
    filled = place_guest(film, name, rng=rng)
    size = np.asarray(film.info["tile_size"])
    axes = find_channels(film)[:, :2]
    poses = []
    for number, described in enumerate(filled.info["molecules"]):
        one = filled[filled.arrays["molecule"] == number]
        middle = one.positions[:, :2].mean(0)
        beside = middle - axes
        beside -= size * np.round(beside / size)
        one.positions[:, :2] += beside[np.argmin(np.hypot(*beside.T))] - middle
        poses.append(Molecule(described["name"], one))
    return poses
