"""The Open Microscopy Environment's images: OME-TIFF and OME-Zarr, with a pixel size that has a unit."""

import hashlib
import io
import uuid
from importlib.metadata import version
from typing import Any

import numpy as np
import tifffile

from stemforge.exchange.exported import Exported, Writer
from stemforge.files import write_whole

VERSION = "0.4"
"""Of OME-Zarr: arrays of Zarr 2, which its readers knew first."""
_CHUNK = 1024  # pixels: side of a chunk


class OmeTiffWriter(Writer):
    """NAME.ome.tif, 32 bit with ``PhysicalSizeX`` and ``PhysicalSizeY`` in nm, and NAME.csv, the objects."""

    def add(self, item: Exported) -> None:
        """Write one image and its table."""
        image = np.asarray(item.pixels, dtype=np.float32)
        digest = hashlib.sha256(np.ascontiguousarray(image)).hexdigest()
        metadata: dict[str, Any] = {
            "axes": "CYX",
            "Name": item.name,
            "Creator": f"stemforge {version('stemforge')}",
            # tifffile's is of the clock: the same export shall give the same bytes.
            "UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{item.name} {digest}")),
            "Channel": {"Name": list(item.channels)},
        }
        if item.sampling is not None:
            for side in "XY":
                metadata |= {f"PhysicalSize{side}": item.sampling / 10, f"PhysicalSize{side}Unit": "nm"}
        stream = io.BytesIO()
        tifffile.imwrite(stream, image, ome=True, photometric="minisblack", metadata=metadata)
        write_whole(self.out / f"{item.name}.ome.tif", stream.getbuffer())
        self.write_table(item)


class OmeZarrWriter(Writer):
    """NAME.ome.zarr, a folder with the image in one resolution and its pixel size in nm, and NAME.csv, the objects."""

    def add(self, item: Exported) -> None:
        """Write one image and its table."""
        import zarr

        image = np.asarray(item.pixels, dtype=np.float32)
        group = zarr.open_group(str(self.out / f"{item.name}.ome.zarr"), mode="w-", zarr_format=2)
        group.create_array(
            "0",
            data=image,
            chunks=(1, *(min(side, _CHUNK) for side in image.shape[1:])),
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )
        group.attrs.update({"multiscales": [_multiscale(item)], "omero": _omero(item)})
        self.write_table(item)


def _multiscale(item: Exported) -> dict[str, Any]:
    scale, unit = (1.0, {}) if item.sampling is None else (item.sampling / 10, {"unit": "nanometer"})
    return {
        "version": VERSION,
        "name": item.name,
        "axes": [{"name": "c", "type": "channel"}, *({"name": n, "type": "space", **unit} for n in "yx")],
        "datasets": [
            {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, scale, scale]}]}
        ],
    }


def _omero(item: Exported) -> dict[str, Any]:
    """Return names of the channels, and between which values viewers show them."""
    channels = []
    for name, values in zip(item.channels, item.pixels, strict=True):
        low, high = float(values.min()), float(values.max())
        window = {"min": low, "max": high, "start": low, "end": high}
        channels.append({"label": name, "color": "FFFFFF", "active": True, "window": window})
    return {"version": VERSION, "name": item.name, "channels": channels}
