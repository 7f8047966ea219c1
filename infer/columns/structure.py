"""Columns of a framework as an average cell has them, refined with the transfer under which they are seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemforge.infer.columns.sites import ColumnSite
from stemforge.infer.occupancy.transfer import Transfer, fit_transfer

_WAY, _SPREAD = 0.15, 0.1  # how far columns may be from their places [Å], and strengths from those expected
_STEPS = 8


@dataclass(frozen=True)
class CellFit:
    """An average cell, explained.

    Parameters
    ----------
    transfer
        Under which the image shows potentials.
    strength, moved
        Of each site, 1 and 0 as expected; shapes (n,) and (n, 2) [Å].
    coefficients
        Of the cell as it should be seen, shape (reflections,).
    explained
        Share of the measured cell's variance that the framework explains as it was expected.
    """

    transfer: Transfer
    strength: NDArray[np.float64]
    moved: NDArray[np.float64]
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
        weight = 1 / np.sqrt(variance * max(1.0, float((np.abs(left) ** 2 / variance).mean())))
        slopes = np.stack([waves, *(-2j * np.pi * each * k.T[axis][None] for axis in (0, 1))], axis=1)
        design = (slopes * response * weight * unit[:, None]).reshape(-1, len(k)).T
        a = np.concatenate([design.real, design.imag])
        b = np.concatenate([(left * weight).real, (left * weight).imag])
        now = (values / unit).ravel()
        values += np.linalg.solve(a.T @ a + np.eye(len(now)), a.T @ b - now).reshape(-1, 3) * unit
    waves = shapes * np.exp(-2j * np.pi * (places + values[:, 1:]) @ k.T) * (1 + values[:, :1])
    return CellFit(
        transfer, 1 + values[:, 0], values[:, 1:], response * waves.sum(0) + products, explained
    )
