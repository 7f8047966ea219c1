"""How the time that a user gives is spent."""

from dataclasses import dataclass
from typing import Self

from stemforge.errors import InputError

SHORTEST = 1.0
"""Least time that makes an adaptation worth its name [min]."""
# Shares of the time; what is left goes to fits, to detecting, and to comparing.
_POSTERIOR, _SIMULATION, _TRAINING = 0.2, 0.15, 0.45
_PATCHES = 100, 3000  # fewer tell nothing, more tell hardly anything new
_IMAGES = 30, 2000
_GRAFTS = 20, 400
_OVERRUN = 2  # times the minutes that the least of it may take before it is refused
_GRAFTS_A_MINUTE = 10


@dataclass(frozen=True)
class Costs:
    """What the machine takes for one image of this recipe.

    Parameters
    ----------
    patch
        To simulate a patch for the posterior, all processes working [s].
    image
        To simulate an image to learn from, all processes working [s].
    """

    patch: float
    image: float


@dataclass(frozen=True)
class Plan:
    """What is done in a number of minutes.

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
    def of(cls, minutes: float, number: int, costs: Costs, *, posterior: bool = True) -> Self:
        """Divide the time: a fifth to the posterior, a seventh to simulation, nearly half to training.

        Parameters
        ----------
        minutes
            For everything.
        number
            Of the user's images.
        costs
            As measured on this machine.
        posterior
            Without one its share goes to training.

        Raises
        ------
        InputError
            Less than a minute, or too little time to simulate the least that is needed.

        Examples
        --------
        >>> Plan.of(30, 12, Costs(patch=0.4, image=1.0))
        Plan(patches=900, images=270, rounds=25, training=13.5)
        """
        require_time(minutes)
        share = _POSTERIOR if posterior else 0.0
        least = ((_PATCHES[0] * costs.patch if share else 0.0) + _IMAGES[0] * costs.image) / 60
        if least > _OVERRUN * minutes:
            raise InputError(
                f"minutes {minutes:g}: the specimen takes {costs.image:.0f} s an image to simulate, so that about "
                f"{least / (share + _SIMULATION):.0f} minutes are needed; give them, take smaller images or a "
                "cheaper engine, or train on a corpus that was made elsewhere (stemforge simulate, stemforge train "
                "atom-net)"
            )
        return cls(
            patches=_within(_PATCHES, share * 60 * minutes / costs.patch) if share else 0,
            images=_within(_IMAGES, _SIMULATION * 60 * minutes / costs.image),
            rounds=max(1, round(_within(_GRAFTS, _GRAFTS_A_MINUTE * minutes) / number)),
            training=(_TRAINING + _POSTERIOR - share) * minutes,
        )


def require_time(minutes: float) -> None:
    """Refuse less than a minute."""
    if not minutes >= SHORTEST:
        raise InputError(f"minutes must be {SHORTEST:g} or more, got {minutes:g}")


def _within(limits: tuple[int, int], number: float) -> int:
    return round(min(max(number, limits[0]), limits[1]))
