"""Pairs of points, each with the weight that makes up for the pairs that the mask's edge hides."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from stemforge.evaluate.statistics.window import Window

_BATCH = 400_000  # pairs held at a time, about
_FINE = 24  # bins in half the width of a kernel


def neighbour_distances(patterns: NDArray[np.float64], window: Window) -> NDArray[np.float64]:
    """Return the distance [pixel] of each point to the nearest other one of its pattern, shape (patterns, n)."""
    count, number = patterns.shape[:2]
    flat = _separated(patterns, window)
    return np.asarray(cKDTree(flat).query(flat, k=2)[0][:, 1]).reshape(count, number)


@dataclass(frozen=True, eq=False)
class PairHistogram:
    """Pairs of many patterns in bins of their distance, weighted by translation.

    Parameters
    ----------
    edges
        Of the bins [pixel], from 0, each with its upper edge, shape (bins + 1,); equally wide for :meth:`smoothed`.
    counts
        Sum over ordered pairs of 1/γ(difference), γ the mask's set covariance, times |W|² / n(n−1): expected is
        2πd g(d) times the width of the bin; shape (patterns, bins).
    distance_counts
        The same of each pair's weight divided by 2πd: expected is g(d) times the width.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.float64]
    distance_counts: NDArray[np.float64]

    @classmethod
    def of(cls, patterns: NDArray[np.float64], window: Window, edges: NDArray[np.float64]) -> "PairHistogram":
        """Count the pairs of patterns, shape (patterns, n, 2) [pixel]."""
        total, number = patterns.shape[:2]
        expected = max(number**2 * np.pi * edges[-1] ** 2 / window.pixels / 2, 1)
        batch = max(1, int(_BATCH / expected))
        parts = [_count(patterns[i : i + batch], window, edges) for i in range(0, total, batch)]
        factor = window.pixels**2 / (number * (number - 1))
        plain, divided = (np.concatenate(kind) * factor for kind in zip(*parts, strict=True))
        return cls(edges, plain, divided)

    def within(self) -> NDArray[np.float64]:
        """Return K at the upper edges of the bins [pixel²], shape (patterns, bins)."""
        return np.cumsum(self.counts, axis=1)

    def smoothed(self, radii: NDArray[np.float64], bandwidth: float) -> NDArray[np.float64]:
        """Return g at radii [pixel] by Epanechnikov's kernel of this half width, shape (patterns, radii)."""
        middle = (self.edges[:-1] + self.edges[1:]) / 2
        u = (radii[:, None] - middle) / bandwidth
        kernel = np.clip(1 - u**2, 0, None)
        # No pair is closer than nothing: the kernel is normalised to the part of it that lies above.
        kernel /= kernel.sum(axis=1, keepdims=True)
        width = self.edges[1] - self.edges[0]
        return np.asarray(self.distance_counts @ kernel.T / width)


def fine_edges(longest: float, bandwidth: float) -> NDArray[np.float64]:
    """Return edges of bins [pixel] that are narrow beside the kernel, up to where it ends beyond the longest radius."""
    bins = int(np.ceil((longest + bandwidth) / bandwidth * _FINE))
    return np.linspace(0, longest + bandwidth, bins + 1)


def _separated(patterns: NDArray[np.float64], window: Window) -> NDArray[np.float64]:
    """Return the points of all patterns, each pattern in a plane that is further from others than points in it."""
    count, number = patterns.shape[:2]
    plane = np.repeat(np.arange(count) * 4.0 * sum(window.mask.shape), number)
    return np.column_stack([patterns.reshape(-1, 2), plane])


def _count(
    patterns: NDArray[np.float64], window: Window, edges: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    count, number = patterns.shape[:2]
    flat = _separated(patterns, window)
    pairs = cKDTree(flat).query_pairs(edges[-1], output_type="ndarray")
    shift = flat[pairs[:, 0], :2] - flat[pairs[:, 1], :2]
    distance = np.hypot(*shift.T)
    # Both orders of a pair count. Where a mask in parts has no such difference there is no such pair either.
    weight = 2 / np.maximum(window.covariance(shift), 1.0)
    bins = len(edges) - 1
    inside = np.searchsorted(edges[1:-1], distance, side="left")
    place = pairs[:, 0] // number * bins + inside
    plain = np.bincount(place, weight, count * bins).astype(float)
    # Two atoms in one place would count without end.
    far = np.maximum(distance, 1e-3)
    divided = np.bincount(place, weight / (2 * np.pi * far), count * bins).astype(float)
    return plain.reshape(count, bins), divided.reshape(count, bins)
