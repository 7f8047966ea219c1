"""
From four segments to an iDPC image
===================================

Integrated differential phase contrast shows light atoms at doses that zeolites survive. This example simulates
the four segments of such a detector over one cell of MFI, adds the noise where it belongs, on the segments, and
integrates.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge import Micrograph, draw_micrograph
from stemforge.simulate import SEGMENTS, SimulationRecipe, degrade, idpc_image, simulate_sample

# %%
# One unit cell thick, with guests in some of the channels.
recipe = SimulationRecipe.load(
    "zsm5-columns",
    {
        "scan.shape": [128, 128],
        "support.thickness": 1,
        "support.mistilt": 0,
        "support.variants": 1,
        "scan.rotation": 0,
    },
)
sample = simulate_sample(recipe, 0)
degradation = recipe.degradation.at_dose(3000.0).replace(drift=0, contamination=0)
noisy = degrade(sample.signal, degradation, sample.sampling, np.random.default_rng(0)).image

# %%
# Each segment sees the beam pushed away from it; opposite segments differ where there is a field. They are
# drawn without noise.
figure, panels = plt.subplots(2, 3, figsize=(7.5, 5.3), layout="constrained")
for axes, image, name in zip((*panels[0, :2], *panels[1, :2]), sample.signal, SEGMENTS, strict=True):
    draw_micrograph(axes, Micrograph(image, sample.sampling))
    axes.set_title(f"segment {name}", fontsize=10)
for axes, signal, title in zip(
    panels[:, 2], (sample.signal, noisy), ("iDPC, noise-free", "iDPC, 3000 e/Å²"), strict=True
):
    draw_micrograph(axes, Micrograph(idpc_image(signal, sample.sampling, high_pass=0.02), sample.sampling))
    axes.set_title(title, fontsize=10)
plt.show()
