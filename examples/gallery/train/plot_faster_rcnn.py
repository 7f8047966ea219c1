"""
Faster R-CNN: boxes around molecules
====================================

A detector of molecules learns from boxes. This example shows the boxes that labels of a simulated zeolite give,
by two definitions, and the four terms of the loss over the first steps of a small network on one image. They
are far too few to learn anything: where boxes are proposed at all, their terms rise at first.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

from stemforge import Micrograph, draw_micrograph
from stemforge.simulate import BoxDefinition, SimulationRecipe, record, sample_molecule_boxes, simulate_sample
from stemforge.train import FasterRCNN, FasterRCNNSettings, normalise_image

# %%
# MFI one cell thick, at a high dose. A margin is how far a box reaches beyond the atoms' centres.
recipe = SimulationRecipe.load(
    "zsm5-columns",
    {
        "scan.shape": [128, 128],
        "support.thickness": 1,
        "support.variants": 1,
        "support.mistilt": 0,
        "support.occupancy": 1,
    },
)
sample = simulate_sample(recipe, 0)
recording = record(
    sample, recipe.degradation.at_dose(3e4).replace(drift=0, line_jitter=0), np.random.default_rng(0)
)
boxes = {
    "van der Waals radii": sample_molecule_boxes(sample, BoxDefinition()),
    "margin 3.5 Å": sample_molecule_boxes(sample, BoxDefinition(3.5)),
}

# %%
# A few steps on this image. Anchors are the sides of boxes that each level of the network starts from [pixel].
ANCHORS = ((8, 12), (16, 24), (32, 48), (64, 96))
torch.manual_seed(0)
model = FasterRCNN(FasterRCNNSettings(backbone="resnet18", pyramid=32, head=64, anchors=ANCHORS)).train()
image = torch.from_numpy(normalise_image(recording.image[0]))[None]
truth = boxes["van der Waals radii"]
inside = np.clip(truth, 0, 127)
target = {
    "boxes": torch.from_numpy(inside.astype(np.float32)),
    "labels": torch.ones(len(inside), dtype=torch.int64),
}
optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
history = []
for _ in range(10):
    terms = model.losses([image], [target])
    optimiser.zero_grad()
    sum(terms.values()).backward()
    optimiser.step()
    history.append({name.removeprefix("loss_"): value.item() for name, value in terms.items()})

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(7.8, 3.8), layout="constrained")
draw_micrograph(left, Micrograph(recording.image[0], sample.sampling))
for (name, rows), colour in zip(boxes.items(), ("#56B4E9", "#E69F00"), strict=True):
    for number, (x0, y0, x1, y1) in enumerate(rows):
        label = name if number == 0 else None
        left.add_patch(plt.Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec=colour, lw=2, label=label))
left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=2, fontsize=9, frameon=False)
left.set_title(f"{len(truth)} molecules", fontsize=10)
for name, colour in zip(history[0], ("#0072B2", "#D55E00", "#009E73", "#CC79A7"), strict=True):
    right.plot([row[name] for row in history], "o-", ms=3, color=colour, label=name.replace("_", " "))
right.set(xlabel="step", ylabel="loss", ylim=(0, None))
right.legend(fontsize=8, loc="center left")
plt.show()

# %%
# From a corpus: ``stemforge train faster-rcnn --data corpora/zsm5 --out run``.
