"""Published pairs of noisy images and drawn atom maps (Yang et al. 2024), straight from their zip file."""

import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from stemforge.errors import InputError
from stemforge.train.data.idpc import shrink

# The file is somebody else's: no entry is unpacked to disk, and none larger than this is looked at.
_MOST_BYTES = 4 << 20
_MOST_PIXELS = 2048 * 2048
_MOST_PAIRS = 100_000
SIDE = 128
"""Side of what is cut from a pair [pixel]."""
# Folder of the noisy images in an archive that does not say which are for validation.
_WITHOUT_PARTS = "input"


@dataclass(frozen=True)
class PublishedPair:
    """A noisy image and its atom map, both of shape (height, width), 8-bit grey."""

    name: str
    noisy: NDArray[np.uint8]
    target: NDArray[np.uint8]


def read_published_pairs(
    path: str | Path,
    part: Literal["train", "validation"],
    *,
    split: Literal["published", "structure"] = "published",
    validation: float = 0.15,
) -> list[PublishedPair]:
    """Read the pairs of ``stem-sr.zip`` or ``trainval.zip`` (Yang et al. 2024, doi:10.1002/advs.202408629).

    Parameters
    ----------
    path
        The zip file: ``training|validation/LR_original|HR/NAME.png``, or ``input|label/NAME.png``.
    part
        ``"train"`` or ``"validation"``.
    split
        ``published``: as the folders say; there, other views of a validation image are among the training
        images. ``structure``: the last structures, by the number in ``molecule_<number>_…``, validate; so it is done
        where the folders say nothing, too.
    validation
        Share of the structures in the validation part of ``structure``.

    Returns
    -------
    list of PublishedPair
        In the order of their names.

    Raises
    ------
    InputError
        No such file, no zip file, no pairs, or an image that is damaged, too large or too small.

    Examples
    --------
    >>> image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (128, 128), "uint8"))
    >>> image.save("a.png")
    >>> with zipfile.ZipFile("pairs.zip", "w") as archive:
    ...     for name in ("molecule_1_a", "molecule_2_a"):
    ...         for folder in ("input", "label"):
    ...             archive.write("a.png", f"{folder}/{name}.png")
    >>> [pair.name for pair in read_published_pairs("pairs.zip", "validation")]
    ['input/molecule_2_a.png']
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {info.filename: info for info in archive.infolist()}
            names = _paired(path, entries)
            chosen = [n for n in names if _part(n, names, split, validation) == part]
            pairs = [
                PublishedPair(name, *(_read(path, archive, entries[f]) for f in _files(name)))
                for name in chosen
            ]
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path}: is no readable zip file ({error})") from error
    for pair in pairs:
        if pair.noisy.shape != pair.target.shape:
            raise InputError(
                f"{path}: {pair.name} has images of {pair.noisy.shape} and {pair.target.shape} pixels"
            )
    if not pairs:
        raise InputError(f"{path}: has no pairs for {part}; both parts need some")
    return pairs


def displacement(pair: PublishedPair) -> NDArray[np.float64]:
    """Measure how far a pair's image lies beside its label, by phase correlation of both without their clouds.

    Most published images lie 0.2 to 2.4 pixels (0.8 in the mean) beside their labels, by the same way in all views of a
    structure, which no network can know.

    Returns
    -------
    ndarray
        (row, column) by which the image is to be moved [pixel], to 1/20 of a pixel.
    """
    details = [
        ndimage.gaussian_filter(image.astype(np.float32), 1.5)
        - ndimage.gaussian_filter(image.astype(np.float32), 8)
        for image in (pair.target, pair.noisy)
    ]
    if min(float(np.ptp(image)) for image in details) == 0:
        return np.zeros(2)
    moved = phase_cross_correlation(*details, upsample_factor=20, normalization=None)[0]
    # Further than this nothing published lies: the peak is chance.
    return np.asarray(moved if np.abs(moved).max() <= 4 else np.zeros(2), dtype=np.float64)


def aligned(pair: PublishedPair) -> PublishedPair:
    """Move a pair's image onto its label."""
    moved = ndimage.shift(pair.noisy.astype(np.float32), displacement(pair), order=3, mode="nearest")
    return PublishedPair(pair.name, moved.round().clip(0, 255).astype(np.uint8), pair.target)


