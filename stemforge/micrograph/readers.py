"""Reading micrographs from the files that microscopes and image programs write."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.errors import MicrographError
from stemforge.micrograph.image import Micrograph

# Ångström per unit, as RosettaSciIO and ImageJ spell them.
_ANGSTROM = {"pm": 0.01, "Å": 1.0, "A": 1.0, "angstrom": 1.0, "nm": 10.0, "µm": 1e4, "μm": 1e4, "um": 1e4}
_ANGSTROM |= {"micron": 1e4, "\\u00B5m": 1e4, "mm": 1e7, "cm": 1e8, "m": 1e10}

# Which RosettaSciIO reader takes which ending. Zarr and pickle-like formats are left out on purpose.
_ROSETTA = {
    ".tif": "tiff",
    ".tiff": "tiff",
    ".dm3": "digitalmicrograph",
    ".dm4": "digitalmicrograph",
    ".emd": "emd",
    ".ser": "tia",
    ".emi": "tia",
    ".mrc": "mrc",
    ".mrcs": "mrc",
    ".hspy": "hspy",
}
_PICTURES = {".png", ".jpg", ".jpeg"}

FORMATS = tuple(sorted([*_ROSETTA, *_PICTURES]))
"""File name endings that :func:`read_micrograph` takes."""


def read_micrograph(
    path: str | Path,
    *,
    sampling: float | None = None,
    frame: int | None = None,
    modality: str | None = None,
) -> Micrograph:
    """Read one micrograph from a file.

    Parameters
    ----------
    path
        TIFF, DM3/DM4, EMD, SER, MRC or HSPY through RosettaSciIO, PNG or JPEG through Pillow.
    sampling
        Pixel size [Å] that overrides the file's own calibration. Without it the calibration comes from the
        file's metadata and is None where there is none.
    frame
        Which frame of a stack to take, counted from 0. A stack without it is refused.
    modality
        Imaging mode to note on the micrograph.

    Returns
    -------
    Micrograph
        Image of shape (height, width), named after the file.

    Raises
    ------
    MicrographError
        File missing, truncated, not an image, in colour, or a stack without ``frame``.

    Examples
    --------
    >>> import numpy as np, tempfile, tifffile
    >>> path = Path(tempfile.mkdtemp()) / "field.tif"
    >>> tifffile.imwrite(path, np.arange(12, dtype="float32").reshape(3, 4))
    >>> read_micrograph(path, sampling=0.3).field_of_view
    (0.8999999999999999, 1.2)
    """
    frames = _read(Path(path), sampling)
    if frame is None:
        if len(frames) > 1:
            raise MicrographError(
                f"{path}: holds a stack of {len(frames)} frames; choose one from 0 to {len(frames) - 1} (frame), "
                "or read all of them"
            )
        frame = 0
    if not 0 <= frame < len(frames):
        raise MicrographError(f"{path}: frame must lie in 0 to {len(frames) - 1}, not {frame}")
    return _micrograph(*frames[frame], modality)


def read_stack(
    path: str | Path, *, sampling: float | None = None, modality: str | None = None
) -> list[Micrograph]:
    """Read every frame of a file; parameters and errors as in :func:`read_micrograph`.

    Returns
    -------
    list of Micrograph
        One a frame, named ``<file>_000``, ``<file>_001``, …; a file with one frame keeps its name.
    """
    return [_micrograph(*entry, modality) for entry in _read(Path(path), sampling)]


_Frame = tuple[str, NDArray[Any], float | None, Mapping[str, Any]]


def _micrograph(
    name: str, image: NDArray[Any], sampling: float | None, metadata: Mapping[str, Any], modality: str | None
) -> Micrograph:
    try:
        micrograph = Micrograph(image, sampling, modality, name, metadata)
    except MicrographError as error:
        # The message begins with the micrograph's name; a user looks for the file.
        raise MicrographError(f"{metadata['file']}: {str(error).removeprefix(f'{name}: ')}") from error
    return micrograph


def _read(path: Path, sampling: float | None) -> list[_Frame]:
    suffix = path.suffix.lower()
    if not path.exists():
        raise MicrographError(f"{path}: no such file")
    if not path.is_file():
        raise MicrographError(f"{path}: is a folder, expected an image file")
    if suffix not in FORMATS:
        raise MicrographError(f"{path}: cannot read '{suffix}' files; known are {', '.join(FORMATS)}")
    if sampling is not None and not (np.isfinite(sampling) and sampling > 0):
        raise MicrographError(f"sampling must be a positive length [Å per pixel], not {sampling}")
    try:
        signals = (
            _read_picture(path) if suffix in _PICTURES else _read_rosetta(path, _ROSETTA[suffix], sampling)
        )
    except MicrographError:
        raise
    except Exception as error:  # readers raise whatever their format's parser trips over
        raise MicrographError(
            f"{path}: cannot be read as {suffix[1:].upper()}; the file is damaged, truncated or of another "
            f"kind ({type(error).__name__}: {error})"
        ) from error

    frames: list[_Frame] = []
    for array, file_sampling, metadata in signals:
        stack = array.reshape(-1, *array.shape[-2:])
        scale = file_sampling if sampling is None else sampling
        frames += [(path.stem, image, scale, {**metadata, "file": str(path)}) for image in stack]
    if len(frames) > 1:
        frames = [(f"{name}_{i:03d}", *rest) for i, (name, *rest) in enumerate(frames)]  # type: ignore[misc]
    return frames


def _read_picture(path: Path) -> list[tuple[NDArray[Any], float | None, dict[str, Any]]]:
    from PIL import Image

    with Image.open(path) as picture:
        picture.load()
        # The numbers of a palette's entries are no intensities.
        array = np.asarray(picture.convert("RGB") if picture.mode in {"P", "PA", "CMYK"} else picture)
    # PNG and JPEG say dots per inch for print, which is no calibration of the specimen.
    return [(_grey(array, path), None, {})]


def _read_rosetta(
    path: Path, reader: str, sampling: float | None
) -> list[tuple[NDArray[Any], float | None, dict[str, Any]]]:
    import importlib

    imagej_unit = _check_tiff(path) if reader == "tiff" else None
    module = importlib.import_module(f"rsciio.{reader}")
    found = []
    for signal in module.file_reader(str(path), lazy=False):
        axes = signal["axes"]
        array = np.asarray(signal["data"])
        if array.dtype.names:  # rsciio gives colour as a structured dtype
            array = np.stack([array[name] for name in array.dtype.names], axis=-1)
            array = _grey(array, path)
        image_axes = [axis for axis in axes if not axis.get("navigate", False)]
        if len(image_axes) < 2:  # a stack saved without saying which axes are the image's
            image_axes = axes[-2:]
        if array.ndim < 2 or len(image_axes) != 2:
            continue  # spectra and scalars that travel beside the image
        # RosettaSciIO takes ImageJ's scale, but of its units knows the micron only.
        image_axes = [{**axis, "units": axis.get("units") or imagej_unit} for axis in image_axes]
        # A calibration that the user overrides may be as wrong as it likes.
        scale = _square_sampling(image_axes, path) if sampling is None else sampling
        found.append((array, scale, _flat(signal.get("metadata", {}))))
    if not found:
        raise MicrographError(f"{path}: holds no two-dimensional image")
    return found


def _check_tiff(path: Path) -> str | None:
    """Refuse colour and cut-off TIFFs, which readers turn into odd shapes or zeros; return ImageJ's unit."""
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        if page.samplesperpixel > 1 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
            raise MicrographError(_colour_message(path, page.shape))
        # ImageJ's large stacks have one page that says where the first frame begins; the others' have one each.
        end = max(
            o + n for page in tiff.pages for o, n in zip(page.dataoffsets, page.databytecounts, strict=True)
        )
        if end > path.stat().st_size:
            raise MicrographError(
                f"{path}: truncated, ends {end - path.stat().st_size} bytes before the image does; copy it again"
            )
        unit = (tiff.imagej_metadata or {}).get("unit")
        return None if unit is None else str(unit)


