"""What follows from tracks: numbers with intervals, and their tables."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemforge.console import INTERVALS
from stemforge.evaluate.series.chances import LinkModel
from stemforge.evaluate.series.detections import Detections, Series
from stemforge.evaluate.series.distortion import Distortion, straightened
from stemforge.evaluate.series.hop_recall import HopRecall, hop_recall
from stemforge.evaluate.series.motion import (
    SHIFTED,
    Diffusion,
    diffusion,
    localisation_excess,
    shift_p,
    squared_displacements,
)
from stemforge.evaluate.series.presence import Presence
from stemforge.evaluate.series.rates import Estimate, rate, residence, share
from stemforge.evaluate.series.track import Track
from stemforge.evaluate.series.words import describe

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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

    Examples
    --------
    >>> from stemforge import Annotations
    >>> from stemforge.evaluate import track_atoms
    >>> rng = np.random.default_rng(0)
    >>> places = rng.uniform(20, 230, (15, 2))
    >>> frames = [Annotations(places + rng.normal(0, 0.5, (15, 2))) for _ in range(4)]
    >>> tracks = track_atoms(Series(frames, (256, 256), sampling=0.3))
    >>> len(tracks.tracks), tracks.single, tracks.hops, tracks.watched
    (15, 0, 0, 45)
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
        return sum(self.missed_of(one) for one in self.tracks)

    def missed_of(self, one: Track) -> int:
        """Misses between the first and the last frame on which one atom was found."""
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

    @cached_property
    def placed(self) -> Detections:
        """What was found, distortion and drift taken off."""
        return straightened(self.series.detections, self.distortion).moved(self.drift)

    @cached_property
    def hop_recall(self) -> HopRecall:
        """Which share of hops is found, by length: atoms are linked again, so that it takes as long as a few rounds."""
        return hop_recall(self.placed, self.tracks, self.drift, self.model)

    @property
    def hop_rate(self) -> Estimate:
        """Hops per atom and frame.

        Each that was found counts by the chance that it is one, over the chance that such a hop is found
        (:attr:`hop_recall`).
        """
        lengths = np.concatenate([one.path.hop_lengths for one in self.tracks])
        chances = np.concatenate([one.hop_chance for one in self.tracks])
        return self.hop_recall.rate(lengths, chances, self.watched)

    @property
    def loss_rate(self) -> Estimate:
        """Disappearances per atom and frame."""
        return rate(self.presence.losses, self.presence.exposure, self.presence.some_left)

    @property
    def arrival_rate(self) -> Estimate:
        """Appearances per frame, on an area as large as a frame; what is counted appeared on any that was shown."""
        area = self.series.detections.shown_area(self.drift)
        chances = (len(self.series) - 1) * self.presence.followed * area
        return rate(self.presence.arrivals, chances, self.presence.some_came)

    @property
    def residence(self) -> Estimate:
        """Mean time at a place, until a hop or a disappearance [time]."""
        certain = self.hops > 0 or self.loss_rate.low > 0
        return residence(rate(self.departures, self.presence.exposure, certain), self.series.step)

    @property
    def departures(self) -> float:
        """Hops and losses: ends of stays."""
        return self.hops + self.presence.losses

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
        return self.model.shortest_hop(np.concatenate([one.path.variance for one in self.tracks]))

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return every number with its interval, unit and a sentence that says how to read it."""
        return describe(self)

    def lines(self) -> list[str]:
        """Say in words what was found."""
        return [*(one["sentence"] for one in self.summary().values()), INTERVALS]

    def figure(self) -> "Figure":
        """Draw tracks, drift, steps, mean squared displacement, residence, and who was present."""
        from stemforge.evaluate.series.figure import draw_tracks

        return draw_tracks(self)

    def to_csv(self, path: str | File) -> None:
        """Write a row for each atom and frame, from the first to the last on which it was found.

        State is ``found``, ``missed``, ``aside``, a detection elsewhere for one frame alone, or ``blank``, where
        nothing was found on the whole frame. Places come in pixels as found, and without drift; ``present`` is the
        chance that the atom was there.
        """
        from stemforge.evaluate.series.tables import write_frames

        write_frames(self, path)

    def atoms_to_csv(self, path: str | File) -> None:
        """Write a row for each atom: when it was found, how it moved, and whether it came and left."""
        from stemforge.evaluate.series.tables import write_atoms

        write_atoms(self, path)

    def to_json(self, path: str | File) -> None:
        """Write every number with its interval and sentence, drift, and the curve of squared displacements."""
        from stemforge.evaluate.series.tables import write_numbers

        write_numbers(self, path)
