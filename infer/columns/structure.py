"""Columns of a framework as an average cell has them, refined with the transfer under which they are seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from stemforge.infer.columns.sites import ColumnSite
from stemforge.infer.occupancy.transfer import (
    KNOTS,
    Transfer,
    fit_transfer,
    linear_between,
    transfer_functions,
)

# How far strengths of columns are from those expected, and columns from their places along an axis [Å]: at first, and
# at least and at most of what is learnt.
_FIRST, _LEAST, _MOST = np.array([0.1, 0.15]), np.array([0.03, 0.02]), np.array([0.15, 0.3])
_STEPS = 8
# How large a transfer may be, how much it may bend from knot to knot, and how large what depends on direction or is not
# linear may be: standard deviations as shares of its largest value.
_LARGE, _BEND, _FURTHER = 3.0, 0.3, 0.3
_PRODUCTS = np.array([0, 0.12, 0.25, 0.45, 0.95])  # knots of the transfer of products [1/Å]
_NEAR = 0.08  # over which the power of reflections is averaged [1/Å]


@dataclass(frozen=True)
class Appearance:
    """How an image shows columns: their potentials under a transfer, and products of them, each with its own.

    Parameters
    ----------
    transfer
        Of potentials.
    products
        Of products, at knots along the radius, shape (2, knots).
    """

    transfer: Transfer
    products: NDArray[np.float64]

    @property
    def fine_detail(self) -> float:
        """Transfer of potentials at 1/2 Å over that at 1/5 Å, mean of all directions."""
        fine, coarse = np.interp([0.5, 0.2], KNOTS, self.transfer.values[: len(KNOTS)])
        return float(fine / coarse)

    def of(self, site: ColumnSite, k: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return what is shown of a column at frequencies (x, y) [1/Å], shape (..., 2)."""
        radius = np.hypot(k[..., 0], k[..., 1])
        further = [np.interp(radius, _PRODUCTS, one) for one in self.products]
        return np.asarray(
            site.spectrum(k) * self.transfer.at(k) + (site.products(k) * np.array(further)).sum(0)
        )


@dataclass(frozen=True)
class CellFit:
    """An average cell, explained.

    Parameters
    ----------
    appearance
        How the image shows columns.
    strength, moved
        Of each site, 1 and 0 as expected; shapes (n,) and (n, 2) [Å].
    doubt
        Variances of strength and way, the same in all cells: from noise, from what is not known of the transfer, and
        from what no column explains; shape (n, 3). A shift of all columns alike, which no image tells from one of the
        microscope's, is left out.
    way
        Standard deviation of the columns from their places along each axis, as learnt [Å].
    misfit
        Error of the model's coefficients beside noise, as a share of their size.
    coefficients
        Of the cell as it should be seen, shape (reflections,).
    explained
        Share of the measured cell's variance that the framework explains as it was expected.
    """

    appearance: Appearance
    strength: NDArray[np.float64]
    moved: NDArray[np.float64]
    doubt: NDArray[np.float64]
    way: float
    misfit: float
    coefficients: NDArray[np.complex128]
    explained: float
    linear: "LinearCell"


@dataclass(frozen=True)
class LinearCell:
    """An average cell about a fit, linear in all that is fitted: strengths and places of columns, and the transfer.

    Parameters
    ----------
    expected
        Coefficients where nothing fitted is what is known before, shape (reflections,).
    variance
        Of what is measured: noise, and what no column explains.
    slopes
        How coefficients change with what is fitted, shape (fitted, reflections).
    prior
        Information on what is fitted that is known before; strength, x and y [Å] of each site come first.
    """

    expected: NDArray[np.complex128]
    variance: NDArray[np.float64]
    slopes: NDArray[np.complex128]
    prior: NDArray[np.float64]


