"""One atom fitted to all frames at once: amplitude, place, depth, and their errors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemforge.evaluate.depth.noise import FocalNoise
from stemforge.evaluate.depth.template import AtomTemplate, cubic_nodes

_STEPS = 25
_SMALL = 1e-3  # standard deviations: a smaller step is none
_DAMPING = 1e-3

Patch = NDArray[np.float32]


@dataclass(frozen=True)
class AtomAt:
    """Where an atom is and how bright.

    Parameters
    ----------
    amplitude
        Image units that all incident electrons would give.
    x, y
        Place [Å].
    z
        Depth: the focus at which it is sharpest [Å].
    """

    amplitude: float
    x: float
    y: float
    z: float


@dataclass(frozen=True, eq=False)
class AtomDepthFit:
    """A fitted atom.

    Parameters
    ----------
    atom
        The likeliest parameters.
    covariance
        Of amplitude, x, y, z, shape (4, 4).
    chi2
        Sum of the squared residuals in standard deviations, over their number.
    number
        Of residuals.
    converged
        Whether the last step was small.
    """

    atom: AtomAt
    covariance: NDArray[np.float64]
    chi2: float
    number: int
    converged: bool


class FocalModel:
    """What an atom at any place and depth looks like on the filtered frames of a series.

    Parameters
    ----------
    template
        Images of one atom.
    foci
        Of the frames [Å], shape (frames,).
    noise
        Of the frames.
    depths
        Least and largest depth [Å].
    radius
        Distance from an atom within which it is fitted [Å].
    """

    def __init__(
        self,
        template: AtomTemplate,
        foci: NDArray[np.float64],
        noise: FocalNoise,
        depths: tuple[float, float],
        radius: float,
    ) -> None:
        self.template, self.foci, self.noise = template, foci, noise
        self.sampling = template.sampling
        self.half = int(np.ceil(radius / self.sampling))
        step = float(template.defocus[1] - template.defocus[0])
        self.depths = depths
        self.nodes = np.arange(depths[0] - 2 * step, depths[1] + 2.5 * step, step)
        mixing = noise.filter_at(template.radial)
        self.spectra = np.stack([
            np.einsum("klyx,lyx->kyx", mixing, template.at(z - foci), optimize=True) for z in self.nodes
        ])  # fmt: skip
        offsets = np.arange(-self.half, self.half + 1) * self.sampling
        self.offsets = offsets
        self.inside = np.hypot(offsets[:, None], offsets) <= radius

    def raw(self, atom: AtomAt) -> Patch:
        """Return the image of an atom on the frames as recorded, on the patch about its pixel."""
        return self._drawn(self.template.at(atom.z - self.foci), atom, (0, 0))

    def pixel(self, atom: AtomAt) -> tuple[int, int]:
        """Return the pixel (row, column) on which the atom's patch is centred."""
        return round(atom.y / self.sampling), round(atom.x / self.sampling)

    def patch(self, frames: NDArray[np.float32], pixel: tuple[int, int]) -> Patch:
        """Cut a patch out of frames; it must lie inside."""
        row, column = pixel
        return frames[:, row - self.half : row + self.half + 1, column - self.half : column + self.half + 1]

    def image(self, atom: AtomAt, pixel: tuple[int, int] | None = None) -> Patch:
        """Return the image of an atom on the filtered frames, about its own pixel or another one."""
        index, weight = cubic_nodes(np.array([atom.z]), self.nodes)
        return np.float32(atom.amplitude) * self._drawn(
            np.tensordot(weight[0].astype(np.float32), self.spectra[index[0]], 1), atom, (0, 0), pixel
        )

    def derivatives(self, atom: AtomAt, pixel: tuple[int, int]) -> NDArray[np.float32]:
        """Return the filtered image of an atom of amplitude 1, and its derivatives by x, y and z.

        Shape (4, frames, rows, columns).
        """
        index, weight = cubic_nodes(np.array([atom.z]), self.nodes)
        h = 0.05 * (self.nodes[1] - self.nodes[0])
        _, slope = _slopes(atom.z, self.nodes, h)
        near = self.spectra[index[0]]
        value = np.tensordot(weight[0].astype(np.float32), near, 1)
        change = np.tensordot(slope.astype(np.float32), near, 1)
        return np.stack([
            self._drawn(value, atom, (0, 0), pixel), self._drawn(value, atom, (0, 1), pixel),
            self._drawn(value, atom, (1, 0), pixel), self._drawn(change, atom, (0, 0), pixel),
        ])  # fmt: skip

    def fit(
        self,
        data: Patch,
        start: AtomAt,
        extra: Patch | None = None,
    ) -> AtomDepthFit:
        """Fit an atom to filtered frames by Levenberg's and Marquardt's method.

        Parameters
        ----------
        data
            Filtered frames about the pixel of ``start``, other atoms taken off.
        start
            Where to begin.
        extra
            Variance that the atom's own electrons add, in units of the white noise, on its patch.
        """
        pixel = self.pixel(start)
        weight = np.broadcast_to(self.inside, (len(self.foci), *self.inside.shape)).astype(np.float32)
        if extra is not None:
            weight = weight / (1 + extra)
        atom, damping, converged = start, _DAMPING, False
        current, normal, gradient = self._normal(data, weight, atom, pixel)
        for _ in range(_STEPS):
            damped = normal + damping * np.diag(np.diag(normal))
            step = np.asarray(np.linalg.solve(damped, gradient), dtype=np.float64)
            size = float(np.sqrt(step @ normal @ step))
            moved = self._moved(atom, step)
            trial = self._normal(data, weight, moved, pixel)
            if trial[0] <= current:
                atom, damping = moved, damping / 5
                current, normal, gradient = trial
                if size < _SMALL * 30 and damping < 1e-2:
                    converged = True
                    break
            else:
                damping *= 8
                if size < _SMALL or damping > 1e8:
                    converged = size < 0.1
                    break
        number = int((weight > 0).sum())
        return AtomDepthFit(
            atom,
            np.asarray(np.linalg.pinv(normal, hermitian=True), dtype=np.float64),
            current / max(number - 4, 1),
            number,
            converged,
        )

    def _moved(self, atom: AtomAt, step: NDArray[np.float64]) -> AtomAt:
        far = 0.5  # Å at most in a step
        z = float(np.clip(atom.z + np.clip(step[3], -40, 40), *self.depths))
        x, y = atom.x + np.clip(step[1], -far, far), atom.y + np.clip(step[2], -far, far)
        return AtomAt(max(atom.amplitude + step[0], 0.05 * atom.amplitude), float(x), float(y), z)

    def _normal(
        self, data: Patch, weight: Patch, atom: AtomAt, pixel: tuple[int, int]
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Return the sum of squares, normal matrix and gradient."""
        made = self.derivatives(atom, pixel)
        rest = (data - np.float32(atom.amplitude) * made[0]).ravel().astype(float)
        columns = made.reshape(4, -1).astype(float)
        columns[1:] *= atom.amplitude
        flat = weight.ravel().astype(float)
        return float(flat @ rest**2), (columns * flat) @ columns.T, columns @ (flat * rest)

    def _drawn(
        self,
        spectra: NDArray[np.complex64],
        atom: AtomAt,
        order: tuple[int, int],
        pixel: tuple[int, int] | None = None,
    ) -> Patch:
        """Sum Fourier series about a pixel, of the derivative of this order by the atom's y and x."""
        row, column = self.pixel(atom) if pixel is None else pixel
        y, x = atom.y - row * self.sampling, atom.x - column * self.sampling
        qy, qx = self.template.qy, self.template.qx
        along = np.exp(2j * np.pi * np.outer(qx, self.offsets - x)) * np.where(qx > 0, 2, 1)[:, None]
        across = np.exp(2j * np.pi * np.outer(self.offsets - y, qy))
        along = along * ((-2j * np.pi * qx) ** order[1])[:, None]
        across = across * (-2j * np.pi * qy) ** order[0]
        half = across.astype(np.complex64) @ spectra
        return np.asarray((half @ along.astype(np.complex64)).real)


def _slopes(value: float, nodes: NDArray[np.float64], h: float) -> tuple[NDArray, NDArray[np.float64]]:
    """Return nodes and weights of the derivative of cubic interpolation."""
    index, _ = cubic_nodes(np.array([value]), nodes)
    first = nodes[index[0, 0]]
    local = np.arange(4) * (nodes[1] - nodes[0]) + first
    high, low = cubic_nodes(np.array([value + h]), local)[1], cubic_nodes(np.array([value - h]), local)[1]
    return index[0], (high[0] - low[0]) / (2 * h)
