"""
Three engines, one specimen
===========================

Multislice is the reference and slow; ``kernels`` adds images of single atoms and is fast, but neglects how
atoms in line hide each other. This example images the same few atoms with all three engines, so that one can
see where they differ.
"""

import time

import matplotlib.pyplot as plt

from stemforge import Micrograph, draw_micrograph
from stemforge.simulate import Kernels, Multislice, Prism, SimulationRecipe, simulate_sample

# %%
# A small field of graphene with silicon; one phonon configuration, to be quick: a real reference averages many.
recipe = SimulationRecipe.load(
    "si-graphene",
    {
        "scan.shape": [16, 16],
        "scan.sampling": 0.5,
        "scan.margin": 2,
        "support.ripple_amplitude": 0,
        "support.rotation": 0,
        "single_atoms.0.areal_density": 1.9,
    },
)
engines = {
    "kernels": Kernels(),
    "prism": Prism(frozen_phonons=1),
    "multislice": Multislice(frozen_phonons=1),
}
signals, seconds = {}, {}
for name, engine in engines.items():
    start = time.process_time()
    signals[name] = simulate_sample(recipe, 0, engine=engine).signal[0]
    seconds[name] = time.process_time() - start

# %%
# All panels have the recipe's pixel size; deviations are in per cent of the brightest pixel of multislice.
reference = signals["multislice"]
figure, panels = plt.subplots(2, 3, figsize=(7.5, 5.2), layout="constrained")
for (above, below), (name, signal) in zip(panels.T, signals.items(), strict=True):
    draw_micrograph(above, Micrograph(signal, 0.5))
    above.set_title(f"{name}, {seconds[name]:.1f} s")
    shown = below.imshow(100 * (signal - reference) / reference.max(), cmap="RdBu_r", vmin=-10, vmax=10)
    below.set(xticks=[], yticks=[], title="minus multislice" if name != "multislice" else "the reference")
figure.colorbar(shown, ax=panels[1], label="deviation [%]")
plt.show()

# %%
# ``stemforge plan si-graphene --max-error 0.05`` measures this for a recipe and takes the cheapest engine
# within the bound.
