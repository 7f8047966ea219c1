"""
Take a corpus to ImageJ, napari and COCO
========================================

Results should open where people already work. This example writes one simulated image with its atoms for three
other programs into a temporary folder, reads the COCO file back as another program would, and draws its boxes
on its picture.
"""

import json
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

from stemforge import Corpus, CorpusWriter
from stemforge.simulate import Export, SimulationRecipe, export_corpus, simulate_sample

# %%
# A corpus of one sample, written here; ``stemforge simulate`` writes large ones.
recipe = SimulationRecipe.load(
    "quickstart",
    {"num_samples": 1, "scan.shape": [128, 128], "support.mean_thickness": 40, "support.vacuum_fraction": 0},
)
with tempfile.TemporaryDirectory() as folder:
    writer = CorpusWriter(Path(folder) / "corpus", recipe.model_dump(mode="json"), recipe.content_hash)
    writer.write(0, [simulate_sample(recipe, 0)])
    corpus = Corpus(writer.folder)
    files = {}
    for name in ("coco", "imagej", "napari"):
        out = Path(folder) / name
        export_corpus(corpus, out, Export(format=name), quiet=True)
        files[name] = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    content = json.loads((Path(folder) / "coco" / "annotations.json").read_text(encoding="utf-8"))
    picture = plt.imread(next((Path(folder) / "coco").rglob("*.png")))

# %%
# What was written, by program:
for name, paths in files.items():
    print(f"{name}: {', '.join(paths)}")

# %%
# COCO's boxes (x, y, width, height) on COCO's picture.
figure, axes = plt.subplots(figsize=(4.8, 5), layout="constrained")
axes.imshow(picture, cmap="gray")
for annotation in content["annotations"]:
    x, y, width, height = annotation["bbox"]
    axes.add_patch(plt.Rectangle((x, y), width, height, fill=False, ec="#56B4E9", lw=1.5))
axes.set(
    xlabel="x [pixel]", ylabel="y [pixel]", title=f"{len(content['annotations'])} boxes, read back from COCO"
)
plt.show()

# %%
# From the command line: ``stemforge export corpora/pt-nc --format coco --out exported``.
