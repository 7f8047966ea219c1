"""The commands of this room that belong to no shelf of it: ``stemforge evaluate completeness`` and ``quickstart``."""

from pathlib import Path
from typing import Any

from stemforge import evaluate, infer
from stemforge.console import say
from stemforge.options import Device, Images, Output, Progress, Reading


def completeness(
    images: Images,
    /,
    *,
    weights: Path = Path("any-atom"),
    threshold: float | None = None,
    grafts: int = 300,
    tile: int = 512,
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
        Image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG), as recorded.
    weights
        A stemforge weights file, or the name of weights that come with stemforge.
    threshold
        Likelihood from which a candidate is an atom; by default each image has its own, as for `infer atoms`.
    grafts
        Simulated atoms put into each image in all; a few tens at a time, far from each other.
    tile
        Side of the tiles in which large images are worked through [pixel].
    """
    from stemforge.infer.completeness.files import ENDINGS

    batch = infer.Batch(
        images, output.folder("completeness"), ENDINGS, reading, output.overwrite, progress.quiet
    )
    options: dict[str, Any] = {"threshold": threshold, "grafts": grafts, "tile": tile}
    return infer.completeness_of_files(batch, weights, **options, device=device.check()).exit_code


def quickstart(
    *,
    out: Path = Path("stemforge-quickstart"),
    workers: int | None = None,
    progress: Progress = Progress(),
) -> None:
    """Simulate, train, detect and score on a small scale, and write report.html.

    A few minutes on two cores. Atoms are detected on simulated images that the network was not trained on, and on
    real ones where the environment variable STEMFORGE_DATA_DIR names a folder that holds the reference data.

    Parameters
    ----------
    out
        Folder for everything that is made. Run again, it goes on where it stopped.
    workers
        Processes that simulate; by default one for each core.
    """
    report = evaluate.run_quickstart(out, workers=workers, quiet=progress.quiet)
    for line in report.scores:
        say(line)
    say(f"wrote {out / 'report.html'}: open it in a browser")
