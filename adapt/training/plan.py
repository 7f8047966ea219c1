"""How the time that a user gives is spent."""

from dataclasses import dataclass
from typing import Self

from stemforge.errors import InputError

SHORTEST = 1.0
"""Least time that makes an adaptation worth its name [min]."""


@dataclass(frozen=True)
class Plan:
    """What is done in a number of minutes on two cores.

    Parameters
    ----------
    patches
        Simulated for the posterior.
    images
        Simulated to learn from.
    rounds
        Grafted copies of each image.
    training
        Time for training [min].
    """

    patches: int
    images: int
    rounds: int
    training: float

    @classmethod
    def of(cls, minutes: float, number: int) -> Self:
        """Divide the time: a third to the posterior, a sixth to simulation, the rest to training and its checks.

        Parameters
        ----------
        minutes
            For everything.
        number
            Of the user's images.

        Raises
        ------
        InputError
            Less than a minute.

        Examples
        --------
        >>> Plan.of(30, 12)
        Plan(patches=1200, images=180, rounds=10, training=12.0)
        """
        if not minutes >= SHORTEST:
            raise InputError(f"minutes must be {SHORTEST:g} or more, got {minutes:g}")
        images = round(min(6 * minutes, 1000))
        rounds = max(1, round(min(4 * minutes, 400) / number))
        return cls(round(min(max(40 * minutes, 200), 3000)), images, rounds, 0.4 * minutes)
