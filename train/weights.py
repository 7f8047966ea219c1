"""Trained weights: safetensors files that say what they are for, and checkpoints published by others."""

import pickle
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.overrides import TorchFunctionMode

from stemforge.errors import RecipeError, WeightsError
from stemforge.files import write_whole
from stemforge.train.card import CARD_KEY, Card, Inputs
from stemforge.train.networks import NETWORKS, network

PUBLISHED_SAMPLING = 0.29296875
"""Pixel size of the images on which the published SAC-CNN was trained [Å]."""
PUBLISHED_THRESHOLD = 0.89


def save_weights(path: str | Path, model: torch.nn.Module, card: Card, *, half: bool = False) -> None:
    """Write a network's weights and its card to one safetensors file.

    Parameters
    ----------
    path
        File to write.
    model
        The network.
    card
        What it is for.
    half
        Store matrices and kernels as 16-bit floats, in half the space. Vectors stay as they are: they are
        small, and a variance may exceed the range.

    Examples
    --------
    >>> from stemforge.train import SACCNN
    >>> save_weights("whole.safetensors", SACCNN(), Card("sac-cnn", sampling=0.293))
    >>> save_weights("half.safetensors", SACCNN(), Card("sac-cnn", sampling=0.293), half=True)
    >>> load_weights("half.safetensors")[1].sampling
    0.293
    >>> round(Path("whole.safetensors").stat().st_size / Path("half.safetensors").stat().st_size, 1)
    2.0
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if half:
        tensors = {
            name: tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor
            for name, tensor in tensors.items()
        }
    write_whole(path, save(tensors, metadata={CARD_KEY: card.to_json()}))


def stored_in_half(path: str | Path) -> bool:
    """Tell whether a safetensors file holds 16-bit floats."""
    with safe_open(path, framework="pt") as file:
        return any(file.get_slice(name).get_dtype() == "F16" for name in file.keys())  # noqa: SIM118


def load_weights(path: str | Path) -> tuple[torch.nn.Module, Card]:
    """Read a network from a weights file.

    Parameters
    ----------
    path
        A safetensors file written by stemforge, or the name of one that comes with it, see :func:`find_weights`; a
        checkpoint of one of its runs; or a PyTorch checkpoint
        ``{"state_dict": …}`` such as the published SAC-CNN's. Checkpoints are read with ``weights_only=True``:
        no code in them is run.

    Returns
    -------
    model, card
        The network in evaluation mode with 32-bit weights, and what it is for.

    Raises
    ------
    WeightsError
        File missing, damaged, unsafe, or weights of another architecture.

    Examples
    --------
    >>> model, card = load_weights("atom-net")
    >>> card.architecture, card.sampling, model.training
    ('atom-net', 0.293, False)
    """
    path = find_weights(path)
    tensors, card = _read_safetensors(path) if path.suffix == ".safetensors" else _read_checkpoint(path)
    if card.architecture not in NETWORKS:
        raise WeightsError(f"{path}: unknown network '{card.architecture}'; known are {', '.join(NETWORKS)}")
    try:
        # Without memory for its weights at first: a card may describe a network of any size.
        with torch.device("meta"), _WithoutValues():
            outline = network(card.architecture).build(card.settings)
    except (RecipeError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: its card describes no {card.architecture} ({error})") from error
    try:
        outline.load_state_dict(tensors, assign=True)
        model = network(card.architecture).build(card.settings)
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


class _WithoutValues(TorchFunctionMode):
    """Leaves out that new weights are drawn: without memory, that would load PyTorch's compiler."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if getattr(func, "__name__", None) in ("normal_", "uniform_"):
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def find_weights(weights: str | Path) -> Path:
    """Return the file of weights: itself, or the one that comes with stemforge under this name.

    Parameters
    ----------
    weights
        A file, or the name of a network whose weights come with stemforge, such as ``atom-net``.

    Raises
    ------
    WeightsError
        Neither a file nor such a name; the message lists the names.

    Examples
    --------
    >>> load_weights(find_weights("divaesr"))[1].architecture
    'divaesr'
    """
    path = Path(weights)
    if path.is_file():
        return path
    folder = Path(str(files("stemforge.train"))) / "pretrained"
    shipped = {file.stem: file for file in sorted(folder.glob("*.safetensors"))}
    if str(path) not in shipped:
        names = ", ".join(shipped)
        raise WeightsError(
            f"{path}: no such weights file; the names of weights that come with stemforge are {names}"
        )
    return shipped[str(path)]


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], Card]:
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: is no readable safetensors file ({error})") from error
    if CARD_KEY not in metadata:
        raise WeightsError(f"{path}: carries no stemforge card; was it written by another program?")
    return _single(tensors), _card(path, metadata[CARD_KEY])


def _read_checkpoint(path: Path) -> tuple[dict[str, Tensor], Card]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: holds Python objects beside tensors, which could run code; only plain weights are read"
        ) from error
    except Exception as error:  # PyTorch's reader raises whatever it trips over
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
    return _single(tensors), _checkpoint_card(path, content)


def _checkpoint_card(path: Path, content: Mapping[str, Any]) -> Card:
    """Tell checkpoints of our own runs, which carry their card, from the published SAC-CNN's."""
    if CARD_KEY in content:
        return _card(path, content[CARD_KEY])
    imported = (f"imported from {path.name}",)
    recipe = (content.get("hyper_parameters") or {}).get("recipe")
    if isinstance(recipe, dict):
        # Runs did not always keep a card in their checkpoints; then they were all of SAC-CNN.
        return Card("sac-cnn", recipe=recipe, data=imported, inputs=Inputs(spots="regions"))
    return Card(
        "sac-cnn", PUBLISHED_SAMPLING, PUBLISHED_THRESHOLD, data=imported, inputs=Inputs(spots="regions")
    )


def _card(path: Path, text: str) -> Card:
    try:
        return Card.from_json(text)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: its stemforge card is damaged ({error})") from error


def _single(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n: t.float() if t.is_floating_point() else t for n, t in tensors.items()}
