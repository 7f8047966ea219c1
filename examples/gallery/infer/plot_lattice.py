"""
The lattice of a crystal calibrates its image
=============================================

A known crystal on an image is a ruler. This example gives a simulated image of MFI a wrong pixel size, finds
the framework's lattice on it, and draws the unit cells; the pixel size comes out of the lattice, whatever the
file says.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge import Micrograph, draw_micrograph
from stemforge.infer import find_lattice
from stemforge.simulate import SimulationRecipe, record, simulate_sample

# %%
# Recorded with pixels of 0.30 Å, which the finder is not told.
recipe = SimulationRecipe.load(
    "zsm5-columns",
    {
        "scan.shape": [224, 224],
        "scan.sampling": 0.3,
        "support.thickness": 2,
        "support.variants": 1,
        "support.mistilt": 0,
    },
)
recording = record(simulate_sample(recipe, 1), recipe.degradation.at_dose(5000.0), np.random.default_rng(0))
lattice = find_lattice(Micrograph(recording.image[0], 1.0, modality="iDPC"), framework="mfi")

# %%
# Unit cells, from the point of the lattice that is nearest to the middle.
figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
draw_micrograph(axes, Micrograph(recording.image[0], lattice.sampling))
origin, a, b = (np.asarray(v) for v in (lattice.origin_px, lattice.a_px, lattice.b_px))
steps = np.arange(-6, 7)
for i in steps:
    axes.plot(*np.array([origin + i * a + j * b for j in steps]).T, color="#E69F00", lw=1)
    axes.plot(*np.array([origin + j * a + i * b for j in steps]).T, color="#56B4E9", lw=1)
axes.set_title(
    f"pixel size {lattice.sampling:.4f} Å (true: 0.3), turned by {lattice.rotation:.1f}°\n"
    f"correlation with the framework {lattice.score:.2f}",
    fontsize=10,
)
plt.show()

# %%
# From the command line: ``stemforge infer lattice my-idpc.tif``.
