"""
Nanoparticles: shapes, and particles on a film
==============================================

Particles stand beside single atoms in most catalysts, and a detector must not take their columns for single
atoms. This example shows the shapes that can be asked for, and a carbon film with gold particles and single
atoms on it.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge.structures import (
    PARTICLE,
    SINGLE_ATOM,
    add_nanoparticles,
    amorphous_carbon,
    draw_projection,
    nanoparticle,
    scatter_single_atoms,
)

# %%
# Four shapes of about 2 nm. Closed shells come in steps, so the numbers of atoms differ.
shapes = ("wulff", "octahedron", "decahedron", "icosahedron")
figure, panels = plt.subplots(1, 4, figsize=(8, 2.6), layout="constrained")
for axes, shape in zip(panels, shapes, strict=True):
    particle = nanoparticle("Au", 20, shape)
    particle.set_cell([28, 28, 28])
    particle.center()
    draw_projection(axes, particle, (0, 1), 2)
    axes.set(title=f"{shape}\n{len(particle)} atoms", xticks=[0, 14, 28], xlabel="x [Å]")
panels[0].set(yticks=[0, 14, 28], ylabel="y [Å]")
plt.show()

# %%
# On a film, with random orientations (violet outlines), and single atoms between them (red).
rng = np.random.default_rng(2)
film = amorphous_carbon((90, 90, 15), rng=rng)
specimen = add_nanoparticles(film, "Au", diameter=16, diameter_spread=0.2, areal_density=0.05, rng=rng)
specimen = scatter_single_atoms(specimen, "Au", areal_density=0.3, rng=rng)
tags = specimen.get_tags()
figure, axes = plt.subplots(figsize=(5, 4.6), layout="constrained")
draw_projection(axes, specimen, (0, 1), 2)
particles = len(np.unique(specimen.arrays["particle"][tags == PARTICLE]))
axes.set(
    title=f"{particles} particles, {(tags == SINGLE_ATOM).sum()} single atoms",
    xticks=[0, 30, 60, 90],
    yticks=[0, 30, 60, 90],
    xlabel="x [Å]",
    ylabel="y [Å]",
)
plt.show()

# %%
# In a recipe: ``particles``, as in the recipe ``au-carbon``.
