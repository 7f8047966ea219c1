"""The commands of this shelf: ``stemforge compare`` and ``stemforge inspect``."""

from pathlib import Path

import stemforge
from stemforge import evaluate
from stemforge.console import say, show
from stemforge.files import write_figure
from stemforge.options import Images, Output, Progress, Reading
from stemforge.outputs.places import PICTURES, check_file


def compare(
    images: Images,
    /,
    *,
    corpus: Path,
    num: int = 44,
    seed: int = 0,
    reading: Reading = Reading(),
    output: Output = Output(),
    progress: Progress = Progress(),
) -> None:
    """Measure how much real micrographs and a simulated corpus differ.

    Prints every statistic's median and quartiles on both sides, how well a small network on the pixels and a linear
    discriminant on statistics of patches distinguish them, on images that they were not fitted to (50 % is perfect
    likeness, the better one counts), and which statistics separate most. Writes compare.json and compare.png.

    Parameters
    ----------
    images
        Annular micrographs, at least four.
    corpus
        Simulated; its images are degraded as its recipe says.
    num
        Most images to take from the corpus.
    seed
        Root of the randomness.
    """
    reading.refuse_auto()
    folder = output.results("compare", ("compare.json", "compare.png"), images)
    micrographs = [micrograph for path in images for micrograph in reading.read(path)]
    simulated = stemforge.Corpus(corpus)
    comparison = evaluate.compare_images(micrographs, simulated, num=num, seed=seed, quiet=progress.quiet)
    say("\n".join(comparison.lines()))
    with folder.staged(images) as staging:
        comparison.to_json(staging / "compare.json")
        write_figure(comparison.figure(), staging / "compare.png")
    say(f"wrote {folder.path}/compare.json, compare.png")


def inspect(
    path: Path,
    /,
    *,
    out: Path | None = None,
    frame: int | None = None,
    signal: str | None = None,
    overwrite: bool = False,
) -> None:
    """Show what is in a corpus or a micrograph.

    Parameters
    ----------
    path
        Folder of a corpus, or an image file.
    out
        Draw a contact sheet of the corpus with histograms, or the micrograph with its histogram, into this file (PNG,
        PDF, SVG, JPG).
    frame
        Which frame of a stack to look at, counted from 0.
    signal
        Which of several images in a file (EMD, DM4, HSPY, EMI): its title, such as HAADF, or its number; by default the
        only one, or that called HAADF.
    overwrite
        Replace a picture that exists.
    """
    if out is not None:
        check_file(out, "--out", PICTURES, overwrite=overwrite, inputs=[path])
    found = evaluate.inspect(path, frame=frame, signal=signal)
    for line in found.lines():
        show(line)
    if out is not None:
        write_figure(found.figure(), out)
        show(f"{'picture':<14} {out}")
