"""Domains of a crystal on an image: parts with one lattice, displaced against each other, and parts without any."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from stemforge.infer.crystals.framework import Framework
from stemforge.infer.crystals.lattice import Lattice
from stemforge.micrograph.image import Micrograph

NOTHING = -1
"""Label of what shows no crystal."""

# Standard deviation of the window in which the lattice is registered, and distance between such places [Å].
_WINDOW, _STEP = 7.0, 5.0
# Reflections that are compared, strongest first, and their finest spacing [Å].
_REFLECTIONS, _RESOLUTION = 60, 1.7
_GRID = 0.6  # of displacements that are tried [Å]
# Correlation with the framework from which a place shows it: noise reaches 0.4, crystals at 500 e/Å² have 0.7.
_CORRELATED = 0.5
# Of the strongest around it, from which a place's contrast is its own: at the end of a crystal it has half of that, and
# the window's tail reaches on. Around: [places].
_STRENGTH, _AROUND = 0.45, 3
_JUMP = 1.5  # from one place to the next that distortion does not make [Å]
_SAME = 2.0  # within which displacements are one [Å]
_SMALLEST = 1.5  # of a domain [cells]
_SMOOTH = 1.0  # standard deviation over which distortion is smoothed [places]
_LEVEL = 0.02  # weight of planes without a tilt
_NEWTON = 4  # steps
_UNSEEN = "no place by itself shows the framework, the image being too noisy or too much bent"


@dataclass(frozen=True)
class Domains:
    """Where a lattice holds on an image.

    Parameters
    ----------
    lattice
        Of the largest domain.
    labels
        Domain at each place, 0 the largest, −1 where the image shows no crystal; shape (rows, columns).
    shift
        By how much the crystal is moved at each place (x, y) [pixel], distortion and displacement; shape
        (rows, columns, 2).
    correlation
        Of each place's surroundings with the framework, −1 to 1; shape (rows, columns).
    displacements
        Of each domain from the first, as shares of the two axes from −½ to ½; shape (domains, 2).
    step, first
        Distance between places, and the middle of the first (x, y) [pixel].
    """

    lattice: Lattice
    labels: NDArray[np.int64]
    shift: NDArray[np.float64]
    correlation: NDArray[np.float64]
    displacements: NDArray[np.float64]
    step: int
    first: tuple[float, float]

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of the image that each domain covers, shape (domains,)."""
        return np.array([np.mean(self.labels == label) for label in range(len(self.displacements))])

    def at(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the domain at points (x, y) [pixel], shape (n, 2)."""
        column, row = np.rint((np.asarray(points) - self.first) / self.step).astype(int).T
        rows, columns = self.labels.shape
        return self.labels[row.clip(0, rows - 1), column.clip(0, columns - 1)]

    def map(self, shape: tuple[int, int]) -> NDArray[np.int64]:
        """Return the domain of every pixel of an image, shape (height, width)."""
        rows, columns = (
            np.rint((np.arange(n) - first) / self.step).astype(int).clip(0, count - 1)
            for n, first, count in zip(shape, self.first[::-1], self.labels.shape, strict=True)
        )
        return self.labels[np.ix_(rows, columns)]

    def moved(self, label: int) -> Lattice:
        """Return the lattice of a domain."""
        origin = self.lattice.to_pixel(self.displacements[label][None])[0]
        return replace(self.lattice, origin_px=(float(origin[0]), float(origin[1])))

    def distortion_at(self, points: NDArray[np.float64], label: int) -> NDArray[np.float64]:
        """Return by how much a domain's lattice is bent at points (x, y) [pixel], shape (n, 2)."""
        where = ((np.asarray(points) - self.first) / self.step).T[::-1]
        displaced = self.shift - self.lattice.matrix @ self.displacements[label]
        fields = _smoothed(displaced, self.labels == label)
        return np.column_stack([ndimage.map_coordinates(f, where, order=1, mode="nearest") for f in fields])

    def sites(
        self, fractional: NDArray[np.float64], shape: tuple[int, int], *, within: float = 0.0
    ) -> NDArray[np.float64]:
        """Return every copy of positions in the cell that lies on an image: in each domain, where that has it.

        Parameters
        ----------
        fractional
            Positions in the cell, shape (n, 2).
        shape
            Height and width of the image [pixel].
        within
            Distance [pixel] around a point that must belong to its domain.

        Returns
        -------
        ndarray
            Points (x, y) [pixel], shape (m, 2), domain by domain.
        """
        angles = np.arange(8) * np.pi / 4
        around = within * np.column_stack([np.cos(angles), np.sin(angles)]) if within else np.zeros((1, 2))
        found = [np.empty((0, 2))]
        for label in range(len(self.displacements)):
            # From beside the image, too: what is bent may come in.
            lattice = self.moved(label)
            x, y = lattice.origin_px
            wider = replace(lattice, origin_px=(x + self.step, y + self.step))
            points = wider.sites(fractional, (shape[0] + 2 * self.step, shape[1] + 2 * self.step)) - self.step
            points = points + self.distortion_at(points, label)
            frame = np.array(shape[::-1]) - 0.5
            inside = [((points >= -0.5) & (points < frame)).all(1)]
            inside += [self.at(points + beside) == label for beside in around]
            found.append(points[np.all(inside, axis=0)])
        return np.concatenate(found)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "domains": [
                {"share": round(float(share), 4), "displacement": displacement.round(3).tolist()}
                for share, displacement in zip(self.shares, self.displacements, strict=True)
            ],
            "share_without_crystal": round(float(np.mean(self.labels == NOTHING)), 4),
        }

    def remarks(self) -> list[str]:
        """Return sentences on where one lattice does not hold."""
        found = []
        if len(self.displacements) > 1:
            parts = ", ".join(
                f"{100 * share:.0f} % displaced by ({x:+.2f} a, {y:+.2f} c)"
                for share, (x, y) in zip(self.shares[1:], self.displacements[1:], strict=True)
            )
            found.append(
                f"one lattice does not hold: {len(self.displacements)} domains, {100 * self.shares[0]:.0f} % as the "
                f"lattice given, {parts}"
            )
        nothing = float(np.mean(self.labels == NOTHING))
        if nothing == 1:
            found.append(
                f"{_UNSEEN}: only the average of the whole image shows the framework, so where it lies is not known"
            )
        elif nothing > 0.02:
            found.append(f"{100 * nothing:.0f} % of the image does not show the framework")
        return found


