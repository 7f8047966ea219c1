"""Molecules on many image files."""

import hashlib
from pathlib import Path
from typing import Any

from stemforge.console import say
from stemforge.infer.batch import Batch, Outcome
from stemforge.infer.crystals.files import lattice_of
from stemforge.infer.crystals.framework import Framework
from stemforge.infer.left_out import tell_unusable
from stemforge.infer.molecules.channels import check_channels
from stemforge.infer.molecules.detection import (
    TILE,
    TILE_OVERLAP,
    MoleculeDetection,
    check_options,
    detect_molecules,
)
from stemforge.infer.molecules.figure import draw_molecules
from stemforge.infer.occupancy.crystal import ChannelCrystal
from stemforge.infer.results import Results
from stemforge.infer.weights import contradiction, load_finder, warn_uncalibrated
from stemforge.micrograph.image import Micrograph
from stemforge.train.card import Card, RestorerFile
from stemforge.train.weights import find_weights

NO_FRAMEWORK = "none"
"""Molecules that are in no channels."""


def detect_molecules_in_files(
    batch: Batch,
    weights: str | Path = "faster-rcnn",
    *,
    restorer: str | Path | None = None,
    lattice: bool = False,
    framework: str | None = None,
    threshold: float | None = None,
    tile: int = TILE,
    tile_overlap: int = TILE_OVERLAP,
    iou: float = 0.5,
    augment: bool = False,
    device: str = "cpu",
) -> Outcome:
    """Find molecules on many images; write a table and an overlay of each.

    Parameters
    ----------
    batch
        Images and where results go: ``.csv`` and ``.png``.
    weights
        A file, or the name of weights that come with stemforge.
    restorer
        Weights that restore the images first; by default those that the detector was trained with, where they lie
        beside the detector's or come with stemforge.
    lattice
        Find the pixel size of images without calibration from the lattice of the framework, MFI by default.
    framework
        In whose channels molecules are, one that is built in or a CIF file: boxes that :func:`check_channels` denies
        are left out. By default that of the detector's training; ``"none"`` keeps all boxes.
    threshold, tile, tile_overlap, iou, augment, device
        As for :func:`detect_molecules`.

    Examples
    --------
    >>> batch = Batch([Path("field.tif")], Path("molecules"), (".csv", ".png"))
    >>> detect_molecules_in_files(batch, "faster-rcnn", framework="quartz")  # refused before any image is read
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: framework 'quartz' is not known; there is mfi, fau, cha, mor, bea, or give a CIF file
    """
    check_options(0.5 if threshold is None else threshold, tile, tile_overlap, iou)
    detector, card = load_finder(weights, "molecules")
    framework = (card.inputs.framework or NO_FRAMEWORK) if framework is None else framework
    crystal = None if framework == NO_FRAMEWORK else ChannelCrystal.named(framework)
    usual = Framework.named("mfi") if crystal is None else crystal.framework
    restorer = restorer or restorer_of(card, Path(weights))
    pair = None if restorer is None else load_finder(restorer, "images", "restorer")
    if restorer is not None and card.inputs.restorer is not None:
        _warn_other_restorer(restorer, card.inputs.restorer)
    batch.reading.refuse_auto()
    batch.check_out()
    options: dict[str, Any] = {"tile": tile, "tile_overlap": tile_overlap, "iou": iou, "augment": augment}
    options["device"] = device

    def work(micrograph: Micrograph, results: Results) -> int:
        tell_unusable(micrograph)
        found = lattice_of(micrograph, usual if lattice else None)
        detection = detect_molecules(
            micrograph, detector, card, restorer=pair, lattice=found, threshold=threshold, **options
        )
        if found is None:
            warn_uncalibrated(micrograph, card)
        results.facts.update(contradiction(micrograph))
        if crystal is not None:
            checked = check_channels(detection, crystal, lattice=found, card=card, threshold=threshold)
            say(f"{micrograph.name}: {checked}")
            results.facts.update(checked.to_dict())
            detection = checked.detection
        faint = few_expected(detection, card) if threshold is None else None
        if faint is not None:
            say(f"{micrograph.name}: {faint} (--threshold)")
        detection.to_csv(results.path(".csv"))
        draw_molecules(detection, results.path(".png"))
        results.facts.update(molecules=len(detection.molecules), threshold=round(detection.threshold, 4))
        results.facts["expected_f1"] = (
            None if detection.expected_f1 is None else round(detection.expected_f1, 4)
        )
        results.facts["box_margin"] = detection.definition.margin
        return len(detection.molecules)

    made_with: dict[str, Any] = {
        "weights": str(weights),
        "restorer": None if restorer is None else str(restorer),
    }
    made_with |= {"lattice": lattice, "framework": framework}
    return batch.run("infer molecules", work, "molecules", {**made_with, **options})


def few_expected(detection: MoleculeDetection, card: Card) -> str | None:
    """Return a sentence where hardly anything looks like a molecule; None where something does."""
    f1 = detection.expected_f1
    if f1 is None or f1 >= (card.min_expected_f1 or 0):
        return None
    return (
        f"hardly anything looks like a molecule (expected F1 {f1:.2f}); only what is sure is marked, a lower "
        "threshold shows more"
    )


def restorer_of(card: Card, weights: Path) -> Path | None:
    """Find the restorer that a detector was trained with; None where it learnt from images as they are."""
    if card.inputs.restorer is None:
        return None
    beside = weights.parent / card.inputs.restorer.file
    return beside if beside.is_file() else Path(card.inputs.restorer.file).with_suffix("")


def _warn_other_restorer(path: str | Path, trained: RestorerFile) -> None:
    if hashlib.sha256(find_weights(path).read_bytes()).hexdigest() != trained.sha256:
        say(f"{path}: is another restorer than the detector was trained with ({trained.file})")
