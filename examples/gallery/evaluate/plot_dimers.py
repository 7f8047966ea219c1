"""
How many dimers are real?
=========================

Two atoms that look bonded may only lie in line with the beam. This example adds true dimers to random atoms,
step by step, and compares what is counted with what remains after coincidences are taken off. The first step,
no dimers, is the control.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge.evaluate import PointPattern, Window, bond_length, clusters

# %%
# Atoms of Pt on 15 × 15 nm; atoms up to 1.2 bond lengths from each other count as bonded.
rng = np.random.default_rng(0)
window = Window.frame((512, 512), sampling=0.293)
length = 1.2 * bond_length("Pt")
true = np.array([0, 8, 16])
rounds = 10
counted, corrected = np.zeros((rounds, len(true))), np.zeros((rounds, len(true)))
for row in range(rounds):
    for column, dimers in enumerate(true):
        angle = rng.uniform(0, 2 * np.pi, dimers)
        step = bond_length("Pt") / 0.293 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        first = rng.uniform(20, 490, (dimers, 2))
        pattern = PointPattern.inside(np.concatenate([window.draw(100, rng), first, first + step]), window)
        sizes = clusters(pattern, length, simulations=49)
        counted[row, column], corrected[row, column] = sizes.observed[1], sizes.corrected[1]

# %%
# Bars are standard errors over the rounds. A corrected count may be negative in one image; only so is its mean
# right.
figure, axes = plt.subplots(figsize=(5.2, 4), layout="constrained")
axes.axline((0, 0), slope=1, color="0.6", ls="--", label="truth")
for values, name, colour, marker in (
    (counted, "counted", "#E69F00", "s"),
    (corrected, "corrected", "#0072B2", "o"),
):
    axes.errorbar(
        true,
        values.mean(0),
        values.std(0, ddof=1) / rounds**0.5,
        fmt=marker,
        color=colour,
        capsize=3,
        label=name,
    )
axes.set(xlabel="true dimers", ylabel="dimers, mean of 10 images")
axes.legend()
plt.show()

# %%
# ``stemforge analyse found/ --element Pt`` does this for found atoms, missed ones included.
