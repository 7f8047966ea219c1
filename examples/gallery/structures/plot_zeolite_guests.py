"""
A zeolite with guests in its channels
=====================================

Molecules in zeolites are the second thing that stemforge looks for. This example cuts a film of MFI, finds its
straight channels, and fills some of them with pyridine; molecules that would touch the walls are refused.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge.structures import GUEST, draw_projection, find_channels, mfi, place_guest

# %%
# Two unit cells side by side, seen along the straight channels (the beam runs along b).
framework = mfi(repeat=(2, 2))
filled = place_guest(framework, "pyridine", occupancy=0.6, rng=np.random.default_rng(4))
tile = np.array(framework.info["tile_size"])
shifts = np.array([(i, j) for i in range(2) for j in range(2)]) * tile
channels = np.concatenate([find_channels(framework)[:, :2] + shift for shift in shifts])

# %%
# Left the empty framework with the channels that were found (crosses), right the same film with guests in blue.
figure, panels = plt.subplots(1, 2, figsize=(7.5, 3.2), layout="constrained", sharey=True)
for axes, atoms, title in zip(
    panels, (framework, filled), ("empty", f"{(filled.get_tags() == GUEST).sum()} guest atoms"), strict=True
):
    draw_projection(axes, atoms, (0, 1), 2)
    axes.set(title=f"MFI, {title}", xticks=[0, 20, 40], yticks=[0, 10, 20], xlabel="x along a [Å]")
panels[0].plot(*channels.T, "+", color="black", markersize=9)
panels[0].set_ylabel("y along −c [Å]")
plt.show()

# %%
# In a recipe: ``support: {kind: zeolite, framework: mfi, guests: {pyridine: 1}}``, as in the recipe
# ``zsm5-idpc``.
