"""The recorded image that takes grafts: what its grey values mean, and what hides an atom in it."""

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from stemforge.errors import InputError, MicrographError
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.flaws.processed import cut_off_share, noise_fades
from stemforge.micrograph.usable import UsableArea, usable_area
from stemforge.simulate.labels.visibility import Texture, detectability_spectrum, visibility
from stemforge.simulate.recording.response import detector_response

# As labels have it: width of the smoothing that gives the background beside an atom [Å].
_BACKGROUND_SIGMA = 3.0
# Darker than this share of the bright parts is vacuum.
_VACUUM = 0.2
# Nearer to a border than this an atom's image is cut [Å].
_BORDER = 3.0


@dataclass(frozen=True)
class Host:
    """A recorded image as grafts need to know it; make one by :meth:`of`.

    Parameters
    ----------
    image
        As recorded, shape (height, width).
    sampling
        Pixel size [Å].
    gain, offset
        Detector units an electron, and at no electron (:func:`detector_response`).
    counted
        Whether the noise is counting noise, so that a graft can bring noise of its own. Otherwise, as in filtered or
        compressed images, grafts are added without: too little noise by the square root of one plus their contrast.
    background
        Smooth image [electrons a pixel], shape (height, width).
    texture
        What varies beside counting, per :class:`Texture`, as found on this image: dark counts and flicker included.
    specimen
        Where there is specimen, neither vacuum nor border nor unusable, shape (height, width).
    whole
        Whether grey values are whole numbers; a graft's are then rounded.
    ceiling
        Largest grey value where values are cut off there; None where not.
    usable
        What of the image shows the specimen.

    Notes
    -----
    Counts are Poisson(b). With an independent Poisson(s) they are Poisson(b + s): exactly what would have been recorded
    had the atom been there, whatever b is. Dark counts and the readout's noise are in b already. Only the gain is
    needed for the noise; brightness by contrast-to-noise needs the offset, too.

    Examples
    --------
    >>> recorded = np.random.default_rng(0).poisson(np.repeat([2, 60], 64), (128, 128))
    >>> host = Host.of(10 * recorded + 300, sampling=0.3)
    >>> host.counted, host.whole, host.ceiling is None
    (True, True, True)
    >>> bool(host.specimen[:, :40].any()), bool(host.specimen[:, 88:].any())
    (False, True)
    """

    image: NDArray[np.float32]
    sampling: float
    gain: float
    offset: float
    counted: bool
    background: NDArray[np.float32]
    texture: Texture
    specimen: NDArray[np.bool_]
    whole: bool
    ceiling: float | None
    usable: UsableArea = field(repr=False)

    @classmethod
    def of(cls, image: ArrayLike, sampling: float, usable: UsableArea | None = None) -> Self:
        """Measure an image.

        Parameters
        ----------
        image
            As recorded, shape (height, width).
        sampling
            Pixel size [Å].
        usable
            From :func:`stemforge.micrograph.usable.usable_area`, where that is known already.

        Raises
        ------
        MicrographError
            The image has no noise, or no usable area.

        Examples
        --------
        >>> image = 100 + 5 * np.random.default_rng(0).poisson(np.linspace(20, 80, 128), (128, 128))
        >>> host = Host.of(image, 0.3)
        >>> bool(abs(host.gain / 5 - 1) < 0.2), host.counted, host.whole
        (True, True, True)
        """
        if not (np.isfinite(sampling) and sampling > 0):
            raise InputError(f"sampling must be a positive length [Å], not {sampling}")
        recorded = np.asarray(image, dtype=np.float32)
        area = usable_area(recorded) if usable is None else usable
        values = area.fill(recorded)
        gain, offset = detector_response(values.astype(np.float64))
        electrons = (values - np.float32(offset)) / np.float32(gain)
        background = ndimage.gaussian_filter(electrons, _BACKGROUND_SIGMA / sampling, mode="nearest")
        level = float(np.percentile(background[area.mask], 95))
        if level <= 0:
            raise MicrographError("the image's grey values do not grow with the electrons: is it inverted?")
        inside = np.zeros(recorded.shape, dtype=bool)
        edge = min(round(_BORDER / sampling), min(recorded.shape) // 3)
        inside[edge : recorded.shape[0] - edge, edge : recorded.shape[1] - edge] = True
        specimen = inside & area.beyond(edge) & (background > _VACUUM * level)
        host = cls(
            recorded,
            sampling,
            gain,
            offset,
            not noise_fades(recorded),
            np.maximum(background, 1e-3 * level),
            Texture(np.array([0.0, 1.0]), np.zeros(2)),
            specimen,
            bool((recorded == np.rint(recorded)).all()),
            float(recorded.max()) if cut_off_share(recorded) else None,
            area,
        )
        return host.without(None)

    @property
    def electrons(self) -> NDArray[np.float32]:
        """The image in electrons, what is unusable filled."""
        return (self.usable.fill(self.image) - np.float32(self.offset)) / np.float32(self.gain)

    @property
    def dose(self) -> float:
        """Dose that is one electron a pixel [e/Å²], by which :func:`visibility` reads detected electrons."""
        return 1 / self.sampling**2

    @property
    def area(self) -> float:
        """Area of the specimen [Å²]."""
        return float(np.count_nonzero(self.specimen) * self.sampling**2)

    def covers(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which points (x, y) [pixel] lie on the specimen."""
        height, width = self.image.shape
        columns, rows = np.rint(points).astype(int).reshape(-1, 2).T
        return np.asarray(self.specimen[rows.clip(0, height - 1), columns.clip(0, width - 1)])

    def without(self, atoms: Annotations | None) -> Self:
        """Return the host with its texture measured anew, without the atoms that are known on it.

        Parameters
        ----------
        atoms
            With columns ``scattering`` and ``noise_width_angstrom`` as grafts have them.
        """
        texture = Texture.of(self.electrons, self.sampling, atoms)
        # Counting noise is counted apart: what is left may be a little below nothing.
        return replace(self, texture=Texture(texture.frequency, texture.power - 1 / self.dose))

    def background_at(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the smooth image beside points (x, y) [pixel], in electrons a pixel."""
        height, width = self.image.shape
        columns, rows = np.rint(points).astype(int).reshape(-1, 2).T
        return self.background[rows.clip(0, height - 1), columns.clip(0, width - 1)].astype(float)

    def sensitivity(self, noise: ArrayLike) -> NDArray[np.float64]:
        """Return the contrast-to-noise of one electron on a background of one electron a pixel.

        Parameters
        ----------
        noise
            Widths of atoms' images by sum of squares [Å], the source included.
        """
        widths = np.atleast_1d(np.asarray(noise, dtype=float))
        labels = Annotations(np.zeros((len(widths), 2)), columns={"noise_width_angstrom": widths})
        q, spectrum = detectability_spectrum(labels, self.dose, 0.0, self.texture)
        return self.sampling**2 * np.sqrt(np.trapezoid(spectrum, q, axis=1))

    def visibility(
        self, points: NDArray[np.float64], electrons: ArrayLike, peak: ArrayLike, noise: ArrayLike
    ) -> Annotations:
        """Describe atoms on this image as labels do, with contrast and contrast-to-noise.

        Parameters
        ----------
        points
            (x, y) [pixel], shape (n, 2).
        electrons
            Detected electrons of each atom.
        peak, noise
            Widths of its image by peak and by sum of squares [Å], the source included.

        Returns
        -------
        Annotations
            With columns ``electrons``, ``scattering`` (electrons × area of a pixel [Å²]), ``peak_width_angstrom``,
            ``noise_width_angstrom``, ``background`` (electrons a pixel), ``contrast`` and ``cnr``.
        """
        count = len(points)
        columns = {
            "electrons": np.broadcast_to(np.asarray(electrons, dtype=float), count),
            "scattering": np.broadcast_to(np.asarray(electrons, dtype=float) * self.sampling**2, count),
            "peak_width_angstrom": np.broadcast_to(np.asarray(peak, dtype=float), count),
            "noise_width_angstrom": np.broadcast_to(np.asarray(noise, dtype=float), count),
            "background": self.background_at(points),
        }
        if not count:
            return Annotations([], columns={**columns, "contrast": np.empty(0), "cnr": np.empty(0)})
        contrast, cnr = visibility(Annotations(points, columns=columns), self.dose, 0.0, self.texture)
        return Annotations(points, columns={**columns, "contrast": contrast, "cnr": cnr})
