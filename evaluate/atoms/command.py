"""The command of this shelf: ``stemforge evaluate atoms``."""

from pathlib import Path
from typing import Any

from stemforge import evaluate
from stemforge.console import show
from stemforge.evaluate.results import check_results, write_result
from stemforge.files import write_figure
from stemforge.options import Calibration, FigureFile, JsonFile, Labels, Scoring


def atoms(
    *,
    pred: Path,
    truth: Path,
    report: JsonFile = JsonFile(),
    csv: Path | None = None,
    drawing: FigureFile = FigureFile(),
    calibration: Calibration = Calibration(),
    scoring: Scoring = Scoring(),
    labelling: Labels = Labels(),
) -> None:
    """Score detected atoms against labels.

    Matches predictions and labels one to one, by the published criterion (two 21 px boxes with IoU above
    0.5) and within 0.5, 1 and 2 Å, and prints precision, recall and F1 of each image with their mean ± sd. Where the
    pixel size is not known, criteria in Å are left out. `--json` also writes the curves over the threshold.

    Parameters
    ----------
    pred
        Folder that `stemforge infer atoms` wrote, one CSV an image.
    truth
        Folder of labels (CSV with columns X,Y or x_px,y_px), or a corpus. Images pair by name, or by a
        number before the first underscore: 021_Results.csv belongs to 021_HAADF_15nm.csv.
    csv
        Write one row per image and criterion to this file.
    """
    check_results({"--json": report.json, "--csv": csv, "--figure": drawing.figure}, [pred, truth])
    options: dict[str, Any] = {"sampling": calibration.sampling, "label_unit": labelling.label_unit}
    options |= {"min_score": scoring.min_score, "unlabelled": scoring.unlabelled}
    evaluation = evaluate.evaluate_atoms(pred, truth, **options)
    show(evaluation.table())
    for note in evaluation.notes:
        show(note, style="dim")
    write_result(report.json, evaluation.to_json)
    write_result(csv, evaluation.to_csv)
    write_result(drawing.figure, lambda path: write_figure(evaluation.figure(), path, dpi=150))
