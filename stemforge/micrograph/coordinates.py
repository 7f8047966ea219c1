"""Which columns of a table hold points, and in which unit."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemforge.errors import AnnotationsError, InputError
from stemforge.micrograph.units import angstroms, clean_unit, length_unit

PIXELS = "px"
"""The unit of coordinates that count pixels."""
_NAME = re.compile(r"(x|y|xm|ym)(?:\s*[(\[](?P<bracket>.+)[)\]]|_(?P<tail>\w+))?", re.IGNORECASE)
# Fewer labels than this say nothing about their unit.
_FEWEST = 3
# Half of all atoms nearer to another than this, in projection: there is no such specimen [Å].
_CLOSEST = 1.0


@dataclass(frozen=True)
class Coordinates:
    """Two columns that hold points.

    Parameters
    ----------
    x, y
        Their names in the header.
    unit
        As the header says, ``"px"`` or one of length; None where it does not.
    """

    x: str
    y: str
    unit: str | None


def find_coordinates(header: Sequence[str]) -> list[Coordinates]:
    """Return the pairs of columns that hold points, the likeliest first.

    Known are ``x_px,y_px``, ``X,Y``, centroids ``XM,YM``, and these with a unit: ``x_nm``, ``X (µm)``, ``Y [Å]``.

    Examples
    --------
    >>> find_coordinates(["", "Area", "X (nm)", "Y (nm)", "XM", "YM"])[0]
    Coordinates(x='X (nm)', y='Y (nm)', unit='nm')
    """
    columns: dict[tuple[bool, bool, str | None], dict[str, str]] = {}
    for name in header:
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        unit = column_unit(match["bracket"] or match["tail"])
        if unit is None and (match["bracket"] or match["tail"]):
            continue
        centroid = len(match[1]) > 1
        key = centroid, name[0].isupper(), unit
        columns.setdefault(key, {})[name[0].lower()] = name
    pairs = {key: pair for key, pair in columns.items() if len(pair) == 2}
    # Pixels before what has no unit, points before centroids, capital letters first.
    order = sorted(pairs, key=lambda key: (key[0], key[2] != PIXELS, key[2] is not None, not key[1]))
    return [Coordinates(pairs[key]["x"], pairs[key]["y"], key[2]) for key in order]


def column_unit(text: str | None) -> str | None:
    """Return ``"px"`` or a unit of length; None for anything else.

    Examples
    --------
    >>> column_unit("pixels"), column_unit("um"), column_unit("counts"), column_unit(None)
    ('px', 'um', None, None)
    """
    if text is None:
        return None
    if text.strip().lower() in {"px", "pixel", "pixels"}:
        return PIXELS
    return clean_unit(text) if angstroms(text) is not None else None


def known_unit(text: str) -> str:
    """Return ``"px"`` or a unit of length that a user gave."""
    unit = column_unit(text)
    if unit is None:
        try:
            length_unit(text)
        except InputError as error:
            raise InputError(f"label_unit must be px or a unit of length: {error}") from error
    return unit or text


def _same(unit: str, other: str) -> bool:
    if PIXELS in (unit, other):
        return unit == other
    return length_unit(unit) == length_unit(other)


def choose_coordinates(
    path: Path, header: Sequence[str], unit: str | None, has_boxes: bool
) -> Coordinates | None:
    """Return the columns of the points; None where boxes alone say where objects are."""
    pairs = find_coordinates(header)
    fitting = [pair for pair in pairs if None in (unit, pair.unit) or _same(str(unit), str(pair.unit))]
    if fitting:
        return fitting[0]
    if pairs:
        raise AnnotationsError(
            f"{path}: the header says that {pairs[0].x},{pairs[0].y} are in {pairs[0].unit}, not in {unit} (label_unit)"
        )
    if not has_boxes:
        found = ",".join(header) or "none"
        raise AnnotationsError(
            f"{path}: expected columns x_px,y_px or X,Y (pixels; or with a unit, as X (nm)), found {found}"
        )
    return None


def pixels_per_unit(path: Path, pair: Coordinates | None, unit: str | None, sampling: float | None) -> float:
    """Return how many pixels the unit of the points is."""
    name = PIXELS if pair is None else pair.unit or unit or PIXELS
    if name == PIXELS:
        return 1.0
    if sampling is None:
        raise AnnotationsError(
            f"{path}: points in {name} need the image's pixel size, which is not known; give it (sampling)"
        )
    return length_unit(name) / sampling


def suggested_unit(
    points: NDArray[np.float64], shape: tuple[int, int], sampling: float | None
) -> tuple[str, bool] | None:
    """Return a unit of length in which labels would fit an image better than in pixels, if there is one.

    Parameters
    ----------
    points
        Labels (x, y), shape (n, 2), as a table has them.
    shape
        Height and width of the image [pixel].
    sampling
        Its pixel size [Å]; without it nothing can be said.

    Returns
    -------
    tuple or None
        The unit, and whether it is beyond doubt. Beyond doubt are three or more labels that all lie in a corner of
        an eighth of each side at most, where the unit spreads them over the image or most of them are nearer to
        another than atoms can be; and labels off the image that the unit brings onto it. Ten or more labels in a
        larger corner may be those of a particle that lies there.

    Examples
    --------
    >>> nanometres = np.array([[1.5, 2.0], [14.2, 3.1], [8.0, 14.9], [2.2, 7.3]])
    >>> suggested_unit(nanometres, (512, 512), sampling=0.293)
    ('nm', True)
    >>> suggested_unit(nanometres + 200, (512, 512), sampling=0.293) is None
    True
    """
    if sampling is None or len(points) < _FEWEST:
        return None
    from scipy.spatial import cKDTree

    size = np.array(shape[::-1])
    off = bool(np.any((points < -0.5) | (points > size - 0.5)))
    nearest = float(np.median(cKDTree(points).query(points, 2)[0][:, 1]))
    for unit in ("nm", "Å", "pm", "µm"):
        scale = length_unit(unit) / sampling
        scaled = points * scale
        spread = np.ptp(scaled, axis=0) / size
        fits = np.all((scaled >= -0.5) & (scaled <= size - 0.5))
        if fits and off and scale < 1 and spread.max() > 0.5:
            return unit, True
        if fits and not off and scale >= 8 and (spread.max() > 0.5 or nearest * sampling < _CLOSEST):
            return unit, True
        if fits and not off and scale >= 2 and len(points) >= 10 and spread.min() > 0.5:
            return unit, False
    return None


def sampling_of_columns(
    path: Path, points: NDArray[np.float64], columns: Mapping[str, NDArray]
) -> float | None:
    """Return the pixel size [Å] from the columns ``x_nm,y_nm`` beside the points in pixels; None where they are empty.

    Parameters
    ----------
    path
        The table, for messages.
    points
        Points (x, y) [pixel], shape (n, 2).
    columns
        Its other columns.

    Raises
    ------
    InputError
        The columns do not follow from the points by one pixel size.

    Examples
    --------
    >>> points, nm = np.array([[10.0, 0.0], [20.0, 40.0]]), np.array([[0.25, 0.0], [0.5, 1.0]])
    >>> round(sampling_of_columns(Path("a.csv"), points, {"x_nm": nm[:, 0], "y_nm": nm[:, 1]}), 6)
    0.25
    """
    if not {"x_nm", "y_nm"} <= set(columns) or not len(points):
        return None
    nm = np.column_stack([columns["x_nm"], columns["y_nm"]])
    if np.all(np.isnan(nm)):
        return None
    # Least squares through the origin: the columns are rounded, and a point may lie at 0.
    norm = float(np.sum(points**2))
    ratio = float(np.sum(points * nm)) / norm if norm else 0.0
    if not norm and not np.any(nm):
        return None
    if not ratio > 0 or np.any(np.abs(nm / ratio - points) > 0.5):
        raise InputError(
            f"{path}: columns x_nm, y_nm do not follow from x_px, y_px by one pixel size; write them all "
            "from the same calibration, or leave them all empty"
        )
    return 10 * ratio


def rows_elsewhere(points: NDArray[np.float64], columns: Mapping[str, NDArray]) -> NDArray[np.int64]:
    """Return the rows whose ``x_nm,y_nm`` lie half a pixel and more from their place in pixels; empty cells do not.

    The pixel size is that of most rows, so that a few that were changed by hand are told.

    Parameters
    ----------
    points
        Points (x, y) [pixel], shape (n, 2).
    columns
        The other columns of their table.

    Examples
    --------
    >>> points = np.array([[10.0, 0.0], [20.0, 40.0], [30.0, 8.0]])
    >>> rows_elsewhere(points, {"x_nm": np.array([0.25, 0.5, 2.0]), "y_nm": np.array([0.0, 1.0, 0.2])})
    array([2])
    """
    if not {"x_nm", "y_nm"} <= set(columns):
        return np.empty(0, dtype=np.int64)
    nm = np.column_stack([columns["x_nm"], columns["y_nm"]])
    known = np.isfinite(nm) & (points > 0)
    if not known.any():
        return np.empty(0, dtype=np.int64)
    pixel = float(np.median(nm[known] / points[known]))
    return np.flatnonzero((np.abs(nm - pixel * points) > abs(pixel) / 2).any(1))
