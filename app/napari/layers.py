"""From a layer of napari to a micrograph, and from atoms to points over it; napari itself is not imported."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemforge.app.analysis.edited import BY_HAND, EditedImage
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
    """Return what an image is called: frames of stacks as `stemforge infer` calls them."""
    return "_".join([str(layer.name), *(f"{number:03d}" for number in frame)])


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
    metadata = {} if in_layer is None else {"sampling_in_file": in_layer}
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
    width = WIDTH / (image.micrograph.sampling or 1.0)
    return {
        **{name: getattr(layer, name) for name in _SHARED},
        "name": f"{image.micrograph.name} atoms",
        "ndim": layer.ndim,
        "size": _RING * width,
        "border_width": _LINE,
        "face_color": "transparent",
    }


def looks(image: EditedImage, frame: Frame) -> dict[str, Any]:
    """Return data, features, border colours and symbols of the atoms: squares where placed by hand, else rings.

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
    score, by_hand = atoms["score"], atoms[BY_HAND]
    return {
        "data": data,
        "features": {"score": score.astype(float), BY_HAND: by_hand},
        "border_color": likelihood_colours(image.edits.threshold).to_rgba(score).reshape(-1, 4),
        "symbol": np.where(by_hand == 1, "square", "disc"),
    }


def _coordinates(points: ArrayLike, frame: Frame) -> NDArray[np.float64]:
    """Return places (x, y) as napari has them: frame, row, column."""
    rows = np.asarray(points, dtype=float).reshape(-1, 2)[:, ::-1]
    return np.hstack([np.full((len(rows), len(frame)), frame, dtype=float), rows])
