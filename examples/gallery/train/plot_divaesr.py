"""
DIVAESR: noise is what is left over
===================================

DIVAESR estimates the noise of an iDPC image, takes it away, and draws the rest with twice as many pixels. This
example trains a very small one for some steps on patches of a pattern with noise of a known strength, to show
what the network takes and gives; the restored patch is not yet good, and that is what it shows.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn import functional

from stemforge.train import DIVAESR, DIVAESRSettings

# %%
# Patches of 64 × 64 pixels, noisy and clean, and targets of 128 × 128 pixels.
rng = np.random.default_rng(0)


def patches(number):
    """Return noisy, clean and target patches of lattices with random phase and direction."""
    y, x = np.mgrid[:128, :128] / 2
    target = np.zeros((number, 1, 128, 128), np.float32)
    for one in target[:, 0]:
        angle, (u, v) = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi, 2)
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        one[:] = 0.5 + 0.2 * np.cos(along / 2 + u) + 0.2 * np.cos(across / 2 + v)
    clean = target.reshape(number, 1, 64, 2, 64, 2).mean((3, 5))
    noisy = clean + rng.normal(0, 0.15, clean.shape)
    return tuple(torch.from_numpy(part.astype(np.float32)) for part in (noisy, clean, target))


# %%
# The loss has two parts here: the noise, and the restored patch. Held-out patches come from the same generator.
torch.manual_seed(0)
model = DIVAESR(DIVAESRSettings(channels=(8, 16), latent=16, blocks=2, features=16))
optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
held_out = patches(4)
losses = []
for _ in range(60):
    noisy, clean, target = patches(4)
    result = model(noisy)
    parts = functional.mse_loss(result.noise, noisy - clean), functional.l1_loss(result.output, target)
    optimiser.zero_grad()
    sum(parts).backward()
    optimiser.step()
    losses.append([part.item() for part in parts])
model.eval()
with torch.no_grad():
    restored = model(held_out[0]).output
error = functional.l1_loss(restored, held_out[2]).item()

# %%
# An even grey patch would have the error that the title names last.
grey = functional.l1_loss(held_out[2].mean().expand_as(held_out[2]), held_out[2]).item()
figure, panels = plt.subplot_mosaic("ABC;LLL", figsize=(7.2, 5), height_ratios=(1.6, 1), layout="constrained")
for key, picture, title in zip(
    "ABC", (held_out[0], restored, held_out[2]), ("noisy, held out", "restored", "target"), strict=True
):
    panels[key].imshow(picture[0, 0], cmap="gray", vmin=0, vmax=1)
    panels[key].set_title(title, fontsize=10)
    panels[key].set_axis_off()
noise, output = np.array(losses).T
panels["L"].semilogy(noise, color="#0072B2", label="noise, mean square")
panels["L"].semilogy(output, color="#D55E00", label="restored patch, mean absolute")
panels["L"].set(xlabel="step", ylabel="loss")
panels["L"].set_title(f"held out: mean absolute error {error:.3f}; even grey {grey:.3f}", fontsize=10)
panels["L"].legend(fontsize=9)
plt.show()

# %%
# From a corpus: ``stemforge train divaesr --data corpora/zsm5 --out run``.
