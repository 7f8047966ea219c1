"""
The size of the electron source
===============================

The source's image blurs every recording, and it is rarely known. This example shows the same layer with three
source sizes, and how fast the contrast between neighbouring columns falls.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge import Micrograph, draw_micrograph
from stemforge.simulate import Degradation, SimulationRecipe, degrade, simulate_sample

# %%
# Graphene with silicon in place of carbon: its neighbours are 1.42 Å apart.
recipe = SimulationRecipe.load("si-graphene", {"scan.shape": [128, 128], "support.hole_fraction": 0})
sample = simulate_sample(recipe, 1)


def recorded(source_size):
    """Return the image without counting noise for a source size [Å]."""
    settings = Degradation(source_size=source_size, dose=1e5, counting=False)
    return degrade(sample.signal, settings, sample.sampling, np.random.default_rng(0)).image[0]


# %%
# The contrast is the standard deviation over the mean, relative to that of a point source.
sizes = np.linspace(0, 2, 11)
contrast = [np.std(image) / np.mean(image) for image in map(recorded, sizes)]
figure, panels = plt.subplot_mosaic("ABC;DDD", figsize=(7.2, 5), height_ratios=(3, 2), layout="constrained")
for key, size in zip("ABC", (0.0, 0.8, 1.6), strict=True):
    draw_micrograph(panels[key], Micrograph(recorded(size), sample.sampling))
    panels[key].set_title(f"source size {size:g} Å")
panels["D"].plot(sizes, np.array(contrast) / contrast[0], "o-", color="#0072B2")
panels["D"].set(
    xlabel="source size, full width at half maximum [Å]", ylabel="relative contrast", ylim=(0, 1.05)
)
plt.show()
