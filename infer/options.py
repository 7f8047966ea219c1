"""What the commands of this folder ask of their options before work starts, and say of the images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from stemforge.errors import InputError

if TYPE_CHECKING:
    from stemforge.micrograph.image import Micrograph

Images = Annotated[list[Path], Parameter(negative=())]
"""Files given one after another."""


def load_model(path: Path, architecture: str, option: str) -> tuple[Any, Any]:
    """Read a network of the wanted architecture and its card; ``option`` is named where it is another."""
    from stemforge.train.weights import load_weights

    model, card = load_weights(path)
    if card.architecture != architecture:
        raise InputError(
            f"{option} {path}: are weights of a {card.architecture}, needed are a {architecture}'s"
        )
    return model, card


def warn_uncalibrated(micrograph: "Micrograph", sampling: float | None, mend: str) -> None:
    """Say that an image without calibration is taken at the network's pixel size [Å], and how to mend that."""
    from stemforge.infer.batch import say

    if micrograph.sampling is None:
        say(
            f"{micrograph.name}: no calibration in the file; taken at the network's pixel size "
            f"{f'({sampling:.3f} Å) ' if sampling else ''}as it is; {mend}"
        )


def check_threshold(threshold: float | None) -> None:
    """Refuse what is no likelihood."""
    if threshold is not None and not 0 < threshold < 1:
        raise InputError(f"--threshold must lie between 0 and 1, not {threshold}")


def check_device(device: str) -> None:
    """Refuse a device that cannot be used here."""
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"--device {device}: cannot be used here ({reason}); cpu always works") from error
