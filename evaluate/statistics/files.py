"""Tables of atoms in, statistics of their places out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from stemforge.console import say
from stemforge.errors import InputError
from stemforge.evaluate.statistics.bonds import bond_length
from stemforge.evaluate.statistics.density import Count
from stemforge.evaluate.statistics.envelopes import SIMULATIONS
from stemforge.evaluate.statistics.intensities.atoms import AtomIntensities, measure_intensities
from stemforge.evaluate.statistics.reading import (
    ENDINGS,
    INTENSITIES,
    RESULTS,
    FoundAtoms,
    Sources,
    find_tables,
    read_found,
)
from stemforge.evaluate.statistics.survey import Survey, survey_patterns
from stemforge.evaluate.statistics.window import LEAST_ATOMS, PointPattern
from stemforge.files import write_figure
from stemforge.micrograph.annotations import Annotations
from stemforge.outputs.folder import ResultFolder
from stemforge.outputs.record import RunRecord

_FEWEST = 199  # simulations: those of Voronoi cells are a fifth, and fewer than 39 show no envelope of 95 %


@dataclass(frozen=True)
class Analysis:
    """What is asked of atoms' places.

    Parameters
    ----------
    element
        Its bond length is used for bonds and clusters.
    length
        Bond length [Å, or px without pixel size] instead; with neither, bonds and clusters are left out.
    recall, purity, simulations, seed
        As for :func:`stemforge.evaluate.survey_patterns`.

    Raises
    ------
    InputError
        Both element and length, or numbers that cannot be.
    """

    element: str | None = None
    length: float | None = None
    recall: float = 1.0
    purity: float = 1.0
    simulations: int = SIMULATIONS
    seed: int = 0

    def __post_init__(self) -> None:
        if self.element is not None and self.length is not None:
            raise InputError("give either the element or the length of its bonds (bond)")
        if self.simulations < _FEWEST:
            raise InputError(f"simulations must be {_FEWEST} at least, not {self.simulations}")
        for name, value in (("recall", self.recall), ("purity", self.purity)):
            if not 0 < value <= 1:
                raise InputError(f"{name} must lie above 0 and at most at 1, not {value}")
        if self.bond is not None and not 0 < self.bond < np.inf:
            raise InputError(f"bond must be positive, not {self.bond}")

    @property
    def bond(self) -> float | None:
        """Longest bond [Å, or px without pixel size]; None where none is known."""
        return self.length if self.element is None else bond_length(self.element)


@dataclass(eq=False)
class Collected:
    """The atoms of many images.

    Parameters
    ----------
    patterns
        Of images with atoms enough for statistics of places.
    counts
        Of all images.
    atoms
        Of all images, by name.
    calibrated
        Whether their pixel sizes are known.
    """

    patterns: list[PointPattern] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    atoms: dict[str, Annotations] = field(default_factory=dict)
    calibrated: bool = True


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

    Examples
    --------
    >>> from stemforge.micrograph.writers import write_tiff
    >>> rng = np.random.default_rng(0)
    >>> write_tiff("area.tif", rng.poisson(100, (128, 128)), sampling=0.3)
    >>> Annotations(rng.uniform(5, 120, (20, 2))).to_csv("area.csv", 0.3)
    >>> sources = Sources(images=[Path("area.tif")])
    >>> survey = analyse_files([Path("area.csv")], sources, simulations=199, quiet=True)
    >>> survey.counts[0].atoms, round(survey.counts[0].area, 1)
    (20, 14.7)
    """
    analysis = Analysis(element, length, recall, purity, simulations, seed)
    collected = collect_atoms(read_found(find_tables(tables), sources))
    if not collected.patterns:
        raise InputError(f"no image has {LEAST_ATOMS} atoms in its mask; statistics of places need them")
    return survey_atoms(collected, analysis, quiet=quiet)


def collect_atoms(found: Iterable[FoundAtoms]) -> Collected:
    """Count the atoms of each image, and take those that are enough for statistics of places.

    Raises
    ------
    InputError
        Some images have a pixel size and some have none.
    """
    collected, bare, files = Collected(), [], []
    for one in found:
        files.append(one.name)
        collected.atoms[one.name] = one.atoms
        collected.counts.append(Count(one.name, len(one.atoms), one.window.area, one.corrected))
        if one.window.sampling is None:
            bare.append(one.name)
        if len(one.atoms) >= LEAST_ATOMS:
            collected.patterns.append(PointPattern(one.atoms.points, one.window, one.name))
    if 0 < len(bare) < len(files):
        other = next(name for name in files if name not in bare)
        raise InputError(
            f"{bare[0]}: has no pixel size, {other} has; images can be pooled where all have one or none (sampling)"
        )
    collected.calibrated = not bare
    return collected


def survey_atoms(collected: Collected, analysis: Analysis, *, quiet: bool = False) -> Survey:
    """Measure where the atoms of images stand that were read, each image's and all together.

    Raises
    ------
    InputError
        An element's bond is asked for, and pixel sizes are not known.
    """
    bond = analysis.bond
    if not collected.calibrated and analysis.element is not None:
        name = collected.counts[0].name
        raise InputError(f"{name}: a bond of {analysis.element} needs the pixel size (sampling)")
    if not collected.calibrated:
        say("no calibration: statistics are in pixels; give the pixel size for Å and nm² (--sampling)")
    if bond is None:
        say("neither element nor bond length is given: bonds and clusters are left out (--element, --bond)")
    options: dict[str, Any] = {
        "recall": analysis.recall,
        "purity": analysis.purity,
        "simulations": analysis.simulations,
        "seed": analysis.seed,
        "quiet": quiet,
    }
    survey = survey_patterns(collected.patterns, collected.counts, length=bond, **options)
    return replace(survey, intensities=_intensities(collected.atoms))


def _intensities(atoms: Mapping[str, Annotations]) -> AtomIntensities | None:
    """Return what the atoms' intensities say; None with a remark where they are too few."""
    try:
        return measure_intensities(atoms)
    except InputError as error:
        say(f"intensities: {error}; left out")
        return None


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
