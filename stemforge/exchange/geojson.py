"""GeoJSON as QuPath reads it: a feature for each object, with its class and measurements."""

from typing import Any

from stemforge.exchange.exported import LABEL, Exported, Writer
from stemforge.files import plain, write_json


class GeoJsonWriter(Writer):
    """NAME.geojson, a collection of points, or of rectangles where objects have boxes; class and measurements of each.

    Coordinates are (x, y) in pixels, 0 at the outer corner of the first one, as QuPath counts them: half a pixel more
    than stemforge's. The pixel size is a further member of the collection, ``pixel_size_nm``, which QuPath passes over:
    it takes that of the image.
    """

    def add(self, item: Exported) -> None:
        """Write one collection."""
        content: dict[str, Any] = {"type": "FeatureCollection"}
        if item.sampling is not None:
            content["pixel_size_nm"] = item.sampling / 10
        content["features"] = [_feature(item, i) for i in range(len(item.places))]
        write_json(self.out / f"{item.name}.geojson", content)


def _feature(item: Exported, i: int) -> dict[str, Any]:
    places = item.places
    if places.boxes is None:
        geometry = {"type": "Point", "coordinates": [v + 0.5 for v in places.points[i].tolist()]}
    else:
        x0, y0, x1, y1 = (v + 0.5 for v in places.boxes[i].tolist())
        ring = [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]
        geometry = {"type": "Polygon", "coordinates": [ring]}
    values = plain({name: column[i] for name, column in item.attributes().items()})
    numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
    properties = {
        "objectType": "annotation",
        "classification": {"name": str(places[LABEL][i])},
        "measurements": {name: float(value) for name, value in numbers.items()},
    }
    words = {name: value for name, value in values.items() if isinstance(value, str)}
    if words:
        properties["metadata"] = words
    return {"type": "Feature", "geometry": geometry, "properties": properties}
