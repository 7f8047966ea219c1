"""A training run of any network: data, folder, checkpoints, logs, and the weights that come out."""

import dataclasses
import datetime
import io
import logging
import pickle
import shlex
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    ModelCheckpoint,
    WeightAveraging,
)
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

from stemforge.console import say, shows_bars
from stemforge.errors import InputError, WeightsError, errors_about
from stemforge.files import write_text, write_whole, writing
from stemforge.outputs.places import check_folder
from stemforge.simulate.running.spawning import main_not_imported
from stemforge.train.card import Card
from stemforge.train.data.batches import EpochBatches
from stemforge.train.networks import Network, TrainingData, network
from stemforge.train.recipe import TrainingRecipe
from stemforge.train.running.curves import PICTURE, run_table
from stemforge.train.running.devices import check_processes, process_starters
from stemforge.train.running.shown import callbacks_that_show
from stemforge.train.running.stopping import stopped_by_signals
from stemforge.train.task import Task
from stemforge.train.weights import load_weights, save_weights


@dataclass(frozen=True)
class RunOptions:
    """How a run goes about its work; nothing here changes what is learnt.

    Parameters
    ----------
    resume
        Go on with the last checkpoint of an interrupted run with the same settings; begin where there is none yet.
    init
        Weights to start from instead of random ones. Where they are calibrated, their calibration and thresholds are
        kept until ``stemforge evaluate threshold`` sets others.
    num_workers
        Processes that degrade and crop images.
    quiet
        Show no progress.
    half
        Store the weights as 16-bit floats.
    trainer_options
        Passed on to :class:`lightning.Trainer`: ``devices``, ``strategy``, ``accelerator`` and so on.

    Examples
    --------
    >>> from dataclasses import replace
    >>> first = RunOptions(num_workers=0, trainer_options={"accelerator": "cpu"})
    >>> after_interruption = replace(first, resume=True)
    >>> first.resume, after_interruption.resume, after_interruption.trainer_options
    (False, True, {'accelerator': 'cpu'})
    """

    resume: bool = False
    init: str | Path | None = None
    num_workers: int = 1
    quiet: bool = False
    half: bool = False
    trainer_options: dict[str, Any] = field(default_factory=dict)


