"""How many electrons an image holds, and how much of its specimen is much thicker than the rest."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stemforge.errors import MicrographError
from stemforge.evaluate.triage.candidates import Candidates
from stemforge.micrograph.flaws.processed import noise_fades
from stemforge.micrograph.image import Micrograph
from stemforge.simulate.recording.response import detector_response

THICK = 2.0
"""Electrons over the specimen's median from which a part is thick: twice the mass, where HAADF goes by it."""

_SMOOTH = 8.0  # standard deviation of the mean that is judged [pixel]: wider than atoms, as narrow as spots of carbon


@dataclass(frozen=True)
class Brightness:
    """Electrons of an annular image.

    Parameters
    ----------
    electrons
        Detected on the specimen [1/pixel], on average; None where the noise does not tell.
    thick
        Share of the specimen that is :data:`THICK` times as bright as its median, or saturated; None likewise.
    """

    electrons: float | None
    thick: float | None


def measure_brightness(micrograph: Micrograph, candidates: Candidates) -> Brightness:
    """Measure the electrons on the specimen, and the share of it that is thick: contamination, particles, folds.

    Grey values are brought to electrons by the image's own noise, which tells gain and offset
    (:func:`stemforge.simulate.recording.response.detector_response`); an image that was filtered tells neither.
    The noise is that of the largest usable rectangle: what is filled beside it has none that was counted.
    """
    specimen = candidates.specimen.mask
    saturated = candidates.usable.reasons.get("saturated", 0.0)
    if noise_fades(micrograph.image) or not specimen.any():
        return Brightness(None, None)
    try:
        gain, offset = detector_response(candidates.unfilled.astype(np.float64))
    except MicrographError:
        return Brightness(None, None)
    counts = candidates.filled.astype(np.float64)
    counts -= offset
    counts /= gain
    share = float(specimen.mean())
    thick = _thick_share(counts, specimen)
    return Brightness(float(counts[specimen].mean()), (thick * share + saturated) / (share + saturated))


def _thick_share(counts: NDArray[np.float64], specimen: NDArray[np.bool_]) -> float:
    local = ndimage.gaussian_filter(np.where(specimen, counts, 0), _SMOOTH)[specimen]
    local /= ndimage.gaussian_filter(specimen.astype(float), _SMOOTH)[specimen]
    return float((local > THICK * np.median(local)).mean())
