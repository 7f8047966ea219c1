"""The commands of this shelf: ``stemforge evaluate molecules`` and ``evaluate framework``."""

from pathlib import Path
from typing import Any

from stemforge import evaluate, infer, simulate
from stemforge.console import show
from stemforge.evaluate.results import check_results, write_result
from stemforge.options import (
    Device,
    Framework,
    Images,
    JsonFile,
    Output,
    Progress,
    Reading,
    Restorer,
    ScoredBoxes,
    Scoring,
)


def molecules(
    *,
    pred: Path,
    truth: Path,
    report: JsonFile = JsonFile(),
    one_class: bool = False,
    scored: ScoredBoxes = ScoredBoxes(),
    scoring: Scoring = Scoring(),
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
    one_class
        Take all classes as one.
    """
    check_results({"--json": report.json}, [pred, truth])
    options: dict[str, Any] = {
        "boxes": None if scored.boxes is None else simulate.BoxDefinition.parse(scored.boxes),
        "one_class": one_class,
        "small": scored.small,
        "unlabelled": scoring.unlabelled,
    }
    evaluation = evaluate.evaluate_molecules(pred, truth, min_score=scoring.min_score, **options)
    show(evaluation.table())
    write_result(report.json, evaluation.to_json)


def framework(
    images: Images,
    /,
    *,
    restorer: Restorer = Restorer(),
    crystal: Framework = Framework(),
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
        Image files (TIFF, DM3, DM4, EMD, SER, MRC, HSPY, PNG, JPEG), or folders of them: the crystal along
        its channels.
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
    options["framework"] = crystal.framework
    return evaluate.evaluate_restorations(batch, restorer.weights, **options, device=device.check()).exit_code
