"""
What an ideal observer could find
=================================

No detector can find an atom that the noise hides. This example asks for each simulated atom how visible it is,
and how many atoms an ideal observer would find at each dose: the limit against which a detector should be
judged.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge.simulate import (
    SimulationRecipe,
    bandwidth,
    ideal_recall,
    localisation_bound,
    record,
    simulate_sample,
    visibility,
)

# %%
# Pt through a thick support: many atoms are out of focus. The support's own texture hides atoms, too, at any
# dose.
recipe = SimulationRecipe.load("quickstart", {"scan.shape": [192, 192], "support.vacuum_fraction": 0})
sample = simulate_sample(recipe, 1)
labels, source_size = sample.labels, 1.2  # Å
texture = record(sample, recipe.degradation, np.random.default_rng(0)).texture
doses = np.geomspace(1e3, 1e6, 10)
area = (192 * sample.sampling) ** 2  # Å²

# %%
# One false positive is allowed on the whole image. Dashed: if there were nothing but counting noise.
figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.4), layout="constrained")
for hidden, style, name in ((texture, "o-", "with texture"), (None, "--", "counting noise alone")):
    recall, bound = [], []
    for dose in doses:
        _, cnr = visibility(labels, dose, source_size, hidden)
        width = bandwidth(labels, dose, source_size, hidden)
        recall.append(np.mean(ideal_recall(cnr, 1.0, width, area)))
        bound.append(np.median(localisation_bound(labels, dose, source_size, hidden)))
    left.semilogx(doses, recall, style, color="#0072B2", label=name)
    right.loglog(doses, bound, style, color="#D55E00", label=name)
left.set(
    ylim=(0, 1.02),
    xlabel="dose [e/Å²]",
    ylabel="share of atoms found",
    title=f"ideal recall, {len(labels)} Pt",
)
right.set(xlabel="dose [e/Å²]", ylabel="median error of a coordinate [Å]", title="Cramér–Rao bound of places")
left.legend()
right.legend()
plt.show()
