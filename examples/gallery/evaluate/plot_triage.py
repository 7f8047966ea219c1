"""
Which images are worth opening?
===============================

A session gives hundreds of images, many of them useless. This example triages four simulated ones: good,
without metal, out of focus, and with few electrons; the verdict and the probability of atoms stand over each.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge import Micrograph, draw_micrograph
from stemforge.evaluate import triage_micrograph
from stemforge.simulate import SimulationRecipe, record, simulate_sample
from stemforge.train import load_weights

# %%
# One recipe, changed in one respect at a time.
kinds = {
    "good": ({}, 3e4),
    "no metal": ({"single_atoms": []}, 3e4),
    "out of focus": ({"microscope.defocus": 400}, 3e4),
    "few electrons": ({}, 300),
}
weights = load_weights("any-atom")
figure, panels = plt.subplots(2, 2, figsize=(6.2, 6.8), layout="constrained")
for axes, (name, (changes, dose)) in zip(panels.flat, kinds.items(), strict=True):
    recipe = SimulationRecipe.load(
        "quickstart",
        {"scan.shape": [160, 160], "support.mean_thickness": 60, "support.vacuum_fraction": 0, **changes},
    )
    recording = record(simulate_sample(recipe, 0), recipe.degradation.at_dose(dose), np.random.default_rng(0))
    micrograph = Micrograph(recording.image[0], 0.293, name=name)
    found = triage_micrograph(micrograph, *weights)
    draw_micrograph(axes, micrograph)
    probability = "–" if found.atoms_probability is None else f"{found.atoms_probability:.2f}"
    axes.set_title(f"{name}: {found.verdict}\nprobability of atoms {probability}", fontsize=10)
plt.show()

# %%
# For folders, also while a microscope writes them: ``stemforge triage images``.
