"""The micrograph: one two-dimensional image with its calibration."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.errors import MicrographError


@dataclass(frozen=True)
class Micrograph:
    """A two-dimensional image, its pixel size and where it came from.

    Parameters
    ----------
    image
        Intensities, shape (height, width); converted to float32. Rows are y, columns x; the centre of
        pixel (0, 0) is the point (0, 0). All values finite, at least two different ones.
    sampling
        Side of a (square) pixel [Å], or None where the image carries no calibration. It is never guessed.
    modality
        Imaging mode, such as ``"HAADF"``, ``"MAADF"`` or ``"iDPC"``; None where unknown.
    name
        Short name, used for output files; as a rule the file's stem.
    metadata
        Whatever else is known of the acquisition.

    Raises
    ------
    MicrographError
        Image not two-dimensional, empty, constant or with values that are not finite; sampling not positive.

    Examples
    --------
    >>> import numpy as np
    >>> micrograph = Micrograph(np.eye(4), sampling=0.25, name="eye")
    >>> micrograph.shape, micrograph.field_of_view
    ((4, 4), (1.0, 1.0))
    """

    image: NDArray[np.float32]
    sampling: float | None = None
    modality: str | None = None
    name: str = "micrograph"
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        image = np.asarray(self.image)
        if image.ndim != 2 or 0 in image.shape:
            raise MicrographError(
                f"{self.name}: a micrograph has shape (height, width), this array has shape {image.shape}; "
                "choose one frame or channel"
            )
        if image.dtype.kind not in "uifb":
            raise MicrographError(
                f"{self.name}: pixel values must be real numbers, these are {image.dtype}; "
                "take the modulus or one component"
            )
        # Large integers lose their last digits in float32; what counts, differences of a few parts in a
        # million of the range, survives.
        image = np.array(image, dtype=np.float32, order="C")  # a copy: the caller's array stays the caller's
        bad = int(image.size - np.count_nonzero(np.isfinite(image)))
        if bad:
            raise MicrographError(
                f"{self.name}: {bad} of {image.size} pixels are NaN or infinite; "
                "replace or crop them before reading"
            )
        if image.min() == image.max():
            raise MicrographError(
                f"{self.name}: every pixel has the same value ({image.flat[0]:g}); the image holds no signal"
            )
        if self.sampling is not None and not (np.isfinite(self.sampling) and self.sampling > 0):
            raise MicrographError(
                f"{self.name}: sampling must be a positive length [Å per pixel], not {self.sampling}"
            )
        image.flags.writeable = False
        object.__setattr__(self, "image", image)
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let other processes have it: a read-only mapping is no plain value."""
        return type(self), (self.image, self.sampling, self.modality, self.name, dict(self.metadata))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width [pixel]."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def field_of_view(self) -> tuple[float, float] | None:
        """Height and width [Å], or None without calibration."""
        if self.sampling is None:
            return None
        return self.shape[0] * self.sampling, self.shape[1] * self.sampling

    def with_image(self, image: NDArray[Any], sampling: float | None = None) -> "Micrograph":
        """Return the same micrograph with another image, and another pixel size [Å] where given."""
        return replace(self, image=image, sampling=self.sampling if sampling is None else sampling)
