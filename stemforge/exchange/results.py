"""What was found, for other programs: tables of results with the images that they were made of, and images alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.console import say
from stemforge.corpus.ingest import pair_files
from stemforge.corpus.writer import HEADER
from stemforge.errors import InputError
from stemforge.exchange.exported import LABEL, Exported, FileNames, WriterOptions
from stemforge.exchange.formats import FORMATS, Format, FormatName
from stemforge.exchange.running import Contents, ExportRun, check_new_folder
from stemforge.micrograph.annotations import BOX_COLUMNS, Annotations
from stemforge.micrograph.coordinates import find_coordinates, sampling_of_columns
from stemforge.micrograph.paths import folder_images
from stemforge.micrograph.readers import FORMATS as IMAGES, read_micrograph
from stemforge.micrograph.tables import ENDINGS, read_cells, table_files
from stemforge.outputs.record import TableRecord

_NAMES = (LABEL, "species", "element", "kind")
"""Columns that say what an object is, the first that a table has."""
_IN_NM = {"x_nm", "y_nm", "x0_nm", "y0_nm", "x1_nm", "y1_nm"}


@dataclass(frozen=True)
class Sources:
    """Where images and pixel sizes of tables come from.

    Parameters
    ----------
    images
        Image files, or folders of them, paired with the tables by name; by default those that ``run.json`` beside a
        table names.
    sampling
        Pixel size [Å]; by default that of ``run.json``, of the table's columns, or of the image, in this order.
    label_unit
        Unit of tables whose header names none, as for :meth:`stemforge.Annotations.from_csv`.
    """

    images: Sequence[Path] = ()
    sampling: float | None = None
    label_unit: str | None = None


@dataclass(frozen=True, eq=False)
class Result:
    """One table, or one image, before its pixels are read.

    Parameters
    ----------
    path
        The table or the image.
    objects
        Of the table, with a column ``label``; None for an image alone.
    reading
        How the image is read, as arguments of :func:`stemforge.read_micrograph`; None where none is known.
    sampling
        Pixel size [Å] that is known before the image is read.
    entry
        What ``run.json`` says of the table; empty where nothing is known.
    """

    path: Path
    objects: Annotations | None
    reading: dict[str, Any] | None
    sampling: float | None
    entry: Mapping[str, Any] = field(default_factory=dict)

    def item(self, name: str) -> Exported:
        """Return it as it is exported; the image is read now."""
        micrograph = None
        if self.reading is not None:
            micrograph = read_micrograph(**{**self.reading, "sampling": self.sampling})
        facts: dict[str, Any] = {"table": None if self.objects is None else self.path.name}
        facts["image"] = None if self.reading is None else str(Path(self.reading["path"]).absolute())
        if micrograph is None:
            return Exported(name, self.objects, sampling=self.sampling, facts=facts)
        facts["sampling_angstrom"] = micrograph.sampling
        image, channel = micrograph.image[np.newaxis], micrograph.modality or "intensity"
        return Exported(name, self.objects, image, (channel,), micrograph.sampling, facts=facts)


def export_results(
    found: Sequence[str | Path],
    out: str | Path,
    format: FormatName,
    sources: Sources = Sources(),
    options: WriterOptions = WriterOptions(),
    *,
    quiet: bool = False,
) -> Contents:
    """Write tables of what was found with their images, or images alone, for other programs.

    Parameters
    ----------
    found
        Folders of results, as ``stemforge infer`` writes them; tables of points or boxes; image files.
    out
        Folder, new or empty. ``export.json`` in it says what the export was made of.
    format
        One of :data:`stemforge.exchange.formats.FORMATS`.
    sources
        Where images and pixel sizes come from.
    options
        Of COCO's pictures and boxes.
    quiet
        Show no progress.

    Returns
    -------
    Contents
        How many tables and images, with how many objects.

    Raises
    ------
    InputError
        A file that cannot be read or holds no places, an image or a pixel size that the format needs and nobody knows,
        a folder that is used. Nothing is written then.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> Annotations([[3.0, 4.5]]).to_csv(folder / "spots.csv", 0.25)
    >>> print(export_results([folder / "spots.csv"], folder / "qupath", "geojson", quiet=True))
    1 atom of 1 image
    >>> sorted(path.name for path in (folder / "qupath").iterdir())
    ['export.json', 'spots.geojson']
    """
    wanted = FORMATS[format]
    results = find_results(found, sources)
    for result in results:
        _refuse(result, wanted)
    check_new_folder(out)
    info = {
        "description": "what was found, exported by stemforge",
        "version": version("stemforge"),
        "format": format,
        "found": [result.path.absolute() for result in results],
    }
    run = ExportRun(Path(out), format, info, options)
    return run.write(_items(results, wanted), len(results), quiet=quiet)


def find_results(found: Sequence[str | Path], sources: Sources = Sources()) -> list[Result]:
    """Return the results of folders, tables and image files.

    Tables without places, such as those of statistics, are passed over in folders and named.

    Parameters
    ----------
    found, sources
        As for :func:`export_results`.

    Raises
    ------
    InputError
        A file that is neither table nor image, a folder without tables of places.
    """
    tables: list[Path] = []
    alone: list[Path] = []
    for path in map(Path, found):
        if path.is_dir():
            images = [] if (path / HEADER).is_file() or table_files(path) else folder_images(path)
            alone += images
            tables += [] if images else _tables(path)
        elif path.suffix.lower() in ENDINGS:
            tables.append(path)
        elif path.suffix.lower() in IMAGES:
            alone.append(path)
        else:
            raise InputError(
                f"{path}: is no folder of results or corpus, table ({', '.join(ENDINGS)}) or image; "
                f"'{path.suffix}' is not known"
            )
    given: dict[Path, Path] = {}
    if sources.images:
        pairs, _ = pair_files(sources.images, tables, unlabelled=True)
        given = {table: image for image, table in pairs}
    results = [_read(table, given.get(table), sources) for table in tables]
    return results + [Result(path, None, {"path": path}, sources.sampling) for path in alone]


def _tables(folder: Path) -> list[Path]:
    if (folder / HEADER).is_file():
        raise InputError(f"{folder}: is a corpus; export each corpus by itself")
    files = table_files(folder)
    placed = [path for path in files if _has_places(path)]
    if not placed:
        raise InputError(f"{folder}: holds no table of points or boxes (CSV), nor images alone")
    if len(placed) < len(files):
        names = ", ".join(path.name for path in files if path not in placed)
        say(f"{folder}: without places, left out: {names}")
    return placed


def _has_places(table: Path) -> bool:
    header, _ = read_cells(table)
    return bool(find_coordinates(header)) or set(BOX_COLUMNS) <= set(header)


def _read(table: Path, image: Path | None, sources: Sources) -> Result:
    known = TableRecord.beside(table)
    sampling = known.sampling if sources.sampling is None else sources.sampling
    unit = sources.label_unit
    objects = Annotations.from_csv(table, sampling=sampling, label_unit=unit, words=True, unplaced=False)
    if sampling is None:
        sampling = sampling_of_columns(table, objects.points, objects.columns)
    reading = known.reading if image is None else {"path": image}
    return Result(table, _named(objects), reading, sampling, known.entry)


def _named(objects: Annotations) -> Annotations:
    """Return the objects with a column that says what each is, without places in other units and empty columns."""
    columns = {
        name: values
        for name, values in objects.columns.items()
        # Places in another unit follow from those in pixels.
        if not (name in _IN_NM or (len(values) and _is_empty(values)))
    }
    usual = "atom" if objects.boxes is None else "molecule"
    label: NDArray[np.object_] = np.array([usual] * len(objects), dtype=object)
    texts = {name for name, values in columns.items() if values.dtype == object}
    chosen = next((name for name in _NAMES if name in texts | {LABEL} & set(columns)), None)
    if chosen is not None:
        values = columns.pop(chosen)
        words = values if values.dtype == object else [f"{value:g}" for value in values]
        label = np.array([str(word) or usual for word in words], dtype=object)
    return Annotations(objects.points, objects.boxes, {LABEL: label, **columns})


def _is_empty(values: NDArray[Any]) -> bool:
    return not any(values) if values.dtype == object else bool(np.all(np.isnan(values)))


def _refuse(result: Result, wanted: Format) -> None:
    """Refuse what the format cannot do without, as far as it is known before images are read."""
    if "objects" in wanted.needs and result.objects is None:
        images = ", ".join(name for name, one in FORMATS.items() if one.needs == ("image",))
        raise InputError(
            f"{result.path}: is an image, and {wanted.name} holds what was found on one; give the table of results, or "
            f"choose {images}"
        )
    if "image" in wanted.needs and result.reading is None:
        raise InputError(
            f"{result.path}: {wanted.name} needs the image of this table, which is not known; give it (images)"
        )


def _items(results: Sequence[Result], wanted: Format) -> Iterator[Exported]:
    names = FileNames()
    for result in results:
        item = result.item(names.new(result.path.stem))
        boxes = wanted.name == "coco" and result.objects is not None and result.objects.boxes is None
        if item.sampling is None and ("sampling" in wanted.needs or boxes):
            raise InputError(
                f"{result.path}: {wanted.name} needs a pixel size, and none is known; give it (sampling)"
            )
        yield item
