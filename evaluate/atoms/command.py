"""The command of this shelf: ``stemforge evaluate atoms``."""

from pathlib import Path
from typing import Any

from stemforge import evaluate
from stemforge.console import show
from stemforge.evaluate.results import check_results, write_result
from stemforge.files import write_figure
from stemforge.options import Labels


def atoms(
    *,
    pred: Path,
    truth: Path,
    json: Path | None = None,
    csv: Path | None = None,
    figure: Path | None = None,
    sampling: float | None = None,
    threshold: float | None = None,
    unlabelled: bool = False,
    labelling: Labels = Labels(),
) -> None:
    """Score detected atoms against labels.

    Matches predictions and labels one to one, by the published criterion (two 21 px boxes with IoU above
    0.5) and within 0.5, 1 and 2 Å, and prints precision, recall and F1 of each image with their mean ± sd.

    Parameters
    ----------
    pred
        Folder that `stemforge infer atoms` wrote, one CSV an image.
    truth
        Folder of labels (CSV with columns X,Y or x_px,y_px), or a corpus. Images pair by name, or by a
        number before the first underscore: 021_Results.csv belongs to 021_HAADF_15nm.csv.
    json
        Write everything, curves over the threshold included, to this file.
    csv
        Write one row per image and criterion to this file.
    figure
        Draw the scores into this file (PNG, PDF, SVG, JPG).
    sampling
        Pixel size of the images [Å], where the files carry none or a wrong one. Where it is not known, criteria in Å
        are left out.
    threshold
        Count only predictions with at least this score. By default all in the tables.
    unlabelled
        Leave predictions without labels out instead of refusing them.
    """
    check_results({"--json": json, "--csv": csv, "--figure": figure}, [pred, truth])
    options: dict[str, Any] = {"sampling": sampling, "threshold": threshold, "unlabelled": unlabelled}
    options["label_unit"] = labelling.label_unit
    evaluation = evaluate.evaluate_atoms(pred, truth, **options)
    show(evaluation.table())
    for note in evaluation.notes:
        show(note, style="dim")
    write_result(json, evaluation.to_json)
    write_result(csv, evaluation.to_csv)
    write_result(figure, lambda path: write_figure(evaluation.figure(), path, dpi=150))
