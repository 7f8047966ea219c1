"""From a layer of napari to a micrograph, and from atoms to points over it; napari itself is not imported."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import to_rgba
from numpy.typing import ArrayLike, NDArray

from stemforge.app.analysis.edited import BY_HAND, EditedImage
from stemforge.app.napari.opened import result_of
from stemforge.errors import InputError
from stemforge.infer.atoms.overlay import likelihood_colours
from stemforge.infer.atoms.places.refinement import WIDTH
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.units import angstroms

BY_HAND_COLOUR = "#40e0ff"
"""Of points that were placed by hand, until the network has given them a likelihood."""
_RING = 6.0  # diameter of a ring, in standard deviations of an atom's image: the atom is seen inside
_LINE = 0.09  # its width, in diameters
_SQUARE = 1e-3  # relative difference of a pixel's sides that is rounding
_SHARED = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")

Frame = tuple[int, ...]
"""Place on the axes of a stack before row and column; empty for a single image."""


def sampling_of(layer: Any) -> float | None:
    """Return the pixel size of an image layer [Å]; None where its units are no lengths.

    Raises
    ------
    InputError
        Its pixels are no squares.
    """
    sides = []
    for length, unit in zip(layer.scale[-2:], layer.units[-2:], strict=True):
        factor = angstroms(f"{unit:~}") or angstroms(unit)
        if factor is None:
            return None
        sides.append(abs(float(length)) * factor)
    if abs(sides[0] / sides[1] - 1) > _SQUARE:
        raise InputError(
            f"{layer.name}: its pixels are {sides[0]:.4g} Å high and {sides[1]:.4g} Å wide; "
            "only square pixels are supported, resample the image or mend the layer's scale"
        )
    return sides[1]


def frame_of(layer: Any, point: Sequence[float]) -> Frame:
    """Return which frame of a stack is shown, where the viewer's sliders stand at a point (world coordinates)."""
    place = np.asarray(layer.world_to_data(np.asarray(point)[-layer.ndim :]))
    shape = (layer.data[0] if layer.multiscale else layer.data).shape
    return tuple(int(np.clip(round(at), 0, size - 1)) for at, size in zip(place[:-2], shape, strict=False))


def name_of(layer: Any, frame: Frame) -> str:
    """Return what an image is called: as its result or its layer; frames of stacks as `stemforge infer` calls them."""
    result = result_of(layer)
    name = str(layer.name) if result is None else result.path.stem
    return "_".join([name, *(f"{number:03d}" for number in frame)])


def inputs_of(layer: Any) -> list[Path]:
    """Return the image file that a layer was opened from, as far as it is known."""
    result = result_of(layer)
    if result is not None and result.reading is not None:
        return [Path(result.reading["path"])]
    return [Path(layer.source.path)] if isinstance(layer.source.path, str) else []


def micrograph_of(layer: Any, frame: Frame, sampling: float | None) -> Micrograph:
    """Return one image of a layer.

    Parameters
    ----------
    layer
        An image layer.
    frame
        Which image of a stack.
    sampling
        Pixel size that the user gave [Å]; None or 0 takes the layer's.

    Raises
    ------
    InputError
        Pixel size missing, or an image that atoms cannot be looked for on.
    """
    name = name_of(layer, frame)
    if layer.rgb:
        raise InputError(
            f"{name}: is a picture in colours; atoms are found on one channel (right-click: Split RGB)"
        )
    in_layer = sampling_of(layer)
    size = sampling or in_layer
    if size is None:
        raise InputError(
            f"{name}: pixel size is missing; type it in Å per pixel, or give the layer a scale with a unit of length"
        )
    data = layer.data[0] if layer.multiscale else layer.data
    metadata: dict[str, Any] = {} if in_layer is None else {"sampling_in_file": in_layer}
    if result_of(layer) is not None:
        metadata["file_stem"] = name
    return Micrograph(np.asarray(data[frame]), size, "HAADF", name, metadata)


