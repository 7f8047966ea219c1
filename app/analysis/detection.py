"""Atoms of one image, in a worker that keeps networks warm."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import tifffile

from stemforge.errors import InputError
from stemforge.infer import Detection, decide, detect_atoms, estimate_sampling
from stemforge.infer.atoms.sampling import SIZER
from stemforge.infer.decision import lowest_likelihood
from stemforge.infer.weights import load_finder
from stemforge.micrograph.image import Micrograph
from stemforge.train.card import Card

CALIBRATED = "any-atom"
"""Weights that judge images for detectors whose likelihoods are not calibrated."""
# Side of a tile [pixel]: with the default of 512, an image of 2048² takes 0.4 GB more, in the same time on a CPU.
_TILE = 256
_FEW = 0.3  # expected F1 below which a user is told, where the card says nothing


@lru_cache(maxsize=4)
def finder(weights: str) -> tuple[Any, Card]:
    """Return a network that finds atoms and its card, read once."""
    return load_finder(weights, "atoms")


def warm(weights: str = CALIBRATED) -> None:
    """Load a network and run it once, so that the first image does not wait for that."""
    image = np.random.default_rng(0).normal(100, 5, (128, 128)).astype(np.float32)
    detect_atoms(Micrograph(image, 0.293, name="warm"), *finder(weights))


def detect(
    path: str,
    name: str,
    detector: str,
    weights: str,
    sampling: float | None,
    sampling_in_file: float | None,
) -> dict[str, Any]:
    """Find an image's candidates for atoms down to a low likelihood, and where its threshold lies.

    Parameters
    ----------
    path
        Of the image as the server keeps it.
    name
        As the user calls it.
    detector
        As the user chose it.
    weights
        Name or file of its weights.
    sampling
        Pixel size [Å]; None has it estimated from the atoms.
    sampling_in_file
        The file's [Å].

    Returns
    -------
    dict
        ``table``, a row for each candidate with ``columns``; ``threshold``, ``lowest`` (likelihood from which
        candidates are complete), ``expected_f1``, ``sampling``, ``estimated``, ``remarks``, ``focus``, ``facts``, and
        ``card``, the weights' card as JSON where these candidates can judge the recording, else None.
    """
    image = tifffile.imread(path)
    metadata = {} if sampling_in_file is None else {"sampling_in_file": sampling_in_file}
    model, card = finder(weights)
    remarks: list[str] = []
    estimated = False
    if sampling is None:
        sampling, remark = _estimated(Micrograph(image, None, name=name), model, card)
        estimated = sampling is not None
        remarks.append(remark)
    found = find_candidates(Micrograph(image, sampling, name=name, metadata=metadata), model, card)
    remarks += found.remarks
    atoms = found.detection.atoms
    columns = ["x", "y", "score", *(one for one in atoms.columns if one != "score")]
    table = np.column_stack([atoms.points, *(atoms[one].astype(float) for one in columns[2:])])
    return {
        "table": table,
        "columns": columns,
        "threshold": found.threshold,
        "lowest": found.lowest,
        "expected_f1": found.detection.expected_f1,
        "sampling": sampling,
        "estimated": estimated,
        "remarks": remarks,
        "focus": None,
        "facts": {"weights": weights.rsplit("/", 1)[-1], "detector": detector, **found.facts},
        "card": card.to_json() if card.calibration is not None and card.counting is not None else None,
    }


@dataclass(frozen=True, eq=False)
class Candidates:
    """What may be an atom on an image, for a user who moves the threshold.

    Parameters
    ----------
    detection
        With all candidates, where the network has them.
    threshold
        Likelihood from which the detector takes them for atoms.
    lowest
        Likelihood from which candidates are complete.
    facts
        What :class:`stemforge.app.analysis.edited.EditedImage` must know of the detection.
    remarks
        What a user must know of it.
    """

    detection: Detection
    threshold: float
    lowest: float
    facts: Mapping[str, Any]
    remarks: tuple[str, ...]


def find_candidates(micrograph: Micrograph, model: Any, card: Card) -> Candidates:
    """Find what may be an atom on an image, down to a low likelihood, and from which one on it is taken for one.

    Parameters
    ----------
    micrograph
        The image.
    model, card
        Of a network that finds atoms.
    """
    # Regions of networks that are not calibrated grow together below their own threshold.
    lowest = lowest_likelihood(card)
    detection = detect_atoms(micrograph, model, card, threshold=lowest, fit=False, tile=_TILE)
    threshold = (
        card.threshold if card.calibration is None else decide(detection.atoms["score"], card).threshold
    )
    remarks = []
    if detection.expected_f1 is not None and detection.expected_f1 < (card.min_expected_f1 or _FEW):
        remarks.append(
            f"Hardly anything looks like an atom (expected F1 {detection.expected_f1:.2f}); only what is sure is "
            "shown. A lower threshold shows more."
        )
    if detection.usable is not None and detection.usable.reasons:
        remarks.append(f"Left out of the image: {detection.usable}.")
    facts = {
        # By which widths of atoms are expected; of networks that know no pixel sizes nothing is known.
        "sampling": micrograph.sampling if card.sampling is not None else None,
        "density": detection.density,
    }
    return Candidates(detection, min(float(threshold), 1.0), float(lowest), facts, tuple(remarks))


def find_likely(path: str, name: str, sampling: float | None) -> dict[str, Any]:
    """Find what :func:`stemforge.app.analysis.quality.judge` wants, where the detector's likelihoods do not tell it.

    Parameters
    ----------
    path, name, sampling
        As for :func:`detect`.

    Returns
    -------
    dict
        ``table``, columns x, y and likelihood, and ``card``, as JSON, of :data:`CALIBRATED`.
    """
    model, card = finder(CALIBRATED)
    micrograph = Micrograph(tifffile.imread(path), sampling, name=name)
    atoms = detect_atoms(
        micrograph, model, card, threshold=lowest_likelihood(card), fit=False, tile=_TILE
    ).atoms
    return {"table": np.column_stack([atoms.points, atoms["score"]]), "card": card.to_json()}


def _estimated(micrograph: Micrograph, model: Any, card: Card) -> tuple[float | None, str]:
    """Estimate a pixel size that no file tells; None with a sentence where the atoms do not tell it either."""
    sizer = (model, card) if card.sizing is not None else finder(SIZER)
    try:
        estimate = estimate_sampling(micrograph, *sizer)
    except InputError:
        return None, (
            "The file has no pixel size, and the atoms do not tell it: they were looked for at the size that the "
            "detector knows. Please enter the pixel size."
        )
    low, high = estimate.interval
    return estimate.sampling, (
        f"The file has no pixel size; {estimate.sampling:.2f} Å is estimated from the atoms ({low:.2f} to "
        f"{high:.2f} Å). Please enter it if you know it."
    )
