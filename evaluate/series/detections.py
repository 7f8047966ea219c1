"""The atoms found on the frames of a series: what links, drift and motion are made of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stemforge.errors import InputError
from stemforge.micrograph.annotations import Annotations

LEAST_FRAMES = 3
"""With fewer frames nothing can be told of motion: an atom that is missed once would have left."""
LEAST_ATOMS = 10
"""With fewer atoms a frame neither drift nor whether frames show one specimen can be told."""

_SCORE = 0.9  # likelihood of what was found, where tables have none
_GRID = 200  # points along each side of what all frames show together
_SCORES = (0.02, 0.995)  # a likelihood is never so sure that no false atom can be in a table


@dataclass(frozen=True, eq=False)
class Series:
    """The frames of one specimen area, and what was found on each.

    Parameters
    ----------
    atoms
        Found on each frame, none where a frame is blank or missing: points (x, y) [pixel], with columns ``score``
        (likelihood), ``x_error_px`` and ``y_error_px`` where they are known, as
        :func:`stemforge.infer.detect_atoms` gives them.
    shape
        Height and width of the frames [pixel].
    sampling
        Pixel size [Å]; None: everything is in pixels.
    images
        The frames, each of shape (height, width); without them drift follows from the atoms alone.
    name
        For messages and figures.
    frame_time
        From the start of a frame to that of the next [s]; None: everything is per frame.

    Raises
    ------
    InputError
        Fewer than 3 frames, fewer than 10 atoms on half of those with any, or images of another shape or number.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> places = rng.uniform(0, 256, (20, 2))
    >>> series = Series([Annotations(places + rng.normal(0, 0.5, (20, 2))) for _ in range(5)], (256, 256), 0.3)
    >>> len(series), series.unit
    (5, 'Å')
    """

    atoms: Sequence[Annotations]
    shape: tuple[int, int]
    sampling: float | None = None
    images: Sequence[NDArray[np.float32]] | None = None
    name: str = "series"
    frame_time: float | None = None

    def __post_init__(self) -> None:
        filled = [len(one) for one in self.atoms if len(one)]
        if len(filled) < LEAST_FRAMES:
            with_atoms = " with atoms" if len(filled) < len(self.atoms) else ""
            raise InputError(
                f"{self.name}: {len(filled)} frames{with_atoms}; motion needs {LEAST_FRAMES} at least, as an atom that "
                "is missed on one frame looks like one that left"
            )
        typical = float(np.median(filled))
        if typical < LEAST_ATOMS:
            raise InputError(
                f"{self.name}: {typical:g} atoms on a typical frame; {LEAST_ATOMS} at least are needed to tell "
                "drift, and whether the frames show one specimen"
            )
        for name in ("sampling", "frame_time"):
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise InputError(f"{name} must be positive, not {value}")
        if self.images is not None:
            if len(self.images) != len(self.atoms):
                raise InputError(f"{self.name}: {len(self.images)} images, {len(self.atoms)} tables of atoms")
            check_shapes([image.shape for image in self.images], self.name)

    def __len__(self) -> int:
        return len(self.atoms)

    @property
    def unit(self) -> str:
        """Unit of lengths: Å or px."""
        return "px" if self.sampling is None else "Å"

    @property
    def time_unit(self) -> str:
        """Unit of times: s, or frame."""
        return "frame" if self.frame_time is None else "s"

    @property
    def scale(self) -> float:
        """Length of a pixel in :attr:`unit`."""
        return self.sampling or 1.0

    @property
    def step(self) -> float:
        """Time from frame to frame in :attr:`time_unit`."""
        return self.frame_time or 1.0

    @cached_property
    def detections(self) -> "Detections":
        """What was found on all frames, one after the other."""
        number = [len(one) for one in self.atoms]
        score = np.concatenate([one.columns.get("score", np.full(len(one), _SCORE)) for one in self.atoms])
        errors = np.concatenate([_errors(one) for one in self.atoms]) * self.scale
        known = np.isfinite(errors) & (errors > 0)
        typical = float(np.median(errors[known])) if known.any() else 0.0
        return Detections(
            np.repeat(np.arange(len(self)), number),
            np.concatenate([one.points for one in self.atoms]) * self.scale,
            np.where(known, errors, typical) ** 2,
            np.clip(np.nan_to_num(score, nan=_SCORE), *_SCORES),
            np.array(self.shape[::-1]) * self.scale,
            len(self),
        )


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found on the frames of a series, shape (n,) each.

    Parameters
    ----------
    frame
        Number of the frame, rising.
    points
        Places (x, y) [unit], shape (n, 2).
    variance
        Of a coordinate by what the detector says [unit²]; 0 where it says nothing.
    score
        Likelihood of being an atom.
    size
        Width and height of a frame [unit].
    frames
        Number of frames.
    """

    frame: NDArray[np.int64]
    points: NDArray[np.float64]
    variance: NDArray[np.float64]
    score: NDArray[np.float64]
    size: NDArray[np.float64]
    frames: int

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def area(self) -> float:
        """Area of a frame [unit²]."""
        return float(self.size.prod())

    @property
    def density(self) -> float:
        """Atoms found per area [1/unit²]."""
        return len(self) / (self.frames * self.area)

    @property
    def spacing(self) -> float:
        """Length in which densities are measured, 1/√density [unit]."""
        return self.density**-0.5

    @property
    def filled(self) -> NDArray[np.int64]:
        """Frames on which something was found; of the others nothing is known."""
        return np.unique(self.frame)

    def on(self, frame: int) -> NDArray[np.float64]:
        """Return the points of one frame, shape (m, 2)."""
        return self.points[self.frame == frame]

    def moved(self, drift: NDArray[np.float64]) -> "Detections":
        """Return the same with the drift of each frame (x, y), shape (frames, 2), taken off."""
        return self.shifted(-drift[self.frame])

    def shown_area(self, drift: NDArray[np.float64]) -> float:
        """Return the area that was on any frame, over that of a frame: frames that drift show more.

        Parameters
        ----------
        drift
            Displacement of each frame (x, y), shape (frames, 2).
        """
        corners = -drift[self.filled]
        low, high = corners.min(0), corners.max(0) + self.size
        x, y = ((np.arange(_GRID) + 0.5) / _GRID * side for side in high - low)
        shown = np.zeros((_GRID, _GRID), dtype=bool)
        for corner in corners - low:
            inside = [
                (v >= c) & (v <= c + side) for v, c, side in zip((x, y), corner, self.size, strict=True)
            ]
            shown |= inside[1][:, None] & inside[0]
        return float(shown.mean() * (high - low).prod() / self.area)

    def shifted(self, shift: NDArray[np.float64]) -> "Detections":
        """Return the same with each point displaced (x, y), shape (n, 2)."""
        return replace(self, points=self.points + shift)


def check_shapes(shapes: Sequence[tuple[int, ...]], name: str) -> None:
    """Refuse frames of different size."""
    for number, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise InputError(
                f"{name}: frame {number} has {shape[1]} × {shape[0]} pixels, frame 0 has {shapes[0][1]} × "
                f"{shapes[0][0]}; frames of a series have one size"
            )


def _errors(atoms: Annotations) -> NDArray[np.float64]:
    """Return the standard deviation of a coordinate [pixel], NaN where it is not known."""
    if not {"x_error_px", "y_error_px"} <= set(atoms.columns):
        return np.full(len(atoms), np.nan)
    x, y = (np.asarray(atoms[name], dtype=float) for name in ("x_error_px", "y_error_px"))
    return np.asarray(np.sqrt((x**2 + y**2) / 2))
