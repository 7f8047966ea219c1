"""
Random, clustered, or evenly spaced?
====================================

The same number of atoms can lie in very different ways. This example draws three patterns of known kind, and
asks three statistics of each: distances of nearest neighbours, Ripley's L and the pair correlation g(r). Grey
is where random points would be, at every distance at once, in 95 of 100 images.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge.evaluate import PointPattern, Window, clark_evans, nearest_neighbours, pair_correlation, ripley

# %%
# A square of 15 nm without one corner: the mask that a particle's edge would make. Every statistic is corrected
# for it.
rng = np.random.default_rng(3)
mask = np.ones((512, 512), dtype=bool)
mask[np.add.outer(np.arange(512), np.arange(512)) > 760] = False
window = Window(mask, sampling=0.293)

parents = window.draw(18, rng)
grid = np.stack(np.meshgrid(np.arange(20, 512, 44), np.arange(20, 512, 44)), axis=-1).reshape(-1, 2)
patterns = {
    "random": PointPattern(window.draw(100, rng), window),
    "clustered": PointPattern.inside(np.repeat(parents, 6, axis=0) + rng.normal(0, 9, (108, 2)), window),
    "evenly spaced": PointPattern.inside(grid + rng.normal(0, 5, grid.shape), window),
}

# %%
# The index of Clark and Evans is 1 for random points, smaller for clusters, and 2.15 for a triangular lattice.
figure, panels = plt.subplots(3, 3, figsize=(8, 7.4), layout="constrained")
for (places, ripleys, pairs), (name, pattern) in zip(panels, patterns.items(), strict=True):
    distances = nearest_neighbours(pattern, simulations=199, rng=rng)
    index = clark_evans(distances)
    places.imshow(mask, cmap="gray", vmin=-4, vmax=1)
    places.plot(*pattern.points.T, ".", ms=4, color="#0072B2")
    places.set(xticks=[], yticks=[], ylabel=name)
    places.set_title(f"Clark–Evans {index.index:.2f} ({index.low:.2f} to {index.high:.2f})", fontsize=9)
    _, excess = ripley(pattern, simulations=199, rng=rng)
    for axes, curve, label in (
        (ripleys, excess, "L(r) − r [Å]"),
        (pairs, pair_correlation(pattern, simulations=199, rng=rng), "g(r)"),
    ):
        base = curve.radii if curve is excess else 0
        envelope = curve.envelope
        axes.fill_between(
            curve.radii,
            envelope.global_low - base,
            envelope.global_high - base,
            color="0.85",
            lw=0,
            label="random",
        )
        axes.plot(curve.radii, curve.values - base, color="#D55E00", label="measured")
        axes.set(ylabel=label, xlabel="r [Å]")
    pairs.set_ylim(
        0, max(4, 1.1 * curve.values.max())
    )  # few pairs lie very near: no upper end is known there
panels[0, 1].legend(fontsize=8)
plt.show()

# %%
# For tables of found atoms: ``stemforge analyse found/ --out statistics``.
