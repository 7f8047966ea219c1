"""Weights that a user brings along: opened in a process of their own, and tried on an image before they are kept."""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

from stemforge.errors import InputError
from stemforge.infer import CANDIDATE, detect_atoms
from stemforge.infer.weights import load_finder
from stemforge.micrograph.image import Micrograph
from stemforge.train.card import Card

_MOST_HEADER = 2**20  # bytes: ours have some thousand
_SAMPLINGS = (0.02, 5.0)  # Å: what single atoms can be seen at


def check_weights(path: str, name: str) -> dict[str, str]:
    """Say what a weights file is, if it is one of ours that finds atoms.

    Parameters
    ----------
    path
        Of the file.
    name
        As the user calls it.

    Returns
    -------
    dict
        ``architecture`` and ``description``.

    Raises
    ------
    InputError
        It is none; the sentence says why.
    """
    _check_header(Path(path), name)
    try:
        model, card = load_finder(path, "atoms", "the file")
    except InputError as error:
        raise InputError(_sentence(str(error), path, name)) from error
    _check_card(card, name)
    image = np.random.default_rng(0).normal(100, 5, (128, 128)).astype(np.float32)
    lowest = CANDIDATE if card.calibration is not None else card.threshold
    micrograph = Micrograph(image, card.sampling, name="noise")
    with np.errstate(all="ignore"):
        found = detect_atoms(micrograph, model, card, threshold=lowest, fit=False)
    if not np.isfinite(found.likelihood).all():
        raise InputError(f"{name}: its network gives no numbers on an image of noise; the training diverged.")
    return {"architecture": card.architecture, "description": _description(card)}


def _check_header(path: Path, name: str) -> None:
    """Refuse what is no safetensors file, before any library opens it."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(9)
    length = struct.unpack("<Q", start[:8])[0] if len(start) == 9 else 0
    if start[8:] != b"{":
        raise InputError(
            f"{name}: is no safetensors file; only these are taken, since other weights files can run code."
        )
    if length > _MOST_HEADER or length + 8 > size:
        raise InputError(f"{name}: is damaged: its header does not fit the file; copy it again.")


def _check_card(card: Card, name: str) -> None:
    """Refuse numbers in a card with which no atoms can be looked for."""
    fits = {
        "sampling": card.sampling is None or _is_within(card.sampling, *_SAMPLINGS),
        "threshold": _is_within(card.threshold, 0, 1),
        "min_expected_f1": card.min_expected_f1 is None or _is_within(card.min_expected_f1, 0, 1),
        "calibration": card.calibration is None
        or all(_is_within(one, -1e3, 1e3) for one in (card.calibration.scale, card.calibration.shift)),
        "counting": card.counting is None
        or all(_is_within(one, 0, 1e3) for one in (card.counting.scale, card.counting.spread)),
    }
    wrong = [field for field, fit in fits.items() if not fit]
    if wrong:
        raise InputError(f"{name}: its card is damaged: {', '.join(wrong)} cannot be so.")


def _is_within(value: Any, low: float, high: float) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and low <= value <= high


def _sentence(text: str, path: str, name: str) -> str:
    """Return a message of the library in the words of somebody who sent a file."""
    text = (
        text.removeprefix("the file: ").removeprefix("the file ").replace(f"{path}: ", "").replace(path, name)
    )
    return f"{name}: {text.removeprefix(f'{name}: ')}"


def _description(card: Card) -> str:
    pixels = f", pixels of {card.sampling:.3g} Å" if card.sampling else ""
    when = f", {card.date[:10]}" if card.date else ""
    calibrated = "" if card.calibration else " Its likelihoods are not calibrated."
    return f"Weights of yours: {card.architecture}{pixels}{when}.{calibrated}"
