"""Single atoms in image files: tables, overlays, and what to expect of them."""

from pathlib import Path
from typing import Any

from stemforge.console import say
from stemforge.errors import InputError
from stemforge.infer.atoms.detection import TILE, Detection, detect_atoms
from stemforge.infer.atoms.overlay import draw_detection
from stemforge.infer.batch import Batch, Outcome
from stemforge.infer.weights import load_finder, warn_uncalibrated
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.writers import write_tiff
from stemforge.train.card import Card

LIKELIHOOD = "_likelihood.tif"
"""Ending of a likelihood map's file."""


def detect_atoms_in_files(
    batch: Batch,
    weights: str | Path = "atom-net",
    *,
    threshold: float | None = None,
    augment: bool = False,
    tile: int = TILE,
    device: str = "cpu",
) -> Outcome:
    """Find single atoms on many images; write a table and an overlay of each.

    Parameters
    ----------
    batch
        Images and where results go: ``.csv`` and ``.png``, and :data:`LIKELIHOOD` where that is among its endings.
    weights
        A file, or the name of weights that come with stemforge.
    threshold, augment, tile, device
        As for :func:`detect_atoms`.

    Returns
    -------
    Outcome
        Atoms found, and images left out; ``run.json`` has threshold, expected F1 and density of each image.

    Raises
    ------
    InputError
        Options, weights or results that cannot be; nothing has been written then.
    """
    if threshold is not None and not 0 < threshold < 1:
        raise InputError(f"threshold must lie between 0 and 1, not {threshold}")
    if tile < 1:
        raise InputError(f"tile must be at least 1 pixel, not {tile}")
    model, card = load_finder(weights, "atoms")
    batch.check_out()
    record: dict[str, Any] = {"weights": str(weights), "thresholds": {}, "expected_f1": {}}
    record["visible_atoms_per_nm2"] = {}

    def work(micrograph: Micrograph) -> int:
        detection = detect_atoms(
            micrograph, model, card, threshold=threshold, tile=tile, device=device, augment=augment
        )
        warn_uncalibrated(micrograph, card)
        detection.atoms.to_csv(batch.path(micrograph, ".csv"), micrograph.sampling)
        draw_detection(detection, batch.path(micrograph, ".png"))
        if LIKELIHOOD in batch.endings:
            write_tiff(batch.path(micrograph, LIKELIHOOD), detection.likelihood, detection.sampling)
        _note(record, detection)
        if threshold is None:
            _warn_little(detection, card)
        return len(detection.atoms)

    return batch.run("infer atoms", work, "atoms", record)


def _note(record: dict[str, Any], detection: Detection) -> None:
    name = detection.micrograph.name
    record["thresholds"][name] = round(detection.threshold, 4)
    if detection.expected_f1 is not None:
        record["expected_f1"][name] = round(detection.expected_f1, 4)
    if detection.density is not None:
        interval = zip(("expected", "low", "high"), detection.density, strict=True)
        record["visible_atoms_per_nm2"][name] = dict(interval)


def _warn_little(detection: Detection, card: Card) -> None:
    f1 = detection.expected_f1
    if f1 is not None and f1 < (card.min_expected_f1 or 0):
        say(
            f"{detection.micrograph.name}: hardly anything looks like an atom (expected F1 {f1:.2f}); "
            "only what is sure is marked, a lower threshold shows more (--threshold)"
        )
