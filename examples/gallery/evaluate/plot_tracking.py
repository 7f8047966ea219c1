"""
Follow atoms through a series
=============================

What moved, and how much of that is drift? This example makes the positions of a series with drift, errors of
localisation, missed detections and a few atoms that hop, and follows the atoms. The control is the same series
without hops.
"""

import matplotlib.pyplot as plt
import numpy as np

from stemforge import Annotations
from stemforge.evaluate import Series, track_atoms

# %%
# 60 atoms on 15 × 15 nm over 12 frames; 10 of them hop once, by 2 to 4 Å. One detection in ten is missing.
SAMPLING, FRAMES = 0.3, 12


def series(hopping, rng):
    """Return what a detector would find on each frame, and the true drift [Å]."""
    places = np.repeat(rng.uniform(30, 480, (1, 60, 2)), FRAMES, axis=0)
    for atom in range(hopping):
        angle, step = rng.uniform(0, 2 * np.pi), rng.uniform(2, 4) / SAMPLING
        places[rng.integers(3, 9) :, atom] += step * np.array([np.cos(angle), np.sin(angle)])
    drift = np.cumsum(rng.normal(0.4, 0.4, (FRAMES, 2)), axis=0)
    drift -= drift[0]
    frames = []
    for shift, points in zip(drift, places, strict=True):
        noisy = points + shift + rng.normal(0, 0.4, points.shape)
        frames.append(Annotations(noisy[rng.random(len(noisy)) < 0.9]))
    return Series(frames, (512, 512), SAMPLING), SAMPLING * drift


# %%
# Drift is found from the atoms themselves.
figure, panels = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained")
for axes, (name, hopping) in zip(panels, {"10 atoms hop": 10, "none hops": 0}.items(), strict=False):
    frames, drift = series(hopping, np.random.default_rng(1))
    tracks = track_atoms(frames)
    for track in tracks.tracks:
        points = track.path.points
        span = np.ptp(points, axis=0).max()
        axes.plot(*points.T, "-", lw=1.5, color="#D55E00" if span > 3 else "#0072B2")
        axes.plot(*points[0], "o", ms=3, color="#D55E00" if span > 3 else "#0072B2")
    axes.set(
        aspect="equal",
        xlabel="x [Å]",
        ylabel="y [Å]",
        title=f"{name}: {len(tracks.tracks)} tracks, {tracks.hops} hops",
    )
    panels[2].plot(drift[:, 0], "-", color="0.7", lw=4, label="true" if hopping else None)
    panels[2].plot(tracks.drift[:, 0], "--", color="#0072B2", label="measured" if hopping else None)
panels[2].set(xlabel="frame", ylabel="drift in x [Å]", title="drift of both series")
panels[2].legend()
plt.show()

# %%
# For a stack or a folder of frames: ``stemforge track stack.tif``, with rates, diffusion and a movie.
