"""The commands of the ground floor: ``stemforge ingest`` and ``stemforge verify``."""

from pathlib import Path

from stemforge.console import say, show
from stemforge.options import Calibration, Folders, Images, Labels, Progress


def ingest(
    images: Images,
    /,
    *,
    labels: Folders,
    out: Path,
    calibration: Calibration = Calibration(),
    modality: str = "HAADF",
    labelling: Labels = Labels(),
    progress: Progress = Progress(),
) -> None:
    """Make a corpus of real labelled images, to train on or to measure against.

    Instead of tables, `--labels` also takes one COCO file (JSON) with the boxes of all images, whose file names must be
    those of the images.

    Parameters
    ----------
    images
        Image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG), or folders of them.
    labels
        Tables with columns X,Y or x_px,y_px (CSV, TSV or text of ImageJ), or folders of them. A table belongs to the
        image of the same name, or with the same number before the first underscore.
    out
        Folder of the new corpus.
    modality
        Imaging mode that the corpus notes, such as HAADF or MAADF.
    """
    from stemforge.corpus.ingest import ingest_images

    corpus = ingest_images(
        images,
        labels,
        out,
        sampling=calibration.sampling,
        modality=modality,
        label_unit=labelling.label_unit,
        quiet=progress.quiet,
    )
    samples = list(corpus.labels_only())
    say(f"{out}: {len(corpus)} images, {sum(len(sample.labels) for sample in samples)} labels")
    if any(sample.sampling is None for sample in samples):
        say("some images carry no calibration; --sampling gives their pixel size in Å")


def verify(corpus: Path, /, *, remove_damaged: bool = False, progress: Progress = Progress()) -> int:
    """Check every byte of a corpus, and say what is damaged, missing, doubled or foreign.

    Exits with 0 if the corpus is sound and complete, with 1 if faults were found.

    Parameters
    ----------
    corpus
        Folder of the corpus.
    remove_damaged
        Remove shards whose bytes are not those that were written, so that `simulate` makes them again.
    """
    from rich.table import Table

    from stemforge.corpus import verify

    faults = verify.verify_corpus(corpus, quiet=progress.quiet)
    if not faults:
        show(f"{corpus}: sound")
        return 0
    title = f"{corpus}: {len(faults)} fault{'s'[: len(faults) != 1]}"
    table = Table("file", "fault", "what to do", title=title)
    for fault in faults:
        name = "–" if fault.path == corpus else fault.path.name
        table.add_row(name, f"{fault.kind}: {fault.problem}", fault.remedy)
    show(table)
    if remove_damaged:
        show(f"removed {verify.remove_damaged(faults)} damaged shards")
    elif any(fault.kind == "damaged" for fault in faults):
        show("--remove-damaged removes the damaged shards")
    return 1
