"""The commands of this shelf: ``stemforge evaluate molecules`` and ``evaluate framework``."""

from pathlib import Path
from typing import Any

from stemforge import evaluate, infer, simulate
from stemforge.console import show
from stemforge.evaluate.results import check_results, write_result
from stemforge.options import Device, Images, Output, Progress, Reading


def molecules(
    *,
    pred: Path,
    truth: Path,
    json: Path | None = None,
    one_class: bool = False,
    small: float = 16.0,
    threshold: float | None = None,
    unlabelled: bool = False,
    boxes: str | None = None,
) -> None:
    """Score detected molecules against labels.

    COCO's average precision and recall over all images, for each class, and by size of the boxes; every detection
    counts, not the best hundred alone.

    Parameters
    ----------
    pred
        Folder that `stemforge infer molecules` wrote, one CSV an image.
    truth
        Folder of labels (CSV with columns x0_px,y0_px,x1_px,y1_px,label), or a corpus. Images pair by name.
    json
        Write everything to this file.
    one_class
        Take all classes as one.
    small
        Side below which a molecule's box counts as small [pixel]; from three times as much on it counts as large.
    threshold
        Count only predictions with at least this score. By default all in the tables.
    unlabelled
        Leave predictions without labels out instead of refusing them.
    boxes
        What a box is in the score: van-der-waals, round the spheres of a molecule's heavy atoms, or a distance round
        their centres [Å]; by default as in the predictions. Others are converted.
    """
    check_results({"--json": json}, [pred, truth])
    options: dict[str, Any] = {
        "boxes": None if boxes is None else simulate.BoxDefinition.parse(boxes),
        "one_class": one_class,
        "small": small,
        "unlabelled": unlabelled,
    }
    evaluation = evaluate.evaluate_molecules(pred, truth, threshold=threshold, **options)
    show(evaluation.table())
    write_result(json, evaluation.to_json)


def framework(
    images: Images,
    /,
    *,
    weights: Path = Path("divaesr"),
    framework: str = "mfi",
    tolerance: float = 0.6,
    merge: float = 1.0,
    bend: bool = True,
    reading: Reading = Reading(),
    output: Output = Output(),
    device: Device = Device(),
    progress: Progress = Progress(),
) -> int:
    """Score raw and restored images of a crystal, without labels: by the atom columns of its framework.

    The lattice is found (see `stemforge infer lattice`), which says where the framework's columns are; local maxima
    of the raw and of the restored image are scored against them. For each image NAME_framework.json and
    NAME_framework.png.

    Parameters
    ----------
    images
        Image files of the crystal along its channels.
    weights
        Of the restorer: a file, or the name of weights that come with stemforge.
    framework
        mfi, fau, cha, mor or bea, or a CIF file; seen along its channels.
    tolerance
        Largest distance between a maximum and its column [Å].
    merge
        Columns closer than this count as one [Å].
    bend
        Follow distortion and displaced domains, measured on the raw image; what shows no crystal is left out.
    """
    endings = ("_framework.json", "_framework.png")
    out = output.folder("framework")
    reading.refuse_auto()
    batch = infer.Batch(images, out, endings, reading, output.overwrite, progress.quiet)
    options: dict[str, Any] = {"tolerance": tolerance, "merge": merge, "bend": bend}
    options["framework"] = framework
    return evaluate.evaluate_restorations(batch, weights, **options, device=device.check()).exit_code
