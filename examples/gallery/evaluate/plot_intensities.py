"""
Brightness: single atoms, or two in line?
=========================================

Two atoms in one column are about twice as bright as one. This example draws intensities of single atoms and of
a known share with two atoms in line, and asks what kinds there are; the control has single atoms alone.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge.evaluate import mix_intensities

# %%
# The logarithm of an atom's intensity is close to normal.
rng = np.random.default_rng(2)
single, double = rng.lognormal(0, 0.15, 160), 2 * rng.lognormal(0, 0.12, 40)
sets = {
    "20 % with two in line": np.concatenate([single, double]),
    "control: single atoms": rng.lognormal(0, 0.15, 200),
}

# %%
# Bayes' information criterion decides how many kinds are drawn; the simplest description has the benefit of the
# doubt.
figure, panels = plt.subplots(1, 2, figsize=(7.8, 3.5), layout="constrained", sharey=True)
bins = np.geomspace(0.5, 4, 31)
for axes, (title, values) in zip(panels, sets.items(), strict=True):
    mixture = mix_intensities(values)
    axes.hist(values, bins, color="0.8")
    middle = np.sqrt(bins[:-1] * bins[1:])
    step = np.log(bins[1] / bins[0])
    shown = zip(mixture.names, mixture.shares, mixture.means, mixture.spreads, strict=True)
    for (name, share, mean, spread), colour in zip(shown, ("#0072B2", "#D55E00", "#009E73")):  # noqa: B905
        density = np.exp(-((np.log(middle) - mean) ** 2) / (2 * spread**2)) / (spread * np.sqrt(2 * np.pi))
        axes.plot(
            middle, len(values) * share * step * density, color=colour, lw=2, label=f"{name}: {share:.0%}"
        )
    axes.set(xscale="log", title=title, xlabel="intensity, relative to a single atom")
    axes.set_xticks([0.5, 1, 2, 4], ["0.5", "1", "2", "4"])
    axes.minorticks_off()
    axes.legend(fontsize=9)
panels[0].set_ylabel("atoms")
plt.show()
