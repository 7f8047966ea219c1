"""Occupancy of many image files."""

from stemforge.console import say
from stemforge.errors import InputError
from stemforge.infer.batch import Batch, Outcome
from stemforge.infer.left_out import little_explained, tell_unusable
from stemforge.infer.occupancy.analysis import measure_occupancy
from stemforge.infer.occupancy.blocks import average_occupancy
from stemforge.infer.occupancy.crystal import GUESTS, ChannelCrystal
from stemforge.infer.occupancy.figure import draw_blocks, draw_occupancy
from stemforge.infer.occupancy.result import FILLED, VISIBLE, Occupancy
from stemforge.infer.resampling import file_sampling
from stemforge.infer.results import Results
from stemforge.micrograph.image import Micrograph

ENDINGS = ("_occupancy.csv", "_occupancy.png", "_blocks.csv", "_blocks.png")
"""What results are called after the image's name."""
_OFF = 0.1  # molecules a cell
_MISTAKEN = 0.5  # probability of an error of the framework's image from which it is told


def occupancy_of_files(
    batch: Batch, framework: str = "mfi", *, guests: tuple[str, ...] = GUESTS, cells: int = 1
) -> Outcome:
    """Ask on many images which channels hold a molecule; write a table and a map of each.

    Parameters
    ----------
    batch
        Images and where results go: ``_occupancy.csv`` and ``_occupancy.png``.
    framework, guests
        As for :func:`measure_occupancy`.
    cells
        Of two or more, means over blocks of cells as from :func:`average_occupancy` are written, too: ``_blocks.csv``
        and ``_blocks.png``.

    Examples
    --------
    >>> from pathlib import Path
    >>> batch = Batch([Path("field.tif")], Path("occupancy"), ("_occupancy.csv", "_occupancy.png"))
    >>> occupancy_of_files(batch, "quartz")  # refused before any image is read
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: framework 'quartz' is not known; there is mfi, fau, cha, mor, bea, or give a CIF file
    """
    if cells < 1:
        raise InputError(f"cells must be 1 or more, got {cells}")
    crystal = ChannelCrystal.named(framework, guests)  # a wrong name is refused before any image is read
    batch.reading.refuse_auto()
    batch.check_out()

    def work(micrograph: Micrograph, results: Results) -> int:
        tell_unusable(micrograph)
        found = measure_occupancy(micrograph, framework=crystal)
        found.to_csv(results.path("_occupancy.csv"))
        draw_occupancy(found, results.path("_occupancy.png"))
        if cells > 1:
            try:
                blocks = average_occupancy(found, crystal, cells)
            except InputError as error:  # the channels themselves are known
                say(f"{error}; its blocks are left out")
            else:
                blocks.to_csv(results.path("_blocks.csv"))
                draw_blocks(blocks, results.path("_blocks.png"))
        results.facts.update({**found.to_dict(), "sampling_in_file": file_sampling(micrograph)})
        say(f"{micrograph.name}: {found}")
        for line in doubts(found):
            say(f"{micrograph.name}: {line}")
        return found.count(FILLED)

    settings = {"framework": framework, "guests": list(guests), "cells": cells}
    return batch.run("infer occupancy", work, "filled channels", settings)


def doubts(occupancy: Occupancy) -> list[str]:
    """Return sentences on what an image does not allow to be told."""
    found = occupancy.domains.remarks()
    if occupancy.detectability < VISIBLE:
        found.append(
            f"a molecule in every unit cell along the beam stands out by {occupancy.detectability:.1f} "
            f"standard deviations where {VISIBLE:g} are needed: take a higher dose, or a place with more molecules "
            "along the beam"
        )
    found += little_explained("framework", occupancy.explained, "framework", "channels")
    if occupancy.framework_error is not None and occupancy.framework_error > _MISTAKEN:
        found.append(
            "what copies of a channel show alike is more likely an error of the framework's image than molecules "
            f"({occupancy.framework_error:.2f}): channels are left open; take a thinner place, or an image nearer to "
            "focus"
        )
    if abs(occupancy.offset) > _OFF:
        found.append(
            f"all channels alike are off by {occupancy.offset:+.2f} molecules a cell from the framework's image, "
            "which was taken away: where all hold the same, that cannot be told from molecules"
        )
    return found
