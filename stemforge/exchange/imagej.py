"""ImageJ's selections and results: a ROI set, and the table that its Measure writes."""

import io
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stemforge.exchange.exported import LABEL, Exported, FileNames, Writer
from stemforge.files import write_csv, write_whole

if TYPE_CHECKING:
    from roifile import ImagejRoi

_MADE = (
    1980,
    1,
    1,
    0,
    0,
    0,
)  # the first time that a ZIP file can state: the same export gives the same bytes


class ImageJWriter(Writer):
    """NAME_rois.zip, a set of selections; NAME_results.csv, a table of results; and NAME.tif where the image is known.

    ImageJ counts places of *points* from the centre of the first pixel, as stemforge does, and edges of *areas* from
    its outer corner (``Roi.useLineSubpixelConvention``): boxes move by half a pixel, points do not. Points of one label
    are one selection of many points. Coordinates are of single precision, 3e-5 px at 512 px.
    """

    def add(self, item: Exported) -> None:
        """Write selections, results and the image."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for roi in _rois(item):
                archive.writestr(zipfile.ZipInfo(f"{roi.name}.roi", _MADE), roi.tobytes())
        write_whole(self.out / f"{item.name}_rois.zip", content.getbuffer())
        self._write_results(item)
        self.write_image(item)

    def _write_results(self, item: Exported) -> None:
        places, scale = item.places, None if item.sampling is None else item.sampling / 10
        further = item.attributes()
        lengths = [] if scale is None else ["X (nm)", "Y (nm)"]
        box = [] if places.boxes is None else ["BX", "BY", "Width", "Height"]
        rows = []
        for i, (x, y) in enumerate(places.points):
            scaled = [] if scale is None else [f"{x * scale:.7g}", f"{y * scale:.7g}"]
            edges = [] if places.boxes is None else _rectangle(places.boxes[i])
            values = [values[i] for values in further.values()]
            rows.append([i + 1, places[LABEL][i], f"{x:.10g}", f"{y:.10g}", *scaled, *edges, *values])
        # ImageJ calls the column of the row's number by one space.
        header = [" ", "Label", "X", "Y", *lengths, *box, *further]
        write_csv(self.out / f"{item.name}_results.csv", header, rows)


def _rois(item: Exported) -> "Iterator[ImagejRoi]":
    from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi

    places = item.places
    names, files = places[LABEL].astype(str), FileNames()
    if places.boxes is None:
        for name in dict.fromkeys(names.tolist()):
            roi = ImagejRoi.frompoints(places.points[names == name], name=files.new(name))
            roi.roitype = ROI_TYPE.POINT
            yield roi
        return
    digits = len(str(len(places)))
    for number, (name, box) in enumerate(zip(names, places.boxes, strict=True), start=1):
        x, y, width, height = _rectangle(box)
        roi = ImagejRoi(name=files.new(f"{number:0{digits}d}-{name}"), roitype=ROI_TYPE.RECT)
        roi.options = ROI_OPTIONS.SUB_PIXEL_RESOLUTION
        roi.xd, roi.yd, roi.widthd, roi.heightd = x, y, width, height
        roi.left, roi.top = int(np.floor(x)), int(np.floor(y))
        roi.right, roi.bottom = int(np.ceil(x + width)), int(np.ceil(y + height))
        yield roi


def _rectangle(box: NDArray[np.float64]) -> list[float]:
    """Return left, top, width and height in ImageJ's pixels, whose first has its outer corner at (0, 0)."""
    x0, y0, x1, y1 = box.tolist()
    return [x0 + 0.5, y0 + 0.5, x1 - x0, y1 - y0]
