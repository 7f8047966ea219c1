"""
What a scan does to an image
============================

A scanned image is not only noisy. This example adds one artefact at a time to one noise-free image, stronger
than usual so that each can be seen: real images have a little of all, and a detector that never saw them fails
on real images.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge import Micrograph, draw_micrograph
from stemforge.simulate import Degradation, SimulationRecipe, degrade, simulate_sample

# %%
# A lattice shows distortions best: a single layer of MoS₂.
recipe = SimulationRecipe.load("mos2-vacancies", {"scan.shape": [160, 160], "support.rotation": 0})
sample = simulate_sample(recipe, 0)
artefacts = {
    "none": {},
    "line_jitter 0.5 Å": {"line_jitter": 0.5},
    "drift 5 Å a frame": {"drift": 5.0, "drift_angle": 0.7},
    "tear 1.6 Å": {"tear": 1.6, "tear_position": 0.55},
    "flicker 20 %": {"flicker": 0.2, "flicker_time": 1.0},
    "decay_time 2 pixels": {"decay_time": 2.0},
}

# %%
# Counting noise is off (``counting=False``) in all panels; only the field in the title differs.
figure, panels = plt.subplots(2, 3, figsize=(7.5, 5.3), layout="constrained")
for axes, (title, fields) in zip(panels.flat, artefacts.items(), strict=True):
    degradation = Degradation(dose=1e5, counting=False, **fields)
    degraded = degrade(sample.signal, degradation, sample.sampling, np.random.default_rng(1))
    draw_micrograph(axes, Micrograph(degraded.image[0], sample.sampling))
    axes.set_title(title, fontsize=10)
plt.show()

# %%
# Labels move with the image: ``Degraded.move`` says where a point of the specimen appears. Every field is
# explained by ``stemforge recipe explain pt-nc degradation.flicker`` and so on.
