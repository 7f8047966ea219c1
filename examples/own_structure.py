"""Image a structure of your own: any file that ASE reads can stand in for a builder.

    python examples/own_structure.py [STRUCTURE_FILE] [--out own-structure]

Without a file, a single layer of graphene with one Pt atom is written and imaged by multislice.
"""

import argparse
from pathlib import Path

from ase.build import graphene

from stemforge.evaluate.corpora.inspection import contact_sheet
from stemforge.simulate import SimulationRecipe, simulate_corpus

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("structure", type=Path, nargs="?")
parser.add_argument("--out", type=Path, default=Path("own-structure"))
options = parser.parse_args()

options.out.mkdir(parents=True, exist_ok=True)
if options.structure is None:
    # abTEM wants an orthogonal cell: graphene's rectangular one, 4 atoms, repeated.
    layer = graphene(size=(1, 2, 1), vacuum=4.0)
    layer.set_cell([2.46, 4.26, layer.cell[2, 2]], scale_atoms=False)
    layer.wrap()
    layer = layer.repeat((7, 4, 1))
    layer.append("Pt")
    layer.positions[-1] = [8.6, 8.5, layer.positions[:, 2].max() + 2.0]
    options.structure = options.out / "graphene-pt.cif"
    layer.write(options.structure)

recipe = SimulationRecipe.from_mapping(
    {
        "name": "own-structure",
        "num_samples": 1,
        "support": {"kind": "file", "path": str(options.structure), "single_atoms": ["Pt"]},
        "microscope": {"preset": "nion-ultrastem-100", "detectors": {"rings": {"HAADF": [90, 185]}}},
        "scan": {"shape": [48, 48], "sampling": 0.3, "margin": 0},
        "engine": {"name": "multislice", "frozen_phonons": 2, "slice_thickness": 2.0},
        "degradation": {"dose": 1e5, "source_size": 0.8},
    }
)
corpus = simulate_corpus(recipe, options.out / "corpus", workers=1)
contact_sheet(corpus).savefig(options.out / "image.png")
print(corpus, corpus[0].labels.columns)
