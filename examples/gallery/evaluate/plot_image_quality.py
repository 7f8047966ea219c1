"""
How good is a denoised image?
=============================

A restorer must be better than a plain filter. This example denoises a simulated image by a Gaussian filter, and
scores it against the noise-free image over the width of the filter: the curve that every network is compared
with.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter

from stemforge import Micrograph, draw_micrograph
from stemforge.evaluate import image_quality
from stemforge.simulate import SimulationRecipe, record, simulate_sample

# %%
# One specimen, 8000 e/Å².
recipe = SimulationRecipe.load(
    "quickstart", {"scan.shape": [160, 160], "support.mean_thickness": 60, "support.vacuum_fraction": 0}
)
sample = simulate_sample(recipe, 0)
clean = gaussian_filter(sample.signal[0], 1.0)
noisy = record(sample, recipe.degradation.at_dose(8e3), np.random.default_rng(0)).image[0]
widths = np.linspace(0, 4, 17)
scores = [image_quality(gaussian_filter(noisy, width), clean) for width in widths]
best = int(np.argmax([score.psnr for score in scores]))

# %%
# Filters that are too narrow leave noise, too wide ones lose the atoms.
figure, panels = plt.subplots(1, 4, figsize=(9.5, 2.9), layout="constrained", width_ratios=(1, 1, 1, 1.3))
shown = {
    "as recorded": noisy,
    f"filtered, σ = {widths[best]:.2f} px": gaussian_filter(noisy, widths[best]),
    "noise-free": clean,
}
for axes, (title, image) in zip(panels, shown.items(), strict=False):
    draw_micrograph(axes, Micrograph(image, sample.sampling))
    axes.set_title(title, fontsize=10)
panels[3].plot(widths, [score.psnr for score in scores], color="#0072B2", label="PSNR")
panels[3].set(xlabel="σ of the filter [px]", ylabel="PSNR [dB]")
other = panels[3].twinx()
other.plot(widths, [score.ssim for score in scores], color="#D55E00", ls="--", label="SSIM")
other.set_ylabel("SSIM")
panels[3].legend(handles=[*panels[3].lines, *other.lines], fontsize=8, loc="lower right")
plt.show()

# %%
# Networks and filters over the dose: ``stemforge sweep``.
