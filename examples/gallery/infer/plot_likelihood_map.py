"""
The likelihood map behind a detection
=====================================

A detector does not decide, it gives a likelihood at every pixel. This example shows the map, and how the number
of atoms and the F1 to be expected follow from the likelihoods alone, without any label.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge import Micrograph, draw_micrograph
from stemforge.infer import Detector
from stemforge.simulate import SimulationRecipe, record, simulate_sample

# %%
# At a low dose, so that some atoms are doubtful.
recipe = SimulationRecipe.load(
    "quickstart", {"scan.shape": [160, 160], "support.mean_thickness": 60, "support.vacuum_fraction": 0}
)
sample = simulate_sample(recipe, 0)
recording = record(sample, recipe.degradation.at_dose(8e3), np.random.default_rng(0))
found = Detector.from_pretrained("any-atom").predict(recording.image[0], sampling=0.293, threshold=0.05)

# %%
# Left the image, in the middle the map, right the likelihood of each candidate, sorted. ``number`` holds the
# expected number of visible atoms and an interval that contains 95 of 100.
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(8.5, 3), layout="constrained")
draw_micrograph(left, Micrograph(recording.image[0], 0.293))
left.set_title("8,000 e/Å²")
shown = middle.imshow(found.likelihood, cmap="cividis", vmin=0, vmax=1)
middle.set_axis_off()
middle.set_title("likelihood")
figure.colorbar(shown, ax=middle, shrink=0.8)
scores = np.sort(found.atoms["score"])[::-1]
right.step(np.arange(1, len(scores) + 1), scores, where="mid", color="#0072B2")
expected, low, high = found.number
right.axvspan(low, high, color="#E69F00", alpha=0.3, label="95 % interval")
right.axvline(expected, color="#D55E00", label="expected number")
right.set(
    xlabel="candidate", ylabel="likelihood", ylim=(0, 1.02), title=f"expected F1 {found.expected_f1:.2f}"
)
right.legend(fontsize=8)
plt.show()
