"""What follows from tracks: numbers with intervals, and their tables."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import stemforge
from stemforge.evaluate.series.detections import Series
from stemforge.evaluate.series.distortion import Distortion, straightened
from stemforge.evaluate.series.links import GATE, LinkModel
from stemforge.evaluate.series.motion import (
    SHIFTED,
    Diffusion,
    Path,
    diffusion,
    diffusion_of,
    localisation_excess,
    shift_p,
    squared_displacements,
)
from stemforge.evaluate.series.presence import Presence
from stemforge.evaluate.series.rates import Estimate, rate, residence, share
from stemforge.evaluate.series.words import describe
from stemforge.files import write_csv, write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Track:
    """One atom through the series.

    Parameters
    ----------
    path
        Where it was.
    score
        Likelihood on each frame of the path.
    index
        Which detections of the series these are.
    aside
        Detections that were linked, and stand aside for one frame alone: no part of the path.
    """

    path: Path
    score: NDArray[np.float64]
    index: NDArray[np.int64]
    aside: NDArray[np.int64]

    @property
    def hops(self) -> int:
        """Number of hops."""
        return int(self.path.part[-1])

    @property
    def watched(self) -> int:
        """Frames from the first to the last on which it was found, less one: chances to hop."""
        return int(self.path.frame[-1] - self.path.frame[0])


@dataclass(frozen=True, eq=False)
class Tracks:
    """Atoms followed through a series.

    Parameters
    ----------
    series
        What was found on the frames.
    tracks
        Atoms that were found twice and more.
    drift
        Displacement of each frame against the first one (x, y) [unit], shape (frames, 2).
    drift_variance
        Of its coordinates [unit²], shape (frames,).
    presence
        When each atom was there.
    model
        What was learnt of motion and detector.
    common
        Share of a frame's atoms that coincide with those of the next one, mean.
    distortion
        What frames drifted while they were scanned, of those where it is beyond chance.
    """

    series: Series
    tracks: tuple[Track, ...]
    drift: NDArray[np.float64]
    drift_variance: NDArray[np.float64]
    presence: Presence
    model: LinkModel
    common: float
    distortion: Distortion

    @property
    def single(self) -> int:
        """Detections in no track: false atoms, and atoms that were found once."""
        return len(self.series.detections) - sum(len(one.index) + len(one.aside) for one in self.tracks)

    @property
    def missed(self) -> int:
        """Misses between the first and the last frame on which an atom was found; on blank frames none is missed."""
        return sum(self._missed_of(one) for one in self.tracks)

    def _missed_of(self, one: Track) -> int:
        first, last = one.path.frame[[0, -1]]
        filled = self.series.detections.filled
        return int(((filled >= first) & (filled <= last)).sum()) - len(one.index)

    @property
    def hops(self) -> int:
        """Hops of all atoms."""
        return sum(one.hops for one in self.tracks)

    @property
    def watched(self) -> int:
        """Chances to hop of all atoms, from frame to frame."""
        return sum(one.watched for one in self.tracks)

    @property
    def hop_rate(self) -> Estimate:
        """Hops per atom and frame."""
        return rate(self.hops, self.watched)

    @property
    def loss_rate(self) -> Estimate:
        """Disappearances per atom and frame."""
        return rate(self.presence.losses, self.presence.exposure)

    @property
    def arrival_rate(self) -> Estimate:
        """Appearances per frame, on an area as large as a frame; what is counted appeared on any that was shown."""
        area = self.series.detections.shown_area(self.drift)
        return rate(self.presence.arrivals, (len(self.series) - 1) * self.presence.followed * area)

    @property
    def residence(self) -> Estimate:
        """Mean time at a place, until a hop or a disappearance [time]."""
        leaving = rate(self.hops + self.presence.losses, self.presence.exposure)
        return residence(leaving, self.series.step)

    @property
    def present(self) -> float:
        """Atoms that are present on a frame and in the image, mean."""
        return self.presence.shown

    @property
    def recall(self) -> float:
        """Share of present atoms that are found on a frame."""
        return sum(len(one.index) for one in self.tracks) / self.presence.whole

    @cached_property
    def diffusion(self) -> Diffusion:
        """Of all atoms together [unit² per time]."""
        return diffusion([one.path for one in self.tracks], self.series.step, self._free)

    @cached_property
    def squared_displacements(self) -> dict[str, NDArray[np.float64]]:
        """Mean squared displacement over lags, the error of places taken off."""
        return squared_displacements([one.path for one in self.tracks], len(self.series), self._free)

    @property
    def _free(self) -> float:
        """Atoms on a frame for each number that its drift and distortion took from them."""
        return self.present / self.distortion.parameters

    @property
    def localisation(self) -> float:
        """Standard deviation of a coordinate, by steps that are contrary [unit]; NaN where they tell none."""
        variance = self.diffusion.localisation
        return float(np.sqrt(variance)) if variance > 0 else np.nan

    @cached_property
    def shift_chances(self) -> NDArray[np.float64]:
        """Chance that an atom that stays is found so far displaced between the halves of its track; NaN: not tested."""
        paths = [one.path for one in self.tracks]
        excess = localisation_excess(paths, self.diffusion.localisation)
        return np.array([shift_p(path, excess, self.model.least) for path in paths])

    @cached_property
    def moved(self) -> NDArray[np.bool_]:
        """Which atoms hopped, or are further displaced than errors of places and drift allow."""
        hopped = np.array([one.hops > 0 for one in self.tracks])
        return np.asarray(hopped | (self.shift_chances < SHIFTED))

    @property
    def share_moved(self) -> Estimate:
        """Share of the atoms that moved."""
        return share(int(self.moved.sum()), len(self.tracks))

    @property
    def shortest_hop(self) -> float:
        """Length from which a step counts as a hop, of a typical atom [unit]."""
        variance = np.concatenate([one.path.variance for one in self.tracks])
        return max(float(GATE * self.model.width(2 * np.median(variance))), self.model.least)

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return every number with its interval, unit and a sentence that says how to read it."""
        return describe(self)

    def lines(self) -> list[str]:
        """Say in words what was found."""
        return [one["sentence"] for one in self.summary().values()]

    def figure(self) -> "Figure":
        """Draw tracks, drift, steps, mean squared displacement, residence, and who was present."""
        from stemforge.evaluate.series.figure import draw_tracks

        return draw_tracks(self)

    def to_csv(self, path: str | File) -> None:
        """Write a row for each atom and frame, from the first to the last on which it was found.

        State is ``found``, ``missed``, ``aside``, a detection elsewhere for one frame alone, or ``blank``, where
        nothing was found on the whole frame. Places come in pixels
        as found, and without drift; ``present`` is the chance that the atom was there.
        """
        unit, found = self.series.unit.replace("Å", "angstrom"), self.series.detections
        header = [
            "track",
            "frame",
            "state",
            "place",
            "x_px",
            "y_px",
            f"x_{unit}_aligned",
            f"y_{unit}_aligned",
        ]
        rows, filled = [], set(found.filled.tolist())
        aligned = straightened(found, self.distortion).moved(self.drift).points
        for number, one in enumerate(self.tracks):
            listed = dict(zip(one.path.frame.tolist(), range(len(one.index)), strict=True))
            aside = {int(found.frame[index]): int(index) for index in one.aside}
            for frame in range(int(one.path.frame[0]), int(one.path.frame[-1]) + 1):
                index = int(one.index[listed[frame]]) if frame in listed else aside.get(frame)
                state = "aside"
                if index is None:
                    state = "missed" if frame in filled else "blank"
                state = "found" if frame in listed else state
                place = one.path.part[listed[frame]] if frame in listed else None
                cells: list[Any] = [None] * 5
                if index is not None:
                    raw = found.points[index]
                    values = (*raw / self.series.scale, *aligned[index])
                    cells = [*(f"{value:.3f}" for value in values), f"{found.score[index]:.4f}"]
                rows.append(
                    [number, frame, state, place, *cells, f"{self.presence.chance[number, frame]:.4f}"]
                )
        write_csv(path, [*header, "score", "present"], rows)

    def atoms_to_csv(self, path: str | File) -> None:
        """Write a row for each atom: when it was found, how it moved, and whether it came and left."""
        unit = self.series.unit.replace("Å", "angstrom")
        header = [
            *("track", "first_frame", "last_frame", "found", "missed", "recall", "hops", "moved", "shift_p"),
            *(f"displacement_{unit}", f"displacement_error_{unit}"),
            *(f"diffusion_{unit}2_per_{self.series.time_unit}", "diffusion_error"),
            *("appeared", "disappeared"),
        ]
        excess = localisation_excess([one.path for one in self.tracks], self.diffusion.localisation)
        rows = []
        for number, one in enumerate(self.tracks):
            error = np.sqrt(one.path.variance[[0, -1]].sum() + 2 * excess)
            d, d_error = diffusion_of(one.path, self.series.step)
            values = [np.hypot(*one.path.net), error, d, d_error]
            chances = [self.presence.appeared[number], self.presence.disappeared[number]]
            frames = [one.path.frame[0], one.path.frame[-1], len(one.index), self._missed_of(one)]
            cells = [
                f"{value:.4g}" if np.isfinite(value) else None
                for value in (self.shift_chances[number], *values, *chances)
            ]
            known = [f"{self.presence.recall[number]:.3f}", one.hops, int(self.moved[number])]
            rows.append([number, *frames, *known, *cells])
        write_csv(path, header, rows)

    def to_json(self, path: str | File) -> None:
        """Write every number with its interval and sentence, drift, and the curve of squared displacements."""
        content = {
            "stemforge": stemforge.__version__,
            "series": self.series.name,
            "frames": len(self.series),
            "unit": self.series.unit,
            "time_unit": self.series.time_unit,
            "reach": self.model.reach,
            "numbers": self.summary(),
            "drift": {
                "x": self.drift[:, 0],
                "y": self.drift[:, 1],
                "error": np.sqrt(self.drift_variance),
                "unit": self.series.unit,
            },
            "distortion": {
                "corrected": self.distortion.corrected,
                "x": self.distortion.coefficients[..., 0],
                "y": self.distortion.coefficients[..., 1],
                "unit": self.series.unit,
            },
            "squared_displacements": self.squared_displacements,
        }
        write_json(path, content)
