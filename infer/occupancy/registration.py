"""Where a crystal stands on its image, place by place: what drift, distortion and thickness move and fade."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stemforge.infer.crystals.domains import NOTHING, Domains
from stemforge.infer.crystals.lattice import Lattice
from stemforge.infer.occupancy.crystal import cell_image
from stemforge.infer.occupancy.noise import Noise
from stemforge.infer.occupancy.transfer import cell_coefficients

_WINDOW = 20.0  # standard deviation of the window that is looked at together [Å]
_GRID = 5.0  # between the places at which it is done [Å]
# How far lattice points are expected from their places [Å], and contrast from that of the mean.
_SHIFT, _FADING = 0.5, 0.15
_FURTHER = 2  # cells to either side, in which what another domain or nothing covers is looked for
# From the border of a domain, between which what a model leaves of an image becomes noise and nothing else [Å].
_BORDER, _WITHIN = 3.0, 8.0
_CELL_STEP = 0.1  # of an average cell, from which it is drawn on the image [Å]
# Of a cell's noise, what is taken from an image under a Hann window by the average of its cells under one: for moments
# h of the window along both axes, (2 h³ / h² − h² / h) / h.
_TAKEN = 3.3
_FEW = 7  # cells, whose average would take half of the noise: it is left in, and noise is taken for too much


@dataclass(frozen=True)
class Registration:
    """By how much each pixel of an image shows the crystal shifted and faded.

    Parameters
    ----------
    shift
        (x, y) [pixel], shape (2, height, width).
    strength
        Of the framework's contrast, 1 in the mean, 0 where there is none; shape (height, width).
    displacement
        What of the shift is that of domains against the first; None where there is one domain.
    source
        Where the image shows what the perfect crystal has at each pixel (x, y) [pixel], or the same a few cells further
        on; −1 where nowhere. None: at the pixel itself.
    """

    shift: NDArray[np.float64]
    strength: NDArray[np.float64]
    displacement: NDArray[np.float64] | None = None
    source: NDArray[np.float64] | None = None

    @classmethod
    def none(cls, shape: tuple[int, int]) -> "Registration":
        """Return that of a perfect crystal."""
        return cls(np.zeros((2, *shape)), np.ones(shape))

    @classmethod
    def of_domains(cls, domains: Domains, shape: tuple[int, int]) -> "Registration":
        """Return that of domains as they were found, bent and displaced."""
        labels = domains.map(shape)
        y, x = np.indices(shape)
        points = np.column_stack([x.ravel(), y.ravel()]).astype(float)
        shift = np.zeros((2, *shape))
        displacement = np.zeros((2, *shape))
        for label, displaced in enumerate(domains.displacements @ domains.lattice.matrix.T):
            chosen = labels == label
            displacement[:, chosen] = displaced[:, None]
            shift[:, chosen] = displaced[:, None] + domains.distortion_at(points[chosen.ravel()], label).T
        if len(domains.displacements) == 1 and not (labels == NOTHING).any():
            return cls(shift, np.ones(shape))
        crystal = (labels != NOTHING).astype(float)
        return cls(shift, crystal, displacement, _source(domains, labels))

    @property
    def bend(self) -> NDArray[np.float64]:
        """The shift without the domains' displacements (x, y) [pixel], shape (2, height, width)."""
        return self.shift if self.displacement is None else self.shift - self.displacement

    def shift_at(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the shift at points (x, y) [pixel], shape (n, 2)."""
        return _values_at(self.shift, points)

    def bend_at(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the shift without displacements at points (x, y) [pixel], shape (n, 2)."""
        return _values_at(self.bend, points)

    def drawn(self, picture: NDArray[np.float64], lattice: Lattice) -> NDArray[np.float64]:
        """Return the image of which every cell is the picture given, rows along the lattice's second axis."""
        shape = self.strength.shape
        points = np.indices(shape, dtype=np.float64)[::-1] - self.shift
        where = (lattice.to_fractional(points.reshape(2, -1).T) % 1) * np.array(picture.shape[::-1])
        drawn = ndimage.map_coordinates(picture, where.T[::-1], order=3, mode="grid-wrap")
        return np.asarray(drawn.reshape(shape) * self.strength)

    def straightened(self, image: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return an image as the perfect crystal would show it."""
        y, x = np.indices(image.shape)
        if self.source is None or self.displacement is None:
            return np.asarray(
                ndimage.map_coordinates(
                    image, [y + self.shift[1], x + self.shift[0]], order=3, mode="nearest"
                )
            )
        x, y = self.source
        bend = [ndimage.map_coordinates(one, [y, x], order=0, mode="nearest") for one in self.bend]
        straight = ndimage.map_coordinates(image, [y + bend[1], x + bend[0]], order=3, mode="nearest")
        straight[x < 0] = image.mean()
        return np.asarray(straight)

    def moved_by(
        self,
        residual: NDArray[np.float64],
        framework: NDArray[np.float64],
        noise: Noise,
        sampling: float,
        resolution: float,
    ) -> "Registration":
        """Return one that explains more of what the framework, as it was registered, leaves of the image.

        Linear least squares over a Gaussian window, noise made white before, with what is likely as a prior.
        """
        # White noise of unit variance in a pixel, so that sums are log-likelihoods.
        left, shown = (
            noise.divided(values, sampling, resolution, 0.5) * sampling for values in (residual, framework)
        )
        slope_y, slope_x = np.gradient(shown)
        shapes = (-slope_x, -slope_y, shown)
        every = max(1, round(_GRID / sampling))
        window = _WINDOW / sampling
        rows, columns = (_windows(length, every, window) for length in residual.shape)

        def summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(rows @ values @ columns.T) * 2 * np.pi * window**2

        expected = np.array([_SHIFT / sampling, _SHIFT / sampling, _FADING])
        prior = np.diag(expected**-2.0)
        right = np.stack([summed(np.asarray(one * left)) for one in shapes], -1)
        matrix = np.empty((*right.shape[:2], 3, 3))
        for i, one in enumerate(shapes):
            for j, other in enumerate(shapes[: i + 1]):
                matrix[..., i, j] = matrix[..., j, i] = summed(np.asarray(one * other))
        crystal = self.strength > 0
        now = np.stack([*self.bend, np.where(crystal, self.strength - 1, 0)], -1)[::every, ::every]
        step = np.linalg.solve(matrix + prior, (right - now @ prior)[..., None])[..., 0]
        height, width = residual.shape
        where = np.indices((height, width)) / every
        fields = [
            ndimage.map_coordinates(step[..., i], where, order=1, mode="nearest").reshape(height, width)
            for i in range(3)
        ]
        strength = np.where(crystal, self.strength + fields[2], 0)
        return replace(self, shift=self.shift + np.array(fields[:2]), strength=strength)


def border_distance(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how far each pixel is from those of other labels [pixel]; infinite where there are none.

    Examples
    --------
    >>> border_distance(np.array([[0, 0, 0, 1]])).tolist()
    [[3.0, 2.0, 1.0, 1.0]]
    """
    distance = np.full(labels.shape, np.inf)
    every = np.unique(labels)
    for label in every if len(every) > 1 else []:
        inside = labels == label
        distance[inside] = ndimage.distance_transform_edt(inside)[inside]
    return distance


def noise_weight(labels: NDArray[np.int64], sampling: float) -> NDArray[np.float64]:
    """Weigh the pixels on which noise is measured: 1 within domains, falling to 0 at their borders and beside them.

    At a border a model has the wrong domain on some pixels, and what it leaves of them is no noise.

    Parameters
    ----------
    labels
        Domain of each pixel, from :meth:`Domains.map`.
    sampling
        Pixel size [Å].
    """
    weight = np.clip((border_distance(labels) * sampling - _BORDER) / (_WITHIN - _BORDER), 0, 1)
    return np.asarray(weight * (labels != NOTHING))


def noise_of_cells(
    left: NDArray[np.float64], lattice: Lattice, registration: Registration, hk: NDArray[np.int64]
) -> Noise:
    """Measure the noise on what framework and guests leave of an image.

    What is alike in all cells is an error of the framework's image, which offsets stand for. In thick films its power
    is several times that of the noise, and reflections stand so densely that no ring is free of them.

    Parameters
    ----------
    left
        Shape (height, width).
    lattice, registration
        Of the crystal.
    hk
        Indices of its reflections, one of each Friedel pair, shape (n, 2).
    """
    width, height = np.ceil(np.array(lattice.cell) / _CELL_STEP).astype(int)
    average, _ = cell_coefficients(registration.straightened(left), lattice, hk)
    alike = registration.drawn(cell_image(average, hk, (int(height), int(width))), lattice)
    cells = np.count_nonzero(registration.strength > 0) / abs(np.linalg.det(lattice.matrix))
    if cells < _FEW:
        return Noise.of(left, lattice.sampling)
    return Noise.of((left - alike) / np.sqrt(1 - _TAKEN / cells), lattice.sampling)


def _values_at(field: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a field, shape (2, height, width), at points (x, y) [pixel], shape (n, 2)."""
    where = points.T[::-1]
    return np.column_stack([ndimage.map_coordinates(one, where, order=1, mode="nearest") for one in field])


def _windows(length: int, every: int, width: float) -> NDArray[np.float64]:
    """Return Gaussian windows of unit area about every so many places of a line, shape (windows, length)."""
    reach = int(3 * width + 0.5)
    distance = np.abs(np.arange(length) - np.arange(0, length, every)[:, None])
    total = np.exp(-((np.arange(-reach, reach + 1) / width) ** 2) / 2).sum()
    return np.where(distance <= reach, np.exp(-((distance / width) ** 2) / 2), 0) / total


def _source(domains: Domains, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Find for every pixel of the perfect crystal where the image shows it, cells further on where it must."""
    height, width = labels.shape
    y, x = np.indices(labels.shape, dtype=float)
    source = np.full((2, height, width), -1.0)
    cells = np.stack(np.meshgrid(*[np.arange(-_FURTHER, _FURTHER + 1)] * 2), -1).reshape(-1, 2)
    cells = cells[np.argsort((cells**2).sum(1), kind="stable")]
    for cell in cells:
        for label, displacement in enumerate(domains.displacements):
            right, down = domains.lattice.matrix @ (cell + displacement)
            row, column = np.rint(y + down).astype(int), np.rint(x + right).astype(int)
            good = (source[0] < 0) & (row >= 0) & (row < height) & (column >= 0) & (column < width)
            good[good] = labels[row[good], column[good]] == label
            source[:, good] = x[good] + right, y[good] + down
        if (source[0] >= 0).all():
            break
    return source
