"""The commands of this room that belong to no shelf of it: ``stemforge evaluate completeness`` and ``quickstart``."""

from pathlib import Path
from typing import Any

from stemforge import evaluate, infer
from stemforge.console import say
from stemforge.micrograph.tables import COMPLETENESS_ENDINGS
from stemforge.options import AtomDetector, Device, Images, Output, Progress, Reading, Tiles, Workers


def completeness(
    images: Images,
    /,
    *,
    detector: AtomDetector = AtomDetector(),
    grafts: int = 300,
    tiles: Tiles = Tiles(),
    reading: Reading = Reading(),
    output: Output = Output(),
    device: Device = Device(),
    progress: Progress = Progress(),
) -> int:
    """Say of micrographs how many atoms of each visibility a detector finds on them, and how many found are none.

    No labels are needed. Simulated atoms are put into each image with counting noise of their own, and looked for: this
    gives recall over contrast-to-noise with intervals, beside the ideal observer, and the error of their places, beside
    the Cramér-Rao bound. How many of the atoms found are none follows from backgrounds of the image's own spectrum and
    from the likelihoods. Both correct the density. All of it is about atoms that lie singly; of clusters, fewer are
    found.

    For each image NAME_completeness.csv, .json and .png; a 512 × 512 image takes about four seconds.

    Parameters
    ----------
    images
        Image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG), or folders of them; as
        recorded.
    grafts
        Simulated atoms put into each image in all; a few tens at a time, far from each other.
    """
    batch = infer.Batch(
        images, output.folder("completeness"), COMPLETENESS_ENDINGS, reading, output.overwrite, progress.quiet
    )
    options: dict[str, Any] = {"threshold": detector.threshold, "grafts": grafts, "tile": tiles.tile}
    return infer.completeness_of_files(batch, detector.weights, **options, device=device.check()).exit_code


def quickstart(
    *,
    out: Path = Path("stemforge-quickstart"),
    processes: Workers = Workers(),
    progress: Progress = Progress(),
) -> None:
    """Simulate, train, detect and score on a small scale, and write report.html.

    A few minutes on two cores. Atoms are detected on simulated images that the network was not trained on, and on
    real ones where the environment variable STEMFORGE_DATA_DIR names a folder that holds the reference data.

    Parameters
    ----------
    out
        Folder for everything that is made. Run again, it goes on where it stopped.
    """
    report = evaluate.run_quickstart(out, workers=processes.workers, quiet=progress.quiet)
    for line in report.scores:
        say(line)
    say(f"wrote {out / 'report.html'}: open it in a browser")
