"""Columns of many image files."""

from stemforge.console import say
from stemforge.errors import InputError
from stemforge.infer.batch import Batch, Outcome
from stemforge.infer.columns.analysis import crystal_with, find_columns
from stemforge.infer.columns.figure import draw_columns
from stemforge.infer.columns.result import MeasuredColumns
from stemforge.infer.left_out import little_explained, tell_unusable
from stemforge.infer.resampling import file_sampling
from stemforge.infer.results import Results
from stemforge.micrograph.image import Micrograph

ENDINGS = ("_columns.csv", "_columns.png")
"""What results are called after the image's name."""
_OTHER = 0.05
_FAR = 0.25  # Å
# Transfer at 1/2 Å over that at 1/5 Å: 0.13 to 0.14 in a film of 80 Å that is 62 Å out of focus, whose places are off
# by up to twice what is stated; 0.32 to 0.49 in three films where they are not.
_FINE = 0.2


def columns_of_files(
    batch: Batch, framework: str = "mfi", *, cells: int = 1, guests: tuple[str, ...] = ()
) -> Outcome:
    """Find every atom column of a framework on many images; write a table and an overlay of each.

    Parameters
    ----------
    batch
        Images and where results go: ``_columns.csv`` and ``_columns.png``.
    framework, cells, guests
        As for :func:`find_columns`.

    Examples
    --------
    >>> from pathlib import Path
    >>> batch = Batch([Path("field.tif")], Path("columns"), ("_columns.csv", "_columns.png"))
    >>> columns_of_files(batch, "mfi", cells=0)  # refused before any image is read
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: cells must be 1 or more, not 0
    """
    if cells < 1:
        raise InputError(f"cells must be 1 or more, not {cells}")
    crystal = crystal_with(framework, guests, cells)  # a wrong name is refused before any image is read
    batch.reading.refuse_auto()
    batch.check_out()

    def work(micrograph: Micrograph, results: Results) -> int:
        tell_unusable(micrograph)
        found = find_columns(micrograph, framework=crystal, cells=cells, guests=guests)
        found.to_csv(results.path("_columns.csv"))
        draw_columns(found, results.path("_columns.png"))
        results.facts.update({**found.to_dict(), "sampling_in_file": file_sampling(micrograph)})
        say(f"{micrograph.name}: {found}")
        for line in doubts(found):
            say(f"{micrograph.name}: {line}")
        return len(found.points)

    settings = {"framework": framework, "cells": cells, "guests": list(guests)}
    return batch.run("infer columns", work, "columns", settings)


def doubts(columns: MeasuredColumns) -> list[str]:
    """Return sentences on what an image does not allow to be told."""
    found = columns.domains.remarks()
    found += [] if columns.guests is None else columns.guests.search.remarks
    found += little_explained("framework", columns.explained, "framework", "columns")
    if columns.other > _OTHER:
        found.append(
            f"{100 * columns.other:.0f} % of the columns are not as strong as those that the framework has at their "
            "places: another framework, or a damaged crystal"
        )
    if columns.fine_detail < _FINE:
        found.append(
            f"detail of 2 Å is shown {100 * columns.fine_detail:.0f} % as strongly as that of 5 Å, as by a thick film "
            "out of focus: places may be off by twice the errors stated, whatever the dose"
        )
    if columns.way > _FAR:
        found.append(
            f"columns are {columns.way:.2f} Å from where the framework has them: another framework, or one that is "
            "relaxed otherwise"
        )
    return found
