"""Tables of atoms with their images or masks, read and analysed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from stemforge.console import say
from stemforge.corpus.ingest import pair_files
from stemforge.errors import InputError, MicrographError, errors_about
from stemforge.evaluate.pairing import Table, read_table
from stemforge.evaluate.statistics.bonds import bond_length
from stemforge.evaluate.statistics.envelopes import SIMULATIONS
from stemforge.evaluate.statistics.intensities.atoms import AtomIntensities, measure_intensities
from stemforge.evaluate.statistics.survey import Count, Survey, survey_patterns
from stemforge.evaluate.statistics.window import LEAST_ATOMS, PointPattern, Window
from stemforge.files import write_figure
from stemforge.infer import find_specimen
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.readers import read_mask, read_micrograph
from stemforge.micrograph.tables import table_files
from stemforge.micrograph.usable import usable_area
from stemforge.outputs.folder import ResultFolder, name_clash
from stemforge.outputs.record import RunRecord

RESULTS = ("statistics.csv", "statistics.json", "curves.csv", "overview.png")
"""What is written of all images together."""
INTENSITIES = ("intensities.csv", "intensities.png")
"""What is written besides where tables have intensities."""
ENDINGS = ("_places.csv", "_places.png")
"""What an image's results are called after its name."""

_FEWEST = 199  # simulations: those of Voronoi cells are a fifth, and fewer than 39 show no envelope of 95 %
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


def analyse_files(
    tables: Sequence[Path],
    sources: Sources = Sources(),
    *,
    element: str | None = None,
    length: float | None = None,
    recall: float = 1.0,
    purity: float = 1.0,
    simulations: int = SIMULATIONS,
    seed: int = 0,
    quiet: bool = False,
) -> Survey:
    """Measure where atoms stand that were found on images.

    Parameters
    ----------
    tables
        As ``stemforge infer atoms`` writes them, or of ImageJ; or folders of them.
    sources
        Where masks and pixel sizes come from.
    element
        Its bond length is used for bonds and clusters.
    length
        Bond length [Å, or px without pixel size] instead; with neither, bonds and clusters are left out.
    recall, purity, simulations, seed, quiet
        As for :func:`stemforge.evaluate.survey_patterns`.

    Returns
    -------
    Survey
        Images with fewer than 10 atoms count in densities alone.

    Raises
    ------
    InputError
        A table or image that cannot be read or is known of no table, masks that leave nothing, no image with 10 atoms,
        some with pixel size and some without.
    """
    if element is not None and length is not None:
        raise InputError("give either the element or the length of its bonds (bond)")
    if simulations < _FEWEST:
        raise InputError(f"simulations must be {_FEWEST} at least, not {simulations}")
    for name, value in (("recall", recall), ("purity", purity)):
        if not 0 < value <= 1:
            raise InputError(f"{name} must lie above 0 and at most at 1, not {value}")
    bond = bond_length(element) if element is not None else length
    if bond is not None and not 0 < bond < np.inf:
        raise InputError(f"bond must be positive, not {bond}")
    files = find_tables(tables)
    patterns, counts, bare = [], [], []
    listed_atoms: dict[str, Annotations] = {}
    for path, image, mask in zip(
        files, _images(files, sources.images), _masks(files, sources.masks), strict=True
    ):
        table, window = _read(path, image, mask, sources)
        listed = _distinct(table.points, path.stem)
        listed_atoms[path.stem] = inside = listed.where(window.contains(listed.points))
        points = inside.points
        if len(points) < len(listed):
            lost = len(listed) - len(points)
            say(f"{path.stem}: {lost} of {len(listed)} atoms lie outside the mask; left out")
        counts.append(Count(path.stem, len(points), window.area))
        if window.sampling is None:
            bare.append(path.stem)
        if len(points) >= LEAST_ATOMS:
            patterns.append(PointPattern(points, window, path.stem))
    if 0 < len(bare) < len(files):
        other = next(path.stem for path in files if path.stem not in bare)
        raise InputError(
            f"{bare[0]}: has no pixel size, {other} has; images can be pooled where all have one or none (sampling)"
        )
    if bare and element is not None:
        raise InputError(f"{bare[0]}: a bond of {element} needs the pixel size (sampling)")
    if not patterns:
        raise InputError(f"no image has {LEAST_ATOMS} atoms in its mask; statistics of places need them")
    if bare:
        say("no calibration: statistics are in pixels; give the pixel size for Å and nm² (--sampling)")
    if bond is None:
        say("neither element nor bond length is given: bonds and clusters are left out (--element, --bond)")
    options: dict[str, Any] = {
        "recall": recall,
        "purity": purity,
        "simulations": simulations,
        "seed": seed,
        "quiet": quiet,
    }
    survey = survey_patterns(patterns, counts, length=bond, **options)
    return replace(survey, intensities=_intensities(listed_atoms))


