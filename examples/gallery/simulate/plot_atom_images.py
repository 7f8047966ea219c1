"""
How bright and how wide one atom is
===================================

Everything in an annular image starts with the image of one atom. This example draws it for several elements and
out of focus, and compares how much each element scatters: the contrast between a heavy atom and its support
comes from there.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge.simulate import Microscope, atom_image, cross_section

# %%
# An aberration-corrected microscope at 60 kV; angles in mrad, energies in eV, lengths in Å.
microscope = Microscope(preset="nion-ultrastem-100")
sampling = 0.1
foci = (0, 50, 100)
images = {focus: atom_image("Pt", microscope, "HAADF", focus, sampling, blur=1.0) for focus in foci}

# %%
# Out of focus an atom gets wider and fainter. Its sum stays what it is: dim atoms are there, but no longer
# stand out.
figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.4), layout="constrained")
for (focus, image), colour in zip(images.items(), ("#0072B2", "#D55E00", "#009E73"), strict=True):
    row = image[image.shape[0] // 2]
    x = (np.arange(row.size) - row.size // 2) * sampling
    left.plot(x, row / images[0].max(), color=colour, label=f"{focus} Å")
left.set(xlim=(-5, 5), xlabel="distance [Å]", ylabel="signal of one Pt atom", title="out of focus")
left.legend(title="defocus")

# %%
# The cross-section rises nearly as a power of the atomic number, steeper on a detector of larger angles.
elements = {"C": 6, "Si": 14, "Fe": 26, "Mo": 42, "Pt": 78}
numbers = np.array(list(elements.values()))
for detector, marker, colour in (("HAADF", "o", "#0072B2"), ("MAADF", "s", "#D55E00")):
    sections = np.array([cross_section(element, microscope, detector) for element in elements])
    power = np.polyfit(np.log(numbers), np.log(sections), 1)[0]
    right.loglog(numbers, sections, marker + "-", color=colour, label=f"{detector}, power {power:.1f}")
right.set(xlabel="atomic number", ylabel="cross-section [Å²]", title="in focus")
right.set_xticks(numbers, list(elements))
right.minorticks_off()
right.legend()
plt.show()
