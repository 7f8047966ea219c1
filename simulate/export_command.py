"""The command ``stemforge export``."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def export(
    corpus: Path,
    /,
    *,
    out: Path,
    format: Literal["coco", "tiff", "extxyz", "hyperspy"],
    dose: Annotated[list[float] | None, Parameter(consume_multiple=True, negative=())] = None,
    clean: bool = False,
    seed: int | None = None,
    bits: Literal[8, 16] = 8,
    box: float = 3.0,
    channel: str | None = None,
    min_cnr: float | None = None,
    quiet: bool = False,
) -> None:
    """Write a corpus for other programs: COCO, TIFF and CSV, extended XYZ, HyperSpy.

    Images are degraded as the corpus' recipe says (the same for the same seed), four segments integrated to iDPC.

    Parameters
    ----------
    corpus
        Folder of a corpus.
    out
        Folder for the export, new or empty.
    format
        coco: annotations.json and images/NAME.png. tiff: NAME.tif (32 bit, with pixel size) and NAME.csv (labels).
        extxyz: structures.extxyz. hyperspy: NAME.hspy.
    dose
        Doses [e/Å²] at which every image is exported, instead of the recipe's.
    clean
        Export the noise-free images.
    seed
        Root of the noise; the recipe's by default.
    bits
        Of COCO's pictures.
    box
        Side of the boxes around atoms in COCO [Å].
    channel
        Detector that COCO's pictures show; the first by default.
    min_cnr
        Leave out atoms whose contrast-to-noise in the image is lower.
    quiet
        Show no progress.
    """
    from stemforge.console import console
    from stemforge.corpus.reader import Corpus
    from stemforge.simulate.export.corpus import export_corpus

    number = export_corpus(
        Corpus(corpus),
        out,
        format,
        doses=dose or (),
        clean=clean,
        seed=seed,
        bits=bits,
        box=box,
        channel=channel,
        min_cnr=min_cnr,
        quiet=quiet,
    )
    noun = "structures" if format == "extxyz" else "images"
    console.print(f"{out}: {number} {noun} as {format}", highlight=False, soft_wrap=True, markup=False)
