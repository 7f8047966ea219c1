"""Specimen and vacuum on an annular image: the mask, its area, and how well that is known."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from stemforge.errors import MicrographError
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.usable import UsableArea, usable_area
from stemforge.simulate.recording.response import detector_response

_COARSE, _FINE = 6.0, 3.0  # smoothing for the levels, and for the edge [pixel]
_DARK = 0.1  # of the way from the darkest to the specimen: what could be vacuum, and no thin part
# Of the specimen's electrons: a part with more than the first is specimen, one with less than the second is vacuum.
_MOST, _SURE = 0.5, 0.25
# Up to there a wedge has as many further pixels as up to _DARK; where in doubt, vacuum must have so many times as many.
_NEXT, _MORE = 0.2, 3.0
# Of the way from the vacuum's level to the specimen's: where the edge is drawn, and between which lines it lies in 95
# of 100 images; measured on simulated particles with wedges, ridges and pores.
_EDGE, _EDGES = 0.15, (0.08, 0.3)
_SMALLEST = 200  # pixels of an island or a hole
_INNER = 8  # from the edge, where the vacuum's level is measured [pixel]
_LEAST_INNER = 64  # pixels
_ENDS = ("expected", "low", "high")
_CONTRADICTS, _ENOUGH = 0.1, 3  # share of the atoms in what would be vacuum, and their number


@dataclass(frozen=True)
class Specimen:
    """Where an image shows specimen.

    Parameters
    ----------
    mask
        True there, shape (height, width); what of the image is not usable is false.
    share, low, high
        Specimen's share of the image's pixels, and the ends of an interval that holds it in 95 of 100 images.
    vacuum
        Electrons a pixel in vacuum over those of the specimen; None where no vacuum was found.
    remark
        Why vacuum was not looked for, or not believed; empty otherwise.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> thick = 30 + 27 * np.tanh((np.arange(256) - 96) / 6) * np.ones((256, 1))  # no edge is sharp
    >>> found = find_specimen(Micrograph(rng.poisson(thick).astype("float32") * 10 + 500))
    >>> round(found.share, 2), 0.03 < found.vacuum < 0.07
    (0.65, True)
    """

    mask: NDArray[np.bool_]
    share: float
    low: float
    high: float
    vacuum: float | None = None
    remark: str = ""

    @classmethod
    def whole(cls, usable: UsableArea, remark: str = "") -> "Specimen":
        """Return that all that is usable is specimen."""
        share = float(usable.mask.mean())
        return cls(usable.mask, share, share, share, None, remark)

    def area(self, sampling: float) -> tuple[float, float, float]:
        """Return its area [nm²], and the ends of the interval, at a pixel size [Å]."""
        image = self.mask.size * (sampling / 10) ** 2
        return self.share * image, self.low * image, self.high * image

    def facts(self, sampling: float | None) -> dict[str, Any]:
        """Return what a record says of it: share, area at a pixel size [Å], vacuum, remark."""
        facts: dict[str, Any] = {
            "share": {
                name: round(value, 4)
                for name, value in zip(_ENDS, (self.share, self.low, self.high), strict=True)
            },
            "vacuum_over_specimen": None if self.vacuum is None else round(self.vacuum, 4),
        }
        if sampling is not None:
            facts["area_nm2"] = {
                name: round(value, 3) for name, value in zip(_ENDS, self.area(sampling), strict=True)
            }
        if self.remark:
            facts["remark"] = self.remark
        return facts

    def inside(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Tell which points (x, y) [pixel] lie on it."""
        x, y = np.asarray(points, dtype=float).reshape(-1, 2).T.round().astype(int)
        height, width = self.mask.shape
        return np.asarray(self.mask[y.clip(0, height - 1), x.clip(0, width - 1)])

    def believed(self, points: ArrayLike, usable: UsableArea) -> "Specimen":
        """Return this mask, or all that is usable where too many atoms (x, y) [pixel] lie in what would be vacuum.

        A support that scatters little beside what lies on it, as graphene under a particle, looks like vacuum.
        """
        beside = ~self.inside(points) & usable.inside(points)
        number = int(np.count_nonzero(beside))
        if self.vacuum is None or number < max(_ENOUGH, _CONTRADICTS * len(beside)):
            return self
        return Specimen.whole(
            usable,
            f"{number} of {len(beside)} atoms lie where vacuum would be: all of the image counts as specimen",
        )

    def certain(self, usable: UsableArea) -> "Specimen":
        """Return this mask, or all that is usable where the dark part has over a quarter of the specimen's electrons.

        That may be a thin support beside something thick: what asks which images to open takes it for specimen.
        """
        if (self.vacuum or 0.0) <= _SURE:
            return self
        return Specimen.whole(usable, "what is dark has too many electrons for vacuum")


