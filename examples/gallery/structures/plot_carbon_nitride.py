"""
Carbon nitride: perfect, disordered and damaged
===============================================

Graphitic C₃N₄ holds single atoms in its pores. Real sheets are neither flat nor whole; this example shows one
perfect layer, one with displaced atoms, and one that the beam has damaged, side by side.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge.structures import carbon_nitride, draw_projection

# %%
# One seed for all three: they differ only in what is asked for.
kinds = {
    "perfect": {"corrugation": 0.0},
    "disorder 0.3 Å": {"disorder": 0.3},
    "30 % of the atoms lost": {"lost_fraction": 0.3},
}
sheets = {
    name: carbon_nitride((35, 37), num_layers=1, rng=np.random.default_rng(0), **options)
    for name, options in kinds.items()
}

# %%
# Nitrogen is blue, carbon grey.
figure, panels = plt.subplots(1, 3, figsize=(8, 3.2), layout="constrained")
for axes, (name, atoms) in zip(panels, sheets.items(), strict=True):
    draw_projection(axes, atoms, (0, 1), 2)
    counts = atoms.symbols.formula.count()
    axes.set(title=f"{name}\nC{counts['C']}N{counts['N']}", xticks=[0, 10, 20, 30], xlabel="x [Å]")
panels[0].set(yticks=[0, 10, 20, 30], ylabel="y [Å]")
plt.show()

# %%
# In a recipe: ``support: {kind: carbon_nitride}``, as in the recipe ``fe-c3n4``.
