"""The table of a run's figures, epoch by epoch, and its learning curves."""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.loggers.logger import rank_zero_experiment
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from stemforge.colours import BLUE, GREY, VERMILION
from stemforge.files import write_figure, write_whole
from stemforge.train.task import Merit

PICTURE = "learning_curves.png"
"""Name of the picture in a run's folder."""

# Colour, line and marker: each alone tells the two from each other.
_PARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "train": ("training", {"color": BLUE, "linestyle": "--", "marker": "s", "markersize": 3.5}),
    "validation": ("validation", {"color": VERMILION, "linestyle": "-", "marker": "o", "markersize": 4}),
}


class _Rows(ExperimentWriter):
    """Rows that are added to those of the run before it was stopped, where Lightning deletes them."""

    def _check_log_dir_exists(self) -> None:
        path = Path(self.metrics_file_path)
        if not path.is_file():
            return
        with path.open(newline="") as stream:
            self.metrics_keys = [name for name in csv.DictReader(stream).fieldnames or () if name]
        # Written again, so that a last line that was cut is a line of its own.
        self._rewrite_with_new_header(self.metrics_keys)

    def _rewrite_with_new_header(self, fieldnames: list[str]) -> None:
        path = Path(self.metrics_file_path)
        with path.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, fieldnames, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        write_whole(path, text.getvalue().encode())


class TableLogger(CSVLogger):
    """Lightning's table of figures, ``metrics.csv``; a run that goes on adds to it."""

    @property
    @rank_zero_experiment
    def experiment(self) -> ExperimentWriter:
        """What writes the rows."""
        if self._experiment is None:
            Path(self.log_dir).mkdir(parents=True, exist_ok=True)
            self._experiment = _Rows(self.log_dir)
        return cast(ExperimentWriter, self._experiment)


def run_table(run: str | Path) -> TableLogger:
    """Return the logger of a run's table of figures."""
    return TableLogger(Path(run) / "logs", "csv", version="")


@dataclass(frozen=True)
class LearningCurves:
    """Figures of every epoch of a run.

    Parameters
    ----------
    epochs
        Numbers of the epochs, from 1, shape (n,).
    values
        By name, such as ``"validation_loss"``: a value for each epoch, shape (n,); NaN where there is none.
    monitor
        Name of what decides which epoch's weights are kept: the lowest.
    merit
        What a user judges the network by, if the run tells it.

    Examples
    --------
    >>> curves = LearningCurves(np.array([1, 2, 3]), {"validation_loss": np.array([0.9, 0.4, 0.5])})
    >>> curves.best
    2
    """

    epochs: NDArray[np.int64]
    values: Mapping[str, NDArray[np.float64]]
    monitor: str = "validation_loss"
    merit: Merit | None = None

    @classmethod
    def read(
        cls, run: str | Path, monitor: str = "validation_loss", merit: Merit | None = None
    ) -> "LearningCurves":
        """Read the table in a run's folder; an epoch that was begun twice counts as it was the second time."""
        path = Path(run) / "logs" / "csv" / "metrics.csv"
        found: dict[int, dict[str, float]] = {}
        if path.is_file():
            with path.open(newline="") as stream:
                for row in csv.DictReader(stream):
                    figures = {name: _number(text) for name, text in row.items()}
                    epoch = figures.pop("epoch", math.nan)
                    if math.isfinite(epoch):
                        known = {name: value for name, value in figures.items() if not math.isnan(value)}
                        found.setdefault(int(epoch), {}).update(known)
        order = sorted(found)
        names = sorted({name for figures in found.values() for name in figures})
        values = {name: np.array([found[epoch].get(name, np.nan) for epoch in order]) for name in names}
        return cls(np.array(order, dtype=np.int64) + 1, values, monitor, merit)

    @property
    def best(self) -> int | None:
        """Number of the epoch whose weights are kept; None before the first epoch has ended."""
        deciding = self.values.get(self.monitor)
        if deciding is None or not np.isfinite(deciding).any():
            return None
        return int(self.epochs[np.nanargmin(np.where(np.isfinite(deciding), deciding, np.nan))])

    def figure(self, title: str = "") -> Figure:
        """Draw loss and figure of merit of both parts of the data over the epochs, with the epoch that is kept."""
        merit = self.merit
        shown = merit is not None and any(f"{part}_{merit.column}" in self.values for part in _PARTS)
        figure = Figure(figsize=(9.6 if shown else 5.6, 3.8), layout="constrained")
        panels = figure.subplots(1, 2 if shown else 1, squeeze=False)[0]
        self.draw(panels[0])
        if shown and merit is not None:
            self.draw(panels[1], merit)
            if legend := panels[1].get_legend():
                legend.remove()  # the other panel's tells it
        reason = f"the lowest {self.monitor.replace('_', ' ')}"
        kept = "" if self.best is None else f"the weights kept are those of epoch {self.best}, {reason}"
        figure.suptitle(": ".join(text for text in (title, kept) if text), fontsize=11)
        return figure

    def draw(self, axes: Axes, merit: Merit | None = None) -> None:
        """Draw the loss, or a figure of merit, over the epochs.

        Parameters
        ----------
        axes
            Where to draw.
        merit
            What to draw in place of the loss.
        """
        merit = merit or Merit("loss", "Loss")
        drawn = []
        for part, (name, style) in _PARTS.items():
            values = self.values.get(f"{part}_{merit.column}")
            if values is not None:
                values = merit.shown(values)
                known = np.isfinite(values)
                axes.plot(self.epochs[known], values[known], label=name, lw=1.5, **style)
                drawn.append(values[known])
        axes.set(xlabel="Epoch", ylabel=merit.label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.spines[["top", "right"]].set_visible(False)
        every = np.concatenate([np.empty(0), *drawn])
        if merit.of_one:
            axes.set_ylim(0, 1)
        elif every.size and every.min() > 0:
            _by_ratio(axes, every)
        if self.best is not None:
            axes.axvline(self.best, color=GREY, lw=1, ls=":", zorder=0, label=f"epoch {self.best}, kept")
        if drawn:
            axes.legend(frameon=False, fontsize=9)

    def write(self, run: str | Path, title: str = "") -> None:
        """Write the picture into a run's folder; nothing before the first epoch has ended."""
        if self.best is not None:
            write_figure(self.figure(title), Path(run) / PICTURE)


def _by_ratio(axes: Axes, values: NDArray[np.float64]) -> None:
    """Show equal ratios alike where values span more than three times the lowest; plain axes are easier to read."""
    if values.max() < 3 * values.min():
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan
