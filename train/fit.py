"""A training run: data, task, checkpoints, logs, and the weights that come out."""

import datetime
import logging
import pickle
import shlex
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch.utils.data import DataLoader

from stemforge.corpus import Corpus
from stemforge.errors import CorpusError, InputError
from stemforge.train.data import AtomCrops
from stemforge.train.recipe import SACCNNRecipe
from stemforge.train.tasks import SACCNNTask
from stemforge.train.weights import Card, load_weights, save_weights


class _CountEpochs(Callback):
    """Tell the data set which epoch it is, so that every epoch degrades anew, also after a resume."""

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        trainer.train_dataloader.dataset.epoch = trainer.current_epoch  # type: ignore[union-attr]


def fit_sac_cnn(
    data: Sequence[str | Path],
    out: str | Path,
    recipe: SACCNNRecipe | None = None,
    *,
    resume: bool = False,
    init: str | Path | None = None,
    num_workers: int = 1,
    quiet: bool = False,
    trainer_options: dict[str, Any] | None = None,
) -> Path:
    """Train SAC-CNN on corpora.

    Parameters
    ----------
    data
        Folders of simulated or measured corpora.
    out
        Folder of the run: ``recipe.yaml``, ``checkpoints/``, ``logs/`` (CSV and TensorBoard) and, in the end,
        ``sac-cnn.safetensors``.
    recipe
        Settings; the published ones by default.
    resume
        Go on with the last checkpoint of an interrupted run with the same settings.
    init
        Weights to start from instead of random ones.
    num_workers
        Processes that degrade and crop images.
    quiet
        Show no progress.
    trainer_options
        Passed on to :class:`lightning.Trainer`: ``devices``, ``strategy``, ``accelerator`` and so on.

    Returns
    -------
    Path
        The weights file.

    Raises
    ------
    InputError, CorpusError, WeightsError
        Corpora that do not fit together, or a run folder that is already used.
    """
    recipe = recipe or SACCNNRecipe.shipped()
    out = Path(out)
    corpora = [Corpus(folder) for folder in data]
    sampling = _common_sampling(corpora)
    if not any(len(sample.labels) for corpus in corpora for sample in corpus):
        raise CorpusError(
            f"{', '.join(str(c.folder) for c in corpora)}: no labelled atom on any image; there is nothing to learn"
        )
    options: dict[str, Any] = {"validation": recipe.validation, "images_per_batch": recipe.images_per_batch}
    options["seed"] = recipe.seed
    training = AtomCrops(corpora, recipe.crops, part="train", **options)
    held_out = AtomCrops(corpora, recipe.crops, part="validation", **options)
    torch.manual_seed(recipe.seed)
    task = SACCNNTask(recipe.model_dump(mode="json"))
    if init is not None:
        task.model.load_state_dict(load_weights(init)[0].state_dict())
    last = _claim(out, recipe, resume)

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    best = ModelCheckpoint(
        out / "checkpoints", "best", monitor="validation_loss", enable_version_counter=False
    )
    newest = ModelCheckpoint(
        out / "checkpoints", "last", save_on_train_epoch_end=True, enable_version_counter=False
    )
    callbacks: list[Callback] = [best, newest, _CountEpochs()]
    callbacks.append(EarlyStopping("validation_loss", patience=recipe.patience))
    if not quiet:
        callbacks.append(RichProgressBar())
    trainer = lightning.Trainer(
        max_epochs=recipe.epochs,
        callbacks=callbacks,
        logger=[
            CSVLogger(out / "logs", "csv", version=""),
            TensorBoardLogger(out / "logs", "tensorboard", version=""),
        ],
        enable_progress_bar=not quiet,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        use_distributed_sampler=False,  # the data set shares its batches among ranks itself
        **(trainer_options or {}),
    )
    context = "spawn" if num_workers else None
    first, second = (
        DataLoader(part, batch_size=None, num_workers=num_workers, multiprocessing_context=context)
        for part in (training, held_out)
    )
    trainer.fit(task, first, second, ckpt_path=last, weights_only=True)
    return _finish(task, best, out, recipe, corpora, sampling)


def _finish(
    task: SACCNNTask,
    best: ModelCheckpoint,
    out: Path,
    recipe: SACCNNRecipe,
    corpora: Sequence[Corpus],
    sampling: float | None,
) -> Path:
    """Write the best epoch's weights with their card."""
    # By its name, not by the path in a resumed checkpoint: the folder may have been moved since.
    file = out / "checkpoints" / "best.ckpt"
    state = torch.load(file, map_location="cpu", weights_only=True)["state_dict"]
    task.load_state_dict(state)
    card = Card(
        architecture="sac-cnn",
        sampling=sampling,
        recipe=recipe.model_dump(mode="json"),
        data=tuple(
            f"{c.recipe.get('name', c.folder.name)} {c.recipe_hash[:12]} ({len(c)} {c.kind})" for c in corpora
        ),
        metrics={"validation_loss": float(best.best_model_score)}
        if best.best_model_score is not None
        else {},
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        date=datetime.date.today().isoformat(),
    )
    path = out / "sac-cnn.safetensors"
    save_weights(path, task.model, card)
    return path


def _claim(out: Path, recipe: SACCNNRecipe, resume: bool) -> str | None:
    """Make ``out`` this run's folder; return the checkpoint to go on with."""
    settings = out / "recipe.yaml"
    last = out / "checkpoints" / "last.ckpt"
    if resume:
        if not last.is_file():
            raise InputError(
                f"{out}: there is no checkpoints/last.ckpt to resume from; start without --resume in a new folder"
            )
        try:
            torch.load(last, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
            raise InputError(
                f"{last}: is no readable checkpoint ({error}); start anew in a new folder"
            ) from error
        before = SACCNNRecipe.from_file(settings)
        # Only the length of the run may change when it goes on.
        if before.model_copy(update={"epochs": recipe.epochs}) != recipe:
            raise InputError(
                f"{settings}: the run was started with other settings; resume with those, or start anew"
            )
        return str(last)
    if settings.exists() or (out.exists() and any(out.iterdir())):
        raise InputError(f"{out}: is not empty; choose another --out, or go on with --resume")
    out.mkdir(parents=True, exist_ok=True)
    settings.write_text(recipe.to_yaml(), encoding="utf-8")
    return None


def _common_sampling(corpora: Sequence[Corpus]) -> float | None:
    """Pixel size [Å] of the corpora; they must agree, because a crop is 21 pixels whatever they measure."""
    found = {str(c.folder): c[0].sampling for c in corpora}
    sizes = [s for s in found.values() if s is not None]
    if sizes and max(sizes) > 1.1 * min(sizes):
        listed = ", ".join(f"{name}: {s} Å" for name, s in found.items())
        raise CorpusError(f"the corpora differ in pixel size by more than 10 % ({listed}); train on one size")
    return float(sum(sizes) / len(sizes)) if sizes else None
