"""From a zeolite's structure to molecules found, with a picture of every step.

    python examples/zeolite_chain.py [--out zeolite-chain] [--dose 3000]

Builds MFI with columns of pyridine and thiophene in its channels, images it with four detector segments, counts
the electrons of a dose, integrates (iDPC), restores with DIVAESR and finds the molecules with Faster R-CNN. The
weights that come with stemforge are used; the structure drawn here is not among those they were trained on.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from stemforge import Micrograph
from stemforge.infer import detect_molecules, draw_molecules, restore_micrograph
from stemforge.simulate import SimulationRecipe, atom_map, degrade, idpc_image, simulate_sample
from stemforge.structures import draw_structure
from stemforge.train import load_weights

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, default=Path("zeolite-chain"))
parser.add_argument("--dose", type=float, default=3000.0, help="e/Å²")
options = parser.parse_args()
options.out.mkdir(parents=True, exist_ok=True)

# 1. Structure and noise-free signals of the four segments. Another seed, another crystal.
recipe = SimulationRecipe.load("zsm5-columns", {"seed": 7})
_, atoms = recipe.build(0)
draw_structure(atoms).savefig(options.out / "1-structure.png", dpi=90, bbox_inches="tight")
sample = simulate_sample(recipe, 0)

# 2. A dose: noise acts on the segments, integration comes after it.
degradation = recipe.degradation.at_dose(options.dose)
degraded = degrade(sample.signal, degradation, sample.sampling, np.random.default_rng(0))
clean, noisy = idpc_image(sample.signal, sample.sampling), idpc_image(degraded.image, sample.sampling)
micrograph = Micrograph(noisy, sample.sampling, modality="iDPC", name="simulated")

# 3. Restore, and find the molecules.
restorer = load_weights("divaesr")
detector, card = load_weights("faster-rcnn")
restoration = restore_micrograph(micrograph, *restorer)
found = detect_molecules(micrograph, detector, card, restorer=restorer if card.inputs.restorer else None)
found.to_csv(options.out / "molecules.csv")
draw_molecules(found, options.out / "3-molecules.png")

# 4. All of it side by side.
figure = Figure(figsize=(13, 3.6), layout="constrained")
panels = {
    "noise-free iDPC": clean,
    f"{options.dose:g} e/Å²": noisy,
    "restored": restoration.image,
    "atoms (truth)": atom_map(sample, 2, degraded.displacement),
}
for axis, (title, image) in zip(figure.subplots(1, 4), panels.items(), strict=True):
    axis.imshow(image, cmap="gray", vmin=np.percentile(image, 0.1), vmax=np.percentile(image, 99.9))
    axis.set_title(title)
    axis.axis("off")
figure.savefig(options.out / "2-images.png", dpi=110)
print(f"{options.out}: {len(found.molecules)} molecules found, {len(sample.labels)} are there")
