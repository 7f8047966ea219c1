"""Frames of a focal series brought onto each other: drift by the images, then by the atoms."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from stemforge.evaluate.depth.fit import AtomAt, FocalModel
from stemforge.evaluate.series.drift import image_shift, prepared

_EDGE = 48  # pixels by which frames are continued before they are shifted

Stack = NDArray[np.float32]


def image_drift(frames: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Return how far each frame is displaced against a typical one (x, y) [pixel], by the images alone.

    All are compared with the sharpest frame: it shows what the blurred ones have in common with it best, and a frame
    that shows something else does not lead the others astray.
    """
    ready = [prepared(frame) for frame in frames]
    sharpest = max(ready, key=lambda frame: float(frame.var()))
    shifts = np.array([image_shift(sharpest, frame) for frame in ready])
    return np.asarray(shifts - np.median(shifts, axis=0))


def aligned(frames: Stack, drift: NDArray[np.float64]) -> Stack:
    """Return frames moved back by their drift (x, y) [pixel]; white noise stays white.

    By Fourier's shift theorem, on frames that are continued by their mirror image.
    """
    height, width = frames.shape[1:]
    whole = [fft.next_fast_len(n + 2 * min(_EDGE, n), real=True) for n in (height, width)]
    before = [(total - n) // 2 for total, n in zip(whole, (height, width), strict=True)]
    pads = [
        (start, total - n - start) for start, total, n in zip(before, whole, (height, width), strict=True)
    ]
    spectra = fft.rfft2(np.pad(np.asarray(frames, dtype=float), ((0, 0), *pads), mode="symmetric"))
    qy, qx = fft.fftfreq(whole[0])[:, None], fft.rfftfreq(whole[1])
    spectra *= np.exp(2j * np.pi * (drift[:, 1, None, None] * qy + drift[:, 0, None, None] * qx))
    moved = fft.irfft2(spectra, s=whole)
    top, left = before
    return np.asarray(moved[:, top : top + height, left : left + width], dtype=np.float32)


def model_drift(model: FocalModel, rest: Stack, atoms: Sequence[AtomAt]) -> NDArray[np.float64]:
    """Return how far each aligned frame is displaced still (x, y) [Å], by what atoms leave of it; shape (frames, 2).

    Parameters
    ----------
    model
        Of frames whose noise is taken as independent.
    rest
        Filtered frames without the atoms.
    atoms
        As fitted.
    """
    frames = len(model.foci)
    normal, right = np.zeros((frames, 2, 2)), np.zeros((frames, 2))
    for atom in atoms:
        pixel = model.pixel(atom)
        slopes = atom.amplitude * model.derivatives(atom, pixel)[1:3] * model.inside
        slopes = slopes.reshape(2, frames, -1)
        normal += np.einsum("ikp,jkp->kij", slopes, slopes)
        right += np.einsum("ikp,kp->ki", slopes, model.patch(rest, pixel).reshape(frames, -1))
    # Atoms that are fitted at the mean place have taken up what all frames share.
    shift = np.linalg.solve(normal + 1e-9 * np.eye(2), right[..., None])[..., 0]
    weight = normal[:, [0, 1], [0, 1]]
    return np.asarray(shift - (weight * shift).sum(0) / weight.sum(0))
