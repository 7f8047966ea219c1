"""What a focal series says, in words."""

from typing import TYPE_CHECKING

import numpy as np

from stemforge.evaluate.series.words import counted

if TYPE_CHECKING:
    from stemforge.evaluate.depth.result import Depths

_STATES = {
    "depth": "depth known of",
    "limit": "a limit alone of",
    "overlap": "overlapping",
    "brightness": "brighter or fainter than the others",
    "misfit": "not blurring as one atom",
    "unknown": "nothing known of",
}


def describe(depths: "Depths") -> list[str]:
    """Return what was found as sentences."""
    known, (low, high) = depths.known, depths.series.range
    counts = {state: depths.states.count(state) for state in _STATES if depths.states.count(state)}
    listed = ", ".join(f"{_STATES[state]} {number}" for state, number in counts.items())
    atoms = counted(len(depths), "atom", "atoms")
    found = [f"{depths.series.name}: {atoms} on {len(depths.series)} frames: {listed}"]
    if known.any():
        values, error = depths.depths[known], np.median(depths.errors[known])
        if len(values) == 1:
            found.append(f"depth {values[0]:.1f} ± {error:.1f} Å below the plane of focus 0")
        else:
            found.append(
                f"depths {values.min():.0f} to {values.max():.0f} Å below the plane of focus 0, each known to "
                f"{error:.2g} Å (median standard deviation)"
            )
    if "brightness" in counts:
        found.append(
            f"{_are(counts['brightness'])} much brighter or fainter than the others: several in line, or another "
            "element; their depth is a mean"
        )
    if "limit" in counts:
        found.append(
            f"{_are(counts['limit'])} sharpest outside the foci {low:g} to {high:g} Å, or not surely inside: only a "
            "limit is known"
        )
    steps = np.diff(np.unique(depths.series.foci))
    if steps.max() > depths.optics.depth_of_field:
        found.append(
            f"foci are up to {steps.max():.0f} Å from each other, with a depth of field of "
            f"{depths.optics.depth_of_field:.0f} Å: depths in between rest on blurred images"
        )
    return found


def _are(number: int) -> str:
    """Return a number of atoms as the beginning of a sentence."""
    return f"{counted(number, 'atom', 'atoms')} {'is' if number == 1 else 'are'}"
