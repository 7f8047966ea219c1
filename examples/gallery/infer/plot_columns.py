"""
Every atom column of a crystal
==============================

Where a crystal is known, each of its columns can be measured: place, intensity, and what it is. This example
finds the columns of MFI on a simulated image as recorded, and shows their classes and the errors of their
places.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge import Micrograph, draw_micrograph
from stemforge.infer import find_columns
from stemforge.simulate import SimulationRecipe, record, simulate_sample

# %%
# Without guests, two cells thick, 10,000 e/Å².
recipe = SimulationRecipe.load(
    "zsm5-columns",
    {
        "scan.shape": [160, 160],
        "scan.sampling": 0.3,
        "scan.rotation": 0,
        "support.thickness": 2,
        "support.variants": 1,
        "support.mistilt": 0,
        "support.occupancy": 0,
    },
)
recording = record(simulate_sample(recipe, 0), recipe.degradation.at_dose(1e4), np.random.default_rng(0))
columns = find_columns(Micrograph(recording.image[0], 0.3, modality="iDPC"))

# %%
# T columns hold silicon, O columns oxygen alone; a few cells in the middle.
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.9), layout="constrained")
part = slice(20, 140)
draw_micrograph(left, Micrograph(recording.image[0][part, part], 0.3))
kind = columns.probability.argmax(1)
for number, (name, colour) in enumerate((("T", "#E69F00"), ("O", "#56B4E9"))):
    left.plot(*(columns.points[kind == number] - part.start).T, "o", ms=4, mfc="none", mec=colour, label=name)
    right.hist(
        columns.intensity[kind == number],
        bins=np.linspace(0, 4, 41),
        color=colour,
        alpha=0.7,
        label=f"{name} columns",
    )
left.set(xlim=(-0.5, 119.5), ylim=(119.5, -0.5), title=f"{len(columns.points)} columns")
error = np.median(columns.errors) * 0.3
right.set(
    xlabel="intensity [silicon atoms per cell]",
    ylabel="columns",
    title=f"median error of a place: {error:.2f} Å",
)
right.legend()
plt.show()

# %%
# From the command line: ``stemforge infer columns my-idpc.tif``.
