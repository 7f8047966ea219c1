"""
Score a detector against the truth
==================================

An atom counts as found when a detection can be paired with it, one to one. This example runs a detector on a
simulated image, pairs detections with true atoms, and follows precision and recall over the threshold.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge import Micrograph, draw_micrograph
from stemforge.evaluate import match_distance, threshold_curve
from stemforge.infer import Detector
from stemforge.simulate import SimulationRecipe, record, simulate_sample

# %%
# Many faint atoms at a low dose: some cannot be found.
recipe = SimulationRecipe.load(
    "quickstart",
    {
        "scan.shape": [192, 192],
        "support.mean_thickness": 80,
        "support.vacuum_fraction": 0,
        "single_atoms.0.areal_density": 1.2,
    },
)
recording = record(simulate_sample(recipe, 0), recipe.degradation.at_dose(6e3), np.random.default_rng(0))
image, truth = recording.image[0], recording.labels.points
found = Detector.from_pretrained("atom-net").predict(image, sampling=0.293).atoms

# %%
# Pairs lie within 1.5 Å of each other; as many are made as can be.
match = match_distance(found.points, truth, 1.5 / 0.293)
curve = threshold_curve(
    [found.points],
    [found["score"]],
    [truth],
    match=lambda one, other: match_distance(one, other, 1.5 / 0.293),
)

# %%
# Blue: found and true. Orange: missed. Purple: found, and not true.
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
draw_micrograph(left, Micrograph(image, 0.293))
false = np.setdiff1d(np.arange(len(found)), match.pairs[:, 0])
missed = np.setdiff1d(np.arange(len(truth)), match.pairs[:, 1])
for points, colour, marker, name in (
    (truth[match.pairs[:, 1]], "#56B4E9", "o", "found"),
    (truth[missed], "#E69F00", "s", "missed"),
    (found.points[false], "#CC79A7", "^", "not true"),
):
    left.plot(*points.T, marker, ms=8, mfc="none", mew=1.5, mec=colour, label=f"{len(points)} {name}")
left.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=3, frameon=False)
right.plot(curve.thresholds, curve.precision, color="#0072B2", label="precision")
right.plot(curve.thresholds, curve.recall, color="#D55E00", label="recall")
right.plot(curve.thresholds, curve.f1, color="#009E73", lw=2.5, label="F1")
right.set(xlabel="threshold of the likelihood", ylim=(0, 1.02))
right.legend()
plt.show()

# %%
# For folders with truth: ``stemforge evaluate atoms``.
