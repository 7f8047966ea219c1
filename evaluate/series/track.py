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
