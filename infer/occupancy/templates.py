"""Molecules on a grid around a channel's axis, and how well a channel's surroundings match them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.spatial.transform import Rotation

from stemforge.infer.occupancy.crystal import Molecule
from stemforge.infer.occupancy.noise import Noise
from stemforge.infer.occupancy.scores import EVERY, Scores
from stemforge.infer.occupancy.sites import best_poses
from stemforge.infer.occupancy.transfer import Transfer

STEP, HALF = 0.2, 8.0  # of the grid [Å]
# Poses that are kept in each round, and how many are tried about each. With 8 and 5 an image and the same turned by 90°
# ended in other poses, and 7 of 100 channels had another answer (with these 4); with 16 and 5 one published crystal
# ended in poor poses, for which its order was not found.
_KEPT, _TRIED = 24, 8
# Rounds of the search: how far poses are moved [Å] and turned [rad] in each.
_ROUNDS = ((0.35, 0.3), (0.2, 0.2), (0.12, 0.12), (0.08, 0.08))
_SEED = 1


@dataclass(frozen=True)
class Templates:
    """Molecules in poses on a grid around a channel's axis.

    ``molecules`` and the ``site`` whose poses they refine, ``EVERY`` for those that may be anywhere; ``offsets`` are
    the grid's points (x, y) [Å], shape (n², 2); ``k`` its frequencies; ``potential`` the molecules' transforms there,
    and ``mean`` that of all that may be anywhere, shapes (n, n, 2), (templates, n, n) and (n, n).
    """

    molecules: tuple[Molecule, ...]
    site: NDArray[np.int64]
    offsets: NDArray[np.float64]
    k: NDArray[np.float64]
    potential: NDArray[np.complex128]
    mean: NDArray[np.complex128]
    resolution: float

    @classmethod
    def of(cls, molecules: Sequence[Molecule], resolution: float) -> "Templates":
        """Draw molecules that may be anywhere, down to a spacing [Å]."""
        number = int(2 * HALF / STEP)
        frequency = fft.fftfreq(number, STEP)
        k = np.stack(np.meshgrid(frequency, frequency), -1)
        axis = (np.arange(number) - number // 2) * STEP
        offsets = np.column_stack([part.ravel() for part in np.meshgrid(axis, axis)])
        nothing = np.zeros((0, number, number), dtype=complex)
        empty = cls((), np.zeros(0, dtype=int), offsets, k, nothing, nothing.sum(0), resolution)
        every = empty.with_molecules(molecules, EVERY)
        return replace(every, mean=every.potential.mean(0))

    def with_molecules(self, molecules: Sequence[Molecule], site: int) -> "Templates":
        """Add molecules of a site."""
        within = np.hypot(self.k[..., 0], self.k[..., 1]) < 1 / self.resolution
        added = np.zeros((len(molecules), *within.shape), dtype=complex)
        for one, molecule in zip(added, molecules, strict=True):
            one[within] = molecule.spectrum(self.k[within])
        return replace(
            self,
            molecules=(*self.molecules, *molecules),
            site=np.r_[self.site, np.full(len(molecules), site)],
            potential=np.concatenate([self.potential, added]),
        )

    def part(self, chosen: NDArray[np.bool_]) -> "Templates":
        """Return some of them."""
        molecules = tuple(self.molecules[i] for i in np.flatnonzero(chosen))
        return replace(self, molecules=molecules, site=self.site[chosen], potential=self.potential[chosen])

    def pictures(self, transfer: Transfer) -> NDArray[np.float64]:
        """Return what an image shows of each, shape (templates, n²)."""
        return _pictures(self.potential * transfer.at(self.k))


@dataclass(frozen=True)
class Surroundings:
    """What the framework leaves around each channel, divided by the noise's density.

    Parameters
    ----------
    values
        On the templates' grid, shape (channels, n²).
    transfer, noise
        Of the image.
    site
        Of each channel, shape (channels,).
    """

    values: NDArray[np.float64]
    transfer: Transfer
    noise: Noise
    site: NDArray[np.int64]

    def scores(self, templates: Templates) -> Scores:
        """Compare them with templates by matched filters."""
        transfer = self.transfer.at(templates.k)
        spectra, mean = templates.potential * transfer, templates.mean * transfer
        products = self.values @ _pictures(spectra).T * STEP**2
        mean_products = self.values @ _pictures(mean[None])[0] * STEP**2
        density = self.noise.at(np.hypot(templates.k[..., 0], templates.k[..., 1]))
        step = (1 / (2 * HALF)) ** 2
        norms = (np.abs(spectra) ** 2 / density).sum((1, 2)) * step
        overlaps = ((spectra * mean.conj()).real / density).sum((1, 2)) * step
        mean_norm = float((np.abs(mean) ** 2 / density).sum() * step)
        return Scores(products, norms, mean_products, mean_norm, overlaps, self.site, templates.site)

    def refined(self, templates: Templates, offset: float) -> Templates:
        """Add poses that explain the channels of a site better, if all of them lie alike.

        Those that explain them best are moved and turned a little, over and over.

        Parameters
        ----------
        templates
            Of molecules anywhere.
        offset
            By how much all channels are off [molecules a cell].
        """
        rng = np.random.default_rng(_SEED)
        found = templates
        for site in np.unique(self.site):
            here = self.site == site
            few = Surroundings(self.values[here], self.transfer, self.noise, self.site[here])
            best = templates
            for moved, turned in _ROUNDS:
                scores = few.scores(best)
                chosen = best_poses(scores, int(site), offset, _KEPT)
                start = [best.molecules[i] for i in chosen]
                tried = [_moved(one, moved, turned, rng) for one in start for _ in range(_TRIED)]
                nothing = best.part(np.zeros(len(best.molecules), dtype=bool))
                best = nothing.with_molecules(start, int(site)).with_molecules(tried, int(site))
            chosen = best_poses(few.scores(best), int(site), offset, _KEPT)
            found = found.with_molecules([best.molecules[i] for i in chosen], int(site))
        return found


def _moved(molecule: Molecule, moved: float, turned: float, rng: np.random.Generator) -> Molecule:
    """Return a molecule moved across the beam and turned about its middle."""
    atoms = molecule.atoms.copy()
    middle = atoms.positions.mean(0)
    turn = Rotation.from_rotvec(rng.normal(0, turned, 3)).as_matrix()
    atoms.positions = (atoms.positions - middle) @ turn.T + middle + [*rng.normal(0, moved, 2), 0]
    return Molecule(molecule.name, atoms)


def _pictures(spectra: NDArray[np.complex128]) -> NDArray[np.float64]:
    shown = fft.fftshift(fft.ifft2(spectra).real, axes=(1, 2)) / STEP**2
    return np.asarray(shown.reshape(len(spectra), -1))
