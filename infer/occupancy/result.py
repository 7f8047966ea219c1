"""What is known of the channels of an image."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.files import write_csv
from stemforge.infer.crystals.domains import Domains
from stemforge.infer.crystals.lattice import Lattice
from stemforge.micrograph.image import Micrograph

FILLED, EMPTY, OPEN = "filled", "empty", "open"
"""What is concluded of a channel."""
SURE = 0.9
"""Probability from which a channel is called filled, or empty."""
DECISIVE = 1.0
"""Decimal logarithm of the evidence that the channel itself must give, whatever the others are."""
VISIBLE = 4.0
"""Contrast in standard deviations from which a molecule can be seen well: few are missed, few found where none is."""
_ORDERED = 0.5  # probability of an order, or of molecules alike, from which it is told

_COLUMNS = ("x_px", "y_px", "x_nm", "y_nm", "probability", "evidence", "content", "content_error", "state")


@dataclass(frozen=True)
class Occupancy:
    """Which channels of a framework hold a molecule.

    Parameters
    ----------
    micrograph, domains
        What was looked at, and where the lattice found on it holds.
    points
        Axes of the channels (x, y) [pixel], shape (n, 2); those that the image shows whole.
    probability
        That a channel holds a molecule, shape (n,).
    evidence
        Decimal logarithm of how much more likely the channel looks as it does with a molecule than without one, shape
        (n,).
    content, content_error
        Molecules in a unit cell along the beam, by the channel's contrast alone, and its standard deviation; shape
        (n,).
    guest, guest_probability
        Which molecule it is if there is one, and how probable that is among those looked for; shape (n,).
    share
        Of these channels that are filled: the lower and the upper end of 90 %, and the mean.
    offset
        By how much all channels are brighter than the framework's image says [molecules a cell]: a model's error, and
        taken away. Where all channels are alike, it cannot be told from molecules.
    ordered
        Probability that the crystal is ordered: some channels of its cell are filled throughout, others empty. None
        where that cannot be asked: all channels are copies of one, or more than eight differ, those of each domain
        counted.
    framework_error
        Probability that what copies of a channel show alike is an error of the framework's image, which nothing tells
        from faint molecules: channels are then as was to be expected without an image. None where that cannot be asked.
    alike
        Probability that channels are filled without order by molecules that lie alike in all copies of a channel.
    spread
        Variance of the contrast of molecules among copies of a channel over that of noise, and the same at places
        between channels, where no molecule is: a control, near 1. What lies in channels that differ is above it.
    explained
        Share of the average cell's variance that the framework explains.
    detectability
        Contrast of a molecule in every unit cell along the beam whose pose is known, in standard deviations: the median
        over poses.
    framework
        The framework as the image shows it, and what that leaves of the image; shape (2, height, width).

    Examples
    --------
    >>> lattice = Lattice((0.0, 0.0), (20.0, 0.0), (0.0, 13.0), 1.0, 0.0, 0.0, 0.9, "mfi", (20.0, 13.0))
    >>> where = np.zeros((4, 4), dtype=int), np.zeros((4, 4, 2)), np.ones((4, 4)), np.zeros((1, 2))
    >>> domains = Domains(lattice, *where, 10, (5.0, 5.0))
    >>> likely, evidence, content = np.array([0.99, 0.01, 0.6]), np.array([3.0, -2.0, 0.2]), np.array([0.9, 0.0, 0.4])
    >>> channels = np.array([[10.0, 10.0], [20.0, 17.0], [30.0, 10.0]]), likely, evidence, content, np.full(3, 0.1)
    >>> guests, film = np.array(["pyridine"] * 3, dtype=object), Micrograph(np.eye(40))
    >>> rest = guests, np.ones(3), (0.4, 0.7, 0.5), 0.0, None, None, None, (1.1, 1.0), 0.95, 9.0, np.zeros((2, 40, 40))
    >>> found = Occupancy(film, domains, *channels, *rest)
    >>> found.state.tolist(), found.count("open")
    (['filled', 'empty', 'open'], 1)
    """

    micrograph: Micrograph
    domains: Domains
    points: NDArray[np.float64]
    probability: NDArray[np.float64]
    evidence: NDArray[np.float64]
    content: NDArray[np.float64]
    content_error: NDArray[np.float64]
    guest: NDArray[np.object_]
    guest_probability: NDArray[np.float64]
    share: tuple[float, float, float]
    offset: float
    ordered: float | None
    framework_error: float | None
    alike: float | None
    spread: tuple[float, float]
    explained: float
    detectability: float
    framework: NDArray[np.float32]

    @property
    def lattice(self) -> Lattice:
        """That of the largest domain."""
        return self.domains.lattice

    @property
    def state(self) -> NDArray[np.object_]:
        """``filled`` or ``empty`` where that is probable and the channel itself says so, else ``open``."""
        filled = (self.probability >= SURE) & (self.evidence >= DECISIVE)
        empty = (self.probability <= 1 - SURE) & (self.evidence <= -DECISIVE)
        return np.where(filled, FILLED, np.where(empty, EMPTY, OPEN)).astype(object)

    def count(self, state: str) -> int:
        """Return how many channels are ``filled``, ``empty`` or ``open``."""
        return int(np.sum(self.state == state))

    def __str__(self) -> str:
        low, high, mean = self.share
        order = ""
        if self.ordered is not None and self.ordered > _ORDERED:
            order = (
                f"; ordered crystal ({self.ordered:.2f}): the same channels of the cell are filled throughout, and "
                "probabilities rest on that"
            )
        if self.alike is not None and self.alike > _ORDERED:
            order = f"; molecules lie alike in copies of a channel ({self.alike:.2f}), and probabilities rest on that"
        return (
            f"{self.count(FILLED)} channels filled, {self.count(EMPTY)} empty, {self.count(OPEN)} open; filled in all "
            f"{100 * mean:.0f} % (90 %: {100 * low:.0f} to {100 * high:.0f}); a molecule in every cell would stand out "
            f"by {self.detectability:.1f} standard deviations{order}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        low, high, mean = self.share
        return {
            **{state: self.count(state) for state in (FILLED, EMPTY, OPEN)},
            "filled_share": mean,
            "filled_share_interval_90": [low, high],
            "detectability": self.detectability,
            "offset": self.offset,
            "ordered": self.ordered,
            "framework_error": self.framework_error,
            "alike": self.alike,
            "spread_of_channels": self.spread[0],
            "spread_between_channels": self.spread[1],
            "explained": self.explained,
            "sampling_angstrom": self.lattice.sampling,
            "correlation": self.lattice.score,
            **self.domains.to_dict(),
        }

    def to_csv(self, path: str | Path) -> None:
        """Write a row for each channel; nm by the lattice's pixel size."""
        names = ("guest", "guest_probability")
        rows = [
            [
                *(f"{v:.2f}" for v in point),
                *(f"{v * self.lattice.sampling / 10:.4f}" for v in point),
                f"{probability:.4f}",
                f"{evidence:.2f}",
                f"{content:.3f}",
                f"{error:.3f}",
                state,
                guest,
                f"{likely:.3f}",
            ]
            for point, probability, evidence, content, error, state, guest, likely in zip(
                self.points,
                self.probability,
                self.evidence,
                self.content,
                self.content_error,
                self.state,
                self.guest,
                self.guest_probability,
                strict=True,
            )
        ]
        write_csv(path, (*_COLUMNS, *names), rows)
