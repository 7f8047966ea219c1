"""
An image whose pixel size nobody knows
======================================

A detector needs the pixel size, and files do not always have it. This example hides the pixel size of an image
and has it estimated from the atoms; the estimate comes with an error, which is large, and the truth is drawn
beside it.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge import Micrograph, draw_micrograph
from stemforge.infer import estimate_sampling
from stemforge.simulate import SimulationRecipe, record, simulate_sample
from stemforge.train import load_weights

# %%
# The image of a known pixel size, which the estimate does not use.
recipe = SimulationRecipe.load(
    "quickstart",
    {
        "scan.shape": [160, 160],
        "support.mean_thickness": 60,
        "support.vacuum_fraction": 0,
        "single_atoms.0.areal_density": 1.0,
    },
)
sample = simulate_sample(recipe, 0)
recording = record(sample, recipe.degradation.at_dose(6e4), np.random.default_rng(0))
unknown = Micrograph(recording.image[0])
estimate = estimate_sampling(unknown, *load_weights("atom-net"))

# %%
# The detector is run as if pixels had each of several sizes. Where they are taken for too large or too small,
# its expected F1 falls.
figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.6), layout="constrained")
draw_micrograph(left, unknown)
left.set_title("no pixel size")
curve = estimate.curve
right.semilogx(curve.sizes, curve.expected_f1, "o-", color="#0072B2", ms=4)
low, high = estimate.sampling * np.exp(np.array([-1, 1]) * estimate.error)
right.axvspan(
    low, high, color="#E69F00", alpha=0.3, label=f"estimate {estimate.sampling:.2f} Å ± {estimate.error:.0%}"
)
right.axvline(sample.sampling, color="#D55E00", label=f"truth {sample.sampling:.3f} Å")
right.set(xlabel="assumed pixel size [Å]", ylabel="expected F1")
right.set_xticks([0.1, 0.2, 0.3, 0.5, 0.8], ["0.1", "0.2", "0.3", "0.5", "0.8"])
right.minorticks_off()
right.legend(fontsize=9)
plt.show()

# %%
# From the command line: ``stemforge infer atoms my-image.tif --sampling auto``.