def cut_pair(
    pair: PublishedPair,
    rng: np.random.Generator | None,
    *,
    scale: int = 2,
    turn: bool = True,
    flip: bool = True,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Cut 128 × 128 pixels from a pair, at random and turned, or from its middle for ``rng=None``.

    Parameters
    ----------
    pair
        An image and its label.
    rng
        Source of the random numbers.
    scale
        Pixels of the label along one of the image: with 2 the image is shrunk by 2 × 2 means, as published.
    turn, flip
        Whether what is cut at random is turned by quarters, and mirrored.

    Returns
    -------
    noisy, clean, target
        Between 0 and 1; the noisy image and the clean one, which is the target's, 128 / scale pixels along a side, and
        the target 128 × 128.
    """
    room = np.array(pair.target.shape) - SIDE
    top, left = room // 2 if rng is None else rng.integers(room + 1)
    window = np.s_[top : top + SIDE, left : left + SIDE]
    turns, mirrored = (0, 0) if rng is None else (int(rng.integers(4)) * turn, int(rng.integers(2)) * flip)
    images = []
    for image in (pair.noisy, pair.target):
        cut = image[window].astype(np.float32) / np.float32(255)
        images.append(np.ascontiguousarray(np.rot90(cut, turns)[:, :: -1 if mirrored else 1]))
    noisy, target = images
    return shrink(noisy, scale), shrink(target, scale), target


def _paired(path: Path, entries: dict[str, zipfile.ZipInfo]) -> list[str]:
    """Return ``folder/name`` of every noisy image that has a target."""
    names = []
    for file in entries:
        parts = PurePosixPath(file).parts
        if parts[:-1] in (("training", "LR_original"), ("validation", "LR_original"), (_WITHOUT_PARTS,)):
            name = f"{parts[0]}/{parts[-1]}"
            if _files(name)[1] in entries:
                names.append(name)
    if not names:
        raise InputError(
            f"{path}: holds no pairs training/LR_original/NAME.png and training/HR/NAME.png, or input/NAME.png and "
            "label/NAME.png"
        )
    if len(names) > _MOST_PAIRS:
        raise InputError(f"{path}: holds {len(names)} pairs, more than {_MOST_PAIRS}")
    return sorted(names)


def _files(name: str) -> tuple[str, str]:
    folder, file = name.split("/")
    if folder == _WITHOUT_PARTS:
        return name, f"label/{file}"
    return f"{folder}/LR_original/{file}", f"{folder}/HR/{file}"


def _part(name: str, names: list[str], split: str, validation: float) -> str:
    if split == "published" and not name.startswith(f"{_WITHOUT_PARTS}/"):
        return "train" if name.startswith("training/") else "validation"
    numbers = sorted({_structure(n) for n in names})
    first = numbers[min(max(1, round(len(numbers) * (1 - validation))), len(numbers) - 1)]
    return "validation" if _structure(name) >= first else "train"


def _structure(name: str) -> int:
    found = re.search(r"_(\d{1,9})_", name)
    return int(found[1]) if found else 0


def _read(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[np.uint8]:
    if entry.file_size > _MOST_BYTES:
        raise InputError(
            f"{path}: {entry.filename} takes {entry.file_size} bytes; no image here is that large"
        )
    try:
        with Image.open(io.BytesIO(archive.read(entry)), formats=["PNG"]) as image:
            if image.width * image.height > _MOST_PIXELS or min(image.size) < SIDE:
                raise InputError(
                    f"{path}: {entry.filename} has {image.width} × {image.height} pixels; pairs have {SIDE} or a "
                    "few more"
                )
            return np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError, zipfile.BadZipFile, Image.DecompressionBombError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: {entry.filename} is no readable PNG image ({error})") from error
