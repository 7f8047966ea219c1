"""The command of this shelf: ``stemforge depth``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stemforge.console import say
from stemforge.options import Calibration, ChosenSignal, Files, Output, Progress


def depth(
    series: Files,
    /,
    *,
    focus: Annotated[list[float | Path], Parameter(consume_multiple=True, negative=())],
    element: str,
    recipe: str | None = None,
    energy: float | None = None,
    semiangle: float | None = None,
    detector: str | None = None,
    source_size: float | None = None,
    calibration: Calibration = Calibration(),
    chosen: ChosenSignal = ChosenSignal(),
    output: Output = Output(),
    progress: Progress = Progress(),
) -> int:
    """Say how deep each atom lies, from frames of one area at several foci.

    Frames are aligned, atoms found on all of them together, and each is fitted with the image that one atom has at
    every distance from the focal plane. Of each series NAME_depths.csv (a row for each atom: place, depth with its
    error and interval, and what speaks against it), NAME_depths.json (foci, drift, optics) and NAME_depths.png, in the
    folder `depths`. Frames in another order than their foci, of several places, and without atoms are refused.
    docs/series.md says how it is done.

    Parameters
    ----------
    series
        Stacks of images (TIFF, DM3, DM4, EMD, SER, MRC, HSPY), or folders of images, one a frame, by the numbers in
        their names.
    focus
        Focus of each frame in their order [Å], such as --focus -60 -40 -20 0 20 40 60; or a text file with one a line.
        Larger numbers are deeper along the beam (abTEM's defocus); depths count from the plane of focus 0.
    element
        Chemical symbol of the atoms.
    recipe
        Where the microscope is described: a YAML file, the name of a recipe that ships with stemforge, or a microscope
        that stemforge knows (nion-ultrastem-100, nion-hermes, jeol-arm300cf). Without it energy, semiangle and detector
        are needed.
    energy
        Beam energy [eV].
    semiangle
        Convergence semiangle [mrad].
    detector
        Inner and outer angle of the annular detector [mrad]: 60,200.
    source_size
        Full width at half maximum of the effective source [Å]; by default the one that suits the atoms best.
    """
    from stemforge.evaluate.depth.files import FocalReading, depth_files, read_foci
    from stemforge.evaluate.depth.optics import focal_optics, read_angles
    from stemforge.evaluate.series.words import counted

    angles = None if detector is None else read_angles(detector)
    optics = focal_optics(
        element, recipe=recipe, energy=energy, semiangle=semiangle, detector=angles, source_size=source_size
    )
    reading = FocalReading(read_foci(focus), calibration.sampling, chosen.signal)
    folder = output.results("depths")
    found = depth_files(series, folder, optics, reading, quiet=progress.quiet)
    atoms = counted(found.found, "atom", "atoms")
    say(f"{folder.path}: {atoms} in {found.images - len(found.failed)} of {found.images} series")
    return found.exit_code
