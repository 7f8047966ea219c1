"""The result of an evaluation of detected atoms, and its forms: JSON, CSV, figure, table."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stemforge.evaluate.atoms.curves import ThresholdCurve, best_threshold
from stemforge.evaluate.atoms.scores import AtomScore, ImageEvaluation, Summary
from stemforge.files import plain, write_csv, write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

SCHEMA = 1
"""Version of the JSON layout."""


@dataclass(frozen=True)
class AtomEvaluation:
    """Result of :func:`evaluate_atoms`.

    Parameters
    ----------
    pred, truth
        The two folders.
    images
        One entry an image, in order of their names.
    summary
        Summary over images by name of the criterion; None where not every image could be scored.
    threshold
        Score from which predictions counted, or None: all that the tables hold.
    curves
        Scores over the threshold by name of the criterion, of all predictions in the tables; empty where
        the tables hold no scores.
    notes
        Remarks for the reader: missing calibration, missing scores, where curves begin.

    Examples
    --------
    >>> image = ImageEvaluation("a", "a", None, {"published": AtomScore(30, 10, 20)}, np.array([0.5]))
    >>> found = AtomEvaluation("found", "labels", (image,), {"published": None}, 0.5, {}, ("no calibration",))
    >>> row = found.to_dict()["images"][0]
    >>> row["name"], row["sampling_angstrom"], row["scores"]["published"]["recall"]
    ('a', None, 0.6)
    """

    pred: str
    truth: str
    images: tuple[ImageEvaluation, ...]
    summary: Mapping[str, Summary | None]
    threshold: float | None
    curves: Mapping[str, ThresholdCurve]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values; what is not known is None, so that strict JSON can hold it."""
        return {
            "schema": SCHEMA,
            "software": {"stemforge": version("stemforge")},
            "pred": self.pred,
            "truth": self.truth,
            "criteria": list(self.summary),
            "threshold": self.threshold,
            "summary": {name: s.to_dict() if s else None for name, s in self.summary.items()},
            "images": [
                {
                    "name": image.name,
                    "truth": image.truth,
                    "sampling_angstrom": image.sampling,
                    "scores": {name: s.to_dict() if s else None for name, s in image.scores.items()},
                }
                for image in self.images
            ],
            "curves": {name: _curve_dict(self.curves.get(name)) for name in self.summary},
            "notes": list(self.notes),
        }

    def to_json(self, path: str | Path) -> None:
        """Write everything as strict JSON: no NaN, null where something is not known."""
        write_json(path, self.to_dict())

    def to_csv(self, path: str | Path) -> None:
        """Write one row per image and criterion; cells are empty where something is not known."""
        rows = [
            [image.name, image.truth, name, image.sampling, *(score.to_dict().values() if score else ())]
            for image in self.images
            for name, score in image.scores.items()
        ]
        columns = AtomScore(0, 0, 0).to_dict()
        write_csv(path, ["image", "truth_image", "criterion", "sampling_angstrom", *columns], rows)

    def figure(self) -> "Figure":
        """Draw F1 per image, curves over the threshold and localisation errors."""
        from stemforge.evaluate.atoms.figure import draw_evaluation

        return draw_evaluation(self.images, self.summary, self.curves, self.threshold)

    def table(self) -> "Table":
        """Lay out one row an image, then mean, sd and pooled values, for a terminal."""
        from stemforge.evaluate.atoms.table import evaluation_table

        return evaluation_table(self.images, self.summary)


def _curve_dict(curve: ThresholdCurve | None) -> dict[str, Any] | None:
    if curve is None:
        return None
    columns = ("thresholds", "precision", "recall", "f1", "f1_mean", "f1_sd")
    values = {name: plain(getattr(curve, name)) for name in columns}
    best = best_threshold(curve)
    at = int(np.flatnonzero(curve.thresholds == best)[0])
    return values | {"best": {"threshold": best, **{n: values[n][at] for n in columns[1:]}}}
