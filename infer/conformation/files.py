"""Conformations in many image files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stemforge.console import say
from stemforge.errors import InputError
from stemforge.infer.batch import Batch, Outcome
from stemforge.infer.conformation.analysis import identify_conformation
from stemforge.infer.conformation.candidates import NONE, Candidate, read_candidates
from stemforge.infer.conformation.confusion import LARGEST, WANTED
from stemforge.infer.conformation.figure import draw_conformation
from stemforge.infer.conformation.result import Conformation, Prospects
from stemforge.infer.conformation.sites.figure import draw_acid_site
from stemforge.infer.conformation.sites.folder import DISPLACEMENT, CandidateFolder, read_candidate_folder
from stemforge.infer.conformation.sites.posterior import AcidSitePosterior, Prior, locate_acid_site
from stemforge.infer.left_out import little_explained, tell_unusable
from stemforge.infer.resampling import file_sampling
from stemforge.infer.results import Results
from stemforge.micrograph.image import Micrograph

ENDINGS = ("_conformation.csv", "_conformation.png", "_sites.csv", "_sites.png")
"""What results are called after the image's name."""
_CALIBRATION = 0.1


def conformation_of_files(
    batch: Batch,
    candidates: Sequence[str | Path],
    *,
    cells: int | None = None,
    prior: Prior | None = None,
    displacement: float | None = None,
) -> Outcome:
    """Say on many images which of several candidate structures they show; write a table and a figure of each.

    Parameters
    ----------
    batch
        Images and where results go: ``_conformation.csv`` and ``_conformation.png``; of a folder of candidates
        ``_sites.csv`` and ``_sites.png``, too.
    candidates
        CIF files, or one folder from ``stemforge structures candidates``.
    cells
        As for :func:`identify_conformation`.
    prior
        As for :func:`locate_acid_site`, by default flat; for a folder of candidates alone.
    displacement
        How far molecules may lie beside where candidates have them, as for :class:`Candidate` [Å]; by default 0 for
        CIF files, and 0.3 for a folder.

    Examples
    --------
    >>> batch = Batch([Path("field.tif")], Path("conformation"), ("_conformation.csv", "_conformation.png"))
    >>> conformation_of_files(batch, ["one.cif", "other.cif"])  # refused before any image is read
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: candidate one.cif: path must be an existing CIF, got 'one.cif'.
    """
    # What cannot be compared is refused before any image is read.
    folder, known = _candidates(candidates, prior, displacement)
    if cells is not None and cells < 1:
        raise InputError(f"cells must be 1 or more, got {cells}")
    batch.reading.refuse_auto()
    batch.check_out()

    def work(micrograph: Micrograph, results: Results) -> int:
        tell_unusable(micrograph)
        found = identify_conformation(micrograph, known, cells=cells)
        found.to_csv(results.path("_conformation.csv"))
        draw_conformation(found, results.path("_conformation.png"))
        results.facts.update({**found.to_dict(), "sampling_in_file": file_sampling(micrograph)})
        lines = [str(found), *doubts(found)]
        if folder is not None:
            lines += _acid_site(locate_acid_site(found, folder, prior or "flat"), results)
        for line in lines:
            say(f"{micrograph.name}: {line}")
        return len(found.points) - found.best.count(NONE)

    options = {
        "candidates": [str(path) for path in candidates],
        "cells": cells,
        "prior": None if folder is None else prior or "flat",
        "displacement": known[0].displacement,
    }
    return batch.run("infer conformation", work, "blocks of cells that show a candidate", options)


def _candidates(
    paths: Sequence[str | Path], prior: Prior | None, displacement: float | None
) -> tuple[CandidateFolder | None, tuple[Candidate, ...]]:
    """Read candidates, and what is known of them where they come in a folder."""
    folders = [path for path in paths if Path(path).is_dir()]
    if folders:
        if len(paths) > 1:
            raise InputError(f"candidates: give one folder alone, or CIF files; {folders[0]} is a folder")
        folder = read_candidate_folder(
            folders[0], displacement=DISPLACEMENT if displacement is None else displacement
        )
        if prior == "energy":
            folder.energy_prior()  # refused where there are no energies
        return folder, folder.candidates
    if prior is not None:
        raise InputError(
            "prior: is for a folder from stemforge structures candidates; CIF files say nothing of acid sites"
        )
    return None, read_candidates(paths, displacement=displacement or 0.0)


def _acid_site(sites: AcidSitePosterior, results: Results) -> list[str]:
    """Write what is known of the acid site; return sentences on it."""
    sites.to_csv(results.path("_sites.csv"))
    draw_acid_site(sites, results.path("_sites.png"))
    results.facts["acid_site"] = sites.to_dict()
    return [str(sites), *sites.remarks()]


def doubts(conformation: Conformation) -> list[str]:
    """Return sentences on what an image does not allow to be told."""
    found = conformation.domains.remarks()
    prospects = conformation.prospects
    if prospects.right < WANTED:
        kind = "a single cell" if conformation.averaged == 1 else f"{conformation.averaged} cells averaged"
        found.append(
            f"{kind} would be given the right one of these candidates in {100 * prospects.right:.0f} % of cases: "
            + _needed(prospects)
        )
    found += little_explained("best candidate", conformation.explained, "structure", "answer")
    calibration = conformation.micrograph.sampling
    if calibration is not None and abs(conformation.lattice.sampling / calibration - 1) > _CALIBRATION:
        found.append(
            f"the candidates' cell makes the pixels {conformation.lattice.sampling:.3f} Å, the file says "
            f"{calibration:.3f} Å: check the candidates' cell"
        )
    return found


def _needed(prospects: Prospects) -> str:
    if not np.isfinite(prospects.factor):
        return "no dose tells them all, since some look alike within what is known of the microscope"
    size = prospects.block
    cells = (
        f"{LARGEST} × {LARGEST} cells are not enough"
        if size is None
        else f"{size} × {size} cells averaged will do"
    )
    return f"for {100 * WANTED:.0f} %, {cells} at this dose, or {prospects.factor:.2g} times the dose for a single cell"
