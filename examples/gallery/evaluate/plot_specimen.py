"""
Specimen and vacuum: the area behind a density
==============================================

Atoms per nm² means per nm² of specimen, not of the frame. This example images a carbon particle that leaves
vacuum beside it, and finds the specimen from the image alone. The control is a film that covers all of the
frame.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge import Micrograph, draw_micrograph
from stemforge.infer import find_specimen
from stemforge.simulate import SimulationRecipe, record, simulate_sample

# %%
# The same recipe with much vacuum, and with none.
panels_of = {}
for name, vacuum in {"a particle's edge": 0.45, "a film": 0.0}.items():
    recipe = SimulationRecipe.load(
        "quickstart",
        {"scan.shape": [160, 160], "support.mean_thickness": 60, "support.vacuum_fraction": vacuum},
    )
    recording = record(simulate_sample(recipe, 1), recipe.degradation.at_dose(3e4), np.random.default_rng(0))
    panels_of[name] = Micrograph(recording.image[0], 0.293, name=name)

# %%
# The outline is where the specimen ends; the share has an interval of 95 %.
figure, panels = plt.subplots(1, 2, figsize=(7.2, 3.9), layout="constrained")
for axes, (name, micrograph) in zip(panels, panels_of.items(), strict=True):
    specimen = find_specimen(micrograph)
    draw_micrograph(axes, micrograph)
    if not specimen.mask.all():
        axes.contour(specimen.mask, levels=[0.5], colors="#56B4E9", linewidths=2)
    axes.set_title(
        f"{name}: {100 * specimen.share:.0f} % specimen\n({100 * specimen.low:.0f} to {100 * specimen.high:.0f} %)",
        fontsize=10,
    )
plt.show()

# %%
# ``stemforge report images/`` draws it for each image, and divides by it.
