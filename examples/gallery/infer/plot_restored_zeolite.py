"""
Restore a noisy iDPC image, with an interval
============================================

A restored image shows what the network expects. The U-Net therefore states an interval for every pixel; this
example restores a simulated image of MFI at low dose, and draws the interval's width beside the noise-free
image.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge import Micrograph, draw_micrograph
from stemforge.infer import restore_micrograph
from stemforge.simulate import SimulationRecipe, degrade, idpc_image, simulate_sample
from stemforge.train import load_weights

# %%
# One noise-free signal, recorded at 1500 e/Å².
recipe = SimulationRecipe.load(
    "zsm5-columns",
    {"scan.shape": [192, 192], "support.thickness": 2, "support.variants": 1, "scan.rotation": 0, "seed": 5},
)
sample = simulate_sample(recipe, 0)
settings = recipe.degradation.at_dose(1500.0).replace(
    drift=0, line_jitter=0, contamination=0, source_size=0.9
)
rng = np.random.default_rng(0)
noisy = idpc_image(degrade(sample.signal, settings, sample.sampling, rng).image, sample.sampling)
clean = idpc_image(
    degrade(sample.signal, settings.replace(counting=False), sample.sampling, rng).image, sample.sampling
)

# %%
# The restorer keeps the grey scale: darkest and brightest pixel of the recording are 0 and 1.
restored = restore_micrograph(Micrograph(noisy, sample.sampling), *load_weights("unet"))
width = restored.high - restored.low

# %%
# Restored images have twice as many pixels along each side.
figure, panels = plt.subplots(1, 4, figsize=(9, 2.8), layout="constrained")
shown = {"1500 e/Å²": noisy, "restored": restored.image, "noise-free": clean, "width of the interval": width}
for axes, (title, image) in zip(panels, shown.items(), strict=True):
    sampling = sample.sampling * noisy.shape[0] / image.shape[0]
    draw_micrograph(axes, Micrograph(image, sampling))
    axes.set_title(title, fontsize=10)
plt.show()

# %%
# From the command line: ``stemforge infer restore my-idpc.tif --weights unet``.
