"""What is grafted: images of atoms, from physics or as Gaussians, put at places between pixels."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from stemforge.errors import InputError
from stemforge.simulate.engines.kernels import atom_image
from stemforge.simulate.microscope import FWHM, Microscope

# A Gaussian ends here, in standard deviations; 1e-4 of its sum lies beyond.
_REACH = 4.3
# Narrower than this a Gaussian is no image that pixels can draw, and shifting it rings [pixel].
_NARROWEST = 0.5


@dataclass(frozen=True)
class Spots:
    """Images of atoms, of which grafts choose one each.

    Parameters
    ----------
    images
        Sum 1, the atom on the middle pixel, shape (k, side, side) with odd side.
    sampling
        Pixel size [Å].
    element
        Atomic numbers, shape (k,); 0 where no element is stated.
    defocus
        Distances below the focal plane [Å], shape (k,); NaN where not stated.
    scattering
        Cross-sections for scattering to the detector [Å²], shape (k,); NaN where not stated.

    Examples
    --------
    >>> from stemforge.simulate import Microscope
    >>> spots = Spots.of_atom("Pt", Microscope(), [0.0, 100.0], sampling=0.3)
    >>> spots.defocus.tolist(), spots.scattering.round(3).tolist()
    ([0.0, 100.0], [0.031, 0.031])
    >>> bool(spots.peak_width[1] > 1.5 * spots.peak_width[0])
    True
    """

    images: NDArray[np.float32]
    sampling: float
    element: NDArray[np.uint8]
    defocus: NDArray[np.float64]
    scattering: NDArray[np.float64]

    @classmethod
    def gaussian(cls, widths: ArrayLike, sampling: float) -> Self:
        """Return Gaussians, for images of which the microscope is not known.

        Parameters
        ----------
        widths
            Standard deviations [Å]; none narrower than half a pixel.
        sampling
            Pixel size [Å].

        Examples
        --------
        >>> spots = Spots.gaussian([1.1], 0.3)
        >>> spots.images.shape, spots.noise_width.round(2).tolist()
        ((1, 33, 33), [1.1])
        """
        sigma = np.atleast_1d(np.asarray(widths, dtype=float)) / sampling
        if not (np.isfinite(sigma).all() and (sigma >= _NARROWEST).all()):
            raise InputError(
                f"widths must be numbers from half a pixel ({sampling / 2:.3g} Å) on, not {np.min(widths)}"
            )
        reach = int(np.ceil(_REACH * sigma.max()))
        line = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma[:, None] ** 2))
        images = line[:, :, None] * line[:, None, :]
        images /= images.sum((1, 2), keepdims=True)
        unknown = np.full(len(sigma), np.nan)
        return cls(images.astype(np.float32), sampling, np.zeros(len(sigma), np.uint8), unknown, unknown)

    @classmethod
    def of_atom(
        cls,
        element: str,
        microscope: Microscope,
        defoci: Sequence[float],
        sampling: float,
        *,
        detector: str | None = None,
        source_size: float = 1.0,
        thermal_sigma: float = 0.08,
    ) -> Self:
        """Return the images of an element's atom at distances from the focal plane, as ``kernels`` makes them.

        They are kept: the same atoms, asked for again, cost nothing.

        Parameters
        ----------
        element
            Chemical symbol.
        microscope
            Drawn settings.
        defoci
            Distances below the focal plane [Å].
        sampling
            Pixel size [Å].
        detector
            Name of a detector of the microscope; by default the first.
        source_size
            Of the source [FWHM Å].
        thermal_sigma
            Root mean square thermal displacement along one direction [Å].

        Raises
        ------
        InputError
            No such element.
        """
        if element not in atomic_numbers or element == "X":
            raise InputError(f"element must be a chemical symbol, not '{element}'")
        blur = float(np.hypot(source_size / FWHM, thermal_sigma))
        channel = detector or microscope.channels[0]
        settings = microscope.model_dump_json()
        stamps = [_atom(element, settings, channel, float(d), sampling, blur) for d in defoci]
        side = max(len(stamp) for stamp in stamps)
        images = np.zeros((len(stamps), side, side), dtype=np.float32)
        for image, stamp in zip(images, stamps, strict=True):
            edge = (side - len(stamp)) // 2
            image[edge : side - edge, edge : side - edge] = stamp
        total = images.sum((1, 2), dtype=np.float64)
        number = np.full(len(stamps), atomic_numbers[element], np.uint8)
        images /= total[:, None, None].astype(np.float32)
        return cls(images, sampling, number, np.array(defoci, dtype=float), total * sampling**2)

    def __len__(self) -> int:
        return len(self.images)

    @functools.cached_property
    def noise_width(self) -> NDArray[np.float64]:
        """Standard deviations of the Gaussians with the same sums of squares [Å], the source included."""
        square = (self.images.astype(float) ** 2).sum((1, 2)) / self.sampling**2
        return np.sqrt(1 / (4 * np.pi * square))

    @functools.cached_property
    def peak_width(self) -> NDArray[np.float64]:
        """Standard deviations of the Gaussians with the same peaks [Å], the source included."""
        return np.sqrt(self.sampling**2 / (2 * np.pi * self.images.max((1, 2)).astype(float)))

    def put(
        self,
        shape: tuple[int, int],
        points: NDArray[np.float64],
        chosen: NDArray[np.int_],
        weights: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        """Add spots up on an empty image.

        Parameters
        ----------
        shape
            Height and width of the image [pixel].
        points
            Places (x, y) [pixel], shape (n, 2), between pixels as well.
        chosen
            Number of the spot at each place, shape (n,).
        weights
            Sum of each spot, shape (n,).

        Returns
        -------
        ndarray
            What falls within the image, shape ``shape``.

        Examples
        --------
        >>> image = Spots.gaussian([1.0], 0.5).put((40, 60), np.array([[30.5, 20.0]]), np.array([0]), np.array([9.0]))
        >>> float(image.sum().round(3)), bool(np.isclose(image[20, 30], image[20, 31]))
        (9.0, True)
        """
        reach = self.images.shape[1] // 2
        height, width = shape
        canvas = np.zeros((height + 2 * reach + 2, width + 2 * reach + 2), dtype=np.float32)
        if not len(points):
            return np.zeros(shape, dtype=np.float32)
        cell = np.floor(points + 0.5)
        # Fitted places may lie outside the image; from a pixel beyond on they show next to nothing.
        shown = ((cell >= -1) & (cell <= [width, height])).all(1)
        points, cell, chosen, weights = points[shown], cell[shown], chosen[shown], weights[shown]
        stamps = self._shifted(points - cell, chosen) * weights[:, None, None].astype(np.float32)
        steps = np.arange(2 * reach + 1)
        rows = cell[:, 1, None].astype(int) + steps + 1
        columns = cell[:, 0, None].astype(int) + steps + 1
        np.add.at(canvas, (rows[:, :, None], columns[:, None, :]), stamps)
        inner = canvas[reach + 1 : reach + 1 + height, reach + 1 : reach + 1 + width]
        return np.ascontiguousarray(inner)

    def _shifted(self, shift: NDArray[np.float64], chosen: NDArray[np.int_]) -> NDArray[np.float32]:
        """Return spots moved by part of a pixel (x, y), by the phase of their transforms."""
        side = self.images.shape[1]
        room = fft.next_fast_len(side + 2, real=True)
        spectra = fft.rfft2(self.images, s=(room, room))[chosen]
        qy, qx = np.fft.fftfreq(room), np.fft.rfftfreq(room)
        spectra *= np.exp(-2j * np.pi * shift[:, 1, None] * qy).astype(np.complex64)[:, :, None]
        spectra *= np.exp(-2j * np.pi * shift[:, 0, None] * qx).astype(np.complex64)[:, None, :]
        return np.clip(fft.irfft2(spectra, s=(room, room))[:, :side, :side], 0, None)


@functools.lru_cache(maxsize=1024)
def _atom(
    element: str, settings: str, detector: str, defocus: float, sampling: float, blur: float
) -> NDArray[np.float32]:
    microscope = Microscope.model_validate_json(settings)
    return atom_image(element, microscope, detector, defocus, sampling, blur)
