"""
A dose series of one specimen
=============================

The dose decides what can be found, and a beam that shows more also damages more. This example records one
simulated specimen at four doses, beside its noise-free image and the places of its atoms. The signal is
simulated once.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge import Micrograph, draw_micrograph
from stemforge.simulate import SimulationRecipe, record, simulate_sample

# %%
# Pt in a thin carbon particle: the recipe of the quickstart, a small field of it.
recipe = SimulationRecipe.load(
    "quickstart", {"scan.shape": [128, 128], "support.mean_thickness": 60, "support.vacuum_fraction": 0}
)
sample = simulate_sample(recipe, 0)
recordings = {
    dose: record(sample, recipe.degradation.at_dose(dose), np.random.default_rng(0))
    for dose in (250.0, 1e3, 4e3, 1.6e4)
}

# %%
# ``cnr`` is an atom's contrast over counting noise and texture of the support: below about 3, nobody can be
# sure of it.
figure, panels = plt.subplots(2, 3, figsize=(7.5, 5.4), layout="constrained")
clean = Micrograph(sample.signal[0], sample.sampling)
for axes, title in zip(panels[:, 0], ("noise-free", "true atoms"), strict=True):
    draw_micrograph(axes, clean)
    axes.set_title(title)
panels[1, 0].plot(*sample.labels.points.T, "o", ms=9, mfc="none", mec="#56B4E9")
for axes, (dose, recording) in zip(panels[:, 1:].flat, recordings.items(), strict=True):
    draw_micrograph(axes, Micrograph(recording.image[0], sample.sampling))
    visible = int((recording.labels["cnr"] > 3).sum())
    axes.set_title(f"{dose:,.0f} e/Å²\n{visible} of {len(recording.labels)} atoms: cnr > 3", fontsize=10)
plt.show()

# %%
# For a whole detector over the dose: ``stemforge sweep``.
