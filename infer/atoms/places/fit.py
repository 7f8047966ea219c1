"""The likelihood fit of atoms' images to a micrograph, all atoms of it together.

A general least-squares optimiser would need the noise's covariance of every window, or a whitened copy of every model;
one atom takes it some 10 ms. Here the residual of the whole image is divided by the noise's power in one cosine
transform, and all atoms take a step of Fisher's scoring at once, each in a small system with its neighbours.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from stemforge.infer.atoms.places.cosine import Plane, filtered
from stemforge.infer.atoms.places.information import Information
from stemforge.infer.atoms.places.noise import Noise, measure_noise
from stemforge.infer.atoms.places.spots import Spots, Values

SPREAD = 0.2
"""Standard deviation of the logarithm of atoms' widths about the image's typical one: a prior."""

_WIDEST = 0.6  # of the logarithm of a width, away from the typical one
_NEIGHBOURS = 6
_NEAR = 3.0  # atoms overlap up to this distance, in sums of their widths
_STEPS = (3, 4, 9)  # at most, each time that the noise is measured
_DAMPING = 0.02
_CONVERGED = 0.1  # of a last step, in standard errors
_ENOUGH = 5  # atoms from which an image has a typical width
_HIDDEN = 0.02  # of its own weight that is visible, below which an atom has no place


@dataclass
class AtomFit:
    """The state of a fit: parameters as of :class:`Spots`, amplitudes in units of the local noise.

    Parameters
    ----------
    image
        As recorded, shape (height, width).
    mask
        Where it shows the specimen.
    places
        Where a detector put the atoms (x, y) [pixel], shape (n, 2).
    width
        Standard deviation that an atom's image is expected to have [pixel].
    farthest
        Distance from its place beyond which an atom is put back there and stays [pixel].
    """

    image: Plane
    mask: NDArray[np.bool_]
    places: Values
    width: float
    farthest: float
    noise: Noise = field(init=False)
    parameters: Values = field(init=False)
    held: NDArray[np.bool_] = field(init=False)
    converged: NDArray[np.bool_] = field(init=False)
    covariance: Values = field(init=False)
    scale: Values = field(init=False)
    least: Values = field(init=False)

    def run(self) -> bool:
        """Fit, with the noise measured anew on what the last fit left. False where nothing can be fitted."""
        count = len(self.places)
        self.typical = float(np.log(self.width))
        self.parameters = np.column_stack([np.zeros(count), self.places, np.full(count, self.typical)])
        self.held, self.converged = self._hidden(), np.zeros(count, dtype=bool)
        # The atoms would be taken for texture: a first model is that of white noise.
        if not count or not self._measure(np.zeros_like(self.image), white=True):
            return False
        self.parameters[:, 0] = self._system(amplitudes=True)[0][:, 0].clip(0)
        for steps in _STEPS:
            model = Spots(self.parameters, self.mask).sum(self.parameters[:, 0] * self.scale)
            if not self._measure(model):
                return False
            self._iterate(steps)
            if np.count_nonzero(~self.held) >= _ENOUGH:
                self.typical = float(np.median(self.parameters[~self.held, 3]))
        # An atom that is held has an amplitude of either sign, which says how little is at its place.
        self.parameters[self.held, 0] += self._system(amplitudes=True)[0][self.held, 0]
        self.covariance = self._system()[1]
        return True

    def _hidden(self) -> NDArray[np.bool_]:
        """Return which atoms the mask hides: nothing tells where they are."""
        if self.mask.all():
            return np.zeros(len(self.places), dtype=bool)
        visible = ndimage.gaussian_filter(self.mask.astype(np.float32), self.width, mode="nearest")
        height, width = self.mask.shape
        columns, rows = np.rint(self.places).astype(int).clip(0, [width - 1, height - 1]).T
        return np.asarray(visible[rows, columns] < _HIDDEN)

    def _measure(self, model: Plane, white: bool = False) -> bool:
        """Measure the noise, and prepare what depends on it."""
        noise = measure_noise(self.image, model, white)
        if noise is None:
            return False
        self.noise, old = noise, self.scale if hasattr(self, "scale") else None
        height, width = self.image.shape
        columns, rows = np.rint(self.places).astype(int).clip(0, [width - 1, height - 1]).T
        self.scale = noise.strength[rows, columns].astype(float)
        if old is not None:
            self.parameters[:, 0] *= old / self.scale
        self._information = Information(noise.weight)
        # The background is taken off the image before it is divided by the noise, and off the model beside it.
        level = filtered(self.image, 1 - noise.highpass)
        self._filtered = filtered((self.image - level) / noise.strength, noise.highpass / noise.power)
        one, width_of = np.ones(count := len(self.places)), np.exp(self.parameters[:, 3])
        fisher = self._information.of_pairs(one, width_of, one, width_of, np.zeros((count, 2)))
        self.least = 0.5 / np.sqrt(fisher[:, 0, 0])
        return True

    def _iterate(self, steps: int) -> None:
        amplitude, place, width = slice(0, 1), slice(1, 3), slice(3, 4)
        for _ in range(steps):
            step, covariance = self._system()
            error = np.sqrt(covariance[:, [1, 2], [1, 2]])
            self.converged = np.asarray((np.abs(step[:, place]) <= _CONVERGED * error).all(1))
            if (self.converged | self.held).all():
                break
            bound = 0.4 * np.exp(self.parameters[:, width])
            step[:, place] = step[:, place].clip(-bound, bound)
            step[:, width] = step[:, width].clip(-0.15, 0.15)
            reach = self.parameters[:, amplitude] + 5 * self.least[:, None]
            step[:, amplitude] = step[:, amplitude].clip(-0.5 * reach, reach)
            self.parameters += step
            self.parameters[:, 0] = np.maximum(self.parameters[:, 0], self.least)
            self.parameters[:, 3] = self.parameters[:, 3].clip(self.typical - _WIDEST, self.typical + _WIDEST)
            self._hold()

    def _hold(self) -> None:
        """Put back atoms that went too far, and those of a pair that became one."""
        away = np.hypot(*(self.parameters[:, 1:3] - self.places).T) > self.farthest
        merged = cKDTree(self.parameters[:, 1:3]).query_pairs(
            0.5 * np.exp(self.typical), output_type="ndarray"
        )
        away[merged.ravel()] = True
        away &= ~self.held
        self.parameters[away, 1:3], self.parameters[away, 3] = self.places[away], self.typical
        self.held |= away

    def _system(self, amplitudes: bool = False) -> tuple[Values, Values]:
        """Return each atom's step and covariance, from the equations of it and its neighbours."""
        spots = Spots(self.parameters, self.mask)
        model = filtered(spots.sum(self.parameters[:, 0]), self.noise.weight)
        gradient, share = spots.gradient(self._filtered - model)
        free = np.zeros((len(share), 4), dtype=bool)
        free[:, 0] = True
        if not amplitudes:
            free[~self.held] = True
        prior = np.array([0, 0, 0, SPREAD**-2])
        gradient[:, 3] -= prior[3] * (self.parameters[:, 3] - self.typical)
        near, used = self._neighbours(spots.widths)
        count, size = near.shape
        fisher = np.zeros((count, size, 4, size, 4))
        for one in range(size):
            for other in range(one, size):
                block = self._blocks(near[:, one], near[:, other], used[:, one] & used[:, other], share)
                if one == other:
                    block += np.diag(prior)
                fisher[:, one, :, other] = block
                fisher[:, other, :, one] = block.transpose(0, 2, 1)
        chosen = (free[near] & used[:, :, None]).reshape(count, -1)
        matrix = fisher.reshape(count, 4 * size, 4 * size) * (chosen[:, :, None] & chosen[:, None])
        diagonal = np.einsum("nii->ni", matrix)
        diagonal[~chosen] = 1
        right = np.where(chosen, gradient[near].reshape(count, -1), 0)
        damped = matrix + _DAMPING * diagonal[:, :, None] * np.eye(4 * size)
        step = np.linalg.solve(damped, right[..., None])[:, :4, 0]
        # A trace of damping keeps the inverse where two spots can hardly be told from each other.
        covariance = np.linalg.inv(matrix + 1e-6 * diagonal[:, :, None] * np.eye(4 * size))[:, :4, :4]
        return step, covariance

    def _blocks(
        self, one: NDArray[np.intp], other: NDArray[np.intp], used: NDArray[np.bool_], share: Values
    ) -> Values:
        """Return the information of pairs of atoms by number, zero where unused."""
        blocks = np.zeros((len(one), 4, 4))
        i, j = one[used], other[used]
        if len(i):
            amplitude = np.maximum(self.parameters[:, 0], self.least)
            width, point = np.exp(self.parameters[:, 3]), self.parameters[:, 1:3]
            pairs = self._information.of_pairs(
                amplitude[i], width[i], amplitude[j], width[j], point[j] - point[i]
            )
            blocks[used] = pairs * np.sqrt(share[i][:, :, None] * share[j][:, None, :])
        return blocks

    def _neighbours(self, width: Values) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return each atom's number, then those of the atoms beside it, and which of them overlap with it."""
        points = self.parameters[:, 1:3]
        count = len(points)
        size = min(_NEIGHBOURS + 1, count)
        distance, near = cKDTree(points).query(points, k=[*range(1, size + 1)])
        first = near == np.arange(count)[:, None]
        distance = np.where(first, -1.0, distance)
        order = np.argsort(distance, axis=1, kind="stable")
        near, distance = np.take_along_axis(near, order, 1), np.take_along_axis(distance, order, 1)
        used = distance <= _NEAR * (width[:, None] + width[near])
        # As many columns as any atom has neighbours.
        size = int(used.sum(1).max())
        return near[:, :size], used[:, :size]
