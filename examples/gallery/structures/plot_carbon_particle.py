"""
The edge of a thick carbon particle
===================================

Real carbon supports are no flat films: they have pores, ridges and an edge towards the vacuum. This example
builds a particle with these and maps its projected mass, which is what an annular detector sees of it first of
all.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge.structures import carbon_particle

# %%
# The same particle without and with pores. Equal seeds, so that outline and ridges stay where they are.
field = (120, 120)  # Å
options = {"mean_thickness": 80, "vacuum_fraction": 0.25}
particles = {
    f"porosity {porosity:g}": carbon_particle(
        field, porosity=porosity, rng=np.random.default_rng(3), **options
    )
    for porosity in (0.0, 0.3)
}

# %%
# Atoms are counted in columns of 2 × 2 Å.
figure, panels = plt.subplots(1, 2, figsize=(7, 3.3), layout="constrained", sharey=True)
for axes, (title, atoms) in zip(panels, particles.items(), strict=True):
    count, *_ = np.histogram2d(
        atoms.positions[:, 1], atoms.positions[:, 0], bins=60, range=[(0, field[1]), (0, field[0])]
    )
    shown = axes.imshow(count / 4, origin="lower", extent=(0, 12, 0, 12), cmap="cividis", vmin=0, vmax=9)
    axes.set(title=f"{title}: {len(atoms):,} atoms", xlabel="x [nm]")
panels[0].set_ylabel("y [nm]")
figure.colorbar(shown, ax=panels, label="atoms per Å²")
plt.show()

# %%
# In a recipe: ``support: {kind: carbon_particle}``, as in the recipe ``pt-nc``.
