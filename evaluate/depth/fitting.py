"""All atoms of a focal series fitted beside each other, and how well each depth is known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from stemforge.evaluate.depth.fit import AtomAt, AtomDepthFit, FocalModel

INTERVAL = 3.84
"""Of twice the log-likelihood, below its maximum, within which a depth lies in 95 of 100 cases (Wilks 1938)."""

_FINE = 81  # foci at which a fitted curve is drawn

Stack = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DepthProfile:
    """How well each depth explains what is seen of an atom.

    Parameters
    ----------
    depths
        Tried [Å], rising.
    score
        Square of the standard deviations by which an atom of that depth, at its likeliest amplitude, stands out.
    """

    depths: NDArray[np.float64]
    score: NDArray[np.float64]

    @property
    def interval(self) -> tuple[float, float]:
        """Depths between which the atom lies in 95 of 100 cases [Å]; infinite where no tried depth is the end."""
        fine = np.linspace(self.depths[0], self.depths[-1], 50 * len(self.depths))
        score = CubicSpline(self.depths, self.score)(fine)
        likely = np.flatnonzero(score > score.max() - INTERVAL)
        low = -np.inf if likely[0] == 0 else fine[likely[0]]
        high = np.inf if likely[-1] == len(fine) - 1 else fine[likely[-1]]
        return float(low), float(high)


@dataclass(frozen=True, eq=False)
class FrameBrightness:
    """How bright an atom is on each frame, over what it would be in focus.

    Parameters
    ----------
    frames
        Peak as seen, its error, and as fitted, shape (frames, 3).
    curve
        Focus [Å] and peak as fitted, shape (n, 2).
    chi2
        Sum of the squared differences of seen and fitted, in standard deviations.
    """

    frames: NDArray[np.float64]
    curve: NDArray[np.float64]
    chi2: float


class AtomFits:
    """Atoms fitted in turns, each with the others taken off.

    Parameters
    ----------
    model
        What atoms look like on the filtered frames.
    frames
        Filtered frames, shape (frames, height, width).
    atoms
        Where to begin.
    """

    def __init__(self, model: FocalModel, frames: Stack, atoms: Sequence[AtomAt]) -> None:
        self.model, self.gain = model, 0.0
        self._mean = np.zeros(len(frames))
        self.rest = frames.copy()
        self.atoms = list(atoms)
        self.fits: dict[int, AtomDepthFit] = {}
        for atom in self.atoms:
            self._add(atom, -1)

    def run(self, rounds: int) -> None:
        """Fit every atom this often."""
        for _ in range(rounds):
            for number in range(len(self.atoms)):
                self._fit(number)

    @property
    def chi2(self) -> float:
        """Sum of the squares that are left in the patches of all atoms."""
        return sum(float((self._rest(atom) ** 2)[:, self.model.inside].sum()) for atom in self.atoms)

    def measure_gain(self) -> float:
        """Return by how much the variance grows with an atom's image, from what the fits leave, and use it."""
        above, square = 0.0, 0.0
        area = float(np.prod(self.rest.shape[1:]))
        self._mean = sum((self._brightness(one).sum((1, 2)) / area for one in self.atoms), self._mean * 0)
        for atom in self.atoms:
            bright = self._brightness(atom) - self._mean[:, None, None]
            above += float(((self._rest(atom) ** 2 - 1) * bright * self.model.inside).sum())
            square += float((bright**2 * self.model.inside).sum())
        self.gain = max(above / square, 0.0) if square else 0.0
        return self.gain

    def data(self, number: int) -> NDArray[np.float32]:
        """Return the filtered frames about an atom, the others taken off."""
        atom = self.atoms[number]
        return self._rest(atom) + self.model.image(atom)

    def weight(self, number: int) -> NDArray[np.float32]:
        """Return the weights of an atom's pixels, shape (frames, rows, columns)."""
        extra = self._extra(self.atoms[number])
        return np.asarray(self.model.inside / (1 + extra), dtype=np.float32)

    def profile(self, number: int) -> DepthProfile:
        """Return how well each depth explains what is seen of an atom, its place as fitted."""
        atom, data, weight = self.atoms[number], self.data(number), self.weight(number)
        depths = self.model.nodes[2:-2]
        scores = []
        for z in depths:
            made = self.model.image(replace(atom, amplitude=1.0, z=float(z)), self.model.pixel(atom))
            product, square = (float((weight * made * other).sum(dtype=float)) for other in (data, made))
            scores.append(max(product, 0.0) ** 2 / square)
        return DepthProfile(depths, np.array(scores))

    def whole(self) -> Stack:
        """Return the filtered frames with all atoms."""
        frames = self.rest.copy()
        for atom in self.atoms:
            patch = self.model.patch(frames, self.model.pixel(atom))
            patch += self.model.image(atom)
        return frames

    def frame_shares(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how bright all atoms are on each frame, over what the fit says, and the error; shape (frames,)."""
        products, squares = np.zeros((2, len(self.rest)))
        for number, atom in enumerate(self.atoms):
            made = self.model.image(atom)
            products += (self.model.inside * made * self.data(number)).sum((1, 2))
            squares += (self.model.inside * made**2).sum((1, 2))
        squares = np.maximum(squares, 1e-12)
        return products / squares, squares**-0.5

    def overlap(self, number: int) -> float:
        """Return the largest overlap of an atom's images with those of another one, 0 to 1."""
        atom, weight = self.atoms[number], self.weight(number)
        pixel, made = self.model.pixel(atom), self.model.image(atom)
        size = float((weight * made**2).sum())
        largest = 0.0
        for other in self.atoms:
            if other is atom or np.hypot(other.x - atom.x, other.y - atom.y) > 2 * self.model.offsets[-1]:
                continue
            drawn = self.model.image(other, pixel)
            its = self.model.image(other)
            both = float((weight * made * drawn).sum())
            largest = max(largest, both / np.sqrt(size * max(float((its**2).sum()), 1e-12)))
        return largest

    def focusing(self, number: int) -> FrameBrightness:
        """Return how bright an atom is on each frame, as seen and as fitted.

        The image that it should have there is fitted to each filtered frame alone.
        """
        atom, model = self.atoms[number], self.model
        foci = np.linspace(model.foci.min(), model.foci.max(), _FINE)
        spectra = model.template.at(np.concatenate([np.zeros(1), atom.z - model.foci, atom.z - foci]))
        peaks = np.array([_peak(model, one) for one in spectra])
        peaks = peaks[1:] / peaks[0]
        made, data, weight = model.image(atom), self.data(number), self.weight(number)
        squares = np.maximum((weight * made**2).sum((1, 2)), 1e-12)
        share, frames = (weight * made * data).sum((1, 2)) / squares, len(model.foci)
        chi2 = float((squares * (share - 1) ** 2).sum())
        columns = np.stack([share, squares**-0.5, np.ones(frames)], 1) * peaks[:frames, None]
        return FrameBrightness(columns, np.stack([foci, peaks[frames:]], 1), chi2)

    def _fit(self, number: int) -> None:
        atom = self.atoms[number]
        fit = self.model.fit(self.data(number), atom, self._extra(atom))
        self._add(atom, 1)
        self._add(fit.atom, -1)
        if not self._fits_in(fit.atom):  # it ran over the edge: where it was it can be drawn
            self._add(fit.atom, 1)
            self._add(atom, -1)
            fit = replace(fit, atom=atom, converged=False)
        self.atoms[number], self.fits[number] = fit.atom, fit

    def _fits_in(self, atom: AtomAt) -> bool:
        row, column = self.model.pixel(atom)
        half, (height, width) = self.model.half, self.rest.shape[1:]
        return half <= row < height - half and half <= column < width - half

    def _rest(self, atom: AtomAt) -> NDArray[np.float32]:
        return self.model.patch(self.rest, self.model.pixel(atom))

    def _brightness(self, atom: AtomAt) -> NDArray[np.float32]:
        """Return the variance that an atom would add at a gain of 1, over that of counting."""
        image = np.float32(atom.amplitude) * self.model.raw(atom)
        variance = self.model.noise.variance[:, None, None]
        return np.asarray(np.clip(image, 0, None) / variance, dtype=np.float32)

    def _extra(self, atom: AtomAt) -> NDArray[np.float32]:
        """Return the variance that an atom adds to that of counting, of which all atoms' mean is a part."""
        extra = self.gain * (self._brightness(atom) - self._mean[:, None, None])
        return np.asarray(np.maximum(extra, -0.9), dtype=np.float32)

    def _add(self, atom: AtomAt, sign: int) -> None:
        if self._fits_in(atom):
            patch = self._rest(atom)
            patch += np.float32(sign) * self.model.image(atom)


def _peak(model: FocalModel, spectrum: NDArray[np.complex64]) -> float:
    """Return the value of an atom's image at the atom."""
    return float((spectrum.real * np.where(model.template.qx > 0, 2, 1)).sum())
