"""Results and corpora as layers of napari, in nm: what its reader contribution hands over (``manifest.yaml``)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.app.analysis.edited import BY_HAND
from stemforge.app.napari.layers import marks, rings
from stemforge.app.napari.opened import RESULT, atoms_of, threshold_of
from stemforge.console import say
from stemforge.corpus.reader import Corpus
from stemforge.corpus.writer import HEADER
from stemforge.errors import InputError
from stemforge.exchange.exported import LABEL, Exported
from stemforge.exchange.results import Result, find_results
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate.export.corpus import exported_sample
from stemforge.simulate.recording.record import corpus_degradation, record, recording_rng

Layer = tuple[Any, dict[str, Any], str]
"""Data, arguments and kind of a layer, as napari takes them."""

MOST = 100
"""Of a corpus so many images are opened."""
_COLOUR = "#ff4040"
_POINTS = {"border_color": _COLOUR, "symbol": "disc"}
_SHAPES = {"shape_type": "rectangle", "face_color": "transparent", "edge_color": _COLOUR}


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[Layer]] | None:
    """Return what reads a folder of results, a table or a corpus; None where this is none of stemforge's.

    Parameters
    ----------
    path
        As napari gives it: one path, or several.
    """
    paths = [path] if isinstance(path, str) else list(path)
    try:
        if not (len(paths) == 1 and _is_corpus(paths[0])):
            find_results(paths)
    except InputError:
        return None
    return read_layers


def read_layers(path: str | Sequence[str]) -> list[Layer]:
    """Return the layers of results, tables or a corpus.

    Lengths are in nm where the pixel size is known, else in pixels; the first pixel has its centre at (0, 0).

    Parameters
    ----------
    path
        A corpus, of which the first :data:`MOST` images become one stack; or folders of results and tables, each an
        image, where it is known, under its points or boxes; both keep the result that they show, and the panel goes on
        with its atoms.

    Returns
    -------
    list of tuple
        Data, arguments and kind of each layer.

    Raises
    ------
    InputError
        Files that are none of these, or cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> table = Path(tempfile.mkdtemp()) / "spots.csv"
    >>> Annotations([[3.0, 4.5]]).to_csv(table, 0.25)
    >>> [(data, arguments, kind)] = read_layers(str(table))
    >>> kind, data.tolist(), [round(scale, 6) for scale in arguments["scale"]]
    ('points', [[4.5, 3.0]], [0.025, 0.025])
    """
    paths = [path] if isinstance(path, str) else list(path)
    if len(paths) == 1 and _is_corpus(paths[0]):
        return _of_corpus(Corpus(paths[0]))
    layers = []
    for result in find_results(paths):
        layers += _of_result(result)
    return layers


def _is_corpus(path: str) -> bool:
    return (Path(path) / HEADER).is_file()


def _of_result(result: Result) -> list[Layer]:
    """Return the layers of a result, which keep it; atoms with likelihoods look as those that the panel finds."""
    layers = _of_item(result.item(result.path.stem))
    atoms = atoms_of(result)
    for _, arguments, kind in layers:
        arguments["metadata"] = {RESULT: result}
        if kind == "points" and atoms is not None:
            arguments["features"] = {**arguments["features"], **atoms.columns}
            if len(atoms):
                arguments |= marks(atoms["score"], atoms[BY_HAND], threshold_of(atoms, result.entry))
    return layers


def _of_item(item: Exported) -> list[Layer]:
    layers: list[Layer] = []
    if item.image is not None:
        layers += _images(item.image, item.channels, item)
    if item.objects is not None:
        features = {name: item.objects[name] for name in item.objects.columns}
        layers.append(_objects(item.objects, None, features, item))
    return layers


def _of_corpus(corpus: Corpus) -> list[Layer]:
    """Return a stack of images for each channel, and all labels on their frames."""
    degradation = corpus_degradation(corpus)
    if len(corpus) > MOST:
        say(f"{corpus.folder}: the first {MOST} of {len(corpus)} images are opened")
    items = []
    for place in range(min(len(corpus), MOST)):
        sample = corpus[place]
        recording = record(sample, degradation, recording_rng(corpus.recipe, sample.index, None))
        items.append(exported_sample(sample, recording, str(sample.metadata.get("name", sample.index))))
    first = items[0]
    if any(item.pixels.shape != first.pixels.shape or item.sampling != first.sampling for item in items):
        return [layer for item in items for layer in _of_item(item)]
    images = np.stack([item.pixels for item in items], axis=1)
    frames = np.concatenate([np.full(len(item.places), frame) for frame, item in enumerate(items)])
    places = [item.places for item in items]
    boxes = None if places[0].boxes is None else np.concatenate([one.boxes for one in places])
    objects = Annotations(np.concatenate([one.points for one in places]), boxes)
    features = {LABEL: np.concatenate([one[LABEL] for one in places])}
    return [*_images(images, first.channels, first), _objects(objects, frames, features, first)]


def _images(images: NDArray[np.float32], channels: Sequence[str], item: Exported) -> list[Layer]:
    return [
        (image, {"name": f"{item.name} {channel}", **_scale(item, image.ndim), "colormap": "gray"}, "image")
        for channel, image in zip(channels, images, strict=True)
    ]


def _objects(
    objects: Annotations, frames: NDArray[np.int_] | None, features: dict[str, NDArray[Any]], item: Exported
) -> Layer:
    """Return points or boxes; napari's coordinates are (row, column), behind the frame where there are several."""
    front = np.empty((len(objects), 0)) if frames is None else frames[:, np.newaxis].astype(float)
    arguments = {"name": f"{item.name} {LABEL}s", "features": features, **_scale(item, 2 + front.shape[1])}
    if objects.boxes is None:
        return (
            np.hstack([front, objects.points[:, ::-1]]),
            {**arguments, **rings(item.sampling), **_POINTS},
            "points",
        )
    x0, y0, x1, y1 = objects.boxes.T
    corners = np.stack([[y0, x0], [y0, x1], [y1, x1], [y1, x0]]).transpose(2, 0, 1)
    front = np.repeat(front[:, np.newaxis], 4, axis=1)
    return list(np.concatenate([front, corners], axis=2)), {**arguments, **_SHAPES}, "shapes"


def _scale(item: Exported, dimensions: int) -> dict[str, Any]:
    """Return lengths of a pixel and their unit; a frame is one long, and of no unit."""
    length, unit = (1.0, "pixel") if item.sampling is None else (item.sampling / 10, "nm")
    frames = dimensions - 2
    return {"scale": (1.0,) * frames + (length,) * 2, "units": ("pixel",) * frames + (unit,) * 2}
