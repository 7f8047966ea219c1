"""
One image, many views
=====================

Training images are turned, mirrored, zoomed and shaded, and their labels move along. This example draws eight
views of one simulated image with its atoms on them; the first has no augmentation.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge.simulate import SimulationRecipe, record, simulate_sample
from stemforge.train import Augmentation, draw_view, shade

# %%
# Pt in a thin carbon film.
recipe = SimulationRecipe.load(
    "quickstart",
    {
        "scan.shape": [160, 160],
        "support.mean_thickness": 60,
        "support.vacuum_fraction": 0,
        "single_atoms.0.areal_density": 1.5,
    },
)
recording = record(simulate_sample(recipe, 0), recipe.degradation.at_dose(2e4), np.random.default_rng(0))
image = recording.image[0]
image = ((image - image.min()) / np.ptp(image)).astype(np.float32)

# %%
# A view knows how to cut an image and where its points come to lie.
figure, panels = plt.subplots(2, 4, figsize=(9, 4.6), layout="constrained")
plain = Augmentation(rotation="none", flip=False, zoom=(1, 1), brightness=0, contrast=0)
strong = Augmentation(rotation="any", zoom=(0.8, 1.4), brightness=0.15, contrast=0.4, blur=1.0)
for number, axes in enumerate(panels.flat):
    rng = np.random.default_rng(number)
    augmentation = strong if number else plain
    view = draw_view(image.shape, 96, augmentation, rng)
    axes.imshow(shade(view.cut(image), augmentation, rng), cmap="gray", vmin=0, vmax=1)
    axes.plot(*view.move(recording.labels.points).T, "o", ms=9, mfc="none", mec="#56B4E9")
    axes.set(xlim=(-0.5, 95.5), ylim=(95.5, -0.5), xticks=[], yticks=[], title="plain" if not number else "")
plt.show()

# %%
# In a training recipe: ``augmentation: {rotation: any, zoom: [0.8, 1.4]}``.
