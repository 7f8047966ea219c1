"""
Density of atoms, with its interval
===================================

How many atoms per area does an image show, and how sure is that? This example counts points of a known density
in small and large windows. The interval by Garwood holds the truth in 95 of 100 windows; how often it does is
counted as a control.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge.evaluate import counted_density

# %%
# Random numbers of atoms at 0.5 per nm² in windows of several sizes; 400 windows of each.
density, rng = 0.5, np.random.default_rng(0)
areas = np.array([20, 50, 100, 200, 500])  # nm²
windows = {area: rng.poisson(density * area, 400) for area in areas}
intervals = {area: np.array([counted_density(n, area) for n in numbers]) for area, numbers in windows.items()}

# %%
# Left the first 25 windows of 50 nm²; an interval that misses the truth is drawn in vermilion.
figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.5), layout="constrained")
shown = intervals[50][:25]
holds = (shown[:, 1] <= density) & (density <= shown[:, 2])
for good, colour, name in ((True, "#0072B2", "holds the truth"), (False, "#D55E00", "misses it")):
    which = np.flatnonzero(holds == good)
    value, low, high = shown[which].T
    left.errorbar(which, value, [value - low, high - value], fmt="o", ms=4, color=colour, label=name)
left.axhline(density, color="0.4", ls="--")
left.set(xlabel="window of 50 nm²", ylabel="atoms per nm²", ylim=(0, None))
left.legend(fontsize=9, loc="lower right")

# %%
# Right the mean width of the interval, which falls with the area, and the share of intervals that hold the
# truth.
widths = [np.mean(rows[:, 2] - rows[:, 1]) for rows in intervals.values()]
coverage = [np.mean((rows[:, 1] <= density) & (density <= rows[:, 2])) for rows in intervals.values()]
right.loglog(areas, widths, "o-", color="#0072B2")
right.set(xlabel="area [nm²]", ylabel="mean width of the interval [1/nm²]")
right.set_xticks(areas, [f"{area}" for area in areas])
right.minorticks_off()
right.set_title(f"the truth lies within in {min(coverage):.0%} to {max(coverage):.0%}", fontsize=10)
plt.show()
