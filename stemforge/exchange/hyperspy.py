"""HyperSpy's signals: axes in nm, objects as markers on the signal."""

import json
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from stemforge.exchange.exported import LABEL, Exported, Writer, plain_name, system_errors
from stemforge.micrograph.annotations import BOX_COLUMNS, Annotations

_COLOUR = "#ff4040"


class HyperSpyWriter(Writer):
    """NAME.hspy with axes in nm, objects as permanent markers, labels and settings in its metadata."""

    def add(self, item: Exported) -> None:
        """Write one signal."""
        from rsciio.hspy import file_writer

        image = item.pixels
        data = image[0] if len(image) == 1 else image
        scale, unit = (1.0, "px") if item.sampling is None else (item.sampling / 10, "nm")
        axes = [
            {"name": name, "units": unit, "size": size, "scale": scale, "offset": 0.0, "navigate": False}
            for name, size in zip("yx", image.shape[1:], strict=True)
        ]
        if data.ndim == 3:
            channel = {"name": "channel", "units": "", "size": len(data), "scale": 1.0, "offset": 0.0}
            axes.insert(0, {**channel, "navigate": True})
        places = item.places
        table = {"x_px": places.points[:, 0], "y_px": places.points[:, 1]}
        if places.boxes is not None:
            table |= dict(zip(BOX_COLUMNS, places.boxes.T, strict=True))
        further = {plain_name(name): values for name, values in item.attributes().items()}
        table |= {name: values for name, values in further.items() if values.dtype.kind in "biuf"}
        beam = {} if item.energy is None else {"beam_energy": item.energy / 1e3}
        metadata = {
            "General": {"title": item.name},
            "Signal": {"signal_type": "", "quantity": "Intensity"},
            "Acquisition_instrument": {"TEM": {"acquisition_mode": "STEM", **beam}},
            # HDF5 attributes hold no nested lists of strings: text is the safe way.
            "Stemforge": {
                "channels": json.dumps(item.channels),
                "facts": json.dumps(dict(item.facts)),
                "label_names": json.dumps(places[LABEL].tolist()),
                "labels": table,
            },
            **_markers(item, scale),
        }
        signal = {
            "data": data,
            "axes": axes,
            "metadata": metadata,
            "original_metadata": {},
            "tmp_parameters": {},
            "attributes": {"_lazy": False},
            "learning_results": {},
            "models": {},
            "package_info": {"package": "stemforge", "package_version": version("stemforge")},
        }
        with system_errors():
            file_writer(str(self.out / f"{item.name}.hspy"), signal, show_progressbar=False)


def _markers(item: Exported, scale: float) -> dict[str, Any]:
    """Return the objects as HyperSpy 2 keeps permanent markers, in the units of the axes; nothing without objects."""
    if not len(item.places):
        return {}
    kind, arguments = marker_arguments(item.places, scale)
    shared = {"plot_on_signal": True, "offset_transform": "data", "ScalarMappable_array": None}
    marker = {"class": kind, "name": "objects", "transform": "display", "kwargs": arguments}
    return {"Markers": {"objects": {**marker, **shared}}}


def marker_arguments(
    places: Annotations, scale: ArrayLike, offset: ArrayLike = 0.0
) -> tuple[str, dict[str, Any]]:
    """Return the kind of HyperSpy's marker for points or boxes, and what it is made with.

    Parameters
    ----------
    places
        At least one point or box [pixel].
    scale, offset
        Of the axes x and y, in their units.

    Examples
    --------
    >>> kind, arguments = marker_arguments(Annotations([[2, 3]]), 0.5, offset=[10, 0])
    >>> kind, arguments["offsets"].tolist()
    ('Points', [[11.0, 1.5]])
    """
    colours = {"facecolor": "none", "edgecolor": _COLOUR}
    scale = np.asarray(scale, dtype=float)
    if places.boxes is None:
        return "Points", {
            "offsets": places.points * scale + offset,
            "sizes": (8.0,),
            "units": "points",
            **colours,
        }
    corners = places.boxes.reshape(-1, 2, 2)
    widths, heights = (np.ptp(corners, axis=1) * np.abs(scale)).T
    arguments = {"widths": widths, "heights": heights, "angles": np.zeros(1), "units": "xy"}
    return "Rectangles", {"offsets": corners.mean(axis=1) * scale + offset, **arguments, **colours}
