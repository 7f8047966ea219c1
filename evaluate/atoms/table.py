"""The table of an evaluation of detected atoms, for a terminal."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from stemforge.evaluate.atoms.scores import AtomScore, ImageEvaluation, Summary, format_score
from stemforge.evaluate.pairing import short_names


def evaluation_table(images: Sequence[ImageEvaluation], summaries: Mapping[str, Summary | None]) -> Table:
    """Lay out one row an image, then mean, sd and pooled values."""
    primary, *others = summaries
    scored = [name for name in others if summaries[name] is not None]
    table = Table(
        title=f"atoms matched by {primary}", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    table.add_column("image", overflow="fold", min_width=6)
    known = all(image.sampling for image in images if len(image.distances))
    unit, key = ("Å", "rmse_angstrom") if known else ("px", "rmse_px")
    measures = ("precision", "recall", "f1", key)
    for name in ("atoms", "pred.", "P", "R", "F1", f"rms\n{unit}", *(f"F1\n{name}" for name in scored)):
        table.add_column(name, justify="right")

    def cells(score: AtomScore) -> list[str]:
        figures = [format_score(getattr(score, name)) for name in measures]
        return [str(score.truth), str(score.predicted), *figures]

    last = len(images) - 1
    # Ten columns fill a terminal of 80; the files have the names in full.
    names = short_names([image.name for image in images])
    for i, image in enumerate(images):
        score = image.scores[primary]
        assert score is not None  # noqa: S101 - the published criterion needs no calibration; for the type checker
        f1s = [format_score(s.f1 if (s := image.scores[name]) else None) for name in scored]
        table.add_row(names[i], *cells(score), *f1s, end_section=i == last)
    summary = summaries[primary]
    if summary is not None:
        kept = [other for name in scored if (other := summaries[name])]
        for label in ("mean", "sd"):
            rows = [format_score(getattr(summary, label)[name]) for name in measures]
            table.add_row(label, "", "", *rows, *(format_score(getattr(s, label)["f1"]) for s in kept))
        table.add_row("pooled", *cells(summary.pooled), *(format_score(s.pooled.f1) for s in kept))
    return table