def places_of(points: Any, frame: Frame, shape: tuple[int, int]) -> tuple[NDArray[np.float64], int]:
    """Return the places (x, y) [pixel] of a layer's points on an image, and how many lie elsewhere.

    Parameters
    ----------
    points
        A layer of points.
    frame
        Which image of a stack.
    shape
        Height and width of the image.
    """
    data = np.asarray(points.data, dtype=float)
    front, places = data[:, :-2], data[:, :-3:-1]
    on_it = (np.rint(front) == np.asarray(frame)).all(axis=1) if frame else np.ones(len(data), dtype=bool)
    on_it &= ((places >= -0.5) & (places <= np.array(shape[::-1]) - 0.5)).all(axis=1)
    return places[on_it], int((~on_it).sum())


def points_over(layer: Any, image: EditedImage) -> dict[str, Any]:
    """Return arguments of an empty layer of points for the atoms of an image.

    Parameters
    ----------
    layer
        The image layer, whose place in the world the points share.
    image
        The atoms.
    """
    return {
        **{name: getattr(layer, name) for name in _SHARED},
        "name": f"{image.micrograph.name} atoms",
        "ndim": layer.ndim,
        **rings(image.micrograph.sampling),
    }


def rings(sampling: float | None) -> dict[str, Any]:
    """Return what all points over an image have in common, as arguments of a layer of points.

    Parameters
    ----------
    sampling
        Pixel size of the image [Å]; without it a pixel counts as 1 Å.

    Examples
    --------
    >>> round(rings(0.293)["size"], 1)
    22.5
    """
    width = WIDTH / (sampling or 1.0)
    return {"size": _RING * width, "border_width": _LINE, "face_color": "transparent"}


def marks(score: NDArray[np.float64], by_hand: NDArray[np.int_], threshold: float) -> dict[str, Any]:
    """Return border colours and symbols of atoms: squares where placed by hand, else rings; red to yellow.

    Parameters
    ----------
    score
        Likelihoods, shape (n,), n > 0: napari takes no empty lists of colours. Those below the threshold are as red as
        it; where it is NaN, as nobody asked a network, the colour is :data:`BY_HAND_COLOUR`.
    by_hand
        1 where the atom was placed by hand, shape (n,).
    threshold
        Likelihood from which candidates are shown.

    Examples
    --------
    >>> look = marks(np.array([0.4, 1.0, 0.1, np.nan]), np.array([0, 0, 1, 1]), 0.4)
    >>> look["border_color"].round(2).tolist()
    [[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0], [0.25, 0.88, 1.0, 1.0]]
    >>> look["symbol"].tolist()
    ['disc', 'disc', 'square', 'square']
    """
    colours = likelihood_colours(threshold).to_rgba(score).reshape(-1, 4)
    colours[np.isnan(score)] = to_rgba(BY_HAND_COLOUR)
    return {"border_color": colours, "symbol": np.where(by_hand == 1, "square", "disc")}


def looks(image: EditedImage, frame: Frame) -> dict[str, Any]:
    """Return data, features and :func:`marks` of the atoms.

    Without atoms that is the data alone: napari takes no empty lists of colours.

    Parameters
    ----------
    image
        The atoms.
    frame
        Which image of a stack they are on.
    """
    atoms = image.chosen
    data = _coordinates(atoms.points, frame)
    if not len(atoms):
        return {"data": data}
    score, by_hand = atoms["score"].astype(float), atoms[BY_HAND]
    # Of what was placed by hand nothing but its likelihood is known before Save fits it.
    measured = {name: np.where(by_hand == 1, np.nan, values) for name, values in atoms.columns.items()}
    return {
        "data": data,
        "features": {**measured, "score": score, BY_HAND: by_hand},
        **marks(score, by_hand, image.edits.threshold),
    }


def _coordinates(points: ArrayLike, frame: Frame) -> NDArray[np.float64]:
    """Return places (x, y) as napari has them: frame, row, column."""
    rows = np.asarray(points, dtype=float).reshape(-1, 2)[:, ::-1]
    return np.hstack([np.full((len(rows), len(frame)), frame, dtype=float), rows])
