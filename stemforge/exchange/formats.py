"""The table of formats: what each is called, what it holds, what it needs, and which programs open it."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

from stemforge.exchange.exported import Writer, WriterOptions

FormatName = Literal[
    "coco", "extxyz", "geojson", "hyperspy", "imagej", "napari", "ome-tiff", "ome-zarr", "tiff"
]
Need = Literal["image", "objects", "sampling"]


@dataclass(frozen=True)
class Format:
    """A format that corpora, results and images are written in.

    Parameters
    ----------
    name
        As ``--format`` names it.
    files
        What is written.
    opened_by
        Programs that open it.
    library
        What a test opens it with.
    writer
        Module and class of the writer.
    needs
        What an item must have: an image, objects on it (points or boxes), a pixel size. What it has beyond that is
        written where the format holds it.

    Examples
    --------
    >>> FORMATS["geojson"].needs
    ('objects',)
    """

    name: FormatName
    files: str
    opened_by: str
    library: str
    writer: str
    needs: tuple[Need, ...]

    def open(self, out: Path, options: WriterOptions) -> Writer:
        """Return a writer for a folder."""
        module, _, name = self.writer.partition(":")
        writer: Writer = getattr(import_module(f"stemforge.exchange.{module}"), name)(out, options)
        return writer


FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Format("coco", "annotations.json, images/NAME.png", "CVAT, Label Studio, FiftyOne", "faster-coco-eval",
               "coco:CocoWriter", ("image", "objects")),
        Format("extxyz", "structures.extxyz", "ASE, OVITO", "ase", "extxyz:XYZWriter", ("objects", "sampling")),
        Format("geojson", "NAME.geojson", "QuPath", "geojson, shapely", "geojson:GeoJsonWriter", ("objects",)),
        Format("hyperspy", "NAME.hspy", "HyperSpy", "hyperspy", "hyperspy:HyperSpyWriter", ("image",)),
        Format("imagej", "NAME_rois.zip, NAME_results.csv, NAME.tif", "ImageJ, Fiji", "roifile",
               "imagej:ImageJWriter", ("objects",)),
        Format("napari", "NAME_points.csv or NAME_shapes.csv, NAME.tif", "napari", "napari",
               "napari:NapariWriter", ("objects",)),
        Format("ome-tiff", "NAME.ome.tif, NAME.csv", "QuPath, Fiji, napari, OMERO", "tifffile",
               "ome:OmeTiffWriter", ("image",)),
        Format("ome-zarr", "NAME.ome.zarr, NAME.csv", "napari, Fiji, QuPath", "ome-zarr", "ome:OmeZarrWriter",
               ("image",)),
        Format("tiff", "NAME.tif, NAME.csv", "ImageJ, Fiji, spreadsheets", "tifffile", "tiff:TiffWriter", ("image",)),
    )
}  # fmt: skip
"""Every format by its name."""
