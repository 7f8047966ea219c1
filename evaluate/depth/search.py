"""Atoms at any depth found on the filtered frames of a focal series: a matched filter for each depth."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from stemforge.evaluate.depth.fit import AtomAt, FocalModel

STEP = 1 / 8
"""Distance of the depths that are tried, in a depth of field."""

_NEAREST = 1.2  # two maxima nearer than that are one atom's [Å]


def search_atoms(model: FocalModel, frames: NDArray[np.float32], step: float, least: float) -> list[AtomAt]:
    """Find atoms: maxima, over place and depth, of what the matched filter says.

    Parameters
    ----------
    model
        What atoms look like on filtered frames.
    frames
        Filtered frames, shape (frames, height, width).
    step
        Distance of the depths that are tried [Å].
    least
        Standard deviations by which an atom stands out. They are those of the filtered frames themselves where these
        are wider than the noise that the model knows.

    Returns
    -------
    list of AtomAt
        The brightest first; none nearer to the edge than the patch that is fitted.
    """
    height, width = frames.shape[1:]
    half = model.half
    if min(height, width) <= 2 * half + 2:
        return []
    shape = [fft.next_fast_len(n + 2 * half, real=True) for n in (height, width)]
    spectra = fft.rfft2(frames, s=shape)
    best = np.full((height - 2 * half, width - 2 * half), -np.inf, dtype=np.float32)
    depth, size = np.zeros_like(best), np.ones_like(best)
    for z in np.arange(model.depths[0], model.depths[1] + step / 2, step):
        kernel = model.image(AtomAt(1.0, 0.0, 0.0, float(z))) * model.inside
        norm = float(np.sqrt((kernel**2).sum()))
        product = (spectra * np.conj(fft.rfft2(kernel, s=shape))).sum(0)
        found = fft.irfft2(product, s=shape)[: best.shape[0], : best.shape[1]] / norm
        found = found / max(1.0, 1.4826 * float(np.median(np.abs(found - np.median(found)))))
        better = found > best
        best[better], depth[better], size[better] = found[better], z, norm
    near = 2 * int(np.ceil(_NEAREST / model.sampling)) + 1
    peaks = np.argwhere((best == ndimage.maximum_filter(best, near)) & (best > least))
    peaks = peaks[np.argsort(-best[tuple(peaks.T)])]
    scale = model.sampling
    return [
        AtomAt(
            float(best[row, column] / size[row, column]),
            float((column + half) * scale),
            float((row + half) * scale),
            float(depth[row, column]),
        )
        for row, column in peaks
    ]
