"""What is refused before anything is simulated: images that no posterior can be asked of."""

from collections.abc import Sequence

import numpy as np

from stemforge.adapt.posterior.parameters import Parameters
from stemforge.adapt.posterior.patches import SIDE
from stemforge.errors import InputError, MicrographError
from stemforge.micrograph.flaws.processed import noise_fades
from stemforge.micrograph.image import Micrograph
from stemforge.settings import Distribution
from stemforge.simulate import SimulationRecipe
from stemforge.simulate.recording.response import detector_response

_LEAST_IMAGES = 3
_LEAST_SIDE = 128  # pixels
_MOST_RATIO = 1.1  # between pixel sizes
_LEAST_PATCHES = 64


def check_images(micrographs: Sequence[Micrograph], recipe: SimulationRecipe) -> tuple[float | None, int]:
    """Refuse images from which the recipe's parameters cannot be inferred.

    Returns
    -------
    sampling, side
        Their pixel size [Å], None where the recipe leaves it open; and the side of patches [pixel].

    Raises
    ------
    InputError
        Which image, why, and what to do.
    """
    if recipe.microscope.detectors.segmented:
        raise InputError("recipe: is calibrated on annular images; this one has a segmented detector")
    if len(micrographs) < _LEAST_IMAGES:
        raise InputError(
            f"images: {len(micrographs)} given, calibration needs at least {_LEAST_IMAGES}: what differs from image to "
            "image, such as thickness, cannot be known from fewer"
        )
    kinds = sorted({micrograph.modality for micrograph in micrographs if micrograph.modality})
    if len(kinds) > 1:
        raise InputError(f"images: are of mixed kinds ({', '.join(kinds)}); give images of one detector")
    for micrograph in micrographs:
        _check_image(micrograph)
    side = min(SIDE, *(min(micrograph.shape) for micrograph in micrographs))
    if isinstance(recipe.scan.sampling, Distribution):
        return None, side
    return _common_sampling(micrographs), side


def check_size(num: int, recipe: SimulationRecipe) -> None:
    """Refuse too few patches to learn from, and a recipe that leaves nothing open."""
    if num < _LEAST_PATCHES:
        raise InputError(f"num must be at least {_LEAST_PATCHES}, not {num}; some hundred patches are needed")
    if not Parameters.of(recipe).fields:
        raise InputError(
            "recipe: every field is a plain number, so nothing can be calibrated; give what is not known a "
            "distribution, such as support.mean_thickness: {uniform: [100, 400]}"
        )


def _check_image(micrograph: Micrograph) -> None:
    if min(micrograph.shape) < _LEAST_SIDE:
        height, width = micrograph.shape
        raise InputError(
            f"{micrograph.name}: has {height} × {width} pixels, at least {_LEAST_SIDE} a side are needed; leave it out"
        )
    image = micrograph.image.astype(np.float64)
    try:
        detector_response(image)
    except MicrographError as error:
        raise InputError(f"{micrograph.name}: {error} Give images as they were recorded") from error
    if noise_fades(micrograph.image):
        raise InputError(
            f"{micrograph.name}: has no noise from pixel to pixel; it was filtered, enlarged or strongly compressed. "
            "Dose and source are read from the noise: give images as they were recorded"
        )


def _common_sampling(micrographs: Sequence[Micrograph]) -> float:
    sizes = []
    for micrograph in micrographs:
        if micrograph.sampling is None:
            raise InputError(
                f"{micrograph.name}: has no pixel size; give one in Å (sampling), or leave scan.sampling open in the "
                "recipe, as {loguniform: [0.15, 0.4]}"
            )
        sizes.append(micrograph.sampling)
    if max(sizes) > _MOST_RATIO * min(sizes):
        smallest, largest = (micrographs[int(pick(sizes))] for pick in (np.argmin, np.argmax))
        raise InputError(
            f"images: are of mixed scale, {smallest.name} has {min(sizes):g} Å a pixel and {largest.name} "
            f"{max(sizes):g} Å; calibrate each magnification by itself"
        )
    return round(float(np.median(sizes)), 5)
