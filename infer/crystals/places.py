"""A crystal registered place by place on an image: displacements, and the parts in which they go on from each other."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from stemforge.infer.crystals.framework import Framework

if TYPE_CHECKING:  # which imports this module
    from stemforge.infer.crystals.lattice import Lattice

NOTHING = -1
"""Label of what shows no crystal."""
CORRELATED = 0.5
"""With the framework, from which a place shows it: noise reaches 0.4, crystals at 500 e/Å² have 0.7."""

# Standard deviation of the window in which the lattice is registered, and distance between such places [Å].
_WINDOW, _STEP = 7.0, 5.0
# Reflections that are compared, strongest first, and their finest spacing [Å].
_REFLECTIONS, _RESOLUTION = 60, 1.7
_GRID = 0.6  # of displacements that are tried [Å]
_JUMP = 1.5  # from one place to the next that distortion does not make [Å]
_SAME = 2.0  # within which displacements are one [Å]
_SMALLEST, _FEWEST = 1.5, 9  # of a domain [cells], [places]
_NEWTON = 4  # steps


def wrapped(fractional: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return displacements, in shares of the axes, from −½ to ½."""
    return fractional - np.round(fractional)


def best_displacements(
    products: NDArray[np.complex128], hk: NDArray[np.int64], cell: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the displacements at which what is measured correlates best with a framework.

    Parameters
    ----------
    products
        Of what is measured and the framework's factors, shape (reflections, places).
    hk
        Indices of the reflections, shape (reflections, 2).
    cell
        Lengths of the axes [Å].

    Returns
    -------
    ndarray
        In shares of the axes, −½ to ½, shape (places, 2).
    """
    numbers = np.ceil(cell / _GRID).astype(int)
    grid = np.stack(np.meshgrid(*(np.arange(n) / n for n in numbers), indexing="ij"), -1).reshape(-1, 2)
    waves = 2 * np.pi * grid @ hk.T
    start = (np.cos(waves) @ products.real - np.sin(waves) @ products.imag).argmax(0)
    found = grid[start]
    tau = 2 * np.pi * hk
    for _ in range(_NEWTON):
        terms = np.exp(1j * found @ tau.T).T * products
        slope = -(tau.T @ terms.imag).T
        bend = -np.einsum("ni,nj,np->pij", tau, tau, terms.real, optimize=True)
        # Beside a maximum the curvature is negative; where it is not, the grid's point stays.
        good = (np.linalg.det(bend) > 0) & (bend[:, 0, 0] < 0)
        move = np.linalg.solve(np.where(good[:, None, None], bend, np.eye(2)), slope[..., None])[..., 0]
        found = found - np.clip(move, -_GRID / cell, _GRID / cell) * good[:, None]
    return wrapped(found)


@dataclass(frozen=True)
class Places:
    """Reflections of an image around many places.

    Parameters
    ----------
    products
        Of what is measured and the framework's factors, shape (reflections, rows, columns).
    norm
        Of both, shape (rows, columns).
    hk, factors
        The framework's reflections, shapes (reflections, 2) and (reflections,).
    cell
        Lengths of its axes [Å].
    sampling
        Pixel size [Å].
    step, first
        Distance between places, and the middle of the first (x, y) [pixel].
    """

    products: NDArray[np.complex128]
    norm: NDArray[np.float64]
    hk: NDArray[np.int64]
    factors: NDArray[np.complex128]
    cell: NDArray[np.float64]
    sampling: float
    step: int
    first: tuple[float, float]

    @classmethod
    def of(
        cls, image: NDArray[np.float64], lattice: "Lattice", framework: Framework, *, most: int | None = None
    ) -> "Places":
        """Measure places 5 Å from each other, under a Gaussian window of 7 Å.

        Parameters
        ----------
        image
            Without slow background, shape (rows, columns).
        lattice
            Of the crystal.
        framework
            Of which it is one.
        most
            Places along the longer side: where they would be more they are further from each other.
        """
        # What is finer than two pixels would be measured on its alias.
        hk, factors = framework.reflections(max(_RESOLUTION, 2 * lattice.sampling))
        hk, factors = hk[:_REFLECTIONS], factors[:_REFLECTIONS]
        g = hk @ np.linalg.inv(lattice.matrix)
        step = max(1, round(_STEP / lattice.sampling), -(-max(image.shape) // most) if most else 1)
        lines = [np.arange(n, dtype=float) for n in image.shape]
        middles = [line[(len(line) - 1) % step // 2 :: step] for line in lines]
        windows = [
            np.exp(-(((line[None] - middle[:, None]) * lattice.sampling / _WINDOW) ** 2) / 2)
            for line, middle in zip(lines, middles, strict=True)
        ]
        windows = [window / window.sum(1, keepdims=True) for window in windows]
        x, y = (line - origin for line, origin in zip(lines[::-1], lattice.origin_px, strict=True))
        measured = np.array(
            [
                (windows[0] * np.exp(-2j * np.pi * q[1] * y))
                @ image
                @ (windows[1] * np.exp(-2j * np.pi * q[0] * x)).T
                for q in g
            ]
        )
        norm = np.sqrt((np.abs(measured) ** 2).sum(0) * (np.abs(factors) ** 2).sum())
        first = (float(middles[1][0]), float(middles[0][0]))
        cell = np.array(framework.cell)
        return cls(
            measured * factors[:, None, None], norm + 1e-300, hk, factors, cell, lattice.sampling, step, first
        )

    def correlation(self, fractional: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the correlation at a displacement of each place, shape (rows, columns, 2)."""
        waves = np.exp(2j * np.pi * np.einsum("yxi,ni->nyx", fractional, self.hk))
        return np.asarray((waves * self.products).real.sum(0) / self.norm)

    def registered(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the displacement of the highest correlation at each place, and that correlation."""
        found = best_displacements(self.products.reshape(len(self.hk), -1), self.hk, self.cell)
        fractional = found.reshape(*self.norm.shape, 2)
        return fractional, self.correlation(fractional)

    @property
    def points(self) -> NDArray[np.float64]:
        """The places (x, y) [pixel], row by row, shape (rows × columns, 2)."""
        rows, columns = self.norm.shape
        x, y = np.meshgrid(np.arange(columns), np.arange(rows))
        return (np.column_stack([x.ravel(), y.ravel()]) * self.step + self.first).astype(np.float64)

    @property
    def area(self) -> float:
        """What of the image one place stands for [Å²]."""
        return (self.step * self.sampling) ** 2

    def parts(self) -> "Parts":
        """Return the parts of the image in which the crystal goes on from place to place."""
        fractional, correlation = self.registered()
        fewest = max(_SMALLEST * self.cell.prod() / self.area, _FEWEST)
        jump = _JUMP * max(1.0, np.sqrt(self.area) / _STEP)
        labels = _connected(fractional, correlation >= CORRELATED, self.cell, fewest, jump)
        labels, displacements = _merged(labels, fractional, self.cell)
        return Parts(labels, displacements, fractional, correlation)

    def score(self, parts: "Parts") -> float:
        """Return the correlation of the average cell of all parts with the framework, each place displaced back."""
        chosen = parts.labels != NOTHING
        waves = np.exp(2j * np.pi * self.hk @ parts.fractional[chosen].T)
        average = (self.products[:, chosen] * waves).sum(1) / self.factors
        norm = np.linalg.norm(average) * np.linalg.norm(self.factors)
        return float((average * self.factors).real.sum() / norm) if norm else 0.0


@dataclass(frozen=True)
class Parts:
    """Parts of an image with one lattice each.

    Parameters
    ----------
    labels
        Part of each place, the largest 0, −1 where there is none; shape (rows, columns).
    displacements
        Of each part, in shares of the axes, shape (parts, 2).
    fractional
        Displacement of each place, shape (rows, columns, 2).
    correlation
        Of each place with the framework, shape (rows, columns).
    """

    labels: NDArray[np.int64]
    displacements: NDArray[np.float64]
    fractional: NDArray[np.float64]
    correlation: NDArray[np.float64]


def _connected(
    fractional: NDArray[np.float64],
    crystal: NDArray[np.bool_],
    cell: NDArray[np.float64],
    fewest: float,
    most_jump: float,
) -> NDArray[np.int64]:
    """Label places whose neighbours' displacements go on from theirs; those too few for a domain get none."""
    number = np.arange(crystal.size).reshape(crystal.shape)
    edges = []
    for one, other in (
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
    ):
        jump = np.hypot(*np.moveaxis(wrapped(fractional[one] - fractional[other]) * cell, -1, 0))
        near = crystal[one] & crystal[other] & (jump < most_jump)
        edges.append(np.column_stack([number[one][near], number[other][near]]))
    a, b = np.concatenate(edges).T
    graph = sparse.coo_matrix((np.ones(len(a)), (a, b)), shape=(crystal.size, crystal.size))
    _, part = sparse.csgraph.connected_components(graph, directed=False)
    size = np.bincount(part)
    enough = np.flatnonzero(size >= fewest)
    enough = enough[np.argsort(-size[enough], kind="stable")]
    labels = np.full(crystal.size, NOTHING)
    for label, name in enumerate(enough):
        labels[part == name] = label
    return labels.reshape(crystal.shape)


def _merged(
    labels: NDArray[np.int64], fractional: NDArray[np.float64], cell: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Make parts with one displacement one domain; return labels, largest first, and displacements."""
    means: list[NDArray[np.float64]] = []
    groups: list[list[int]] = []
    for label in range(labels.max(initial=-1) + 1):
        turns = np.exp(2j * np.pi * fractional[labels == label]).mean(0)
        mean = np.angle(turns) / (2 * np.pi)
        near = [i for i, m in enumerate(means) if np.hypot(*(wrapped(mean - m) * cell)) < _SAME]
        if near:
            groups[near[0]].append(label)
        else:
            means.append(mean)
            groups.append([label])
    sizes = [np.isin(labels, group).sum() for group in groups]
    merged = np.full(labels.shape, NOTHING)
    order = np.argsort(-np.array(sizes, dtype=int), kind="stable")
    for label, i in enumerate(order):
        merged[np.isin(labels, groups[i])] = label
    return merged, np.array([means[i] for i in order]).reshape(-1, 2)
