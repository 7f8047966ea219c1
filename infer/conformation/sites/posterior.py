"""How probable each T site is, given what an image shows of its candidates."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from stemforge.errors import InputError
from stemforge.files import write_csv
from stemforge.infer.conformation.result import Conformation
from stemforge.infer.conformation.sites.folder import CandidateFolder

LEVEL = 0.9
"""Probability that the smallest set of T sites holds."""
_MOST = 0.5  # share of the T sites from which a set tells nothing
_LITTLE = 0.5  # bits, below which an image adds next to nothing to the prior

Prior = Literal["flat", "energy"]


@dataclass(frozen=True)
class AcidSitePosterior:
    """At which T site the acid of each block of cells is.

    Parameters
    ----------
    conformation, folder
        What the image shows, and of which candidates.
    kind
        What was taken as likely before: ``flat`` or ``energy``.
    candidate_prior
        Probability of each candidate before, shape (m,).
    candidate_probability
        Of each candidate, if one of them is what a block shows; shape (b, m).
    none
        Probability that a block shows none of them, shape (b,).

    Examples
    --------
    >>> from stemforge.structures.candidates.table import TableRow
    >>> rows = tuple(TableRow(f"T{t}-O1", t, 1, None, None, "", True, f"T{t}.cif") for t in (3, 12))
    >>> folder = CandidateFolder("made", (), rows)
    >>> likely = np.array([[0.05, 0.95], [0.3, 0.7]])  # of two blocks of cells
    >>> sites = AcidSitePosterior(None, folder, "flat", np.array([0.5, 0.5]), likely, np.zeros(2))
    >>> sites.best, sites.smallest_sets().sum(1).tolist(), sites.information.round(2).tolist()
    (['T12', 'T12'], [1, 2], [0.71, 0.12])
    """

    conformation: Conformation
    folder: CandidateFolder
    kind: Prior
    candidate_prior: NDArray[np.float64]
    candidate_probability: NDArray[np.float64]
    none: NDArray[np.float64]

    @property
    def names(self) -> list[str]:
        """Names of the k T sites, such as ``T12``."""
        return [f"T{number}" for number in self.folder.t_sites]

    @property
    def prior(self) -> NDArray[np.float64]:
        """Probability of each T site before, shape (k,)."""
        return np.asarray(self.candidate_prior @ self._at_site)

    @property
    def probability(self) -> NDArray[np.float64]:
        """Probability of each T site, if one of the candidates is what a block shows; shape (b, k)."""
        return np.asarray(self.candidate_probability @ self._at_site)

    @property
    def _at_site(self) -> NDArray[np.float64]:
        """1 where a candidate is at a T site, shape (m, k)."""
        return np.asarray(
            self.folder.site_of[:, None] == np.arange(len(self.folder.t_sites)), dtype=np.float64
        )

    @property
    def best(self) -> list[str]:
        """The most probable T site of each block."""
        return [self.names[i] for i in self.probability.argmax(1)]

    def smallest_sets(self, level: float = LEVEL) -> NDArray[np.bool_]:
        """Return which T sites are in the smallest set that holds a probability, for each block; shape (b, k).

        Parameters
        ----------
        level
            Between 0 and 1.

        Raises
        ------
        InputError
            The level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise InputError(f"level must be between 0 and 1, got {level}")
        order = np.argsort(-self.probability, axis=1, kind="stable")
        ordered = np.take_along_axis(self.probability, order, 1)
        needed = ordered.cumsum(1) - ordered < level
        inside = np.zeros(needed.shape, dtype=bool)
        np.put_along_axis(inside, order, needed, 1)
        return inside

    @property
    def information(self) -> NDArray[np.float64]:
        """What each block adds to the prior: relative entropy of T sites after and before [bit], shape (b,)."""
        after, before = self.probability, self.prior
        ratio = np.divide(after, before, out=np.ones_like(after), where=(after > 0) & (before > 0))
        return np.asarray((after * np.log2(ratio)).sum(1))

    def __str__(self) -> str:
        inside = self.smallest_sets()
        if len(self.none) == 1:
            sites = ", ".join(name for name, one in zip(self.names, inside[0], strict=True) if one)
            sure = 100 * self.probability[0].max()
            return f"acid site {self.best[0]} ({sure:.0f} %, prior {self.kind}); {100 * LEVEL:.0f} % hold {sites}"
        counted = sorted({(self.best.count(name), name) for name in self.best}, reverse=True)
        often = ", ".join(f"{name} {count}" for count, name in counted)
        size = np.median(inside.sum(1))
        return (
            f"acid site, best of each block (prior {self.kind}): {often}; {size:.0f} sites hold "
            f"{100 * LEVEL:.0f} % in the median"
        )

    def remarks(self) -> list[str]:
        """Return sentences on what candidates and image do not allow to be told."""
        found = []
        if self.folder.without:
            sites = ", ".join(f"T{number}" for number in self.folder.without)
            found.append(f"there is no candidate at {sites}: whether the acid is there was not asked")
        if self.kind == "energy" and self.folder.unsettled:
            names = ", ".join(self.folder.unsettled)
            found.append(f"relaxations that did not come to rest have a part in the prior: {names}")
        found += self._doubts()
        return found

    def _doubts(self) -> list[str]:
        """Say what the image itself does not tell."""
        if self.none.mean() > _MOST:
            return [
                f"no candidate fits ({100 * self.none.mean():.0f} %), so that the T sites are no answer: another site "
                "or pose, another molecule, or none"
            ]
        size, number = float(np.median(self.smallest_sets().sum(1))), len(self.names)
        if size > _MOST * number:
            return [
                f"the image does not tell the acid site: {size:.0f} of {number} T sites are needed for "
                f"{100 * LEVEL:.0f} %"
            ]
        if self.kind == "energy" and np.median(self.information) < _LITTLE:
            return [
                f"the acid site is what the energies say: the image adds {np.median(self.information):.1f} bit to them"
            ]
        return []

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; probabilities are means over blocks."""
        after = self.candidate_probability.mean(0)
        return {
            "prior": self.kind,
            "t_sites": self._table(self.names, self.prior, self.probability.mean(0)),
            "candidates": self._table([row.name for row in self.folder.rows], self.candidate_prior, after),
            "none_probability": float(self.none.mean()),
            "best": {name: self.best.count(name) for name in dict.fromkeys(self.best)},
            "sites_for_90_percent": float(np.median(self.smallest_sets().sum(1))),
            "information_bits": float(np.median(self.information)),
            "t_sites_without_candidate": [f"T{number}" for number in self.folder.without],
        }

    @staticmethod
    def _table(
        names: list[str], before: NDArray[np.float64], after: NDArray[np.float64]
    ) -> dict[str, dict[str, float]]:
        rows = zip(names, before.tolist(), after.tolist(), strict=True)
        return {name: {"prior": prior, "probability": probability} for name, prior, probability in rows}

    def to_csv(self, path: str | Path) -> None:
        """Write a row for each block and T site."""
        header = ["x_px", "y_px", "cells", "t_site", "prior", "probability", "in_90_percent_set"]
        header += ["none_probability", "best_candidate", "energy_eV"]
        inside = self.smallest_sets()
        chosen = [self._best_candidates(block) for block in range(len(self.none))]
        rows = [
            [
                *(f"{v:.2f}" for v in self.conformation.points[block]),
                *(self.conformation.averaged, name, f"{self.prior[site]:.4g}"),
                *(f"{self.probability[block, site]:.4f}", int(inside[block, site])),
                f"{self.none[block]:.4f}",
                self.folder.rows[chosen[block][site]].name,
                self._energy(chosen[block][site]),
            ]
            for block in range(len(self.none))
            for site, name in enumerate(self.names)
        ]
        write_csv(path, header, rows)

    def _best_candidates(self, block: int) -> list[int]:
        """Return the likeliest candidate of each T site."""
        likely = self.conformation.log_likelihood[block]
        members = (np.flatnonzero(self.folder.site_of == site) for site in range(len(self.names)))
        return [int(one[likely[one].argmax()]) for one in members]

    def _energy(self, candidate: int) -> str:
        energy = self.folder.rows[candidate].energy
        return "" if energy is None else f"{energy:.4f}"


def locate_acid_site(
    conformation: Conformation, folder: CandidateFolder, prior: Prior = "flat"
) -> AcidSitePosterior:
    """Say how probable each T site is, given what an image shows of the candidates at these sites.

    A T site has the probabilities of its candidates together: of each, how likely the image is under it, times how
    probable it was before. Aluminium looks like silicon; what tells sites is where the molecule is that its proton
    holds.

    Parameters
    ----------
    conformation
        From :func:`stemforge.infer.identify_conformation` with the folder's candidates.
    folder
        From :func:`stemforge.infer.read_candidate_folder`.
    prior
        ``flat``: all T sites alike, and all minima of a site; ``energy``: the Boltzmann weights in the folder's table.

    Returns
    -------
    AcidSitePosterior
        Probabilities of all T sites, for each block of cells.

    Raises
    ------
    InputError
        Another prior, candidates without energies where the prior is ``energy``, or a conformation that was asked of
        other candidates.

    Examples
    --------
    >>> import tempfile
    >>> from stemforge import Micrograph
    >>> from stemforge.infer import identify_conformation, read_candidate_folder
    >>> from stemforge.infer.occupancy.crystal import cell_image
    >>> from stemforge.structures import CandidateSearch, candidates
    >>> search = CandidateSearch(t_sites=(3, 12), oxygens="best")
    >>> with tempfile.TemporaryDirectory() as made:
    ...     _ = candidates("mfi", "pyridine", made, search, calculator="none", quiet=True)
    ...     folder = read_candidate_folder(made)
    >>> one = folder.candidates[1]
    >>> hk = one.crystal.indices(1.1)
    >>> fade = np.exp(-((hk / one.cell) ** 2).sum(1) / 0.18)
    >>> cell = cell_image(one.crystal.coefficients(hk) * fade, hk, (36, 54))
    >>> image = np.tile(cell, (4, 3)) + np.random.default_rng(0).normal(0, cell.std() / 20, (144, 162))
    >>> found = identify_conformation(Micrograph(image.astype("float32")), folder.candidates)
    >>> locate_acid_site(found, folder).best
    ['T12']
    """
    if prior not in ("flat", "energy"):
        raise InputError(f"prior must be flat or energy, got {prior!r}")
    if conformation.names != tuple(one.name for one in folder.candidates):
        raise InputError(
            f"conformation: its candidates are not those of {folder.path}; ask the image for these first"
        )
    before = folder.flat_prior() if prior == "flat" else folder.energy_prior()
    with np.errstate(divide="ignore"):  # what is impossible before stays so: its logarithm is −∞
        logs = conformation.log_likelihood + np.log(before)
    together = logsumexp(logs, axis=1)
    # Before, none of the candidates is as likely as each of m candidates would be, as without a prior.
    none = expit(conformation.none_log_likelihood - together - np.log(len(before)))
    return AcidSitePosterior(conformation, folder, prior, before, np.exp(logs - together[:, None]), none)
