"""napari's tables: points as its points layers, boxes as its shapes layers keep them."""

from stemforge.exchange.exported import LABEL, Exported, Writer
from stemforge.files import write_csv

_AXES = ("axis-0", "axis-1")


class NapariWriter(Writer):
    """NAME_points.csv, or NAME_shapes.csv where objects have boxes, and NAME.tif where the image is known.

    Axis 0 is the row, axis 1 the column [pixel]; the first pixel has its centre at (0, 0), as in stemforge. napari
    reads labels and further columns of points as properties; those of boxes have no place in its tables.
    """

    def add(self, item: Exported) -> None:
        """Write one layer's table, and the image."""
        places, further = item.places, item.attributes()
        if places.boxes is None:
            header = ["index", *_AXES, LABEL, *further]
            rows = [
                [i, f"{y:.10g}", f"{x:.10g}", places[LABEL][i], *(values[i] for values in further.values())]
                for i, (x, y) in enumerate(places.points)
            ]
            write_csv(self.out / f"{item.name}_points.csv", header, rows)
        else:
            header = ["index", "shape-type", "vertex-index", *_AXES]
            rows = [
                [i, "rectangle", vertex, f"{y:.10g}", f"{x:.10g}"]
                for i, (x0, y0, x1, y1) in enumerate(places.boxes)
                for vertex, (y, x) in enumerate([(y0, x0), (y0, x1), (y1, x1), (y1, x0)])
            ]
            write_csv(self.out / f"{item.name}_shapes.csv", header, rows)
        self.write_image(item)
