"""What a run shows while it goes: a line an epoch, a line a minute in a log, and the picture of its learning curves."""

import datetime
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar

from stemforge.console import ProgressLog, say, shows_bars
from stemforge.train.running.curves import LearningCurves
from stemforge.train.task import Task

_A_PICTURE = 60  # between two pictures of the learning curves [s]


class _Minutes(Callback):
    """Say once a minute how far the training is, where no terminal shows a bar."""

    def __init__(self, duration: datetime.timedelta | None) -> None:
        self.limit = None if duration is None else duration.total_seconds()

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        total = trainer.num_training_batches * (float(trainer.max_epochs or 1) - trainer.current_epoch)
        self.progress = ProgressLog("train", total, "batches", self.limit)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, *_: Any
    ) -> None:
        if not trainer.is_global_zero:
            return
        self.progress.title = f"train, epoch {trainer.current_epoch + 1}"
        best = trainer.callback_metrics.get(str(module.monitor))
        if best is not None:
            self.progress.title += f", {str(module.monitor).replace('_', ' ')} {float(best):.4g}"
        self.progress.advance(1)


class _EpochLines(Callback):
    """Print a line after each epoch: how good the network is, and whether its weights are the best so far.

    Parameters
    ----------
    best
        What keeps the best epoch's weights.
    """

    def __init__(self, best: ModelCheckpoint) -> None:
        self.best = best
        self.begun = time.monotonic()

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.begun = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        # Asking for them takes the mean over all processes, so that each must ask.
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if not (trainer.is_global_zero and isinstance(module, Task)):
            return
        score, before = figures.get(module.monitor), self.best.best_model_score
        better = score is not None and (before is None or score < float(before))
        number = f"{trainer.current_epoch + 1}/{trainer.max_epochs}"
        line = epoch_line(number, figures, module, time.monotonic() - self.begun, better)
        bar = trainer.progress_bar_callback
        if isinstance(bar, RichProgressBar):
            # Above the bar, which takes in what goes to the standard streams.
            bar.print(line, file=sys.stderr)
        else:
            say(line)


def epoch_line(
    number: str, figures: dict[str, float], task: Task | type[Task], seconds: float, better: bool
) -> str:
    """Return an epoch's line.

    Parameters
    ----------
    number
        Of the epoch, such as ``"3/20"``.
    figures
        By name, such as ``"validation_loss"``.
    task
        Knows which figure of merit the network has.
    seconds
        How long the epoch took [s].
    better
        Whether these are the best weights so far.

    Examples
    --------
    >>> from stemforge.train import SACCNNTask
    >>> figures = {"validation_f1": 0.614, "validation_loss": 0.2132, "train_loss": 0.1985}
    >>> epoch_line("3/20", figures, SACCNNTask, 12.3, better=True)
    'Epoch 3/20: F1 0.61, loss 0.213 (training 0.199), 12 s, best so far'
    """
    parts = []
    merit = task.merit
    if merit is not None and f"validation_{merit.column}" in figures:
        parts.append(merit.text(figures[f"validation_{merit.column}"]))
    if "validation_loss" in figures:
        training = f" (training {figures['train_loss']:.3g})" if "train_loss" in figures else ""
        parts.append(f"loss {figures['validation_loss']:.3g}{training}")
    parts.append(f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min")
    if better:
        parts.append("best so far")
    return f"Epoch {number}: {', '.join(parts)}"


class _Picture(Callback):
    """Keep the picture of the learning curves up to date: once a minute, at the end, and where the run fails.

    Parameters
    ----------
    run
        Folder of the run.
    title
        Name of the network.
    """

    def __init__(self, run: Path, title: str) -> None:
        self.run, self.title = run, title
        self.drawn = time.monotonic()

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        # Figures of the epoch before are in the table now.
        if time.monotonic() - self.drawn >= _A_PICTURE:
            self.draw(trainer, module)

    def on_train_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.draw(trainer, module)

    def on_exception(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, exception: BaseException
    ) -> None:
        # What went wrong first is what the user must be told.
        with suppress(OSError):
            self.draw(trainer, module)

    def draw(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Write the picture from the run's table."""
        if trainer.is_global_zero and isinstance(module, Task):
            LearningCurves.read(self.run, module.monitor, module.merit).write(self.run, self.title)
            self.drawn = time.monotonic()


def callbacks_that_show(
    run: Path, title: str, best: ModelCheckpoint, duration: datetime.timedelta | None, quiet: bool
) -> list[Callback]:
    """Return what shows a run.

    Parameters
    ----------
    run, title
        Folder of the run, and name of the network.
    best
        What keeps the best epoch's weights.
    duration
        Time that ends the run, if one does; its epochs are then short and not counted, and get no lines.
    quiet
        Print nothing; the picture is written all the same.
    """
    shown: list[Callback] = [_Picture(run, title)]
    if quiet:
        return shown
    shown.append(RichProgressBar(console_kwargs={"stderr": True}) if shows_bars() else _Minutes(duration))
    if duration is None:
        shown.append(_EpochLines(best))
    return shown
