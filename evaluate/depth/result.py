"""What a focal series says: the depth of every atom with its error, and what speaks against it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

import stemforge
from stemforge.evaluate.depth.fit import AtomDepthFit
from stemforge.evaluate.depth.fitting import DepthProfile, FrameBrightness
from stemforge.evaluate.depth.series import FocalOptics, FocalSeries
from stemforge.evaluate.depth.words import describe
from stemforge.files import write_csv, write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATES = ("depth", "limit", "overlap", "brightness", "misfit", "unknown")
"""What is known of an atom: its depth; a limit alone, as its best focus lies outside the series; it overlaps another
one; it is much brighter or fainter than the others, as several atoms in line or another element are; it does not blur
as one atom; nothing, as its interval is open to both sides."""

_OVERLAP = 0.1  # of two atoms' images, from which on they are named
_MISFIT = 0.02  # of what an atom explains, that is left of its brightness over focus
_BRIGHT = (0.6, 1.5)  # of the median brightness, between which atoms are alike
_CERTAIN = 4.0  # standard deviations by which it must be outside
_SEVERAL = 3  # atoms that have a median
_IMPROBABLE = 1e-4  # chance of as much


@dataclass(frozen=True, eq=False)
class AtomDepth:
    """One atom of a focal series.

    Parameters
    ----------
    fit
        Amplitude, place, depth and their errors.
    profile
        How well every depth explains what is seen.
    overlap
        Largest overlap of its images with another atom's, 0 to 1.
    focusing
        How bright it is on each frame, as seen and as fitted.

    Examples
    --------
    >>> from stemforge.evaluate.depth.fit import AtomAt
    >>> fit = AtomDepthFit(AtomAt(9.0, 12.0, 12.0, 11.5), np.diag([0.1, 0.01, 0.01, 4.0]), 50.0, 60, converged=True)
    >>> tried = np.linspace(-40, 40, 9)
    >>> profile = DepthProfile(tried, 100 - (tried - 11.5) ** 2 / 4)
    >>> focusing = FrameBrightness(np.ones((5, 3)), np.ones((5, 2)), chi2=3.0)
    >>> atom = AtomDepth(fit, profile, overlap=0.0, focusing=focusing)
    >>> atom.depth, atom.error, atom.state((-40.0, 40.0)), atom.state((-40.0, 0.0))
    (11.5, 2.0, 'depth', 'limit')
    """

    fit: AtomDepthFit
    profile: DepthProfile
    overlap: float
    focusing: FrameBrightness

    @property
    def depth(self) -> float:
        """The focus at which it is sharpest [Å]."""
        return self.fit.atom.z

    @property
    def error(self) -> float:
        """Standard deviation of the depth [Å]."""
        return float(np.sqrt(self.fit.covariance[3, 3]))

    @property
    def significance(self) -> float:
        """Standard deviations by which it stands out on all frames together."""
        return float(np.sqrt(max(self.profile.score.max(), 0)))

    @property
    def chance(self) -> float:
        """Chance that an atom that blurs as it should differs as much from it on the frames, by noise alone."""
        return float(chi2.sf(self.focusing.chi2, max(len(self.focusing.frames) - 2, 1)))

    def state(self, foci: tuple[float, float]) -> str:
        """Return what is known of it, of :data:`STATES`, in a series between these foci [Å]."""
        low, high = self.profile.interval
        if not np.isfinite([low, high]).any() or not self.fit.converged:
            return "unknown"
        if self.chance < _IMPROBABLE and self.focusing.chi2 > _MISFIT * self.significance**2:
            return "misfit"
        if self.overlap > _OVERLAP:
            return "overlap"
        inside = foci[0] <= self.depth <= foci[1] and np.isfinite([low, high]).all()
        return "depth" if inside else "limit"


@dataclass(frozen=True, eq=False)
class Depths:
    """The atoms of a focal series.

    Parameters
    ----------
    series, optics
        What was measured.
    atoms
        Those found.
    drift
        Displacement of each frame against the aligned ones (x, y) [pixel], shape (frames, 2).
    source_size
        Full width at half maximum of the source [Å], as given or as it suits best.
    mean_image
        Mean of the aligned frames, shape (height, width).
    order_chance
        How often frames in another order would suit their foci better.

    Examples
    --------
    >>> from stemforge.evaluate.depth.fit import AtomAt
    >>> from stemforge.simulate import Microscope
    >>> foci, tried = [-40.0, -20.0, 0.0, 20.0, 40.0], np.linspace(-40, 40, 9)
    >>> fit = AtomDepthFit(AtomAt(9.0, 4.0, 4.0, 11.5), np.diag([0.1, 0.01, 0.01, 4.0]), 50.0, 60, converged=True)
    >>> profile = DepthProfile(tried, 100 - (tried - 11.5) ** 2 / 4)
    >>> focusing = FrameBrightness(np.ones((5, 3)), np.ones((5, 2)), chi2=3.0)
    >>> series, optics = FocalSeries(np.ones((5, 32, 32)), foci, 0.25), FocalOptics("Pt", Microscope())
    >>> atoms = (AtomDepth(fit, profile, 0.0, focusing),)
    >>> found = Depths(series, optics, atoms, np.zeros((5, 2)), 1.0, np.ones((32, 32)), order_chance=0.0)
    >>> found.states, found.depths.tolist(), found.known.tolist()
    (('depth',), [11.5], [True])
    """

    series: FocalSeries
    optics: FocalOptics
    atoms: tuple[AtomDepth, ...]
    drift: NDArray[np.float64]
    source_size: float
    mean_image: NDArray[np.float32]
    order_chance: float

    def __len__(self) -> int:
        return len(self.atoms)

    @cached_property
    def states(self) -> tuple[str, ...]:
        """What is known of each atom, of :data:`STATES`."""
        states = [atom.state(self.series.range) for atom in self.atoms]
        if len(states) < _SEVERAL:
            return tuple(states)
        values = np.array([atom.fit.atom.amplitude for atom in self.atoms])
        errors = _CERTAIN * np.sqrt([atom.fit.covariance[0, 0] for atom in self.atoms])
        least, most = np.median(values) * np.array(_BRIGHT)
        other = (values + errors < least) | (values - errors > most)
        alike = ("depth", "overlap")
        return tuple(
            "brightness" if odd and state in alike else state
            for state, odd in zip(states, other, strict=True)
        )

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which atoms have a depth."""
        return np.array([state == "depth" for state in self.states], dtype=bool)

    @property
    def depths(self) -> NDArray[np.float64]:
        """Depth of each atom [Å], shape (atoms,)."""
        return np.array([atom.depth for atom in self.atoms])

    @property
    def errors(self) -> NDArray[np.float64]:
        """Standard deviation of each depth [Å], shape (atoms,)."""
        return np.array([atom.error for atom in self.atoms])

    @property
    def points(self) -> NDArray[np.float64]:
        """Places (x, y) on the mean of the aligned frames [pixel], shape (atoms, 2)."""
        places = [(one.fit.atom.x, one.fit.atom.y) for one in self.atoms]
        return np.reshape(places, (-1, 2)) / self.series.sampling

    @property
    def amplitudes(self) -> NDArray[np.float64]:
        """Brightness of each atom over the median of those whose depth is known, shape (atoms,)."""
        values = np.array([one.fit.atom.amplitude for one in self.atoms])
        return values / float(np.median(values[self.known] if self.known.any() else values))

    def lines(self) -> list[str]:
        """Say in words what was found."""
        return describe(self)

    def figure(self) -> "Figure":
        """Draw atoms coloured by depth, the depths with errors, and the focusing of several atoms."""
        from stemforge.evaluate.depth.figure import draw_depths

        return draw_depths(self)

    def to_csv(self, path: str | Path) -> None:
        """Write a row for each atom; a depth that is no more than a limit is empty, its interval open."""
        header = [
            *("x_px", "y_px", "x_nm", "y_nm", "state", "depth_angstrom", "depth_error_angstrom"),
            *("depth_low_angstrom", "depth_high_angstrom", "relative_amplitude", "x_error_px", "y_error_px"),
            *("significance", "overlap", "chance"),
        ]
        rows = []
        for atom, (x, y), state, amplitude in zip(
            self.atoms, self.points, self.states, self.amplitudes, strict=True
        ):
            has_depth = state not in ("limit", "unknown")
            depth = [f"{atom.depth:.2f}", f"{atom.error:.2f}"] if has_depth else [None, None]
            interval = [f"{end:.2f}" if np.isfinite(end) else None for end in atom.profile.interval]
            errors = np.sqrt(np.diag(atom.fit.covariance)[1:3]) / self.series.sampling
            places = [f"{x:.3f}", f"{y:.3f}", *(f"{0.1 * v * self.series.sampling:.4f}" for v in (x, y))]
            judged = [f"{atom.significance:.1f}", f"{atom.overlap:.3f}", f"{atom.chance:.2g}"]
            found = [f"{amplitude:.3f}", *(f"{one:.3f}" for one in errors)]
            rows.append([*places, state, *depth, *interval, *found, *judged])
        write_csv(path, header, rows)

    def to_json(self, path: str | Path) -> None:
        """Write what holds for the whole series: foci, drift, optics, and what was found."""
        write_json(path, self.summary())

    def summary(self) -> dict[str, Any]:
        """Return what holds for the whole series, as plain values."""
        known = self.known
        return {
            "stemforge": stemforge.__version__,
            "series": self.series.name,
            "foci_angstrom": self.series.foci,
            "sampling_angstrom": self.series.sampling,
            "drift_px": self.drift,
            "element": self.optics.element,
            "microscope": self.optics.microscope.model_dump(mode="json"),
            "source_size_angstrom": self.source_size,
            "source_fitted": self.optics.source_size is None,
            "depth_of_field_angstrom": self.optics.depth_of_field,
            "order_chance": self.order_chance,
            "atoms": {state: self.states.count(state) for state in STATES},
            "median_error_angstrom": float(np.median(self.errors[known])) if known.any() else None,
            "how_to_read": self.lines(),
        }
