"""On what a run trains: a device by the name that inference takes, or so many of them."""

import re
from typing import Any

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
