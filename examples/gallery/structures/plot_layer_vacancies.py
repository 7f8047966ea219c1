"""
Vacancies and dopants in a MoS₂ layer
=====================================

In a two-dimensional material a missing atom matters as much as a foreign one. This example removes some sulphur
atoms of a single layer and replaces some molybdenum by tungsten; both keep their places as labels for training.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge.structures import SINGLE_ATOM, draw_projection, layered_material, make_vacancies, substitute

# %%
# Perfect first, then vacancies, then dopants. Places of the removed atoms are kept in ``atoms.info``.
rng = np.random.default_rng(5)
sheet = layered_material((40, 36), "MoS2", rng=rng)
defective = make_vacancies(sheet, element="S", areal_density=0.6, rng=rng)
defective = substitute(defective, "W", element="Mo", areal_density=0.4, rng=rng)
vacancies = np.asarray(defective.info["vacancies"]["positions"])
dopants = defective.positions[defective.get_tags() == SINGLE_ATOM]

# %%
# Molybdenum is teal, sulphur yellow. A vacancy is in one of the two planes of sulphur: from above the other
# atom of its column is still there, which is why such a column gets dimmer in an image but does not vanish.
figure, panels = plt.subplots(1, 2, figsize=(7.5, 3.9), layout="constrained", sharey=True)
draw_projection(panels[0], sheet, (0, 1), 2)
draw_projection(panels[1], defective, (0, 1), 2)
panels[1].plot(*vacancies[:, :2].T, "o", ms=11, mfc="none", mec="#0072B2", mew=2, label="S vacancy")
panels[1].plot(*dopants[:, :2].T, "s", ms=11, mfc="none", mec="#D55E00", mew=2, label="W for Mo")
figure.legend(loc="outside lower center", ncols=2)
for axes, title in zip(
    panels, ("perfect", f"{len(vacancies)} vacancies, {len(dopants)} dopants"), strict=True
):
    axes.set(title=title, xticks=[0, 20, 40], yticks=[0, 15, 30], xlabel="x [Å]")
panels[0].set_ylabel("y [Å]")
plt.show()

# %%
# In a recipe: ``defects`` beside ``support: {kind: layers}``, as in the recipe ``mos2-vacancies``.
