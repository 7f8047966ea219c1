"""The commands of this folder, mounted by the front door: ``stemforge evaluate …``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from stemforge.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from stemforge.evaluate.atoms.result import AtomEvaluation
    from stemforge.evaluate.crystals.molecules import MoleculeEvaluation

_FIGURES = (".png", ".pdf", ".svg", ".jpg")
# What `stemforge infer atoms` and a corpus keep beside their tables.
_THEIRS = ("run.json", "recipe.yaml")


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
        Pixel size of every image [Å]. By default it comes from the nm columns of the predictions; where
        there is none, criteria in Å are left out.
    threshold
        Count only predictions with at least this score. By default all in the tables.
    unlabelled
        Leave predictions without labels out instead of refusing them.
    """
    from rich.console import Console

    from stemforge.evaluate.atoms.evaluation import evaluate_atoms

    _check_outputs([json, csv, figure], [pred, truth])
    evaluation = evaluate_atoms(pred, truth, sampling=sampling, threshold=threshold, unlabelled=unlabelled)
    console = Console()
    console.print(_table(evaluation))
    for note in evaluation.notes:
        console.print(note, style="dim", highlight=False)
    for path, write in ((json, evaluation.to_json), (csv, evaluation.to_csv)):
        if path is not None:
            verb = "replaced" if path.exists() else "wrote"
            write(path)
            console.print(f"{verb} {path}", soft_wrap=True, highlight=False)
    if figure is not None:
        verb = "replaced" if figure.exists() else "wrote"
        evaluation.figure().savefig(figure, dpi=150)
        console.print(f"{verb} {figure}", soft_wrap=True, highlight=False)


def _check_outputs(outputs: list[Path | None], inputs: list[Path]) -> None:
    """Refuse outputs that cannot be written or would replace what is being scored, before any work."""
    taken: set[Path] = set()
    for option, path in zip(("--json", "--csv", "--figure"), outputs, strict=True):
        if path is None:
            continue
        if path.is_dir():
            raise InputError(f"{option} {path}: is a folder, expected a file name")
        if not path.absolute().parent.is_dir():
            raise InputError(f"{option} {path}: the folder {path.parent} does not exist; make it first")
        if option == "--figure" and path.suffix.lower() not in _FIGURES:
            raise InputError(f"{option} {path}: must end in {', '.join(_FIGURES)}, not '{path.suffix}'")
        among = path.resolve().parent in {folder.resolve() for folder in inputs}
        if among and (path.suffix.lower() == ".csv" or path.name in _THEIRS):
            raise InputError(f"{option} {path}: lies among the tables that are scored; choose another folder")
        if path.resolve() in taken:
            raise InputError(f"{option} {path}: is named for two outputs; give each a file of its own")
        taken.add(path.resolve())


