"""Domains of a crystal on an image: parts with one lattice, displaced against each other, and parts without any."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stemforge.infer.crystals.framework import Framework
from stemforge.infer.crystals.lattice import Lattice
from stemforge.infer.crystals.places import CORRELATED, NOTHING, Places, wrapped
from stemforge.micrograph.image import Micrograph

# Of the strongest around it, from which a place's contrast is its own: at the end of a crystal it has half of that, and
# the window's tail reaches on. Around: [places].
_STRENGTH, _AROUND = 0.45, 3
_SMOOTH = 1.0  # standard deviation over which distortion is smoothed [places]
_LEVEL = 0.02  # weight of planes without a tilt
_CELLS = 9  # from which on a lattice can be relied on, such as three along each side
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

    Examples
    --------
    >>> lattice = Lattice((0.0, 0.0), (20.0, 0.0), (0.0, 15.0), 1.0, 0.0, 0.0, 1.0, "oblong", (20.0, 15.0))
    >>> labels = np.zeros((10, 10), dtype=int)
    >>> labels[:, 7:] = 1  # the right part is displaced by half a cell
    >>> displacements = np.array([[0.0, 0.0], [0.5, 0.0]])
    >>> domains = Domains(lattice, labels, np.zeros((10, 10, 2)), np.ones((10, 10)), displacements, 10, (5.0, 5.0))
    >>> domains.shares.tolist(), domains.at(np.array([[20.0, 30.0], [90.0, 30.0]])).tolist(), domains.moved(1).origin_px
    ([0.7, 0.3], [0, 1], (10.0, 0.0))
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
            Distance [pixel] around a point that must belong to its domain, as the point itself must.

        Returns
        -------
        ndarray
            Points (x, y) [pixel], shape (m, 2), domain by domain.
        """
        angles = np.arange(8) * np.pi / 4
        ring = within * np.column_stack([np.cos(angles), np.sin(angles)])
        around = np.vstack([np.zeros(2), ring]) if within else np.zeros((1, 2))
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
        # Places stand in the middle of an image.
        height, width = (
            (n - 1) * self.step + 2 * f + 1 for n, f in zip(self.labels.shape, self.first[::-1], strict=True)
        )
        cells = height * width / abs(float(np.linalg.det(self.lattice.matrix)))
        if cells < _CELLS:
            found.append(
                f"the image shows about {cells:.1f} cells; {_CELLS} are needed to rely on its lattice, "
                "such as three along each side"
            )
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
    image = np.asarray(micrograph.image, dtype=np.float64)
    longest = max(np.hypot(*lattice.a_px), np.hypot(*lattice.b_px))
    places = Places.of(image - ndimage.gaussian_filter(image, longest / 2), lattice, framework)
    parts = places.parts()
    labels, displacements, fractional = parts.labels, parts.displacements, parts.fractional
    # The lattice is that of the largest domain, however the whole image was registered.
    origin = lattice.to_pixel(displacements[:1])[0] if len(displacements) else np.array(lattice.origin_px)
    lattice = replace(lattice, origin_px=(float(origin[0]), float(origin[1])))
    base = displacements[0] if len(displacements) else np.zeros(2)
    displacements, fractional = wrapped(displacements - base), wrapped(fractional - base)
    shift = fractional.copy()
    for label, displacement in enumerate(displacements):
        chosen = labels == label
        shift[chosen] = displacement + wrapped(fractional[chosen] - displacement)
    shift[labels == NOTHING] = 0
    found = Domains(
        lattice,
        labels,
        shift @ lattice.matrix.T,
        parts.correlation,
        displacements,
        places.step,
        places.first,
    )
    return _by_size(_relabelled(places, found, base))


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
    displacements = wrapped(domains.displacements[order] - first)
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


def _relabelled(places: Places, domains: Domains, base: NDArray[np.float64]) -> Domains:
    """Give every place to the domain whose lattice, bent as it is, correlates best, if any does."""
    if not len(domains.displacements):
        return domains
    rows, columns = places.norm.shape
    points = places.points
    inverse = np.linalg.inv(domains.lattice.matrix).T
    shifts = [
        domains.lattice.matrix @ displacement + domains.distortion_at(points, label)
        for label, displacement in enumerate(domains.displacements)
    ]
    likely = np.array(
        [places.correlation((shift @ inverse + base).reshape(rows, columns, 2)) for shift in shifts]
    )
    best = likely.argmax(0)
    shift = np.take_along_axis(
        np.array(shifts).reshape(len(shifts), rows, columns, 2), best[None, ..., None], axis=0
    )[0]
    strength = likely.max(0) * places.norm
    around = ndimage.maximum_filter(np.where(likely.max(0) >= CORRELATED, strength, 0), 2 * _AROUND + 1)
    crystal = (likely.max(0) >= CORRELATED) & (strength >= _STRENGTH * around)
    labels = np.where(crystal, best, NOTHING)
    return replace(domains, labels=labels, shift=shift, correlation=likely.max(0))