def find_specimen(micrograph: Micrograph, usable: UsableArea | None = None) -> Specimen:
    """Tell specimen from vacuum on an annular (HAADF, MAADF) image.

    Grey values are brought to electrons by the image's own noise
    (:func:`stemforge.simulate.recording.response.detector_response`). The darkest part is vacuum if it has less than
    a quarter of the electrons of the specimen, which is as bright as the brightest tenth of the image begins; or less
    than half, and an even level, which a wedge has not. The edge is drawn at 0.15 of the way between both levels. Holes
    are vacuum too. Vacuum that covers nearly all of the image, or a few pixels, is not found.

    Parameters
    ----------
    micrograph
        As recorded.
    usable
        What of the image can be used, where that is known already.

    Returns
    -------
    Specimen
        The mask. All that is usable, with a remark, where the noise does not tell how many electrons there were: images
        that were filtered or rendered, and phase images.

    Examples
    --------
    >>> y, x = np.mgrid[:128, :128]
    >>> film = np.where(np.hypot(x - 64, y - 64) < 30, 5, 200)  # with a hole in the middle
    >>> found = find_specimen(Micrograph(np.random.default_rng(0).poisson(film)))
    >>> round(found.share, 2), bool(found.mask[64, 64]), bool(found.mask[5, 5])
    (0.86, False, True)
    """
    usable = usable_area(micrograph.image) if usable is None else usable
    if not usable.mask.any():
        return Specimen.whole(usable)
    image = usable.fill(micrograph.image).astype(np.float64)
    try:
        gain, offset = detector_response(image)
    except MicrographError as error:
        return Specimen.whole(usable, f"vacuum was not looked for: {error}")
    counts = image  # in place
    counts -= offset
    counts /= gain
    coarse = ndimage.gaussian_filter(counts, _COARSE)
    lowest, bright = np.percentile(coarse[usable.mask], [0.5, 90])
    way = (coarse - lowest) / max(bright - lowest, 1e-12)
    dark, brighter = usable.mask & (way < _DARK), usable.mask & (way >= _DARK) & (way < _NEXT)
    inner = ndimage.binary_erosion(dark, iterations=_INNER, border_value=1)
    if np.count_nonzero(inner) < _LEAST_INNER:
        inner = dark
    vacuum = float(np.median(coarse[inner])) if inner.any() else float(bright)
    level = abs(vacuum) / max(float(bright), 1e-12)
    even = np.count_nonzero(dark) < _MORE * np.count_nonzero(brighter)
    if level >= _MOST or (level >= _SURE and even):
        return Specimen.whole(usable)
    fine = ndimage.gaussian_filter(counts, _FINE)
    masks = [_cleaned(fine > vacuum + way * (bright - vacuum)) & usable.mask for way in (_EDGE, *_EDGES)]
    share, high, low = (float(mask.mean()) for mask in masks)
    if masks[0].sum() == usable.mask.sum():
        return Specimen.whole(usable)
    return Specimen(masks[0], share, low, high, max(vacuum / float(bright), 0.0))


def _cleaned(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask without islands and holes that noise makes."""
    from skimage.morphology import remove_small_objects  # most images show no vacuum

    kept = remove_small_objects(mask, max_size=_SMALLEST)
    return np.asarray(~remove_small_objects(~kept, max_size=_SMALLEST))
