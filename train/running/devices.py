"""On what a run trains: a device by the name that inference takes, or so many of them, and who starts the processes."""

import os
import re
from typing import Any

import lightning
from lightning.fabric.plugins.environments import LightningEnvironment

from stemforge.errors import InputError


def trainer_devices(device: str, accelerator: str = "auto") -> dict[str, Any]:
    """Return what :class:`lightning.Trainer` takes for devices.

    Parameters
    ----------
    device
        One device by its name: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``; or how many of the accelerator's
        devices, ``"4"``; or which, ``"0,2"``; or ``"auto"``.
    accelerator
        Kind of devices that are counted: ``"cpu"``, ``"gpu"``, ``"cuda"``, ``"mps"``, or ``"auto"``, the fastest that
        the machine has.

    Raises
    ------
    InputError
        A device that is not of the accelerator's kind.

    Examples
    --------
    >>> trainer_devices("cuda:1")
    {'accelerator': 'cuda', 'devices': [1]}
    >>> trainer_devices("4", "gpu")
    {'accelerator': 'gpu', 'devices': 4}
    """
    named = re.fullmatch(r"(cpu|cuda|mps)(?::(\d+))?", device)
    if named is None:
        return {"accelerator": accelerator, "devices": int(device) if device.isdigit() else device}
    kind, number = named.groups()
    if accelerator not in ("auto", kind) and (accelerator != "gpu" or kind == "cpu"):
        raise InputError(
            f"device must be of the accelerator {accelerator}, not {device}; name one of them alone"
        )
    # torch has one processor and one Apple GPU.
    return {"accelerator": kind, "devices": 1 if kind == "cpu" or number is None else [int(number)]}


def process_starters(num_nodes: int) -> list[LightningEnvironment]:
    """Return what has the run start its own processes in the script of a SLURM job that began it without ``srun``.

    By the job's variables alone, which a script has too, Lightning would wait for processes that nobody starts.

    Parameters
    ----------
    num_nodes
        Machines that train together.

    Returns
    -------
    list
        A plugin for :class:`lightning.Trainer`; empty where Lightning knows by itself who starts processes.

    Raises
    ------
    InputError
        On several machines only ``srun`` can start them.

    Examples
    --------
    >>> process_starters(1)  # not in a SLURM job
    []
    """
    by_slurm = "SLURM_NTASKS" in os.environ and "SLURM_STEP_ID" not in os.environ
    if not by_slurm or "TORCHELASTIC_RUN_ID" in os.environ:
        return []
    if num_nodes > 1:
        raise InputError(
            f"num_nodes {num_nodes}: in a SLURM job srun starts the processes of several machines; put srun before the "
            "command in the job's script"
        )
    return [LightningEnvironment()]


def check_processes(trainer: lightning.Trainer) -> None:
    """Refuse a run that is not of as many processes as ``torchrun`` or ``srun`` has started.

    Each of fewer would train by itself, in the same folder; more would never come.

    Parameters
    ----------
    trainer
        Of the run.

    Raises
    ------
    InputError
        Says which options fit together.

    Examples
    --------
    >>> check_processes(lightning.Trainer(accelerator="cpu", logger=False))  # started by nobody else
    """
    found = _started()
    wanted = trainer.num_devices * trainer.num_nodes
    if found is not None and found[1] != wanted:
        starter, started = found
        raise InputError(
            f"{starter} started {started} and the run is of {wanted} (device, num_nodes): let both be the same number "
            "of processes; several need ddp (strategy)"
        )


def _started() -> tuple[str, int] | None:
    """Return what started this process together with others, and how many they are."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return "torchrun", int(os.environ["WORLD_SIZE"])
    if "SLURM_NTASKS" in os.environ and "SLURM_STEP_ID" in os.environ:
        return "srun", int(os.environ["SLURM_NTASKS"])
    return None
