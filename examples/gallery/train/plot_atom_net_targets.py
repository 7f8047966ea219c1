"""
What AtomNet learns from
========================

AtomNet sees a whole image and answers for every pixel: how near an atom is, and which way. This example makes a
corpus of two images in a temporary folder, and draws a batch as the network gets it: image, map of atoms, and
what does not count because nobody could tell.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from stemforge import Corpus
from stemforge.simulate import SimulationRecipe, simulate_corpus
from stemforge.train import AtomHeatMaps, AtomNetRecipe

# %%
# Small, thin and quick.
recipe = SimulationRecipe.load(
    "quickstart",
    {
        "num_samples": 2,
        "shard_size": 2,
        "scan.shape": [320, 320],
        "support.mean_thickness": 250,
        "support.vacuum_fraction": 0,
        "single_atoms.0.areal_density": 1.0,
    },
)
with tempfile.TemporaryDirectory() as folder:
    simulate_corpus(recipe, Path(folder, "corpus"), workers=1, quiet=True)
    batches = AtomHeatMaps([Corpus(Path(folder, "corpus"))], "train", AtomNetRecipe.shipped())
    batch = next(iter(batches))
number = int(batch.weight.mean((1, 2)).argmin())  # the crop with the most doubtful atoms

# %%
# Black parts of the weight teach nothing: atoms too faint to be asked for, and too bright to be called
# background. Arrows, every other pixel, are the offsets: where they meet, an atom is placed between pixels.
figure, panels = plt.subplots(1, 4, figsize=(9.5, 2.7), layout="constrained")
for axes, title, image in zip(
    panels,
    ("image", "map of atoms", "weight"),
    (batch.image[number, 0], batch.heat[number], batch.weight[number]),
    strict=False,
):
    axes.imshow(
        image,
        cmap="gray" if title != "map of atoms" else "cividis",
        vmin=None if title == "image" else 0,
        vmax=None if title == "image" else 1,
    )
    axes.set(title=title, xticks=[], yticks=[])
row, column = np.unravel_index(int(batch.heat[number].argmax()), batch.heat[number].shape)
rows, columns = (slice(max(one - 8, 0), one + 9) for one in (row, column))
y, x = np.mgrid[rows, columns]
near = batch.near[number, rows, columns].numpy() > 0
dx, dy = batch.offset[number, :, rows, columns].numpy()
panels[3].imshow(
    batch.image[number, 0, rows, columns],
    cmap="gray",
    extent=(x.min() - 0.5, x.max() + 0.5, y.max() + 0.5, y.min() - 0.5),
)
panels[3].quiver(
    x[near], y[near], dx[near], dy[near], color="#E69F00", angles="xy", scale_units="xy", scale=1, width=0.012
)
panels[3].set(title="way to an atom", xticks=[], yticks=[])
plt.show()

# %%
# Training itself: ``stemforge train atom-net --data CORPUS --out RUN``.