class _CountEpochs(Callback):
    """Tell data set and network which epoch it is: every epoch draws anew, and the same after a resume."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        trainer.train_dataloader.dataset.epoch = trainer.current_epoch  # type: ignore[union-attr]

    def on_train_batch_start(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        # At every batch, because data loaders draw from the same stream at places that a resume moves.
        key = (trainer.current_epoch, batch_idx, trainer.global_rank)
        torch.manual_seed(int(np.random.SeedSequence(self.seed, spawn_key=key).generate_state(1)[0]))


class _WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that are replaced whole or not at all, also where the disk is full."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        stream = io.BytesIO()
        torch.save(checkpoint, stream)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, stream.getbuffer())


def fit(
    recipe: TrainingRecipe,
    data: Sequence[str | Path],
    out: str | Path,
    options: RunOptions | None = None,
) -> Path:
    """Train the network of a recipe and write its best epoch's weights.

    Parameters
    ----------
    recipe
        Settings of the run, such as ``AtomNetRecipe.shipped()``; they say which network it is.
    data
        Folders of corpora; for restorers also zip files laid out as ``stem-sr.zip`` or ``trainval.zip``.
    out
        Folder of the run: ``recipe.yaml``, ``checkpoints/``, ``logs/`` (CSV and TensorBoard),
        ``learning_curves.png`` and, in the end, the weights, such as ``atom-net.safetensors``.
    options
        Resume, initial weights, progress, devices.

    Returns
    -------
    Path
        The weights file.

    Raises
    ------
    InputError, CorpusError
        Corpora that the network cannot learn from or that do not fit together, a run folder that is already used, or a
        loss that is no longer finite.
    WeightsError
        Initial weights, or a restorer, of another network.

    Examples
    --------
    >>> from stemforge import Annotations, CorpusWriter, Sample
    >>> from stemforge.train import Crops, SACCNNRecipe
    >>> import numpy as np
    >>> writer = CorpusWriter("corpus", {"name": "demo"}, "0" * 64, kind="measured")
    >>> rng, made = np.random.default_rng(0), Annotations([[20, 30], [40, 10]])
    >>> samples = [Sample(i, rng.random((1, 48, 48), "float32"), 0.3, ("HAADF",), made) for i in range(4)]
    >>> _ = writer.write(0, samples)
    >>> recipe = SACCNNRecipe(epochs=1, crops=Crops(per_image=4), validation=0.25)
    >>> options = RunOptions(num_workers=0, quiet=True, trainer_options={"accelerator": "cpu"})
    >>> fit(recipe, ["corpus"], "run", options).name
    'sac-cnn.safetensors'
    """
    options, out = options or RunOptions(), Path(out)
    check_folder(out, "out")
    kind = network(recipe.NETWORK)
    learnt = kind.data(data, recipe)
    recipe = learnt.recipe
    torch.manual_seed(recipe.seed)
    task = kind.task(recipe)
    previous = None if options.init is None else _start_from(task, kind.name, options.init)
    last = _last_checkpoint(out, recipe) if options.resume else None
    if last is not None:
        previous = load_weights(last)[1]
    task.card = card = _card(kind, learnt, previous)
    best = ModelCheckpoint(out / "checkpoints", "best", monitor=task.monitor, enable_version_counter=False)
    try:
        trainer = _trainer(task, out, best, options)
        check_processes(trainer)
        for part in (learnt.training, learnt.validation):
            part.device = str(trainer.strategy.root_device)
        loaders = [_loader(part, options.num_workers) for part in (learnt.training, learnt.validation)]
    except InputError:
        raise
    except (MisconfigurationException, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"the run's options do not fit this machine or each other: {error}") from error
    # Every process of a distributed run comes here; the first one alone has a folder, a card and weights to write.
    leads = trainer.is_global_zero
    if last is None and leads:
        _claim(out, recipe)
    if leads and options.resume and last is None:
        say(f"{out}: no run to go on with yet; one begins")
    if leads and trainer.world_size > 1:
        say(f"{trainer.world_size} processes train together, on {trainer.strategy.root_device.type}")
    again = "go on with the run (resume)"
    with writing(out, then=again), main_not_imported(), stopped_by_signals(out):
        trainer.fit(task, loaders[0], loaders[1], ckpt_path=last, weights_only=True)

    path = out / f"{kind.name}.safetensors"
    if not leads:
        return path
    # By its name, not by the path in a resumed checkpoint: the folder may have been moved since.
    best_file = out / "checkpoints" / "best.ckpt"
    task.load_state_dict(torch.load(best_file, map_location="cpu", weights_only=True)["state_dict"])
    kind.finish(task.model.float(), learnt.validation)
    _keep(best_file, task)
    score = best.best_model_score
    card = dataclasses.replace(card, metrics={} if score is None else {task.monitor: float(score)})
    save_weights(path, task.model, card, half=options.half)
    return path


def is_first_process() -> bool:
    """Whether this process trains alone, or is the first of those that train together."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0


def _keep(best_file: Path, task: Task) -> None:
    """Give the best epoch's checkpoint what was measured after training, so that it is as good as the weights."""
    checkpoint = torch.load(best_file, map_location="cpu", weights_only=True)
    checkpoint["state_dict"] = task.state_dict()
    _WholeCheckpoints().save_checkpoint(checkpoint, best_file)


def _card(kind: Network, learnt: TrainingData, previous: Card | None) -> Card:
    """Say what the weights are for; what likelihoods mean is kept from those that the run started with."""
    settings = getattr(learnt.recipe, "network", None)
    card = Card(
        kind.name,
        learnt.sampling,
        data=learnt.sources,
        recipe=learnt.recipe.model_dump(mode="json"),
        settings={} if settings is None else settings.model_dump(mode="json"),
        inputs=learnt.inputs,
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        date=datetime.date.today().isoformat(),
    )
    if previous is None or previous.calibration is None:
        return card
    # A few steps on a few images change what likelihoods mean less than so few images could tell.
    kept = ("threshold", "calibration", "counting", "min_expected_f1")
    return dataclasses.replace(card, **{name: getattr(previous, name) for name in kept})


