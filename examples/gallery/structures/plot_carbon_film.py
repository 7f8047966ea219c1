"""
Single atoms on an amorphous carbon film
========================================

A thin carbon film is the support under most single-atom images. This example scatters Pt over one in two ways,
on the surfaces and through the volume, and shows from the side where the atoms lie: only atoms near the focus
will be sharp.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge.structures import SINGLE_ATOM, amorphous_carbon, draw_projection, scatter_single_atoms

# %%
# A film of 5 × 5 nm, 2 nm thick, with 5 % nitrogen. All randomness comes from one generator.
rng = np.random.default_rng(1)
film = amorphous_carbon((50, 50, 20), nitrogen_fraction=0.05, rng=rng)
specimens = {
    placement: scatter_single_atoms(film, "Pt", areal_density=0.6, placement=placement, rng=rng)
    for placement in ("surface", "volume")
}

# %%
# From above (top) both look alike; from the side (bottom) they differ. The beam enters at z = 0; Pt is outlined
# in red.
figure, panels = plt.subplots(2, 2, figsize=(7, 5.4), height_ratios=(50, 24), layout="constrained")
for (above, side), (placement, atoms) in zip(panels.T, specimens.items(), strict=True):
    draw_projection(above, atoms, (0, 1), 2)
    draw_projection(side, atoms, (0, 2), 1)
    count = int((atoms.get_tags() == SINGLE_ATOM).sum())
    above.set(title=f"{placement}: {count} Pt", yticks=[0, 25, 50], ylabel="y [Å]")
    side.set(xticks=[0, 25, 50], yticks=[0, 12, 24], xlabel="x [Å]", ylabel="z [Å]")
plt.show()

# %%
# In a recipe this is ``support: {kind: amorphous_carbon}`` with ``single_atoms``; ``stemforge recipe show
# pt-nc`` has one.
