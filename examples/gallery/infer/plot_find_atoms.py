"""
Find atoms, with a likelihood for each
======================================

This is the main use of stemforge: an image goes in, atoms with likelihoods come out. The image here is
simulated, so the truth is known; the control is the same specimen without metal, on which the detector should
find nothing.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge import Micrograph, draw_micrograph
from stemforge.infer import Detector
from stemforge.simulate import SimulationRecipe, record, simulate_sample

# %%
# A recording as it would come from a microscope, once with Pt and once without.
changes = {"scan.shape": [160, 160], "support.mean_thickness": 60, "support.vacuum_fraction": 0}


def recorded(**more):
    """Return a recording of the recipe's first sample."""
    recipe = SimulationRecipe.load("quickstart", {**changes, **more})
    return record(simulate_sample(recipe, 0), recipe.degradation.at_dose(3e4), np.random.default_rng(0))


recordings = {"with Pt": recorded(), "without": recorded(single_atoms=[])}

# %%
# Three lines: a detector by name, an image, and its pixel size [Å].
detector = Detector.from_pretrained("any-atom")
found = {name: detector.predict(recording.image[0], sampling=0.293) for name, recording in recordings.items()}

# %%
# Circles are atoms found, coloured by likelihood; crosses are true atoms with a contrast-to-noise above 4.
colour_of = plt.cm.ScalarMappable(plt.Normalize(0, 1), cmap="cool")
figure, panels = plt.subplots(1, 2, figsize=(7.5, 3.7), layout="constrained")
for axes, (name, detection) in zip(panels, found.items(), strict=True):
    draw_micrograph(axes, Micrograph(recordings[name].image[0], 0.293))
    labels = recordings[name].labels
    if len(labels):
        axes.plot(*labels.points[labels["cnr"] > 4].T, "+", color="#F0E442", ms=7, mew=1.5)
    colours = colour_of.to_rgba(detection.atoms["score"])
    axes.scatter(*detection.atoms.points.T, s=90, facecolors="none", edgecolors=colours, linewidths=1.8)
    axes.set_title(f"{name}: {len(detection.atoms)} found")
figure.colorbar(colour_of, ax=panels, label="likelihood", shrink=0.8)
plt.show()

# %%
# The same for files: ``stemforge infer atoms my-image.tif``.