def find_domains(micrograph: Micrograph, lattice: Lattice, *, framework: Framework | None = None) -> Domains:
    """Find where on an image a lattice holds, and where it stands displaced.

    The lattice is registered around places 5 Å from each other, under a Gaussian window of 7 Å: the displacement within
    a cell at which the strongest reflections correlate best with the framework's. Neighbours whose displacements go
    on from each other are one domain, bent by drift and distortion perhaps; where they jump lies a boundary.

    Parameters
    ----------
    micrograph
        iDPC-STEM image, as recorded.
    lattice
        From :func:`find_lattice` on it.
    framework
        By default the one that the lattice names.

    Returns
    -------
    Domains
        Labels and shifts place by place.

    Examples
    --------
    >>> cell = Framework("oblong", (12.0, 8.0), np.array([[0.1, 0.2], [0.6, 0.3], [0.3, 0.8]]), np.full(3, 14))
    >>> lattice = Lattice((0, 0), (48, 0), (0, 32), 0.25, 0.0, 0.0, 1.0, "oblong", (12.0, 8.0))
    >>> picture = np.tile(cell.image((32, 48)), (8, 6))
    >>> picture[:, 144:] = np.roll(picture[:, 144:], 16, axis=0)  # half a cell
    >>> domains = find_domains(Micrograph(picture), lattice, framework=cell)
    >>> len(domains.displacements), abs(domains.displacements[1]).round(2).tolist()
    (2, [0.0, 0.5])
    """
    framework = framework or Framework.named(lattice.framework)
    places = _Places.of(micrograph, lattice, framework)
    fractional, correlation = places.registered()
    labels = _connected(fractional, correlation, np.array(framework.cell))
    labels, displacements = _merged(labels, fractional, np.array(framework.cell))
    # The lattice is that of the largest domain, however the whole image was registered.
    origin = lattice.to_pixel(displacements[:1])[0] if len(displacements) else np.array(lattice.origin_px)
    lattice = replace(lattice, origin_px=(float(origin[0]), float(origin[1])))
    base = displacements[0] if len(displacements) else np.zeros(2)
    displacements, fractional = _wrapped(displacements - base), _wrapped(fractional - base)
    shift = fractional.copy()
    for label, displacement in enumerate(displacements):
        chosen = labels == label
        shift[chosen] = displacement + _wrapped(fractional[chosen] - displacement)
    shift[labels == NOTHING] = 0
    found = Domains(
        lattice, labels, shift @ lattice.matrix.T, correlation, displacements, places.step, places.first
    )
    return _by_size(places.relabelled(found, base))


