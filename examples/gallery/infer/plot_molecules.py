"""
Molecules in the channels of a zeolite
======================================

Which channels hold a molecule? This example images MFI with guests in some of its straight channels, restores
the image, finds boxes with Faster R-CNN, and draws the true molecules beside them. The control is the same film
without guests.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge import Micrograph, draw_micrograph
from stemforge.infer import detect_molecules
from stemforge.simulate import SimulationRecipe, record, simulate_sample
from stemforge.train import load_weights

# %%
# Four cells thick, columns of pyridine or thiophene; 3000 e/Å².
changes = {
    "scan.shape": [144, 144],
    "support.thickness": 4,
    "support.variants": 4,
    "support.mistilt": 0,
    "seed": 7,
}


def recorded(occupancy):
    """Return a recording at a share of filled channels."""
    recipe = SimulationRecipe.load("zsm5-columns", {**changes, "support.occupancy": occupancy})
    return record(simulate_sample(recipe, 0), recipe.degradation.at_dose(3000.0), np.random.default_rng(0))


recordings = {"with guests": recorded(0.5), "empty": recorded(0)}

# %%
# The detector was trained on restored images; its card says by which restorer.
detector, card = load_weights("faster-rcnn")
restorer = load_weights("divaesr") if card.inputs.restorer else None
figure, panels = plt.subplots(1, 2, figsize=(7.5, 4), layout="constrained")
for axes, (name, recording) in zip(panels, recordings.items(), strict=True):
    micrograph = Micrograph(recording.image[0], 0.25, modality="iDPC")
    found = detect_molecules(micrograph, detector, card, restorer=restorer)
    draw_micrograph(axes, micrograph)
    for x0, y0, x1, y1 in found.molecules.boxes:
        axes.add_patch(plt.Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec="#56B4E9", lw=2))
    if len(recording.labels):
        axes.plot(*recording.labels.points.T, "x", color="#F0E442", ms=8, mew=2)
    axes.set_title(f"{name}: {len(found.molecules)} boxes, {len(recording.labels)} true (×)", fontsize=10)
plt.show()

# %%
# From the command line: ``stemforge infer molecules my-idpc.tif``. Whether a channel is filled is better asked
# of the image as recorded: ``stemforge infer occupancy my-idpc.tif``.
