"""HyperSpy's signals in a running session: as micrographs, and with what was found drawn on them."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stemforge.errors import InputError, MicrographError
from stemforge.exchange.hyperspy import marker_arguments
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.units import angstroms

if TYPE_CHECKING:
    from hyperspy.api.signals import Signal2D


def micrograph_of(signal: "Signal2D") -> Micrograph:
    """Return the image that a HyperSpy signal holds, with the pixel size of its axes.

    Parameters
    ----------
    signal
        One image: of a stack, ``signal.inav[3]``; a part, ``signal.isig[100:612, 0:512]``. A lazy signal is computed.

    Returns
    -------
    Micrograph
        ``sampling`` is None where the axes have no unit of length. Pixel (0, 0) is the signal's first, whatever offset
        the axes have.

    Raises
    ------
    MicrographError
        Not one image, or pixels that are not square or not evenly spaced.

    Examples
    --------
    The numbers that HyperSpy keeps, without HyperSpy:

    >>> from types import SimpleNamespace as Parts
    >>> axes = [Parts(name=name, scale=0.02, units="nm", size=8) for name in "xy"]
    >>> manager = Parts(signal_axes=axes, navigation_size=0)
    >>> title = Parts(General=Parts(title="film"))
    >>> signal = Parts(data=np.eye(8), axes_manager=manager, metadata=title, _lazy=False)
    >>> micrograph_of(signal).sampling, micrograph_of(signal).name
    (0.2, 'film')
    """
    sizes = [_size(axis) for axis in _axes(signal)]
    if None not in sizes and abs(sizes[0] / sizes[1] - 1) > 1e-3:  # type: ignore[operator]
        raise MicrographError(f"the pixels are not square: {sizes[0]:.6g} × {sizes[1]:.6g} Å")
    data = signal.data.compute() if getattr(signal, "_lazy", False) else signal.data
    image = np.asarray(data).reshape([axis.size for axis in reversed(_axes(signal))])
    general = getattr(signal.metadata, "General", None)
    name = str(getattr(general, "title", "")) or Path(str(getattr(general, "original_filename", ""))).stem
    return Micrograph(image, sampling=None if None in sizes else sizes[0], name=name or "signal")


def mark(signal: "Signal2D", places: Annotations, name: str = "atoms") -> None:
    """Draw places on a HyperSpy signal as permanent markers; ``signal.plot()`` shows them, ``signal.save`` keeps them.

    Parameters
    ----------
    signal
        The image that they were found on; markers on ``signal.inav[3]`` are not on the stack.
    places
        Points (x, y) or boxes [pixel].
    name
        Of the markers, in ``signal.metadata.Markers``, letters, digits and _; markers of this name are replaced.

    Raises
    ------
    InputError
        Not one image, or a name that HyperSpy cannot keep.
    """
    from hyperspy.api import plot

    axes = _axes(signal)
    if not name.isidentifier():
        raise InputError(
            f"name of markers: '{name}' is none that HyperSpy finds again; take letters, digits and _"
        )
    if signal.metadata.has_item(f"Markers.{name}"):
        with suppress(AttributeError):  # HyperSpy cannot take off what was never drawn
            getattr(signal.metadata.Markers, name).close()
        if signal.metadata.has_item(f"Markers.{name}"):
            delattr(signal.metadata.Markers, name)
    if not len(places):
        return
    kind, arguments = marker_arguments(places, [axis.scale for axis in axes], [axis.offset for axis in axes])
    marker: Any = getattr(plot.markers, kind)(**arguments)
    marker.name = name
    signal.add_marker(marker, permanent=True, plot_marker=signal._plot is not None and signal._plot.is_active)


def _axes(signal: "Signal2D") -> Sequence[Any]:
    """Return the axes x and y of a signal that is one image with evenly spaced pixels."""
    manager = signal.axes_manager
    axes: Sequence[Any] = manager.signal_axes
    if len(axes) != 2:
        raise MicrographError(
            f"the signal is no image: it has {len(axes)} signal axes; signal.as_signal2D((0, 1)) makes it one"
        )
    if manager.navigation_size > 1:
        raise MicrographError(
            f"the signal is a stack of {manager.navigation_size} images; choose one, such as signal.inav[0]"
        )
    if not all(getattr(axis, "scale", 0) for axis in axes):
        raise MicrographError("the axes of the signal have no scale: pixels must be evenly spaced")
    return axes


def _size(axis: Any) -> float | None:
    """Return the side of a pixel [Å], None where the axis has no unit of length."""
    factor = angstroms(axis.units)
    return None if factor is None else abs(float(axis.scale)) * factor