def _trainer(task: Task, out: Path, best: ModelCheckpoint, options: RunOptions) -> lightning.Trainer:
    recipe = task.recipe
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    newest = ModelCheckpoint(
        out / "checkpoints", "last", save_on_train_epoch_end=True, enable_version_counter=False
    )
    callbacks: list[Callback] = [best, newest, _CountEpochs(recipe.seed)]
    callbacks.append(EarlyStopping(task.monitor, patience=recipe.patience))
    if recipe.average:
        callbacks.append(WeightAveraging(use_buffers=True, avg_fn=partial(_averaged, recipe.average)))
    limit = options.trainer_options.get("max_time")
    limit = limit if isinstance(limit, datetime.timedelta) else None
    callbacks += callbacks_that_show(out, recipe.NETWORK, best, limit, options.quiet)
    # Strategies that share a model out write folders of parts in their way.
    shared_out = any(
        name in str(options.trainer_options.get("strategy")) for name in ("fsdp", "deepspeed", "parallel")
    )
    plugins: list[Any] = [] if shared_out else [_WholeCheckpoints()]
    plugins += process_starters(options.trainer_options.get("num_nodes", 1))
    return lightning.Trainer(
        plugins=plugins,
        max_epochs=recipe.epochs,
        callbacks=callbacks,
        logger=[
            run_table(out),
            TensorBoardLogger(out / "logs", "tensorboard", version=""),
        ],
        enable_progress_bar=not options.quiet and shows_bars(),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        use_distributed_sampler=False,  # the data set shares its batches among ranks itself
        **options.trainer_options,
    )


def _loader(batches: EpochBatches, workers: int) -> DataLoader:
    # The processes outlive an epoch: to start them takes as long as a dozen batches.
    return DataLoader(
        batches,
        batch_size=None,
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
        persistent_workers=workers > 0,
    )


def _averaged(decay: float, average: torch.Tensor, weights: torch.Tensor, number: Any) -> torch.Tensor:
    """Exponential average after a number of steps; short at first, so that it forgets the random weights soon."""
    decay = min(decay, (1 + float(number)) / (10 + float(number)))
    return decay * average + (1 - decay) * weights


def _start_from(task: Task, architecture: str, init: str | Path) -> Card:
    """Copy another run's weights into the task's network; return their card."""
    with errors_about("init"):
        model, card = load_weights(init)
    if card.architecture != architecture:
        raise WeightsError(f"{init}: are weights of {card.architecture}, not of {architecture}")
    try:
        task.model.load_state_dict(model.state_dict())
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(f"{init}: the network has other sizes than the recipe's ({reason})") from error
    return card


def _last_checkpoint(out: Path, recipe: TrainingRecipe) -> str | None:
    """Return the checkpoint of an interrupted run of the same recipe; None where a run can begin in the folder."""
    last = out / "checkpoints" / "last.ckpt"
    if not last.is_file():
        if not _free(out, recipe):
            raise InputError(
                f"{out}: holds no run to go on with, nor is it empty (resume); choose another folder"
            )
        return None
    try:
        torch.load(last, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise InputError(
            f"{last}: is no readable checkpoint ({error}); start anew in a new folder"
        ) from error
    started = type(recipe).from_file(out / "recipe.yaml")
    # Only the length of the run may change when it goes on.
    if started.replace(epochs=recipe.epochs) != recipe:
        raise InputError(
            f"{out / 'recipe.yaml'}: the run was started with other settings; resume with those, or start anew"
        )
    return str(last)


def _claim(out: Path, recipe: TrainingRecipe) -> None:
    """Make a new or empty folder this run's."""
    if not _free(out, recipe):
        raise InputError(f"{out}: is not empty; choose another folder, or go on with the run in it (resume)")
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    write_text(out / "recipe.yaml", recipe.to_yaml())


def _free(out: Path, recipe: TrainingRecipe) -> bool:
    """Whether a run can begin in a folder."""
    return not out.exists() or not any(out.iterdir()) or _before_first_checkpoint(out, recipe)


def _before_first_checkpoint(out: Path, recipe: TrainingRecipe) -> bool:
    """Whether a folder holds no more than a run of the same recipe that was stopped before its first epoch ended."""
    names = {path.name for path in out.iterdir()}
    if not names <= {"recipe.yaml", "logs", "checkpoints", PICTURE} or "recipe.yaml" not in names:
        return False
    if any((out / "checkpoints").glob("*.ckpt")):
        return False
    return type(recipe).from_file(out / "recipe.yaml") == recipe