def _intensities(atoms: Mapping[str, Annotations]) -> AtomIntensities | None:
    """Return what the atoms' intensities say; None with a remark where they are too few."""
    try:
        return measure_intensities(atoms)
    except InputError as error:
        say(f"intensities: {error}; left out")
        return None


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
            found = [
                one
                for one in table_files(path)
                if one.name not in (*RESULTS, *INTENSITIES) and not one.name.endswith(ENDINGS)
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


def write_survey(survey: Survey, folder: ResultFolder, tables: Sequence[Path]) -> list[str]:
    """Write everything into a folder; return the names of what holds for all images."""
    by_name = {path.stem: path for path in tables}
    with folder.staged(tables) as staging:
        survey.to_csv(staging / RESULTS[0])
        survey.to_json(staging / RESULTS[1])
        survey.curves_to_csv(staging / RESULTS[2])
        write_figure(survey.figure(), staging / RESULTS[3])
        if survey.intensities is not None:
            survey.intensities.to_csv(staging / INTENSITIES[0])
            write_figure(survey.intensities.figure(), staging / INTENSITIES[1])
        for one in survey.images:
            one.to_csv(staging / f"{one.pattern.name}{ENDINGS[0]}")
            write_figure(one.figure(), staging / f"{one.pattern.name}{ENDINGS[1]}")
    record = RunRecord(folder, "analyse")
    for one in survey.images:
        name = one.pattern.name
        entry = {
            "file": by_name[name].absolute(),
            **survey.options,
            "results": [f"{name}{end}" for end in ENDINGS],
        }
        record.add(name, entry)
    record.save()
    return [*RESULTS, *(() if survey.intensities is None else INTENSITIES)]


def result_names(tables: Sequence[Path]) -> list[str]:
    """Return how all results of these tables will be called."""
    return [*RESULTS, *INTENSITIES, *(f"{path.stem}{end}" for path in tables for end in ENDINGS)]


def _read(
    path: Path, image: Mapping[str, Any] | None, mask: Path | None, sources: Sources
) -> tuple[Table, Window]:
    """Return the atoms of a table, and where they could be found."""
    micrograph = None if image is None else read_micrograph(**image)
    if micrograph is None and mask is None:
        raise InputError(
            f"{path}: no image of it is known, and without its frame edges cannot be corrected; give the image "
            "(images) or a mask (masks)"
        )
    known = sources.sampling or (None if micrograph is None else micrograph.sampling)
    table = read_table(path, sources.label_unit, {path.stem: known})
    sampling = sources.sampling or table.sampling or known
    where = _specimen(mask, micrograph, table.points)
    with errors_about(str(path)):
        window = Window(where, sampling, sources.closest)
    beyond = int(np.count_nonzero(~table.points.inside((where.shape[0], where.shape[1]))))
    if beyond:
        raise InputError(
            f"{path}: {beyond} atoms lie off the image of {where.shape[1]} × {where.shape[0]} pixels"
        )
    return table, window


def _specimen(mask: Path | None, micrograph: Micrograph | None, atoms: Annotations) -> NDArray[np.bool_]:
    if mask is None:
        if micrograph is None:
            raise TypeError("neither mask nor image")
        area = usable_area(micrograph.image)
        if area.reasons:
            say(f"{micrograph.name}: left out {area}")
        found = find_specimen(micrograph, area).believed(atoms.points, area)
        if found.remark:
            say(f"{micrograph.name}: {found.remark}")
        return found.mask
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
    return values


def _distinct(atoms: Annotations, name: str) -> Annotations:
    """Return the atoms without those that repeat an earlier one: two in one place would be a bond of no length."""
    if not len(atoms):
        return atoms
    repeated = np.unique(cKDTree(atoms.points).query_pairs(_SAME, output_type="ndarray").max(axis=1))
    if len(repeated):
        say(f"{name}: {len(repeated)} of {len(atoms)} atoms repeat another one's place; left out")
    return atoms.where(np.delete(np.arange(len(atoms)), repeated))


def _images(tables: Sequence[Path], images: Sequence[Path]) -> list[dict[str, Any] | None]:
    """Return how the image of each table is read: as given, or as the record beside it says; None if not known."""
    if images:
        pairs, _ = pair_files(images, tables, unlabelled=True)
        given = {table: picture for picture, table in pairs}
        return [{"path": given[table]} for table in tables]
    return [_recorded(table) for table in tables]


def _recorded(table: Path) -> dict[str, Any] | None:
    entry = RunRecord(ResultFolder(table.parent), "infer atoms").entries().get(table.stem, {})
    file = entry.get("file")
    if not isinstance(file, str) or not Path(file).is_file():
        return None
    reading = {"path": Path(file), "frame": entry.get("frame"), "signal": entry.get("signal")}
    frame = re.fullmatch(rf"{re.escape(Path(file).stem)}_(\d{{3,}})", table.stem)
    if entry.get("stack") and frame:
        reading["frame"] = int(frame[1])
    return reading


def _masks(tables: Sequence[Path], masks: Sequence[Path]) -> list[Path | None]:
    if not masks:
        return [None] * len(tables)
    if len(masks) == 1 and masks[0].is_file():
        return [masks[0]] * len(tables)
    pairs, _ = pair_files(masks, tables, unlabelled=True)
    given = {table: mask for mask, table in pairs}
    return [given[table] for table in tables]
