"""The command of this shelf: ``stemforge track``."""

from typing import Literal

from stemforge.console import say
from stemforge.options import AtomDetector, Calibration, ChosenSignal, Device, Files, Labels, Output, Progress


def track(
    series: Files,
    /,
    *,
    detector: AtomDetector = AtomDetector(),
    frame_time: float | None = None,
    reach: float | None = None,
    calibration: Calibration = Calibration(),
    chosen: ChosenSignal = ChosenSignal(),
    movie: Literal["gif", "mp4"] = "gif",
    labelling: Labels = Labels(),
    output: Output = Output(),
    device: Device = Device(),
    progress: Progress = Progress(),
) -> int:
    """Follow single atoms through a time series: what moved, how fast, what came and left, and what was only missed.

    Atoms are found on every frame, drift is taken off, and what is one atom is linked over frames on which it was
    missed. Of each series NAME_tracks.csv (a row for each atom and frame), NAME_atoms.csv (a row for each atom),
    NAME_tracks.json (drift, share that moved, hop rate, diffusion coefficient, residence time, rates of coming and
    leaving, each with its interval and a sentence), NAME_tracks.png and the movie NAME_tracks.gif (or .mp4), in the
    folder `tracks`. Frames of several specimens are refused. docs/series.md defines each number. Needs
    stemforge[track].

    Parameters
    ----------
    series
        Stacks of images (TIFF, DM3, DM4, EMD, SER, MRC, HSPY), folders of images, one a frame, or folders of tables
        that `stemforge infer atoms` wrote, one a frame. Frames of folders come by the numbers in their names; a
        missing number is a frame on which nothing was found.
    frame_time
        Time from the start of a frame to that of the next [s]; by default times are in frames.
    reach
        Longest hop that is followed [Å, or pixels without pixel size]; by default 0.3/√density, 5.5 Å at 0.3 atoms per
        nm². A longer way is a disappearance and an appearance.
    movie
        Kind of the movie: GIF, of 200 frames at most, or MP4 (H.264), of all frames.
    """
    from stemforge.evaluate.series.files import Following, track_files
    from stemforge.evaluate.series.words import counted

    following = Following(
        detector.weights,
        detector.threshold,
        calibration.sampling,
        chosen.signal,
        labelling.label_unit,
        frame_time,
        reach,
        device.check(),
        movie,
    )
    folder = output.results("tracks")
    found = track_files(series, folder, following, quiet=progress.quiet)
    atoms = counted(found.found, "atom", "atoms")
    say(f"{folder.path}: {atoms} in {found.images - len(found.failed)} of {found.images} series")
    return found.exit_code
