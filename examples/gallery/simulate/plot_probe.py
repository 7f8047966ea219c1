"""
The probe, in focus and with aberrations
========================================

The probe decides what an image can resolve. This example draws the probe of an aberration-corrected microscope
in focus, out of focus, with astigmatism and with coma: what recipes draw at random so that a detector learns to
bear it.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge.simulate import Microscope

# %%
# Aberrations are fields of the microscope, in Å; see ``stemforge recipe explain pt-nc microscope.A1``.
aberrations = {
    "in focus": {},
    "80 Å out of focus": {"depth": 80},
    "astigmatism A1 60 Å": {"A1": 60, "A1_angle": 0.6},
    "coma B2 800 Å": {"B2": 800, "B2_angle": 0.6},
}
extent, points = 12.0, 120


def intensity(depth=0.0, **fields):
    """Return the probe's intensity [1/Å²], shape (y, x)."""
    microscope = Microscope(preset="nion-ultrastem-100", **fields)
    wave = microscope.probe(depth, extent=extent, gpts=points).build(lazy=False)
    density = (np.abs(wave.array) ** 2).T
    return density / density.sum() / (extent / points) ** 2


# %%
# The square root of the intensity is drawn, which makes tails visible.
figure, panels = plt.subplots(2, 2, figsize=(6, 5.4), layout="constrained", sharex=True, sharey=True)
half = extent / 2
for axes, (title, fields) in zip(panels.flat, aberrations.items(), strict=True):
    probe = intensity(**fields)
    shown = axes.imshow(
        np.sqrt(probe), extent=(-half, half, -half, half), origin="lower", cmap="cividis", vmin=0, vmax=0.9
    )
    axes.set_title(f"{title}\npeak {probe.max():.2f} per Å²", fontsize=10)
    axes.set(xlim=(-4, 4), ylim=(-4, 4))
for axes in panels[1]:
    axes.set_xlabel("x [Å]")
for axes in panels[:, 0]:
    axes.set_ylabel("y [Å]")
figure.colorbar(shown, ax=panels, label="√(intensity × Å²)")
plt.show()
