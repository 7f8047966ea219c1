"""Which channels on an image are copies of one channel of the crystal's cell."""

import numpy as np
from numpy.typing import NDArray

from stemforge.infer.crystals.domains import Domains
from stemforge.infer.occupancy.crystal import ChannelCrystal


def copies_of(
    points: NDArray[np.float64], domains: Domains, crystal: ChannelCrystal
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Say of each channel in which cell it is, and which one of that cell.

    Parameters
    ----------
    points
        Axes of channels (x, y) [pixel], shape (n, 2).
    domains
        Of the image.
    crystal
        With the channels of its cell.

    Returns
    -------
    steps, site
        The cell in steps along both axes, shape (n, 2), and the number of the channel in cell and domain, the same for
        all copies of one; shape (n,).
    """
    channels = crystal.channels / crystal.cell
    steps = np.zeros((len(points), 2), dtype=np.int64)
    site = np.zeros(len(points), dtype=np.int64)
    domain = domains.at(points)
    for label in np.unique(domain):
        chosen = domain == label
        straight = points[chosen] - domains.distortion_at(points[chosen], label)
        beside = domains.moved(label).to_fractional(straight)[:, None] - channels
        away = np.linalg.norm((beside - np.round(beside)) * crystal.cell, axis=2)
        nearest = away.argmin(1)
        site[chosen] = label * len(channels) + nearest
        steps[chosen] = np.round(beside[np.arange(len(beside)), nearest])
    return steps, site
