"""Tables of atoms with their images or masks, read one after the other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from stemforge.console import say
from stemforge.corpus.ingest import pair_files
from stemforge.errors import InputError, MicrographError, errors_about
from stemforge.evaluate.pairing import Table, read_table
from stemforge.evaluate.statistics.density import CorrectedDensity
from stemforge.evaluate.statistics.window import Window, linked
from stemforge.infer import find_specimen
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.readers import read_mask, read_micrograph
from stemforge.micrograph.tables import table_files
from stemforge.micrograph.usable import usable_area
from stemforge.outputs.folder import name_clash
from stemforge.outputs.record import TableRecord

RESULTS = ("statistics.csv", "statistics.json", "curves.csv", "overview.png")
"""What is written of all images together."""
INTENSITIES = ("intensities.csv", "intensities.png")
"""What is written besides where tables have intensities."""
REPORTED = ("report.json", "atoms.csv")
"""What ``stemforge report`` writes: beside the first, the second is a table of all images' atoms."""
ENDINGS = ("_places.csv", "_places.png")
"""What an image's results are called after its name."""

_BESIDE = 5  # pixels: an atom that the image's frame cuts may be placed so far outside of it
_ALIKE = 1e-3  # pixel sizes that differ by less are one, of their own size
_SAME = 0.01  # pixels: nearer than that, two rows of a table are one atom


@dataclass(frozen=True)
class Sources:
    """Where the mask and the pixel size of each table come from.

    Parameters
    ----------
    images
        Image files or folders of them; by default what ``run.json`` beside a table says it was made of.
    masks
        One image file for all tables or one for each, not 0 on the specimen; by default what of the image is usable and
        no vacuum (:func:`stemforge.infer.find_specimen`).
    sampling
        Pixel size [Å], where the files carry none or a wrong one.
    label_unit
        Unit of the tables where they name none.
    closest
        Two atoms nearer than that are found as one [Å, or px without pixel size].
    """

    images: Sequence[Path] = ()
    masks: Sequence[Path] = ()
    sampling: float | None = None
    label_unit: str | None = None
    closest: float = 0.0


@dataclass(frozen=True, eq=False)
class FoundAtoms:
    """The atoms of one table in the part of their image in which they could be found.

    Parameters
    ----------
    path
        The table.
    atoms
        Those in the window, each once, with the table's columns.
    window
        Where they could be found.
    micrograph
        The image; None where only a mask is known.
    remarks
        What was left out, in words, each with the image's name.
    corrected
        Atoms per nm² with errors of detection, as ``run.json`` has it; None where the mask or the pixel size is not
        that of the detection.
    """

    path: Path
    atoms: Annotations
    window: Window
    micrograph: Micrograph | None
    remarks: tuple[str, ...] = ()
    corrected: CorrectedDensity | None = None

    @property
    def name(self) -> str:
        """Name of the image."""
        return self.path.stem


def read_found(files: Sequence[Path], sources: Sources = Sources()) -> Iterator[FoundAtoms]:
    """Read tables with their images or masks, one after the other, and say what is left out.

    Raises
    ------
    InputError
        A table or image that cannot be read or is known of no table, a mask that leaves nothing, atoms off the image.
    """
    pairs = zip(files, _images(files, sources.images), _masks(files, sources.masks), strict=True)
    for path, image, mask in pairs:
        one = _read(path, image, mask, sources)
        for remark in one.remarks:
            say(remark)
        yield one


def find_tables(tables: Sequence[Path]) -> list[Path]:
    """Return the tables that are given, and those in folders that are given.

    Raises
    ------
    InputError
        A folder without tables, or two tables whose results would have the same name.
    """
    files: list[Path] = []
    for path in tables:
        found = [path]
        if path.is_dir():
            # Results of an earlier run may lie beside the tables.
            results = {*RESULTS, *INTENSITIES}
            if (path / REPORTED[0]).is_file():
                results.add(REPORTED[1])
            found = [
                one for one in table_files(path) if one.name not in results and not one.name.endswith(ENDINGS)
            ]
        if not found:
            raise InputError(f"{path}: holds no table of atoms (CSV)")
        files += found
    clash = name_clash([(file.stem, file) for file in files], Path())
    if clash is not None:
        raise InputError(
            f"{clash[1]} and {clash[2]}: are tables of the same name; rename one, or analyse them apart"
        )
    return files


def recorded(table: Path) -> dict[str, Any]:
    """Return what ``run.json`` beside a table says of its image; nothing where there is none."""
    return dict(TableRecord.beside(table, "infer atoms").entry)


