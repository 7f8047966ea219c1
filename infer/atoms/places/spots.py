"""Gaussian spots on an image: their sum, and what a filtered residual says of each of their parameters."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemforge.infer.atoms.places.cosine import Plane

_LEAST_SHARE = 1e-3
_REACH = 4.5  # of a spot, in standard deviations

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Spots:
    """Spots with amplitude, place (x, y) [pixel] and logarithm of the width [pixel], ``parameters`` of shape (n, 4).

    ``mask`` says which pixels of the image show them, shape (height, width).
    """

    parameters: Values
    mask: NDArray[np.bool_]

    @property
    def widths(self) -> Values:
        """Standard deviations [pixel]."""
        return np.asarray(np.exp(self.parameters[:, 3]))

    def sum(self, amplitudes: Values) -> Plane:
        """Return the image of all spots with other amplitudes, shape as the mask."""
        reach, corner, x, y = self._factors()
        height, width = self.mask.shape
        image = np.zeros((height + 2 * reach, width + 2 * reach), dtype=np.float32)
        for k, (column, row) in enumerate(corner):
            part = image[row : row + 2 * reach + 1, column : column + 2 * reach + 1]
            part += amplitudes[k] * np.outer(y[0][k], x[0][k])
        return np.asarray(image[reach : reach + height, reach : reach + width] * self.mask)

    def gradient(self, residual: Plane) -> tuple[Values, Values]:
        """Return the scalar products of a filtered residual with each spot's derivatives, and how much is on the image.

        Returns
        -------
        gradient, share
            Shape (n, 4) each; share is the part of each derivative's sum of squares that the mask shows.
        """
        reach, corner, x, y = self._factors()
        (gx, dx, _), (gy, dy, wy) = x, y
        rows, columns = (corner[:, axis][:, None] + np.arange(2 * reach + 1) for axis in (1, 0))
        at = (rows[:, :, None], columns[:, None, :])
        residual = np.pad(residual * self.mask, reach)[at].astype(np.float64)
        product = [np.einsum("nij,nj->ni", residual, across) for across in x]
        amplitude = self.parameters[:, 0]
        gradient = np.column_stack(
            [
                (product[0] * gy).sum(1),
                amplitude * (product[1] * gy).sum(1),
                amplitude * (product[0] * dy).sum(1),
                amplitude * ((product[2] * gy).sum(1) + (product[0] * wy).sum(1)),
            ]
        )
        shown = np.pad(self.mask, reach)[at].astype(np.float64)
        squares = ((gx, gy), (dx, gy), (gx, dy), (gx, gy))
        share = [
            np.einsum("nij,nj,ni->n", shown, a**2, b**2) / ((a**2).sum(1) * (b**2).sum(1)) for a, b in squares
        ]
        # Of an atom that the mask hides nothing is learnt; a little keeps its equations solvable, and it where it is.
        return gradient, np.maximum(np.column_stack(share), _LEAST_SHARE)

    def _factors(self) -> tuple[int, NDArray[np.intp], list[Values], list[Values]]:
        """Return reach, corners on the padded image, and per axis the Gaussians and their derivatives."""
        reach = int(np.ceil(_REACH * self.widths.max(initial=1.0)))
        height, width = self.mask.shape
        middle = np.rint(self.parameters[:, 1:3]).astype(int).clip(0, [width - 1, height - 1])
        factors = []
        for axis in (0, 1):
            away = middle[:, axis, None] + np.arange(-reach, reach + 1) - self.parameters[:, 1 + axis, None]
            square = (away / self.widths[:, None]) ** 2
            gauss = np.exp(-square / 2)
            factors.append([gauss, away / self.widths[:, None] ** 2 * gauss, square * gauss])
        return reach, middle, factors[0], factors[1]
