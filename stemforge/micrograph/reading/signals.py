"""What is an image: judged by the axes' units and names, before a number of it is read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.errors import MicrographError
from stemforge.micrograph.units import angstroms, clean_unit, is_reciprocal

# Pixel sizes [Å] beyond which no micrograph lies: a tenth of the finest scan step in use, and a whole field of view.
_FINEST, _COARSEST = 1e-3, 1e5
_SQUARE = 0.01  # sides of a pixel that differ by less are as equal as microscopes can be calibrated

_ENERGY_UNITS = {"ev", "kev", "mev"}
_SPECTRAL_NAMES = {"energy", "energy loss", "energy-loss", "eloss", "wavelength", "wavenumber", "raman shift"}
_RECIPROCAL_NAME = re.compile(r"[kq]_?[xyzr]")
# Axes along which images are stacked. TIFF's letters as RosettaSciIO spells them out.
_STACK_NAMES = {"time", "frame", "frames", "image", "image series", "stack", "z", "depth", "focus", "defocus"}
_STACK_NAMES |= {"channel", "color|em-wavelength|channel", "plane", "region|tile", "phase", "tilt", "index"}
_ADF = re.compile(r"haadf", re.IGNORECASE)


@dataclass(frozen=True)
class Axis:
    """One axis of a signal, as its file describes it.

    Parameters
    ----------
    name, unit
        Empty where the file says none.
    size
        Number of values along it.
    scale
        Step from one to the next, in ``unit``.
    navigate
        Whether it leads from one image or spectrum to the next, and is none of their own.
    """

    name: str
    size: int
    scale: float = 1.0
    unit: str = ""
    navigate: bool = False

    @property
    def spectral(self) -> bool:
        """Whether a spectrum lies along it."""
        name, unit = self.name.strip().lower(), self.unit.lower()
        return name in _SPECTRAL_NAMES or unit in _ENERGY_UNITS or unit in {"1/cm", "cm^-1", "1 / cm"}

    @property
    def reciprocal(self) -> bool:
        """Whether it lies in reciprocal space."""
        return is_reciprocal(self.unit) or _RECIPROCAL_NAME.fullmatch(self.name.strip().lower()) is not None


@dataclass(frozen=True)
class Signal:
    """What a file holds under one title: images, spectra or anything else.

    Parameters
    ----------
    data
        Array, or one that is read when it is needed (dask); an axis of ``axes`` for each dimension.
    axes
        In the order of the data.
    title
        Name in the file, such as that of the detector; may be empty.
    kind
        What the file says it is, such as ``EELS``; may be empty.
    metadata
        Plain values by dotted names.
    """

    data: Any
    axes: Sequence[Axis]
    title: str = ""
    kind: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def reason_against(self, *, calibrated: bool = False) -> str:
        """Say why this is no image and no stack of images; empty where it is one.

        Parameters
        ----------
        calibrated
            The user says the pixel size: units of the image's axes are not held against it.
        """
        axes = [axis for axis in self.axes if axis.size != 1]
        spectra = _spectra(self.kind, axes)
        if spectra:
            return spectra
        image, leading = axes[-2:], axes[:-2]
        if len(axes) < 2:
            return "is a single line of values, such as a spectrum or a profile"
        reciprocal = sum(axis.reciprocal for axis in image) == 2
        if "diffraction" in self.kind.lower() or (reciprocal and not calibrated):
            return "is a diffraction pattern" if not leading else "holds diffraction patterns (4D-STEM data)"
        if len(leading) > 1 and not all(axis.name.strip().lower() in _STACK_NAMES for axis in leading):
            shape = " × ".join(str(axis.size) for axis in axes)
            return f"has {len(axes)} dimensions ({shape}), as 4D-STEM data have, and no axis called time, frame or z"
        if np.dtype(self.data.dtype).kind == "c":
            return "holds complex numbers, such as a Fourier transform: take the modulus"
        if np.dtype(self.data.dtype).kind not in "uifb":
            return f"holds values of type {self.data.dtype}, no numbers"
        return ""

    def sampling(self) -> tuple[float | None, str]:
        """Return the pixel size [Å], or None and why it is not known.

        Raises
        ------
        MicrographError
            Pixels that are not square, or of a size that no micrograph has.
        """
        y, x = [axis for axis in self.axes if axis.size != 1][-2:]
        factors = [angstroms(axis.unit) for axis in (y, x)]
        units = " and ".join(sorted({repr(clean_unit(axis.unit)) for axis in (y, x)} - {"''"}))
        if None in factors:
            return None, f"its unit {units} is no known unit of length" if units else ""
        height, width = (
            abs(axis.scale) * (factor or 0) for axis, factor in zip((y, x), factors, strict=True)
        )
        if not (np.isfinite([height, width]).all() and min(height, width) > 0):
            return None, f"its pixel size is {x.scale:g} {clean_unit(x.unit)}"
        if not np.isclose(width, height, rtol=_SQUARE):
            raise MicrographError(
                f"pixels are {width:.4g} × {height:.4g} Å; only square pixels are supported, resample the image or "
                "give the right pixel size (sampling)"
            )
        size = float(np.sqrt(width * height)) if width != height else width
        if not _FINEST <= size <= _COARSEST:
            raise MicrographError(
                f"its pixel size of {size:.3g} Å is none of a micrograph; is it a diffraction pattern, or a print "
                "resolution? Give the right one (sampling)"
            )
        return size, ""

    def frames(self) -> Any:
        """Return the data as a stack, shape (n, height, width)."""
        kept = [axis.size for axis in self.axes if axis.size != 1]
        return self.data.reshape(-1, *kept[-2:])


def _spectra(kind: str, axes: Sequence[Axis]) -> str:
    """Say that these are spectra; empty where they are not."""
    navigated = [axis.navigate for axis in axes]
    one_each = 0 < sum(navigated) == len(axes) - 1 and len(axes) in (2, 3)
    # A map of an element keeps the kind of the spectra that it was made of, but not their axis.
    of_spectra = kind.upper().startswith(("EELS", "EDS")) and angstroms(axes[-1].unit if axes else "") is None
    if not (of_spectra or one_each or any(axis.spectral for axis in axes)):
        return ""
    if len(axes) < 2:
        return "is a spectrum"
    return "is a spectrum image" if len(axes) > 2 else "is a line of spectra"


def choose_signal(signals: Sequence[Signal], wanted: str | None, *, calibrated: bool = False) -> Signal:
    """Choose what is looked at among all that a file holds.

    Parameters
    ----------
    signals
        All of the file's.
    wanted
        Title of one, in any case; or its number among the images, counted from 0. None takes the only image, or that
        called HAADF.
    calibrated
        As for :meth:`Signal.reason_against`.

    Raises
    ------
    MicrographError
        No image, none of this title, or several to choose from.

    Examples
    --------
    >>> axes = [Axis("y", 4), Axis("x", 5)]
    >>> found = choose_signal([Signal(np.ones((4, 5)), axes, name) for name in ("BF", "HAADF")], None)
    >>> found.title
    'HAADF'
    """
    reasons = [signal.reason_against(calibrated=calibrated) for signal in signals]
    images = [signal for signal, reason in zip(signals, reasons, strict=True) if not reason]
    if not images:
        why = next(filter(None, reasons), "holds nothing that can be shown")
        more = (
            f" (and {len(signals) - 1} other things, none of which is an image)" if len(signals) > 1 else ""
        )
        raise MicrographError(f"{why}{more}; expected an image or a stack of images")
    titles = [image.title or f"number {i}" for i, image in enumerate(images)]
    listed = ", ".join(titles)
    if wanted is not None:
        found = [image for image in images if image.title.casefold() == wanted.strip().casefold()]
        if not found and wanted.strip().isdecimal() and int(wanted) < len(images):
            found = [images[int(wanted)]]
        if len(found) == 1:
            return found[0]
        number = "several are" if found else "no image is"
        raise MicrographError(f"{number} called '{wanted}'; it holds {listed} (signal), numbered from 0")
    if len(images) == 1:
        return images[0]
    annular = [image for image in images if _ADF.search(image.title)]
    if len(annular) == 1:
        return annular[0]
    raise MicrographError(f"holds {len(images)} images: {listed}; choose one by its title or number (signal)")


def grey(values: NDArray[Any]) -> NDArray[Any]:
    """Make one channel of colours (…, channels) that are all the same: a grey picture that was saved in colour.

    Raises
    ------
    MicrographError
        The colours differ.
    """
    colours = values[..., : 3 if values.shape[-1] >= 3 else 1]
    if np.all(colours == colours[..., :1]):
        return colours[..., 0]
    raise MicrographError(
        f"is a colour picture of shape {values.shape}; intensities cannot be recovered from a colour map: export the "
        "grey-scale data, or convert it to grey yourself"
    )
