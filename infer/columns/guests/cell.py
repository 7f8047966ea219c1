"""An average cell whose framework may be anything that is likely: what is left of it says where a molecule lies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemforge.infer.columns.guests.rigid import RigidGuest
from stemforge.infer.columns.structure import CellFit


@dataclass(frozen=True)
class WhiteCell:
    """Coefficients of an average cell, without its framework, in units of what is not known of them.

    That is noise, what no column explains, and all that framework and transfer may be: strengths and places of columns
    and the transfer's values are integrated over.

    Parameters
    ----------
    k
        Frequencies [1/Å], shape (n, 2).
    transfer
        Under which molecules are shown, over the cell's area [1/Å²], shape (n,).
    left
        What the framework leaves, shape (2 n,).
    white
        By what real and imaginary parts are multiplied, shape (2 n, 2 n).
    evidence
        Logarithm of the likelihood of the cell without a molecule.
    shift
        How the mean place (x, y) [Å] of the framework's columns follows from white coefficients, shape (2, 2 n).
    doubt
        Covariance of that mean place, shape (2, 2).
    """

    k: NDArray[np.float64]
    transfer: NDArray[np.complex128]
    left: NDArray[np.float64]
    white: NDArray[np.float64]
    evidence: float
    shift: NDArray[np.float64]
    doubt: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        measured: NDArray[np.complex128],
        k: NDArray[np.float64],
        fit: CellFit,
        known: NDArray[np.complex128],
        area: float,
    ) -> "WhiteCell":
        """Make it of a fit in which some molecules were known, as coefficients of the potential that remain in it."""
        linear = fit.linear
        transfer = fit.appearance.transfer.at(k)
        design = _real(linear.slopes).T
        mean = np.zeros((len(linear.prior), 2))
        for part in range(2):
            mean[part + 1 : 3 * len(fit.strength) : 3, part] = 1 / len(fit.strength)
        free = np.linalg.solve(linear.prior, design.T)
        covariance = design @ free + np.diag(np.tile(linear.variance / 2, 2))
        root = np.linalg.cholesky(covariance)
        white = np.linalg.inv(root)
        # The transfer is free to show the known ones otherwise: they are part of its slopes.
        left = white @ _real(measured - linear.expected + transfer * known)
        shift = mean.T @ free @ white.T
        doubt = mean.T @ np.linalg.solve(linear.prior, mean) - shift @ shift.T
        evidence = -float(left @ left) / 2 - float(np.log(np.diag(root)).sum())
        return cls(k, transfer / area, left, white, evidence, shift, doubt)

    def shown(self, spectra: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return what is shown of potentials' transforms, shape (..., n), as white coefficients, shape (..., 2 n)."""
        values = spectra * self.transfer
        return np.concatenate([values.real, values.imag], axis=-1) @ self.white.T

    def disordered(self, spectra: NDArray[np.complex128], copies: int) -> float:
        """Return the logarithm of the likelihood of the cell if its copies hold a molecule each in any pose.

        Parameters
        ----------
        spectra
            Of the molecule in poses as often as each other, shape (poses, n).
        copies
            Over which the cell is an average.
        """
        every = self.shown(spectra)
        mean = every.mean(0)
        beside = (every - mean) / np.sqrt(len(every) * copies)
        # The average of copies: normal about the mean of all poses.
        covariance = np.eye(len(mean)) + beside.T @ beside
        left = self.left - mean
        change = left @ np.linalg.solve(covariance, left) - self.left @ self.left
        return self.evidence - float(change) / 2 - float(np.linalg.slogdet(covariance)[1]) / 2


def potential_of(guest: RigidGuest, k: NDArray[np.float64], area: float) -> NDArray[np.complex128]:
    """Return the coefficients of a molecule's potential in a cell of some area [Å²]."""
    return np.asarray(guest.content * guest.waves(k).sum(0) / area)


def _real(values: NDArray[np.complex128]) -> NDArray[np.float64]:
    return np.concatenate([values.real, values.imag], axis=-1)
