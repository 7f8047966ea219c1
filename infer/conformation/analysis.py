"""Which of several candidate structures an image shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from stemforge.infer.conformation.candidates import Candidate, check_candidates, read_candidates
from stemforge.infer.conformation.confusion import confusion_of, needed_block, needed_factor
from stemforge.infer.conformation.covariance import Autocorrelation, covariance_of_average, stacked
from stemforge.infer.conformation.fitting import Fitted, Reflections, fit_candidate
from stemforge.infer.conformation.models import DISCREPANCY, Models, radial_power
from stemforge.infer.conformation.observation import Observation
from stemforge.infer.conformation.result import Conformation, Likeness, Prospects
from stemforge.infer.conformation.similarity import correlations, structural_similarities
from stemforge.infer.crystals.cells import coefficients
from stemforge.infer.crystals.domains import find_domains
from stemforge.infer.crystals.lattice import Lattice, find_lattice
from stemforge.infer.occupancy.crystal import cell_image, finest_spacing
from stemforge.micrograph.image import Micrograph


def identify_conformation(
    micrograph: Micrograph,
    candidates: Sequence[Candidate] | Sequence[str | Path],
    *,
    cells: int | None = None,
    lattice: Lattice | None = None,
) -> Conformation:
    """Say which of several candidate structures an image along the channels shows.

    The image is taken as it was recorded, and cut into cells along its lattice. A candidate's image of one cell is its
    projected potential, and what is quadratic in it, under a transfer that is fitted to the average cell: aberrations,
    source and filters need not be known. Cells, or averages of them, are compared with the candidates by likelihood
    under the noise of the image, all frequencies and their correlations taken into account, with a discrepancy of 5 %
    of the contrast that no candidate explains. Beside the candidates there is always another possibility: a framework
    without guests, or with guests of any other shape in their place. Domains displaced against each other are each cut
    along their own lattice; cells at their boundaries, and where the image shows no crystal, are left out.

    Parameters
    ----------
    micrograph
        iDPC-STEM image of a crystal along its channels, bright atoms on dark, three cells along each side at least.
    candidates
        Two or more CIF files, seen along b, with one framework and other guests; or as
        :func:`stemforge.infer.read_candidates` reads them.
    cells
        Average over blocks of so many cells along each side; 1 asks each cell by itself. By default all cells of the
        image have one answer.
    lattice
        As found on the image; by default it is found.

    Returns
    -------
    Conformation
        Probabilities of all candidates, and of none of them, for each block.

    Raises
    ------
    InputError
        No lattice of the framework on the image, fewer than nine whole cells within one domain each or no whole block,
        or candidates that cannot be compared.

    Examples
    --------
    >>> from stemforge.structures import mfi, place_guest
    >>> films = [place_guest(mfi(), "pyridine", rng=np.random.default_rng(seed)) for seed in (0, 1)]
    >>> one, other = (Candidate.from_atoms(name, film) for name, film in zip("ab", films))
    >>> hk = one.crystal.indices(1.1)
    >>> fade = np.exp(-((hk / one.cell) ** 2).sum(1) / 0.18)
    >>> cell = cell_image(one.crystal.coefficients(hk) * fade, hk, (36, 54))
    >>> image = np.tile(cell, (4, 3)) + np.random.default_rng(0).normal(0, cell.std() / 20, (144, 162))
    >>> found = identify_conformation(Micrograph(image.astype("float32")), [one, other])
    >>> found.best
    ['a']
    """
    known = _known(candidates)
    if lattice is None:
        lattice = find_lattice(micrograph, framework=known[0].bare.framework)
    return Comparison(micrograph, known, lattice).result(cells)


def _known(candidates: Sequence[Candidate] | Sequence[str | Path]) -> tuple[Candidate, ...]:
    made = [one for one in candidates if isinstance(one, Candidate)]
    if len(made) == len(candidates):
        return check_candidates(made)
    return read_candidates([one for one in candidates if not isinstance(one, Candidate)])


@dataclass(frozen=True)
class _Block:
    """Cells that are averaged: their coefficients, and the covariance of the noise."""

    values: NDArray[np.float64]
    noise: NDArray[np.float64]


class Comparison:
    """One image and its candidates, fitted to the average of all cells, so that blocks of any size can be asked.

    Parameters
    ----------
    micrograph, candidates, lattice
        As for :func:`identify_conformation`.
    discrepancy
        Error of the candidates' images that is allowed for, as a share of the contrast at each frequency.
    """

    def __init__(
        self,
        micrograph: Micrograph,
        candidates: tuple[Candidate, ...],
        lattice: Lattice,
        *,
        discrepancy: float = DISCREPANCY,
    ) -> None:
        self.micrograph, self.candidates, self.discrepancy = micrograph, candidates, discrepancy
        self.resolution = finest_spacing(lattice.sampling)
        self.domains = find_domains(micrograph, lattice, framework=candidates[0].bare.framework)
        image = np.asarray(micrograph.image, dtype=np.float64)
        # Of unit contrast: matrices of image values squared are then well scaled.
        image = (image - image.mean()) / max(float(image.std()), 1e-300)
        self.observation = Observation.of(image, self.domains, self.resolution, micrograph.name)
        self.cells = self.observation.cells
        self.hk = candidates[0].crystal.indices(self.resolution)
        self.values = coefficients(self.observation.shown, self.hk)
        self.noise = Autocorrelation.of(self.observation.noise, self.resolution, self.cells.extent)

    @cached_property
    def everything(self) -> _Block:
        """The average of all cells."""
        return self._average(np.arange(len(self.values)))

    @cached_property
    def models(self) -> Models:
        """What the candidates, and others, would show."""
        return Models.of(self.candidates, self.fits, self.cells, self.hk, self.discrepancy)

    def result(self, size: int | None) -> Conformation:
        """Compare blocks of cells.

        Raises
        ------
        InputError
            No block of that size is whole; nothing was fitted then.
        """
        blocks = self.cells.blocks(size)
        averages = [self.everything if size is None else self._average(blocks[0])]
        averages += [_Block(self._mean(block), averages[0].noise) for block in blocks[1:]]
        values = np.array([one.values for one in averages])
        under, none = self.models.log_likelihoods(values, averages[0].noise)
        pictures = np.array([self.observation.shown[block].mean(0) for block in blocks])
        images = np.array([cell_image(one.coefficients, self.hk, self.cells.grid) for one in self.fits])
        whole, _ = self.models.log_likelihoods(self.everything.values[None], self.everything.noise)
        mean = self.observation.shown.mean(0)
        left = float((mean - mean.mean() - images[int(whole[0].argmax())]).var())
        by_noise = 2 * float(np.trace(self.everything.noise))
        explained = 1 - max(left - by_noise, 0.0) / max(float(mean.var()) - by_noise, 1e-12)
        return Conformation(
            self.micrograph,
            self.domains,
            self.cells.lattice,
            tuple(one.name for one in self.candidates),
            np.array([self.cells.middles[block].mean(0) for block in blocks]),
            len(self.values),
            len(blocks[0]),
            under,
            none,
            _probabilities(under, none),
            Likeness(correlations(pictures, images), structural_similarities(pictures, images)),
            self._prospects(averages[0].noise, len(blocks[0])),
            mean - mean.mean(),
            images,
            explained,
        )

    def _mean(self, block: NDArray[np.int64]) -> NDArray[np.float64]:
        return stacked(self.values[block].mean(0))

    def _average(self, block: NDArray[np.int64]) -> _Block:
        noise = covariance_of_average(self.cells, block, self.hk, self.noise)
        return _Block(self._mean(block), noise)

    @cached_property
    def fits(self) -> list[Fitted]:
        """Every candidate, fitted to the average of all cells."""
        mean = self.values.mean(0)
        radius = np.hypot(*(self.hk / self.candidates[0].cell).T)
        both = np.diag(self.everything.noise).reshape(2, -1).sum(0)
        # Frequencies with next to no noise must not decide how a transfer looks that is no more than nearly right.
        variance = both + self.discrepancy**2 * radial_power(mean, radius)
        measured = Reflections(self.hk, mean, variance)
        return [fit_candidate(candidate, measured) for candidate in self.candidates]

    def _prospects(self, noise: NDArray[np.float64], averaged: int) -> Prospects:
        """Say what these candidates and this noise allow."""
        one = noise if averaged == 1 else self._average(np.arange(1)).noise
        factor = needed_factor(self.models, one)
        return Prospects(
            confusion_of(self.models.whitened(noise)),
            factor,
            needed_block(self.models, self._block_noise, factor),
        )

    def _block_noise(self, size: int) -> NDArray[np.float64]:
        """Return the covariance of the noise of size × size cells averaged, more than the image shows perhaps."""
        cells = self.cells.block(size)
        noise = Autocorrelation.of(self.observation.noise, self.resolution, cells.extent)
        return covariance_of_average(cells, np.arange(size**2), self.hk, noise)


def _probabilities(under: NDArray[np.float64], none: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities of each candidate and, last, of none of them; all are as likely before."""
    logs = np.column_stack([under, none])
    return np.asarray(np.exp(logs - logsumexp(logs, axis=1, keepdims=True)))
