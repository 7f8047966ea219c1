"""Weights for a batch of images: of the right kind, and said where an image does not tell its pixel size."""

from pathlib import Path
from typing import Any

from stemforge.console import say
from stemforge.errors import InputError, errors_about
from stemforge.infer.resampling import sampling_remark
from stemforge.micrograph.image import Micrograph
from stemforge.train.card import Card
from stemforge.train.networks import Finds, names_of, network
from stemforge.train.weights import load_weights


def load_finder(weights: str | Path, finds: Finds, what: str = "weights") -> tuple[Any, Card]:
    """Read a network that finds a kind of thing, and its card.

    Parameters
    ----------
    weights
        A file, or the name of weights that come with stemforge.
    finds
        What is to be found.
    what
        What the weights are to the user, for messages.

    Raises
    ------
    InputError
        Weights of another kind of network, or a checkpoint from before its training run ended.
    """
    with errors_about(what):
        model, card = load_weights(weights)
    kind = network(card.architecture)
    if kind.finds != finds:
        names = " or ".join(names_of(finds))
        raise InputError(f"{what} {weights}: are weights of {card.architecture}, needed are those of {names}")
    lack = kind.unfinished(model)
    if lack is not None:
        raise InputError(
            f"{what} {weights}: a checkpoint from before its training run ended: {lack}; take the run's "
            f"{card.architecture}.safetensors, or go on with the run until it ends (train {card.architecture} --resume)"
        )
    return model, card


def warn_uncalibrated(micrograph: Micrograph, card: Card) -> None:
    """Say that an image without calibration is taken at the network's pixel size."""
    if micrograph.sampling is None:
        size = f" ({card.sampling:.3f} Å)" if card.sampling else ""
        remark = micrograph.metadata.get("calibration", "")
        why = f" ({remark})" if remark else ""
        say(
            f"{micrograph.name}: no calibration in the file{why}; taken as it is, at the network's pixel size{size}; "
            "give its pixel size with --sampling"
        )


def contradiction(micrograph: Micrograph) -> dict[str, str]:
    """Say that the pixel size that was given contradicts the file's; return it for ``run.json``, else nothing."""
    remark = sampling_remark(micrograph)
    if remark is None:
        return {}
    say(remark)
    return {"remark": remark}
