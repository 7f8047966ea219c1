"""Trained weights: safetensors files that say what they are for, and checkpoints published by others."""

import json
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from stemforge.errors import WeightsError
from stemforge.train.models.sac_cnn import SACCNN

ARCHITECTURES = {"sac-cnn": SACCNN}
"""Networks by the name under which their weights are stored."""

PUBLISHED_SAMPLING = 0.29296875
"""Pixel size of the images on which the published SAC-CNN was trained [Å]."""
PUBLISHED_THRESHOLD = 0.89


@dataclass(frozen=True)
class Card:
    """What a weights file is for and where it comes from; it travels inside the file.

    Parameters
    ----------
    architecture
        Name in :data:`ARCHITECTURES`.
    sampling
        Pixel size of the training images [Å]; inference resamples to it.
    threshold
        Likelihood from which a detection counts.
    recipe
        Settings of the training run.
    data
        What it was trained on.
    metrics
        Figures measured on held-out data.
    command, date
        How and when it was made.
    """

    architecture: str
    sampling: float | None = None
    threshold: float = 0.5
    recipe: Mapping[str, Any] = field(default_factory=dict)
    data: tuple[str, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    date: str = ""

    def to_json(self) -> str:
        """Return the card as JSON."""
        return json.dumps(asdict(self), indent=2, sort_keys=True)


def save_weights(path: str | Path, model: torch.nn.Module, card: Card) -> None:
    """Write a network's weights and its card to one safetensors file."""
    path = Path(path)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata={"stemforge": card.to_json()})
    partial.replace(path)


def load_weights(path: str | Path) -> tuple[torch.nn.Module, Card]:
    """Read a network from a weights file.

    Parameters
    ----------
    path
        A safetensors file written by stemforge, or a PyTorch checkpoint ``{"state_dict": …}`` such as the
        published SAC-CNN's. Checkpoints are read with ``weights_only=True``: no code in them is run.

    Returns
    -------
    model, card
        The network in evaluation mode, and what it is for.

    Raises
    ------
    WeightsError
        File missing, damaged, unsafe, or weights of another architecture.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file")
    tensors, card = _read_safetensors(path) if path.suffix == ".safetensors" else _read_checkpoint(path)
    if card.architecture not in ARCHITECTURES:
        raise WeightsError(
            f"{path}: unknown architecture '{card.architecture}'; known are {', '.join(ARCHITECTURES)}"
        )
    model = ARCHITECTURES[card.architecture]()
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(
            f"{path}: are weights of another network than {card.architecture} ({reason})"
        ) from error
    bad = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if bad:
        raise WeightsError(
            f"{path}: holds values that are not finite in {', '.join(bad)}; the training diverged"
        )
    return model.eval(), card


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], Card]:
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: is no readable safetensors file ({error})") from error
    try:
        values = json.loads(metadata["stemforge"])
        values["data"] = tuple(values["data"])
        card = Card(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{path}: carries no stemforge card; was it written by another program?"
        ) from error
    return {n: t.float() if t.is_floating_point() else t for n, t in tensors.items()}, card


def _read_checkpoint(path: Path) -> tuple[dict[str, Tensor], Card]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: holds Python objects beside tensors, which could run code; only plain weights are read"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise WeightsError(f"{path}: is no readable checkpoint ({error})") from error
    tensors = content.get("state_dict", content) if isinstance(content, dict) else None
    if (
        not isinstance(tensors, dict)
        or not tensors
        or not all(isinstance(t, Tensor) for t in tensors.values())
    ):
        raise WeightsError(f"{path}: holds no state_dict of tensors")
    # Lightning prefixes the names with the attribute that holds the network.
    tensors = {name.removeprefix("model."): tensor for name, tensor in tensors.items()}
    return tensors, Card(
        "sac-cnn", PUBLISHED_SAMPLING, PUBLISHED_THRESHOLD, data=(f"imported from {path.name}",)
    )
