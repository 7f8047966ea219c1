"""The commands of this shelf: ``stemforge compare`` and ``stemforge inspect``."""

from pathlib import Path

import stemforge
from stemforge import evaluate
from stemforge.console import say, show
from stemforge.errors import InputError
from stemforge.evaluate.corpora.inspection import find_inspected
from stemforge.files import write_figure
from stemforge.options import (
    ChosenFrame,
    FigureFile,
    Files,
    Images,
    Output,
    Overwrite,
    Progress,
    Reading,
    Seed,
)
from stemforge.outputs.places import PICTURES, check_file


def compare(
    images: Images,
    /,
    *,
    corpus: Path,
    num: int = 44,
    randomness: Seed = Seed(),
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
        Image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG), or folders of them: annular
        micrographs, at least four.
    corpus
        Folder of a simulated corpus; its images are degraded as its recipe says.
    num
        Most images to take from the corpus.
    """
    reading.refuse_auto()
    folder = output.results("compare", ("compare.json", "compare.png"), images)
    micrographs = [micrograph for path in images for micrograph in reading.read(path)]
    simulated = stemforge.Corpus(corpus)
    comparison = evaluate.compare_images(
        micrographs, simulated, num=num, seed=randomness.seed, quiet=progress.quiet
    )
    say("\n".join(comparison.lines()))
    with folder.staged(images) as staging:
        comparison.to_json(staging / "compare.json")
        write_figure(comparison.figure(), staging / "compare.png")
    say(f"wrote {folder.path}/compare.json, compare.png")


def inspect(
    found: Files,
    /,
    *,
    drawing: FigureFile = FigureFile(),
    chosen: ChosenFrame = ChosenFrame(),
    replacing: Overwrite = Overwrite(),
) -> None:
    """Show what is in corpora and micrographs.

    Of a stack the number of its frames, and its first frame or that of `--frame`. `--figure` draws one corpus as a
    contact sheet with histograms, one micrograph with its histogram.

    Parameters
    ----------
    found
        Folders of corpora; image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG), or folders of them.
    """
    paths = find_inspected(found)
    if drawing.figure is not None:
        if len(paths) > 1:
            raise InputError(f"--figure draws one corpus or image, not {len(paths)}; give one")
        check_file(drawing.figure, "--figure", PICTURES, overwrite=replacing.overwrite, inputs=paths)
    for number, path in enumerate(paths):
        inspection = evaluate.inspect(path, frame=chosen.frame, signal=chosen.signal)
        for line in ([""] if number else []) + inspection.lines():
            show(line)
        if drawing.figure is not None:
            write_figure(inspection.figure(), drawing.figure)
            show(f"{'picture':<14} {drawing.figure}")
        elif len(paths) == 1:
            show(f"{'picture':<14} none yet: --figure {path.resolve().stem}.png draws one")
