"""
A few steps of SAC-CNN, in plain PyTorch
========================================

SAC-CNN looks at crops of 21 × 21 pixels and says whether an atom is in the middle. This example cuts crops from
one simulated image, trains for a few steps in a loop that is plain PyTorch, and checks on crops of another
image. It shows how the parts fit together; a network that is to be used needs hundreds of images.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn import functional

from stemforge.simulate import SimulationRecipe, simulate_sample
from stemforge.train import SACCNN, Crops, CutAtoms

# %%
# Two specimens of one recipe: one to learn from, one to check on.
recipe = SimulationRecipe.load(
    "quickstart",
    {
        "scan.shape": [128, 128],
        "support.mean_thickness": 60,
        "support.vacuum_fraction": 0,
        "single_atoms.0.areal_density": 1.0,
    },
)
cut = CutAtoms(Crops(), recipe.degradation)
learnt, held_out = (simulate_sample(recipe, number) for number in (0, 1))

# %%
# Noise is drawn anew at every step: one image is many.
torch.manual_seed(0)
model = SACCNN()
optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
losses = []
for step in range(20):
    crops, classes = cut(learnt, np.random.default_rng(step))
    loss = functional.cross_entropy(model(crops), classes)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    losses.append(loss.item())

crops, classes = cut(held_out, np.random.default_rng(0))
model.eval()
with torch.no_grad():
    likelihood = model(crops).softmax(1)[:, 1]

# %%
# The two histograms are of crops that the network has not learnt from.
figure = plt.figure(figsize=(9, 3.2), layout="constrained")
pictures, left, right = figure.subfigures(1, 3)
for row, (axes, name) in enumerate(zip(pictures.subplots(2, 4), ("background", "atom"), strict=True)):
    for panel, crop in zip(axes, crops[classes == row], strict=False):
        panel.imshow(crop[0], cmap="gray")
        panel.set(xticks=[], yticks=[])
    axes[0].set_ylabel(name)
axes = left.subplots()
axes.plot(losses, color="#0072B2")
axes.set(xlabel="step", ylabel="loss", ylim=(0, None))
axes = right.subplots()
for number, (name, colour) in enumerate((("background", "#999999"), ("atom", "#D55E00"))):
    axes.hist(likelihood[classes == number], bins=np.linspace(0, 1, 21), color=colour, alpha=0.7, label=name)
axes.set(xlabel="output for atom", ylabel="crops")
axes.legend()
plt.show()

# %%
# With validation, checkpoints and a card: ``stemforge train sac-cnn --data CORPUS --out RUN``.
