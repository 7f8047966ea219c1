"""A focal series: frames of one area, each at a known focus, and the microscope that recorded them."""

from dataclasses import dataclass

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from stemforge.errors import InputError
from stemforge.evaluate.depth.template import depth_of_field
from stemforge.simulate.detectors import Rings
from stemforge.simulate.microscope import Microscope

LEAST_FRAMES = 3
"""With fewer foci brightness and depth cannot be told from each other."""

_WIDEST = 100.0  # depths of field: wider ones fill the memory with images of nothing
_COARSEST = 1.5  # pixels, in the distance of probe positions that misses nothing


@dataclass(frozen=True)
class FocalOptics:
    """What the image of one atom depends on.

    Parameters
    ----------
    element
        Chemical symbol of the atoms.
    microscope
        Drawn settings. Of several annular detectors HAADF is taken.
    source_size
        Full width at half maximum of the effective source [Å]; None: the one that suits the atoms best.

    Examples
    --------
    >>> round(FocalOptics("Pt", Microscope(energy=60e3, semiangle_cutoff=32)).depth_of_field)
    95
    """

    element: str
    microscope: Microscope = Microscope()  # noqa: RUF009 - settings are frozen
    source_size: float | None = None

    def __post_init__(self) -> None:
        if self.element not in atomic_numbers or self.element == "X":
            raise InputError(f"element must be a chemical symbol such as Pt, not {self.element!r}")
        if self.source_size is not None and not 0 <= self.source_size < 10:
            raise InputError(f"source_size must be 0 to 10 Å, not {self.source_size}")
        angles = self.microscope.detectors.angles
        name = "HAADF" if "HAADF" in angles else next(iter(angles))
        if self.microscope.detectors.segmented or (len(angles) > 1 and name != "HAADF"):
            raise InputError("microscope: depths need one annular detector, such as {HAADF: [90, 185]}")
        only = self.microscope.replace(detectors=Rings(rings={"HAADF": angles[name]}))
        object.__setattr__(self, "microscope", only)

    @property
    def depth_of_field(self) -> float:
        """Distance 2λ/α² [Å] over which an atom goes out of focus."""
        return depth_of_field(self.microscope)


@dataclass(frozen=True, eq=False)
class FocalSeries:
    """Frames of one specimen area at known foci.

    Parameters
    ----------
    images
        The frames in the order in which they were recorded, shape (frames, height, width).
    foci
        Of each frame [Å]: how far below the plane where the microscope's focus reads 0 the focal plane lies, along the
        beam; abTEM's ``defocus``. In any order.
    sampling
        Pixel size [Å].
    name
        For messages and figures.

    Raises
    ------
    InputError
        Fewer than 3 frames or different foci, or foci that are not as many as the frames.

    Examples
    --------
    >>> images = np.random.default_rng(0).poisson(9, (5, 64, 64))
    >>> FocalSeries(images, [-60, -30, 0, 30, 60], 0.2).range
    (-60.0, 60.0)
    """

    images: NDArray[np.float32]
    foci: NDArray[np.float64]
    sampling: float
    name: str = "series"

    def __post_init__(self) -> None:
        images = np.asarray(self.images, dtype=np.float32)
        foci = np.asarray(self.foci, dtype=float)
        if images.ndim != 3:
            raise InputError(
                f"{self.name}: images must have shape (frames, height, width), not {images.shape}"
            )
        if foci.shape != (len(images),):
            raise InputError(
                f"{self.name}: {len(images)} frames, {foci.size} foci; give the focus of each frame"
            )
        if not (np.isfinite(foci).all() and np.isfinite(images).all()):
            raise InputError(f"{self.name}: a focus or a pixel is NaN or infinite")
        different = len(np.unique(foci))
        if different == 1:
            raise InputError(
                f"{self.name}: all frames have the same focus ({foci[0]:g} Å); depth shows in how atoms blur over focus"
            )
        if different < LEAST_FRAMES:
            raise InputError(
                f"{self.name}: {different} different foci; depth needs {LEAST_FRAMES} at least: with two, a faint atom "
                "in focus looks like a bright one out of it"
            )
        if not 0 < self.sampling < np.inf:
            raise InputError(f"{self.name}: sampling must be a positive length [Å], not {self.sampling}")
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "foci", foci)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def range(self) -> tuple[float, float]:
        """Least and largest focus [Å]."""
        return float(self.foci.min()), float(self.foci.max())

    def check(self, optics: FocalOptics) -> None:
        """Refuse frames, pixels and foci that cannot show how an atom blurs.

        Raises
        ------
        InputError
            A blank frame, pixels much coarser than the probe, or foci over so many depths of field that they are in
            another unit.
        """
        for number, image in enumerate(self.images):
            if not image.size or np.ptp(image) == 0:
                raise InputError(
                    f"{self.name}: frame {number} is blank, all its pixels are alike; leave it out, with its focus"
                )
        span = self.range[1] - self.range[0]
        if span > _WIDEST * optics.depth_of_field:
            raise InputError(
                f"{self.name}: foci span {span:.3g} Å, and an atom is in focus over {optics.depth_of_field:.2g} Å; are "
                "they given in Å?"
            )
        coarsest = _COARSEST * optics.microscope.nyquist_sampling
        if self.sampling > coarsest:
            raise InputError(
                f"{self.name}: pixels of {self.sampling:.3g} Å are too coarse for a probe of "
                f"{optics.microscope.semiangle_cutoff:g} mrad, which needs {coarsest:.2g} Å or less"
            )
