"""
How deep an atom lies, from a focal series
==========================================

An atom is sharpest where the focus meets it. This example makes a focal series of single Pt atoms at known
depths, and reads the depths back with their errors.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge import Micrograph, draw_micrograph
from stemforge.evaluate import FocalOptics, FocalSeries, measure_depths
from stemforge.simulate import Microscope
from stemforge.simulate.engines.kernels import atom_image

# %%
# Nine atoms at depths between −40 and 40 Å, seven foci, counts with shot noise.
microscope = Microscope()
foci = np.arange(-60.0, 61, 20)
true = np.linspace(-40, 40, 9)
images = np.full((len(foci), 181, 181), 30.0)
centres = [(30 + 60 * row, 30 + 60 * column) for row in range(3) for column in range(3)]
for image, focus in zip(images, foci, strict=True):
    for (row, column), depth in zip(centres, true, strict=True):
        spot = 1e4 * atom_image("Pt", microscope, "HAADF", depth - focus, sampling=0.25, blur=0.4)
        half = min(len(spot) // 2, 29)
        middle = len(spot) // 2
        image[row - half : row + half + 1, column - half : column + half + 1] += spot[
            middle - half : middle + half + 1, middle - half : middle + half + 1
        ]
counts = np.random.default_rng(0).poisson(images)

# %%
# The blur of the source is told; the rest is the optics.
found = measure_depths(FocalSeries(counts, foci, 0.25), FocalOptics("Pt", microscope, source_size=1.0))
nearest = [np.hypot(*(np.array(centres)[:, ::-1] - point).T).argmin() for point in found.points]

# %%
# Three of the foci, and measured against true depths.
figure, panels = plt.subplots(1, 4, figsize=(9.5, 2.8), layout="constrained", width_ratios=(1, 1, 1, 1.25))
for axes, number in zip(panels, (1, 3, 5), strict=False):
    draw_micrograph(axes, Micrograph(counts[number], 0.25))
    axes.set_title(f"focus {foci[number]:+.0f} Å")
panels[3].axline((0, 0), slope=1, color="0.6", ls="--")
panels[3].errorbar(
    true[nearest], found.depths, 2 * np.asarray(found.errors), fmt="o", color="#0072B2", capsize=3
)
panels[3].set(xlabel="true depth [Å]", ylabel="measured depth [Å]")
plt.show()

# %%
# For a stack: ``stemforge depth focal.tif --focus -60 -40 -20 0 20 40 60 --element Pt``.
