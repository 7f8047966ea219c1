"""A report of a data set: from images or tables of atoms to one page with its tables beside it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import stemforge
from stemforge.console import progress
from stemforge.errors import InputError
from stemforge.evaluate.reports.answers import answer_all, format_p, gather_remarks
from stemforge.evaluate.reports.facts import estimate_remark, estimated_errors, sound_facts
from stemforge.evaluate.reports.figures import add_figures
from stemforge.evaluate.reports.inputs import Detecting, detect_missing, failures, sort_inputs
from stemforge.evaluate.reports.methods import describe_methods
from stemforge.evaluate.reports.overlay import Overlay, draw_overlay
from stemforge.evaluate.reports.page import PageTable, Report
from stemforge.evaluate.statistics.density import Count, counted_density
from stemforge.evaluate.statistics.files import (
    Analysis,
    Collected,
    collect_atoms,
    result_names,
    survey_atoms,
    write_survey,
)
from stemforge.evaluate.statistics.reading import ENDINGS, REPORTED, FoundAtoms, Sources, read_found, recorded
from stemforge.evaluate.statistics.survey import Survey
from stemforge.evaluate.statistics.window import LEAST_ATOMS
from stemforge.files import write_csv, write_json
from stemforge.outputs.folder import ResultFolder

PAGE, DATA, ATOMS = "report.html", *REPORTED
"""What is written into the folder of a report."""
DETECTED, STATISTICS = "atoms", "statistics"
"""Folders in it: tables of atoms that were found for it, and statistics."""

_PICTURES = (
    9_000_000  # bytes of all micrographs on a page: a third more as text, and the page stays below 15 MB
)
_MOST = 450_000  # bytes of one of them


@dataclass(eq=False)
class _Images:
    """What the page says of single images, kept while they are read one after the other."""

    most: int
    out: Path
    overlays: list[Overlay] = field(default_factory=list)
    facts: list[Mapping[str, Any]] = field(default_factory=list)
    samplings: list[float | None] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    unit: str = "nm²"

    def keep(self, found: Iterator[FoundAtoms]) -> Iterator[FoundAtoms]:
        """Hand atoms on, and keep what the page needs of them: all images may not fit into memory."""
        for one in found:
            self.overlays.append(draw_overlay(one, self.most))
            facts, damaged = sound_facts(recorded(one.path), one.window.sampling)
            self.facts.append(facts)
            if damaged:
                self.remarks.append(
                    (one.name, f"run.json is damaged: not taken from it: {', '.join(damaged)}")
                )
            self.samplings.append(one.window.sampling)
            self.remarks += [(one.name, remark.removeprefix(f"{one.name}: ")) for remark in one.remarks]
            self.paths.append(one.path)
            self.unit = one.window.area_unit
            yield one


def report_files(
    paths: Sequence[Path],
    out: ResultFolder,
    *,
    detecting: Detecting = Detecting(),
    sources: Sources = Sources(),
    analysis: Analysis = Analysis(),
    title: str | None = None,
    quiet: bool = False,
) -> Report:
    """Find atoms where that is not done yet, measure where they stand, and write one page that says it all.

    Parameters
    ----------
    paths
        Image files or folders of them; tables of atoms or folders of them, as ``stemforge infer atoms`` writes them.
    out
        Folder for ``report.html``, ``report.json`` and ``atoms.csv``, with ``atoms/`` for tables that are made and
        ``statistics/`` for what :func:`stemforge.evaluate.analyse_files` measures.
    detecting
        How atoms are found on images; tables in ``atoms/`` that were made so from the same image are taken.
    sources
        Masks and pixel sizes of tables, and their images where ``run.json`` beside them does not say them.
    analysis
        What is asked of places.
    title
        Of the page; by default the name of the folder of the first image or table.
    quiet
        Show no progress.

    Returns
    -------
    Report
        As it was written.

    Raises
    ------
    InputError
        Files that cannot be used, or results in the way; no image that can be used.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge import Annotations
    >>> from stemforge.micrograph.writers import write_tiff
    >>> rng = np.random.default_rng(0)
    >>> write_tiff("area.tif", rng.poisson(100, (128, 128)), sampling=0.3)
    >>> Annotations(rng.uniform(5, 120, (6, 2))).to_csv("area.csv", 0.3)
    >>> sources = Sources(images=[Path("area.tif")])
    >>> report = report_files([Path("area.csv")], ResultFolder(Path("report"), False), sources=sources, quiet=True)
    >>> sorted(path.name for path in Path("report").iterdir())
    ['atoms.csv', 'report.html', 'report.json']
    """
    images, tables = sort_inputs(paths)
    out.check([PAGE, DATA, ATOMS], [*images, *tables])
    statistics = ResultFolder(out.path / STATISTICS, out.overwrite)
    statistics.check(result_names([*images, *tables]), [*images, *tables])
    detected = ResultFolder(out.path / DETECTED, out.overwrite)
    made = detect_missing(images, detected, detecting, quiet=quiet)
    failed = failures([detected.path], images) if images else []
    failed += failures(
        [path for path in paths if path.is_dir() and path in {one.parent for one in tables}], ()
    )
    tables = [*tables, *made]
    if not tables:
        raise InputError(f"none of the {len(images)} images could be used; see above")
    kept = _Images(min(_MOST, _PICTURES // len(tables)), out.path)
    with progress("read", len(tables), "images", quiet) as advance:
        collected = collect_atoms(_advancing(kept.keep(read_found(tables, sources)), advance))
    survey = survey_atoms(collected, analysis, quiet=quiet) if collected.patterns else None
    report = Report(title or _title(paths[0]), _chain(kept))
    report.left_out = len(failed)
    _fill(report, kept, collected, survey, failed)
    report.methods = describe_methods(
        kept.facts,
        kept.samplings,
        survey,
        masks=bool(sources.masks),
        element=analysis.element,
        unit=kept.unit,
    )
    _write(report, kept, collected, survey, out)
    return report


def _advancing(found: Iterator[FoundAtoms], advance: Any) -> Iterator[FoundAtoms]:
    for one in found:
        yield one
        advance(1)


def _title(path: Path) -> str:
    folder = path.absolute() if path.is_dir() else path.absolute().parent
    if folder.name == DETECTED:
        folder = folder.parent
    return folder.name or "Atoms found"


def _chain(kept: _Images) -> str:
    """Return the line under the title: what was looked at, and by what."""
    number = len(kept.overlays)
    weights = sorted({one["weights"] for one in kept.facts if "weights" in one})
    sizes = sorted({f"{size:.3g}" for size in kept.samplings if size is not None}, key=float)
    guessed = any(error is not None for error in estimated_errors(kept.facts))
    estimated = " (estimated from the atoms)" if guessed else ""
    parts = [f"{number} image{'s' if number > 1 else ''}"]
    if sizes:
        parts.append(f"{sizes[0]}{f' to {sizes[-1]}' if len(sizes) > 1 else ''} Å per pixel{estimated}")
    else:
        parts.append("no pixel size known")
    parts.append(f"atoms by {', '.join(weights)}" if weights else "atoms from tables")
    return ", ".join(parts)


def _fill(
    report: Report,
    kept: _Images,
    collected: Collected,
    survey: Survey | None,
    failed: Sequence[tuple[str, str]],
) -> None:
    """Put answers, remarks, figures, images and the table of them on the page."""
    report.lead, report.answers = answer_all(collected.counts, survey, kept.facts, kept.unit, len(failed))
    report.notes = _notes(kept, collected, survey, failed)
    add_figures(report, survey)
    for number, (one, count) in enumerate(zip(kept.overlays, collected.counts, strict=True)):
        report.overlays.append(_captioned(one, count, kept, number, survey))
    report.table = _table(kept, collected.counts, survey)


def _notes(
    kept: _Images, collected: Collected, survey: Survey | None, failed: Sequence[tuple[str, str]]
) -> list[str]:
    """Return what a reader must know before relying on the numbers, the weightiest first."""
    remarks = [(name, f"left out: {why.removeprefix(f'{name}: ')}") for name, why in failed]
    if not collected.calibrated:
        remarks.append(("", "No pixel size is known: lengths are in pixels, densities per pixel²."))
    if survey is not None:
        spread, p = survey.counting
        if p < 0.05:
            sd = survey.densities[1]
            remarks.append(
                (
                    "",
                    f"Densities differ from image to image by ± {sd:.2g}, more than counting explains "
                    f"(± {spread:.2g}, {format_p(p)}): one number does not describe all of them.",
                )
            )
        remarks += [("", f"{one}.") for one in survey.shared]
    for one, error in zip(kept.overlays, estimated_errors(kept.facts), strict=True):
        if error is not None:
            remarks.append((one.name, estimate_remark(error)))
    for one, facts in zip(kept.overlays, kept.facts, strict=True):
        remarks += [(one.name, doubt) for doubt in facts.get("doubts", ())]
        remark = facts.get("sampling", {}).get("remark")
        if remark:
            remarks.append((one.name, remark.removeprefix(f"{one.name}: ")))
    remarks += kept.remarks
    remarks += [
        (one.name, f"fewer than {LEAST_ATOMS} atoms: only its density counts")
        for one in collected.counts
        if one.atoms < LEAST_ATOMS
    ]
    if survey is not None:
        for image in survey.images:
            name = image.pattern.name
            remarks += [(name, text.removeprefix(f"{name}: ")) for text in image.remarks]
    return gather_remarks(remarks)


def _captioned(one: Overlay, count: Count, kept: _Images, number: int, survey: Survey | None) -> Overlay:
    """Return an image with what is known of it, and links to its files beside the page."""
    density, low, high = counted_density(count.atoms, count.area)
    facts = kept.facts[number]
    text = f"{count.atoms} atoms, {density:.3g} per {kept.unit} ({low:.2g} to {high:.2g})"
    if "expected_f1" in facts:
        text += f"; expected F1 {facts['expected_f1']:.2f}"
    if "threshold" in facts:
        text += f", threshold {facts['threshold']:.2f}"
    files = {kept.paths[number]: "table"}
    if survey is not None and any(image.pattern.name == one.name for image in survey.images):
        files[kept.out / STATISTICS / f"{one.name}{ENDINGS[1]}"] = "statistics"
    links = {_address(path, kept.out): word for path, word in files.items() if path.is_relative_to(kept.out)}
    return Overlay(**{**vars(one), "caption": f"{text}.", "links": links})


def _address(path: Path, out: Path) -> str:
    """Return the address of a file for the page beside it; signs in names stand for themselves."""
    return quote(path.relative_to(out).as_posix())


def _table(kept: _Images, counts: Sequence[Count], survey: Survey | None) -> PageTable:
    """Return the table of images."""
    near = {} if survey is None else {one.pattern.name: one for one in survey.images}
    unit = "px" if kept.unit == "px²" else "Å"
    columns = ["image", "atoms", f"specimen [{kept.unit}]", f"density [1/{kept.unit}]", "95 % from", "to"]
    columns += [f"nearest [{unit}]", f"random [{unit}]", "Clark–Evans", "p", "expected F1", "threshold"]
    rows = []
    for count, facts in zip(counts, kept.facts, strict=True):
        one = near.get(count.name)
        places: list[float | None] = [None] * 4
        if one is not None:
            index = one.clark_evans
            places = [one.neighbours.mean, one.neighbours.expected, index.index, index.p]
        numbers = [count.area, *counted_density(count.atoms, count.area), *places]
        rows.append(
            [
                count.name,
                count.atoms,
                *(_finite(v) for v in [*numbers, facts.get("expected_f1"), facts.get("threshold")]),
            ]
        )
    caption = "Press a column's name to sort. Intervals of densities are by counting alone; p is of Clark and Evans."
    return PageTable(columns, rows, caption)


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < float("inf") else None


def _write(
    report: Report, kept: _Images, collected: Collected, survey: Survey | None, out: ResultFolder
) -> None:
    """Write statistics, all atoms in one table, numbers for programs, and the page that links to them."""
    if survey is not None:
        names = write_survey(survey, ResultFolder(out.path / STATISTICS, out.overwrite), kept.paths)
        words = {
            "statistics.csv": "a row an image",
            "statistics.json": "the same with sentences, and what holds for all",
            "curves.csv": "L and g with their envelopes",
            "intensities.csv": "intensities of single atoms",
        }
        report.files = {
            f"{STATISTICS}/{name}": words.get(name, "") for name in names if name.endswith((".csv", ".json"))
        }
    report.files = {DATA: "the numbers of this page", ATOMS: "all atoms", **report.files}
    report.data = {
        "stemforge": stemforge.__version__,
        "title": report.title,
        "answer": report.lead,
        "answers": [vars(one) for one in report.answers],
        "all": None if survey is None else survey.summary(),
        "options": None if survey is None else survey.options,
        "be_aware": report.notes,
        "images": [
            {
                "name": count.name,
                "atoms": count.atoms,
                "area": count.area,
                "area_unit": kept.unit,
                **_known(facts),
            }
            for count, facts in zip(collected.counts, kept.facts, strict=True)
        ],
    }
    with out.staged() as staging:
        write_csv(staging / ATOMS, *_all_atoms(collected))
        write_json(staging / DATA, report.data)
        report.write(staging / PAGE)


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of ``run.json`` belongs to the numbers; not the paths of a user's machine."""
    names = ("weights", "threshold", "expected_f1", "visible_atoms_per_nm2", "specimen", "left_out", "doubts")
    return {name: facts[name] for name in names if name in facts}


def _all_atoms(collected: Collected) -> tuple[list[str], list[list[Any]]]:
    """Return header and rows of one table of all atoms."""
    names = list(dict.fromkeys(name for one in collected.atoms.values() for name in one.columns))
    rows: list[list[Any]] = []
    for image, atoms in collected.atoms.items():
        columns = [atoms.columns.get(name) for name in names]
        for index, (x, y) in enumerate(atoms.points):
            values = [None if column is None else f"{column[index]:.6g}" for column in columns]
            rows.append([image, f"{x:.3f}", f"{y:.3f}", *values])
    return ["image", "x_px", "y_px", *names], rows