def _table(evaluation: "AtomEvaluation") -> "Table":
    """Lay out one row an image, then mean, sd and pooled values."""
    from rich import box
    from rich.table import Table

    from stemforge.evaluate.pairing import short_names

    primary, *others = evaluation.summary
    scored = [name for name in others if evaluation.summary[name] is not None]
    table = Table(
        title=f"atoms matched by {primary}", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    table.add_column("image", overflow="fold", min_width=6)
    known = all(image.sampling for image in evaluation.images if len(image.distances))
    unit, key = ("Å", "rmse_angstrom") if known else ("px", "rmse_px")
    for name in ("atoms", "pred.", "P", "R", "F1", f"rms\n{unit}", *(f"F1\n{name}" for name in scored)):
        table.add_column(name, justify="right")
    last = len(evaluation.images) - 1
    # Ten columns fill a terminal of 80; the files have the names in full.
    names = short_names([image.name for image in evaluation.images])
    for i, image in enumerate(evaluation.images):
        score = image.scores[primary]
        assert score is not None  # noqa: S101 - the published criterion needs no calibration; for the type checker
        f1s = [_cell(s.f1 if (s := image.scores[name]) else None) for name in scored]
        values = [_cell(score.precision), _cell(score.recall), _cell(score.f1), _cell(getattr(score, key))]
        counts = [str(score.truth), str(score.predicted)]
        table.add_row(names[i], *counts, *values, *f1s, end_section=i == last)
    summary = evaluation.summary[primary]
    if summary is not None:
        measures = ("precision", "recall", "f1", key)
        kept = [other for name in scored if (other := evaluation.summary[name])]
        for label in ("mean", "sd"):
            rows = [_cell(getattr(summary, label)[name]) for name in measures]
            table.add_row(label, "", "", *rows, *(_cell(getattr(s, label)["f1"]) for s in kept))
        pooled = summary.pooled
        values = [_cell(getattr(pooled, name)) for name in measures]
        counts = [str(pooled.truth), str(pooled.predicted)]
        table.add_row("pooled", *counts, *values, *(_cell(s.pooled.f1) for s in kept))
    return table


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def molecules(
    *,
    pred: Path,
    truth: Path,
    json: Path | None = None,
    one_class: bool = False,
    small: float = 16.0,
    threshold: float | None = None,
    unlabelled: bool = False,
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
        Leave the classes aside.
    small
        Side below which a box counts as small [pixel]; from three times as much on it counts as large.
    threshold
        Count only predictions with at least this score. By default all in the tables.
    unlabelled
        Leave predictions without labels out instead of refusing them.
    """
    from rich.console import Console

    from stemforge.evaluate.crystals.molecules import evaluate_molecules

    _check_outputs([json, None, None], [pred, truth])
    evaluation = evaluate_molecules(
        pred, truth, one_class=one_class, small=small, threshold=threshold, unlabelled=unlabelled
    )
    console = Console()
    console.print(_molecule_table(evaluation))
    if json is not None:
        verb = "replaced" if json.exists() else "wrote"
        evaluation.to_json(json)
        console.print(f"{verb} {json}", soft_wrap=True, highlight=False)


def _molecule_table(evaluation: "MoleculeEvaluation") -> "Table":
    """Lay out all molecules, each class and each size."""
    from rich import box
    from rich.table import Table

    score = evaluation.score
    title = f"{score.predicted} boxes against {score.truth} labelled ones on {score.images} images"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("", "AP@[.5:.95]", "AP50", "AP75", "AR"):
        table.add_column(name, justify="right" if name else "left")
    figures = [_cell(value) for value in (score.ap, score.ap50, score.ap75, score.ar)]
    table.add_row("all", *figures, end_section=True)
    names = sorted(score.classes)
    for name in names:
        values = score.classes[name]
        end = name == names[-1]
        table.add_row(name, _cell(values["ap"]), "", "", _cell(values["ar"]), end_section=end)
    side = evaluation.small
    for name, text in (
        ("small", f"below {side:g} px"),
        ("medium", f"{side:g} to {3 * side:g} px"),
        ("large", f"from {3 * side:g} px"),
    ):
        ap, ar = getattr(score, f"ap_{name}"), getattr(score, f"ar_{name}")
        table.add_row(text, _cell(ap), "", "", _cell(ar))
    return table


def framework(
    images: Annotated[list[Path], Parameter(negative=())],
    /,
    *,
    out: Path,
    weights: Path = Path("divaesr"),
    tolerance: float = 0.6,
    merge: float = 1.0,
    bend: bool = True,
    device: str = "cpu",
    overwrite: bool = False,
    quiet: bool = False,
) -> int:
    """Score raw and restored images of a crystal, without labels: by the atom columns of its framework.

    The lattice is found (see `stemforge infer lattice`), which says where the framework's columns are; local maxima
    of the raw and of the restored image are scored against them. For each image NAME_framework.json and
    NAME_framework.png.

    Parameters
    ----------
    images
        Image files of MFI (ZSM-5, silicalite-1) along b.
    out
        Folder for the results.
    weights
        Of the divaesr that restores; by default those that come with stemforge under this name.
    tolerance
        Largest distance between a maximum and its column [Å].
    merge
        Columns closer than this count as one [Å].
    bend
        Follow the scan's distortion, a smooth bend of the lattice, measured on the raw image.
    device
        Where the network runs: cpu, cuda, cuda:1, …
    overwrite
        Replace results that are already in the folder.
    quiet
        Show no progress.
    """
    from stemforge.evaluate.framework_command import score_images

    return score_images(images, out, weights, tolerance, merge, bend, device, overwrite, quiet)


def threshold(
    *,
    weights: Path,
    data: Annotated[list[Path], Parameter(consume_multiple=True, negative=())],
    validation: float | None = None,
    control: Annotated[list[Path] | None, Parameter(consume_multiple=True, negative=())] = None,
    max_false: float | None = None,
    figure: Path | None = None,
    quiet: bool = False,
) -> None:
    """Choose a detector's threshold on images that it was not trained on, and store it with the weights.

    Likelihoods are calibrated first, so that seven in ten of what has a likelihood of 0.7 are atoms. An image whose
    likelihoods promise enough then gets a threshold of its own, with the highest F1 to be expected; the others get the
    one that is chosen here.

    Parameters
    ----------
    weights
        File that `stemforge train` wrote.
    data
        The corpora it was trained on; their validation part is used.
    validation
        Share of each corpus to use; by default the share that training kept for validation.
    control
        Corpora without an atom to be found and not trained on, such as of the recipe metal-free with another seed: the
        thresholds are then such that hardly anything is found there.
    max_false
        Atoms a nm² of the control that may be found; by default 0.003.
    figure
        Where to draw the likelihoods' reliability before and after.
    quiet
        Show no progress.
    """
    from stemforge.console import console
    from stemforge.evaluate.likelihoods.calibration import MAX_FALSE, calibrate_threshold
    from stemforge.evaluate.likelihoods.reliability import draw_reliability

    _check_outputs([None, None, figure], [])
    most = MAX_FALSE if max_false is None else max_false
    if not most > 0:
        raise InputError(f"--max-false must be positive, not {most}")
    found = calibrate_threshold(
        weights, data, validation=validation, control=control or (), max_false=most, quiet=quiet
    )
    error = ""
    if found.before is not None and found.after is not None:
        error = f"; calibration error {found.before.error:.3f} before, {found.after.error:.3f} after"
        if figure is not None:
            draw_reliability([("as trained", found.before), ("calibrated", found.after)], figure)
            error += f"; wrote {figure}"
    elif figure is not None:
        error = f"; no {figure}, as likelihoods are calibrated of peaks only, on ten candidates or more"
    if found.chosen_false is not None:
        error = f"; {found.chosen_false:.4f} false atoms per nm² of the control{error}"
    own = ""
    if found.min_expected_f1 is not None:
        own = f", images that promise an F1 of {found.min_expected_f1:g} their own"
    console.print(
        f"{weights}: threshold {found.best:g}{own}; F1 {found.chosen_f1[0]:.3f} ± {found.chosen_f1[1]:.3f} on "
        f"{found.images} held-out images{error}",
        highlight=False,
        soft_wrap=True,
    )
