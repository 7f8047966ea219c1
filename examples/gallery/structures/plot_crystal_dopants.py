"""
Heavy atoms on a crystal's sites
================================

On a crystal a single atom sits on a site, and which site is what one wants to learn. This example puts Ir on
MgO(001) in three ways, on top of and between its surface atoms, and in place of any of its atoms, and shows
each from above and from the side.
"""

import matplotlib.pyplot as plt

from stemforge.simulate import SimulationRecipe
from stemforge.structures import SINGLE_ATOM, draw_projection

# %%
# A recipe is the short way: it builds support and atoms, and checks what is asked for.
placements = {"top": {}, "hollow": {}, "substitutional": {"replaces": "Mg"}}


def build(placement, **more):
    """Return MgO with Ir at one kind of site."""
    recipe = SimulationRecipe.load(
        "ir-mgo",
        {
            "support.thickness": 10,
            "support.mistilt": 0,
            "support.roughness": 0,
            "support.steps": 0,
            "scan.shape": [130, 130],
            "single_atoms": [{"element": "Ir", "areal_density": 1.5, "placement": placement, **more}],
        },
    )
    return recipe.build(0)[1]


specimens = {placement: build(placement, **more) for placement, more in placements.items()}

# %%
# Ir is outlined in red, Mg is green, O red.
figure, panels = plt.subplots(2, 3, figsize=(8, 4.6), height_ratios=(3, 2), layout="constrained")
for (above, side), (placement, atoms) in zip(panels.T, specimens.items(), strict=True):
    draw_projection(above, atoms, (0, 1), 2)
    draw_projection(side, atoms, (0, 2), 1)
    above.set_title(f"{placement}: {(atoms.get_tags() == SINGLE_ATOM).sum()} Ir")
    side.set(xticks=[0, 10, 20], yticks=[0, 5, 10], xlabel="x [Å]")
panels[0, 0].set(yticks=[0, 10, 20], ylabel="y [Å]")
panels[1, 0].set_ylabel("z [Å]")
plt.show()

# %%
# A corpus of it: ``stemforge simulate ir-mgo --out corpus --single_atoms.0.areal_density 0.1``.