def _grey(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """Take (H, W), or (H, W, C) whose colours are equal: a grey picture saved in colour."""
    if array.ndim == 2:
        return array
    colours = array[..., : 3 if array.shape[-1] >= 3 else 1]
    if np.all(colours == colours[..., :1]):
        return colours[..., 0]
    raise MicrographError(_colour_message(path, array.shape))


def _colour_message(path: Path, shape: Sequence[int]) -> str:
    return (
        f"{path}: is a colour picture of shape {tuple(shape)}; intensities cannot be recovered from a colour "
        "map: export the grey-scale data, or convert it to grey yourself"
    )


def _square_sampling(axes: Sequence[Mapping[str, Any]], path: Path) -> float | None:
    """Pixel size [Å] from the two image axes; None where their unit is no length."""
    factors = [_ANGSTROM.get(str(axis.get("units") or "").strip()) for axis in axes]
    if None in factors:
        return None
    y, x = (abs(float(axis["scale"])) * factor for axis, factor in zip(axes, factors, strict=True) if factor)
    if not np.isclose(x, y, rtol=1e-3):
        raise MicrographError(
            f"{path}: pixels are {x:.4g} × {y:.4g} Å; only square pixels are supported, resample the image or "
            "give the right pixel size (sampling)"
        )
    return x if x > 0 else None


def _flat(metadata: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested metadata to dotted keys and plain values."""
    flat: dict[str, Any] = {}
    for key, value in metadata.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, str | int | float | bool):
            flat[f"{prefix}{key}"] = value
    return flat