def _by_size(domains: Domains) -> Domains:
    """Drop domains without a place, which others have taken, and make the largest the first."""
    number = len(domains.displacements)
    size = np.bincount(domains.labels[domains.labels != NOTHING], minlength=number)
    order = np.argsort(-size, kind="stable")
    order = order[size[order] > 0]
    if np.array_equal(order, np.arange(number)):
        return domains
    label = np.full(number + 1, NOTHING)  # the last for what belongs to none
    label[order] = np.arange(len(order))
    if not len(order):
        return replace(domains, labels=label[domains.labels], displacements=np.empty((0, 2)))
    first = domains.displacements[order[0]]
    displacements = _wrapped(domains.displacements[order] - first)
    change = np.tile(-first, (number + 1, 1))  # of what belongs to no domain, last
    change[order] = displacements - domains.displacements[order]
    return replace(
        domains,
        lattice=domains.moved(int(order[0])),
        labels=label[domains.labels],
        shift=domains.shift + change[domains.labels] @ domains.lattice.matrix.T,
        displacements=displacements,
    )


def _smoothed(values: NDArray[np.float64], chosen: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return fields, shape (rows, columns, fields), smoothed over chosen places by planes fitted around each."""
    y, x = np.indices(chosen.shape) / _SMOOTH
    terms = np.stack([np.ones_like(x), x - x.mean(), y - y.mean()], -1) * chosen[..., None]

    def around(products: NDArray[np.float64]) -> NDArray[np.float64]:
        return ndimage.gaussian_filter(products, (_SMOOTH, _SMOOTH, *[0] * (products.ndim - 2)), truncate=8)

    matrix = around(terms[..., :, None] * terms[..., None, :])
    right = around(terms[..., :, None] * values[..., None, :])
    # Planes about the place itself: far from what is chosen none is tilted, and the nearest values go on.
    here = np.zeros((*chosen.shape, 3, 3)) + np.eye(3)
    here[..., 1, 0], here[..., 2, 0] = -(x - x.mean()), -(y - y.mean())
    matrix = here @ matrix @ here.swapaxes(-1, -2)
    ridge = np.diag([1e-15, _LEVEL, _LEVEL])
    return list(np.moveaxis(np.linalg.solve(matrix + ridge, here @ right)[..., 0, :], -1, 0))


def _wrapped(fractional: NDArray[np.float64]) -> NDArray[np.float64]:
    return fractional - np.round(fractional)


@dataclass(frozen=True)
class _Places:
    """Reflections of an image around many places.

    ``products`` of what is measured and the framework's, shape (reflections, rows, columns); ``norm`` of both,
    shape (rows, columns); ``hk`` (reflections, 2); ``cell`` [Å].
    """

    products: NDArray[np.complex128]
    norm: NDArray[np.float64]
    hk: NDArray[np.int64]
    cell: NDArray[np.float64]
    step: int
    first: tuple[float, float]

    @classmethod
    def of(cls, micrograph: Micrograph, lattice: Lattice, framework: Framework) -> "_Places":
        # What is finer than two pixels would be measured on its alias.
        hk, factors = framework.reflections(max(_RESOLUTION, 2 * lattice.sampling))
        hk, factors = hk[:_REFLECTIONS], factors[:_REFLECTIONS]
        g = hk @ np.linalg.inv(lattice.matrix)
        image = np.asarray(micrograph.image, dtype=np.float64)
        longest = max(np.hypot(*lattice.a_px), np.hypot(*lattice.b_px))
        image = image - ndimage.gaussian_filter(image, longest / 2)
        step = max(1, round(_STEP / lattice.sampling))
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
        return cls(measured * factors[:, None, None], norm + 1e-300, hk, cell, step, first)

    def correlation(self, fractional: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the correlation at a displacement of each place, shape (rows, columns, 2)."""
        waves = np.exp(2j * np.pi * np.einsum("yxi,ni->nyx", fractional, self.hk))
        return np.asarray((waves * self.products).real.sum(0) / self.norm)

    def registered(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the displacement of the highest correlation at each place, and that correlation."""
        numbers = np.ceil(self.cell / _GRID).astype(int)
        grid = np.stack(np.meshgrid(*(np.arange(n) / n for n in numbers), indexing="ij"), -1).reshape(-1, 2)
        flat = self.products.reshape(len(self.hk), -1)
        start = (np.exp(2j * np.pi * grid @ self.hk.T) @ flat).real.argmax(0)
        found = grid[start]
        tau = 2 * np.pi * self.hk
        for _ in range(_NEWTON):
            terms = np.exp(1j * found @ tau.T).T * flat
            slope = -(tau.T @ terms.imag).T
            bend = -np.einsum("ni,nj,np->pij", tau, tau, terms.real, optimize=True)
            # Beside a maximum the curvature is negative; where it is not, the grid's point stays.
            good = (np.linalg.det(bend) > 0) & (bend[:, 0, 0] < 0)
            move = np.linalg.solve(np.where(good[:, None, None], bend, np.eye(2)), slope[..., None])[..., 0]
            found = found - np.clip(move, -_GRID / self.cell, _GRID / self.cell) * good[:, None]
        fractional = _wrapped(found).reshape(*self.norm.shape, 2)
        return fractional, self.correlation(fractional)

    def relabelled(self, domains: Domains, base: NDArray[np.float64]) -> Domains:
        """Give every place to the domain whose lattice, bent as it is, correlates best, if any does."""
        if not len(domains.displacements):
            return domains
        rows, columns = self.norm.shape
        x, y = np.meshgrid(np.arange(columns), np.arange(rows))
        points = (np.column_stack([x.ravel(), y.ravel()]) * self.step + self.first).astype(np.float64)
        inverse = np.linalg.inv(domains.lattice.matrix).T
        shifts = [
            domains.lattice.matrix @ displacement + domains.distortion_at(points, label)
            for label, displacement in enumerate(domains.displacements)
        ]
        likely = np.array(
            [self.correlation((shift @ inverse + base).reshape(rows, columns, 2)) for shift in shifts]
        )
        best = likely.argmax(0)
        shift = np.take_along_axis(
            np.array(shifts).reshape(len(shifts), rows, columns, 2), best[None, ..., None], axis=0
        )[0]
        strength = likely.max(0) * self.norm
        around = ndimage.maximum_filter(np.where(likely.max(0) >= _CORRELATED, strength, 0), 2 * _AROUND + 1)
        crystal = (likely.max(0) >= _CORRELATED) & (strength >= _STRENGTH * around)
        labels = np.where(crystal, best, NOTHING)
        return replace(domains, labels=labels, shift=shift, correlation=likely.max(0))


def _connected(
    fractional: NDArray[np.float64], correlation: NDArray[np.float64], cell: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Label places whose neighbours' displacements go on from theirs; those too few for a domain get none."""
    crystal = correlation >= _CORRELATED
    number = np.arange(crystal.size).reshape(crystal.shape)
    edges = []
    for one, other in (
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
    ):
        jump = np.hypot(*np.moveaxis(_wrapped(fractional[one] - fractional[other]) * cell, -1, 0))
        near = crystal[one] & crystal[other] & (jump < _JUMP)
        edges.append(np.column_stack([number[one][near], number[other][near]]))
    a, b = np.concatenate(edges).T
    graph = sparse.coo_matrix((np.ones(len(a)), (a, b)), shape=(crystal.size, crystal.size))
    _, part = sparse.csgraph.connected_components(graph, directed=False)
    size = np.bincount(part)
    enough = np.flatnonzero(size >= _SMALLEST * cell.prod() / _STEP**2)
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
        near = [i for i, m in enumerate(means) if np.hypot(*(_wrapped(mean - m) * cell)) < _SAME]
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
