"""The command of this shelf: ``stemforge triage``."""

from pathlib import Path

from stemforge import evaluate
from stemforge.options import Device, Files, Output, Progress, Reading


def triage(
    folders: Files,
    /,
    *,
    weights: Path = Path("any-atom"),
    watch: bool = False,
    watch_for: float | None = None,
    workers: int = 2,
    reading: Reading = Reading(),
    output: Output = Output(),
    device: Device = Device(),
    progress: Progress = Progress(),
) -> int:
    """Sort the images in folders by whether they are worth opening.

    Each image is called open first, doubtful (with why), no atoms, or cannot be read (with why). In the folder
    `triage`: triage.csv, a row an image, the best first, with the probability that it holds an atom, the number of
    atoms and F1 to be expected, focus, jitter of lines, thick and vacuum shares, electrons; triage.json, what each
    column means; contact-sheet.png, the best and the doubtful images. Images are annular (HAADF, MAADF), as
    recorded. Those that did not change are not looked at again, so that the same command goes on where it was
    stopped. The exit code is 1 where an image cannot be read. docs/triage.md defines every measure.

    Parameters
    ----------
    folders
        Folders with image files, also in folders below; or image files.
    weights
        A stemforge weights file, the published checkpoint, or the name of weights that come with stemforge: any-atom,
        trained on many simulated specimens and microscopes; atom-net or sac-cnn, trained on simulated Pt on thick
        carbon at 60 kV.
    watch
        Go on looking for new files, as a microscope writes them; files that are half written are waited for. Ctrl-C
        ends it.
    watch_for
        How long new files are looked for [s]; --watch alone does so until Ctrl-C.
    workers
        Processes that work at the same time on this machine.
    """
    from stemforge.evaluate.triage.examiners import Examination
    from stemforge.evaluate.triage.watching import Watch

    reading.refuse_auto()
    watching = Watch(watch_for) if watch or watch_for is not None else None
    examination = Examination(str(weights), reading, device.check())
    out = output.results("triage")
    return evaluate.triage_folders(
        folders, out, examination, watch=watching, workers=workers, quiet=progress.quiet
    ).exit_code
