"""Columns of a framework as an average cell has them, refined with the transfer under which they are seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemforge.infer.columns.sites import ColumnSite
from stemforge.infer.occupancy.transfer import Transfer, fit_transfer, transfer_functions

_WAY, _SPREAD = 0.15, 0.1  # how far columns may be from their places [Å], and strengths from those expected
_STEPS = 6
_LOOSE = 1e-4  # of the information on a transfer that is known before


@dataclass(frozen=True)
class CellFit:
    """An average cell, explained.

    Parameters
    ----------
    transfer
        Under which the image shows potentials.
    strength, moved
        Of each site, 1 and 0 as expected; shapes (n,) and (n, 2) [Å].
    doubt
        Variances of strength and way that come from what is not known of the transfer, the same in all cells; shape
        (n, 3).
    coefficients
        Of the cell as it should be seen, shape (reflections,).
    explained
        Share of the measured cell's variance that the framework explains as it was expected.
    """

    transfer: Transfer
    strength: NDArray[np.float64]
    moved: NDArray[np.float64]
    doubt: NDArray[np.float64]
    coefficients: NDArray[np.complex128]
    explained: float


def fit_cell(
    measured: NDArray[np.complex128],
    variance: NDArray[np.float64],
    k: NDArray[np.float64],
    sites: Sequence[ColumnSite],
    powers: NDArray[np.complex128],
    area: float,
) -> CellFit:
    """Fit transfer, strengths and places of a framework's columns to an average cell, in turns.

    Parameters
    ----------
    measured, variance, k
        Coefficients of the cell, of their noise, and their frequencies [1/Å].
    sites
        The columns of the cell.
    powers
        Products of the potential, from :meth:`ChannelCrystal.powers`.
    area
        Of the cell [Å²].
    """
    shapes = np.array([site.spectrum(k) for site in sites]) / area
    places = np.array([site.place for site in sites])
    values = np.zeros((len(sites), 3))
    unit = np.array([_SPREAD, _WAY, _WAY])
    explained = 0.0
    for step in range(_STEPS):
        waves = shapes * np.exp(-2j * np.pi * (places + values[:, 1:]) @ k.T)
        each = waves * (1 + values[:, :1])
        transfer, products = fit_transfer(measured, variance, k, each.sum(0), powers)
        response = transfer.at(k)
        left = measured - products - response * each.sum(0)
        if step == 0:
            explained = 1 - float((np.abs(left) ** 2).sum() / (np.abs(measured) ** 2).sum())
        # What no column explains is no noise either, but counts as if it were.
        weight = 1 / np.sqrt(variance * float((np.abs(left) ** 2 / variance).mean()))
        slopes = np.stack([waves, *(-2j * np.pi * each * k.T[axis][None] for axis in (0, 1))], axis=1)
        columns = _real((slopes * response * weight * unit[:, None]).reshape(-1, len(k)).T)
        through = _real(transfer_functions(k) * (each.sum(0) * weight)[:, None])
        information = _information(columns, through)
        now = (values / unit).ravel()
        right = columns.T @ _real(left * weight) - now
        # The transfer was fitted before: it gains nothing by itself, but what columns gain it may have to give.
        change = np.linalg.solve(information, np.concatenate([right, np.zeros(through.shape[1])]))
        values += change[: len(now)].reshape(-1, 3) * unit
    known = np.diag(np.linalg.inv(information[: len(now), : len(now)]))
    unknown = np.diag(np.linalg.inv(information))[: len(now)] - known
    doubt = unknown.reshape(-1, 3) * unit**2
    waves = shapes * np.exp(-2j * np.pi * (places + values[:, 1:]) @ k.T) * (1 + values[:, :1])
    coefficients = response * waves.sum(0) + products
    return CellFit(transfer, 1 + values[:, 0], values[:, 1:], doubt, coefficients, explained)


def _real(values: NDArray[np.complex128]) -> NDArray[np.float64]:
    return np.concatenate([values.real, values.imag])


def _information(columns: NDArray[np.float64], through: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the information of columns, in units of what is expected of them, and of the transfer."""
    both = np.concatenate([columns, through], axis=1)
    information = both.T @ both
    number = columns.shape[1]
    transfer = np.diag(information)[number:]
    likely = np.concatenate([np.ones(number), _LOOSE * np.full(len(transfer), transfer.mean())])
    return np.asarray(information + np.diag(likely))
