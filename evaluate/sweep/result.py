"""What a dose sweep measured: a row for each image, method and dose, and their summary."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stemforge.evaluate.images.differences import Comparison
from stemforge.files import write_csv, write_json
from stemforge.train.networks import Finds

_COLUMNS = ("dose", "method", "metric", "mean", "sd", "images")


@dataclass(frozen=True)
class Row:
    """One method's figures on one image at one dose [e/Å²]; ``sample`` "all" where they are of all together.

    ``method`` is the name of the model's weights (:func:`model_name`), ``raw`` or a baseline.
    """

    dose: float
    method: str
    sample: str
    metrics: Mapping[str, float | None]


@dataclass(frozen=True)
class Sweep:
    """What a sweep measured.

    Parameters
    ----------
    architecture
        Of the model.
    finds
        What the model gives: atoms, images or molecules.
    rows
        Every figure of every image.
    settings
        How it was measured: weights, corpus, scaling, the baselines' parameters.
    comparisons
        Of a restorer: the first image at each dose, as every method restored it; stored in no file.

    Examples
    --------
    >>> rows = tuple(Row(dose, "sac-cnn", f"{n}", {"f1": dose / 1e5 + n / 10}) for dose in (1e4, 5e4) for n in (1, 2))
    >>> sweep = Sweep("sac-cnn", "atoms", rows, {})
    >>> [(one["dose"], round(one["mean"], 2), one["images"]) for one in sweep.summary()]
    [(10000.0, 0.25, 2), (50000.0, 0.65, 2)]
    """

    architecture: str
    finds: Finds
    rows: tuple[Row, ...]
    settings: Mapping[str, Any]
    comparisons: tuple[Comparison, ...] = ()

    def summary(self) -> list[dict[str, Any]]:
        """Return mean and standard deviation over images, by dose, method and figure of merit."""
        groups: dict[tuple[float, str, str], list[float]] = {}
        whole: dict[tuple[float, str, str], float] = {}
        for row in self.rows:
            for name, value in row.metrics.items():
                if value is None or not np.isfinite(value):
                    continue
                if row.sample == "all":
                    whole[row.dose, row.method, name] = value
                else:
                    groups.setdefault((row.dose, row.method, name), []).append(value)
        table = []
        for key in sorted({*groups, *whole}):
            values = groups.get(key, [])
            sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
            # Average precision of all images together is no mean of the images' own.
            mean = whole.get(key, float(np.mean(values)) if values else None)
            table.append(dict(zip(_COLUMNS, (*key, mean, sd, len(values)), strict=True)))
        return table

    def to_json(self, path: str | Path) -> None:
        """Write settings, summary and every row to a JSON file."""
        rows = [{"dose": r.dose, "method": r.method, "sample": r.sample, **r.metrics} for r in self.rows]
        head = {"architecture": self.architecture, "finds": self.finds, "settings": self.settings}
        write_json(path, head | {"summary": self.summary(), "rows": rows})

    def to_csv(self, path: str | Path) -> None:
        """Write mean and sd, one row a dose, method and figure of merit."""
        write_csv(path, _COLUMNS, (row.values() for row in self.summary()))