def fit_cell(
    measured: NDArray[np.complex128],
    variance: NDArray[np.float64],
    k: NDArray[np.float64],
    sites: Sequence[ColumnSite],
    powers: NDArray[np.complex128],
    area: float,
    guests: NDArray[np.complex128] | None = None,
) -> CellFit:
    """Fit transfer, strengths and places of a framework's columns to an average cell, all together.

    Newton's steps; how far columns are from their places is learnt (expectation maximisation), and so is the error of
    the model beside noise.

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
    guests
        Coefficients of the potential of molecules in the cell, as far as they are known.
    """
    guests = np.zeros(len(k), dtype=np.complex128) if guests is None else guests
    radius = np.hypot(*k.T)
    cell = _Cell(
        k,
        np.array([site.spectrum(k) for site in sites], dtype=np.complex128) / area,
        np.array([site.place for site in sites]),
        transfer_functions(k),
        np.array([site.products(k) for site in sites], dtype=np.complex128) / area,
        linear_between(radius, _PRODUCTS),
        guests,
    )
    count, near = len(sites), _neighbours(radius)
    values = np.zeros((count, 3))
    linear = (cell.shapes * cell.waves(values)).sum(0) + guests
    transfer, products = fit_transfer(measured, variance, k, linear, powers)
    left = measured - transfer.at(k) * linear - products
    explained = 1 - float((np.abs(left) ** 2).sum() / (np.abs(measured) ** 2).sum())
    fitted = np.concatenate([transfer.values, np.zeros(2 * len(_PRODUCTS))])
    known = _known(len(fitted), float(np.abs(transfer.values[: len(KNOTS)]).max()))
    unit, taken = _FIRST[[0, 1, 1]], 0.0
    for _ in range(_STEPS):
        shown, slopes = cell.coefficients(values, fitted)
        left = measured - shown
        # What no column explains is no noise either: as large, it is taken to be, as a share of what reflections have.
        power = near @ np.abs(shown) ** 2
        misfit = _misfit(np.abs(left) ** 2, variance, power, 1 - taken)
        weight = np.sqrt(2 / (variance + misfit**2 * power))  # half of a variance is that of the real part
        design = _real((slopes * weight).T)
        prior = linalg.block_diag(np.diag(np.tile(unit**-2.0, count)), known)
        data = design.T @ design
        inverse = np.linalg.inv(data + prior)
        now = np.concatenate([values.ravel(), fitted])
        now = now + inverse @ (design.T @ _real(left * weight) - prior @ now)
        values, fitted = now[: 3 * count].reshape(-1, 3), now[3 * count :]
        taken = float((inverse * data).sum() / (2 * len(k)))
        doubt = _alike(inverse[: 3 * count, : 3 * count])
        square = ((values - values.mean(0)) ** 2 + doubt).mean(0)
        unit = np.sqrt([square[0], square[1:].mean()]).clip(_LEAST, _MOST)[[0, 1, 1]]
    shown, slopes = cell.coefficients(values, fitted)
    now = np.concatenate([values.ravel(), fitted])
    power = near @ np.abs(shown) ** 2
    about = LinearCell(shown - now @ slopes, variance + misfit**2 * power, slopes, prior)
    number = len(transfer.values)
    appearance = Appearance(Transfer(fitted[:number]), fitted[number:].reshape(2, -1))
    return CellFit(
        appearance, 1 + values[:, 0], values[:, 1:], doubt, float(unit[1]), misfit, shown, explained, about
    )


@dataclass(frozen=True)
class _Cell:
    """What an average cell's coefficients are made of, at frequencies k.

    ``shapes`` are the transforms of the sites' potentials, ``functions`` those of which a transfer is a sum;
    ``products`` are what is not linear in the potential, ``between`` the functions of which their transfers are sums;
    ``guests`` is the potential of molecules.
    """

    k: NDArray[np.float64]
    shapes: NDArray[np.complex128]
    places: NDArray[np.float64]
    functions: NDArray[np.complex128]
    products: NDArray[np.complex128]
    between: NDArray[np.float64]
    guests: NDArray[np.complex128]

    def waves(self, values: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return by what sites are multiplied as they are changed in strength and moved, shape (sites, n)."""
        moved = np.exp(-2j * np.pi * (self.places + values[:, 1:]) @ self.k.T)
        return np.asarray(moved * (1 + values[:, :1]))

    def coefficients(
        self, values: NDArray[np.float64], fitted: NDArray[np.float64]
    ) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """Return coefficients, and how they change with strength and way of each site and with the transfer."""
        number = self.functions.shape[1]
        waves = self.waves(values)
        further = np.einsum("pj,jn->pn", fitted[number:].reshape(2, -1), self.between)
        transfer = self.functions @ fitted[:number]
        shown = self.shapes * transfer + np.einsum("spn,pn->sn", self.products, further)
        each = shown * waves
        slopes = [each / (1 + values[:, :1]), *(-2j * np.pi * each * one for one in self.k.T)]
        columns = np.stack(slopes, axis=1).reshape(-1, len(self.k))
        linear = (self.shapes * waves).sum(0) + self.guests
        products = np.einsum("spn,sn->pn", self.products, waves)
        through = [(self.functions * linear[:, None]).T, *(self.between * one for one in products)]
        return each.sum(0) + self.guests * transfer, np.concatenate([columns, *through])


def _known(number: int, largest: float) -> NDArray[np.float64]:
    """Return the information on a transfer of so many values that is known before: it is smooth."""
    radial = len(KNOTS)
    bend = np.diff(np.eye(radial), 2, axis=0)
    expected = np.r_[np.full(radial, _LARGE), np.full(number - radial, _FURTHER)] * largest
    known = np.diag(expected**-2.0)
    known[:radial, :radial] += bend.T @ bend / (_BEND * largest) ** 2
    return known


def _alike(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return variances of strength and way without a shift of all columns alike, shape (sites, 3)."""
    count = len(covariance) // 3
    blocks = covariance.reshape(count, 3, count, 3)
    doubt = np.empty((count, 3))
    for part in range(3):
        block = blocks[:, part, :, part]
        doubt[:, part] = np.diag(block) - (2 * block.mean(1) - block.mean() if part else 0)
    return doubt


def _real(values: NDArray[np.complex128]) -> NDArray[np.float64]:
    return np.concatenate([values.real, values.imag])


def _neighbours(radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights with which reflections of about the same radius are averaged, shape (n, n)."""
    weight = np.exp(-(((radius[:, None] - radius) / _NEAR) ** 2) / 2)
    return np.asarray(weight / weight.sum(1, keepdims=True))


def _misfit(
    square: NDArray[np.float64], variance: NDArray[np.float64], power: NDArray[np.float64], free: float
) -> float:
    """Return what share of the coefficients, beside noise, makes what is left as large as it is.

    ``free`` is the share of the values that the fit did not take.
    """

    def beyond(share: float) -> float:
        return float((square / (variance + share**2 * power)).mean() - max(free, 0.1))

    if beyond(0.0) <= 0:
        return 0.0
    return float(optimize.brentq(beyond, 0.0, 1.0)) if beyond(1.0) < 0 else 1.0
