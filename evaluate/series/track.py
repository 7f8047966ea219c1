"""One atom through a series."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemforge.evaluate.series.motion import Path


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
    hop_chance
        That each of its hops is one, and not two atoms or false detections, shape (hops,).

    Examples
    --------
    >>> frames, places = np.arange(4), np.array([[5.0, 5.0], [5.1, 5.0], [8.0, 5.0], [8.1, 5.1]])
    >>> path = Path(frames, places, np.full(4, 0.01), np.array([0, 0, 1, 1]))  # a hop from the second to the third
    >>> track = Track(path, np.full(4, 0.9), np.array([0, 7, 14, 21]), np.empty(0, dtype=int), np.array([0.97]))
    >>> track.hops, track.watched
    (1, 3)
    """

    path: Path
    score: NDArray[np.float64]
    index: NDArray[np.int64]
    aside: NDArray[np.int64]
    hop_chance: NDArray[np.float64]

    @property
    def hops(self) -> int:
        """Number of hops."""
        return int(self.path.part[-1])

    @property
    def watched(self) -> int:
        """Frames from the first to the last on which it was found, less one: chances to hop."""
        return int(self.path.frame[-1] - self.path.frame[0])