def _read(path: Path, image: Mapping[str, Any] | None, mask: Path | None, sources: Sources) -> FoundAtoms:
    """Return the atoms of a table, and where they could be found."""
    micrograph = None if image is None else read_micrograph(**image)
    if micrograph is None and mask is None:
        raise InputError(
            f"{path}: no image of it is known, and without its frame edges cannot be corrected; give the image "
            "(images) or a mask (masks)"
        )
    known = sources.sampling or (None if micrograph is None else micrograph.sampling)
    table: Table = read_table(path, sources.label_unit, {path.stem: known})
    sampling = sources.sampling or table.sampling or known
    where, remarks = _specimen(mask, micrograph, table.points)
    with errors_about(str(path)):
        window = Window(where, sampling, sources.closest)
    beyond = _beyond(table.points, (where.shape[0], where.shape[1]))
    if beyond:
        raise InputError(
            f"{path}: {beyond} atoms lie off the image of {where.shape[1]} × {where.shape[0]} pixels"
        )
    listed = _distinct(table.points)
    if len(listed) < len(table.points):
        repeated = len(table.points) - len(listed)
        remarks.append(
            f"{path.stem}: {repeated} of {len(table.points)} atoms repeat another one's place; left out"
        )
    inside = listed.where(window.contains(listed.points))
    if len(inside) < len(listed):
        lost = len(listed) - len(inside)
        remarks.append(f"{path.stem}: {lost} of {len(listed)} atoms lie outside the mask; left out")
    found = _resolved(inside, sources.closest / window.scale)
    if len(found) < len(inside):
        lost = len(inside) - len(found)
        remarks.append(
            f"{path.stem}: {lost} of {len(inside)} atoms stand nearer than {sources.closest:g} {window.unit} to "
            "another one (closest); counted as one with it"
        )
    corrected = None if mask is not None else _corrected(path, sampling)
    return FoundAtoms(path, found, window, micrograph, tuple(remarks), corrected)


def _corrected(table: Path, sampling: float | None) -> CorrectedDensity | None:
    facts = recorded(table)
    pixel = facts.get("sampling")
    known = pixel.get("angstrom") if isinstance(pixel, Mapping) else None
    if sampling is None or not isinstance(known, int | float) or abs(known - sampling) > _ALIKE * sampling:
        return None
    return CorrectedDensity.recorded(facts)


def _beyond(atoms: Annotations, shape: tuple[int, int]) -> int:
    """Return how many atoms lie farther off the image than a fit moves one that the frame cuts."""
    wide = (shape[0] + 2 * _BESIDE, shape[1] + 2 * _BESIDE)
    return int(np.count_nonzero(~Annotations(atoms.points + _BESIDE).inside(wide)))


def _specimen(
    mask: Path | None, micrograph: Micrograph | None, atoms: Annotations
) -> tuple[NDArray[np.bool_], list[str]]:
    """Return where an image shows specimen, and what is to be said of it."""
    if mask is None:
        if micrograph is None:
            raise TypeError("neither mask nor image")
        area = usable_area(micrograph.image)
        found = find_specimen(micrograph, area).believed(atoms.points, area)
        remarks = [f"left out {area}"] if area.reasons else []
        remarks += [found.remark] if found.remark else []
        return found.mask, [f"{micrograph.name}: {remark}" for remark in remarks]
    try:
        values = read_mask(mask)
    except MicrographError as error:
        raise InputError(f"masks: {error}") from error
    if not values.any():
        raise InputError(
            f"masks {mask}: the mask leaves nothing of the image; give one that is not 0 on the specimen"
        )
    if micrograph is not None and values.shape != micrograph.shape:
        raise InputError(
            f"masks {mask}: has {values.shape[1]} × {values.shape[0]} pixels, the image {micrograph.name} "
            f"{micrograph.shape[1]} × {micrograph.shape[0]}"
        )
    return values, []


def _distinct(atoms: Annotations) -> Annotations:
    """Return the atoms without those that repeat an earlier one: two in one place would be a bond of no length."""
    if not len(atoms):
        return atoms
    repeated = np.unique(cKDTree(atoms.points).query_pairs(_SAME, output_type="ndarray").max(axis=1))
    return atoms.where(np.delete(np.arange(len(atoms)), repeated))


def _resolved(atoms: Annotations, radius: float) -> Annotations:
    """Return one atom of each group that is linked by distances within a radius [pixel], of the highest score."""
    if radius <= 0 or len(atoms) < 2:
        return atoms
    score = atoms["score"] if "score" in atoms.columns else np.zeros(len(atoms))
    best = np.argsort(-score, kind="stable")
    first = np.unique(linked(atoms.points, radius)[best], return_index=True)[1]
    return atoms.where(np.sort(best[first]))


def _images(tables: Sequence[Path], images: Sequence[Path]) -> list[dict[str, Any] | None]:
    """Return how the image of each table is read: as given, or as the record beside it says; None if not known."""
    if images:
        pairs, _ = pair_files(images, tables, unlabelled=True)
        given = {table: picture for picture, table in pairs}
        return [{"path": given[table]} for table in tables]
    return [TableRecord.beside(table, "infer atoms").reading for table in tables]


def _masks(tables: Sequence[Path], masks: Sequence[Path]) -> list[Path | None]:
    if not masks:
        return [None] * len(tables)
    if len(masks) == 1 and masks[0].is_file():
        return [masks[0]] * len(tables)
    pairs, _ = pair_files(masks, tables, unlabelled=True)
    given = {table: mask for mask, table in pairs}
    return [given[table] for table in tables]
