"""Train SAC-CNN on images that are never stored: simulation inside the data loader.

    python examples/infinite_corpus.py [--out infinite-corpus] [--samples 24] [--workers 2]

Each image of the recipe is simulated by a data-loader worker, degraded, cut into crops, learnt from and forgotten. The
loop is plain PyTorch; `stemforge train sac-cnn` does the same from a corpus, with validation, checkpoints and logs.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch.nn import functional
from torch.utils.data import DataLoader

from stemforge.simulate import SimulationRecipe
from stemforge.train import SACCNN, Crops, CutAtoms, SimulationStream

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, default=Path("infinite-corpus"))
parser.add_argument("--samples", type=int, default=24, help="images")
parser.add_argument("--workers", type=int, default=2)
options = parser.parse_args()
options.out.mkdir(parents=True, exist_ok=True)

# Thin and small, so that an image takes a fraction of a second.
changes = {"scan.shape": [96, 96], "support.mean_thickness": 60, "support.vacuum_fraction": 0}
recipe = SimulationRecipe.load("quickstart", changes)
cut = CutAtoms(Crops(), recipe.degradation)


def single_crops(sample, rng):
    """Make items of single crops, so that the shuffle buffer mixes those of several images."""
    return list(zip(*cut(sample, rng), strict=True))


data = SimulationStream(recipe, single_crops, num_samples=options.samples, buffer=600)
loader = DataLoader(data, batch_size=64, num_workers=options.workers)

torch.manual_seed(0)
model = SACCNN()
optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, amsgrad=True)
losses = []
for crops, classes in loader:
    loss = functional.cross_entropy(model(crops), classes)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    losses.append(loss.item())

# The epoch goes on where the one before it ended: images that the network has not seen.
data.epoch = 1
crops, classes = next(iter(DataLoader(data, batch_size=400)))
model.eval()
with torch.no_grad():
    likelihood = model(crops).softmax(1)[:, 1]
right = float(((likelihood > 0.5) == (classes == 1)).float().mean())

figure = Figure(figsize=(11, 3.4), layout="constrained")
left, *panels = figure.subplots(1, 7, width_ratios=[3, 1, 1, 1, 1, 1, 1])
left.plot(np.arange(1, len(losses) + 1), losses, color="#4477aa")
left.set(xlabel="batch", ylabel="cross-entropy", title=f"unseen images: {right:.0%} right")
for axis, i in zip(panels, range(6), strict=True):
    axis.imshow(crops[i, 0], cmap="gray")
    axis.set_title(f"{'atom' if classes[i] else 'none'}\n{likelihood[i]:.2f}", fontsize=9)
    axis.axis("off")
figure.savefig(options.out / "learning.png", dpi=110)
print(f"{options.out}: loss {losses[0]:.2f} to {losses[-1]:.2f}, {right:.0%} of unseen images' crops right")
