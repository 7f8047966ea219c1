"""Areas of one value: padding, holes, dead lines, saturated particles, bars."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import regionprops

Mask = NDArray[np.bool_]

CHANCE = 1e-3
"""Areas of one value that are expected by chance on an image, at most."""
SHARP = 0.65
"""Share of the step to the surroundings that is done right beside an area; a clipped atom's flanks are softer."""
RINGING = 0.06
"""Share of the range of values by which JPEG changes black and white areas."""
# Areas looked at, largest first: the rest of an image with more of them is noise of few electrons.
_LARGEST = 500
_FAR = 8
_FLANK = 4.0  # longest flank of an area with a sharp edge [pixel]
_PINHOLE = 10
_FEW = 4


@dataclass(frozen=True)
class ConstantAreas:
    """Pixels of areas with one value, and those of them at the image's maximum; both of shape (height, width)."""

    mask: Mask
    saturated: Mask


def constant_areas(image: NDArray[np.float32]) -> ConstantAreas:
    """Find areas of exactly one value that are neither chance nor the top of a clipped spot.

    By chance neighbouring pixels are equal where few electrons are counted or few grey levels are left. So an area
    counts only where its value is rare right beside it: n pixels are then equal by chance with a probability of about
    fⁿ, f being the value's frequency there. The tops of clipped spots are no chance either, but have soft flanks.

    Parameters
    ----------
    image
        Shape (height, width).

    Examples
    --------
    >>> image = np.random.default_rng(0).poisson(3.0, (128, 128)).astype(np.float32)
    >>> image[-20:] = 0
    >>> areas = constant_areas(image)
    >>> int(areas.mask.sum()) == 20 * 128, bool(areas.saturated.any())
    (True, False)
    """
    mask = np.zeros(image.shape, dtype=bool)
    for area in _areas(image):
        mask[area.window] |= area.mask
    even = _without_ringing(image)
    if even is not image:
        # Of compressed images only strips right across: clipped spots would be enlarged, too.
        for area in _areas(even, across=True):
            mask[area.window] |= area.mask
    for line in _dead_lines(image):
        mask[line] = True
    return ConstantAreas(mask, mask & (image == image.max()))


def _areas(image: NDArray[np.float32], across: bool = False) -> Iterator["_Area"]:
    """Find areas of one value that are no chance; all, or those from border to border."""
    labels, count = ndimage.label(_flat(image), np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    boxes = ndimage.find_objects(labels)
    for index in np.argsort(-sizes, kind="stable")[: min(count, _LARGEST)]:
        sides = [s.stop - s.start >= n - 2 for s, n in zip(boxes[index], image.shape, strict=True)]
        if across and not any(sides):
            continue
        area = _Area.of(image, labels, int(index) + 1, boxes[index])
        if area.is_no_chance(image.size):
            yield area


def _without_ringing(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give back one value to black and white areas that JPEG has made uneven.

    That is where more than half the pixels near an end of the range have the very end's value.
    """
    low, high = float(image.min()), float(image.max())
    margin = RINGING * (high - low)
    even = image
    for end, near in ((low, image <= low + margin), (high, image >= high - margin)):
        if 2 * np.count_nonzero(image == end) > np.count_nonzero(near):
            even = np.where(near, np.float32(end), even)
    return even


def _flat(image: NDArray[np.float32]) -> Mask:
    """Find pixels whose neighbourhood of 3 × 3 pixels has one value."""
    flat = np.zeros(image.shape, dtype=bool)
    if min(image.shape) < 3:
        return flat
    across = image[:, 1:] == image[:, :-1]
    across = across[:, 1:] & across[:, :-1]
    down = image[1:, 1:-1] == image[:-1, 1:-1]
    flat[1:-1, 1:-1] = across[2:] & across[1:-1] & across[:-2] & down[1:] & down[:-1]
    return flat


@dataclass(frozen=True)
class _Area:
    """One area of one value, in a window that shows what is round it."""

    values: NDArray[np.float32]
    mask: Mask
    window: tuple[slice, slice]
    value: float

    @classmethod
    def of(
        cls, image: NDArray[np.float32], labels: NDArray[np.int32], label: int, box: tuple[slice, slice]
    ) -> "_Area":
        margin = 3 * _FAR + max(s.stop - s.start for s in box) // 4
        rows, columns = (
            slice(max(0, s.start - margin), min(n, s.stop + margin))
            for s, n in zip(box, image.shape, strict=True)
        )
        window = (rows, columns)
        core = labels[window] == label
        value = float(image[window][core][0])
        return cls(image[window], ndimage.binary_dilation(core, np.ones((3, 3))), window, value)

    def is_no_chance(self, pixels: int) -> bool:
        """Tell whether the area is too large for chance, and too sharp for a clipped spot."""
        side = 2 * int(ndimage.distance_transform_cdt(np.pad(self.mask, 1), "chessboard").max()) - 1
        (region,) = regionprops(self.mask.astype(np.uint8))
        # Of a shape with many forms only the largest square is counted: each form is another chance.
        solid = region.area if region.extent > 0.95 else side**2
        if solid < 2 * np.log(pixels / CHANCE) / np.log(4):
            return False
        distance = ndimage.distance_transform_edt(~self.mask)
        beside = (distance > 1.5) & (distance <= 4.5)
        if not beside.any():
            return True
        equal = (np.count_nonzero(self.values[beside] == self.value) + 0.5) / (beside.sum() + 1)
        frequency = max(0.5, equal, self._frequency_inside())
        if equal > 0.5 or solid * np.log(1 / frequency) < np.log(pixels / CHANCE):
            return False
        # What saturates the detector is as soft as the probe; what a program has filled is not.
        saturated = self.value >= self.values.max()
        return self._sharpness(distance, min(1 + 0.1 * side, _FLANK if saturated else 1.5)) > SHARP

    def _frequency_inside(self) -> float:
        """Return the value's frequency among it and single pixels of other values, as of electrons in vacuum."""
        inside = ndimage.binary_fill_holes(self.mask)
        holes, _ = ndimage.label(inside & ~self.mask)
        sizes = np.bincount(holes.ravel())[1:]
        pinholes = sizes[sizes < _PINHOLE]
        return 1 - float(pinholes.sum() / np.count_nonzero(inside)) if len(pinholes) > _FEW else 0.0

    def _sharpness(self, distance: NDArray[np.float64], reach: float) -> float:
        """Return the step within ``reach`` pixels as a share of that to the surroundings."""
        steps = np.abs(self.values - self.value)
        near = steps[(distance > reach - 0.5) & (distance <= reach + 0.5)]
        far = steps[(distance > 2 * reach + 2) & (distance <= 3 * reach + _FAR)]
        if not near.size:
            return 1.0
        step = np.median(far) if far.size else steps.max()
        return float(near.mean() / max(step, 1e-30))


def _dead_lines(image: NDArray[np.float32]) -> Iterator[tuple[slice, slice]]:
    """Find whole rows and columns of one value that is rare beside them."""
    for axis in (0, 1):
        lines = image if axis == 0 else image.T
        if lines.shape[1] * np.log(2) < np.log(image.size / CHANCE):
            continue  # so short a line may have one value by chance
        runs, _ = ndimage.label(lines.min(axis=1) == lines.max(axis=1))
        for (run,) in ndimage.find_objects(runs):
            beside = [n for n in (run.start - 1, run.stop) if 0 <= n < len(lines)]
            if all(np.mean(lines[n] == lines[run.start, 0]) < 0.5 for n in beside):
                yield (run, slice(None)) if axis == 0 else (slice(None), run)
