"""Crystals in image files: lattices, restored images, molecules."""

import hashlib
from pathlib import Path
from typing import Any

from PIL import Image

from stemforge.console import say
from stemforge.errors import InputError
from stemforge.files import write_json, write_png
from stemforge.infer.batch import Batch, Outcome, Results
from stemforge.infer.crystals.figures import draw_lattice, draw_molecules, draw_restoration
from stemforge.infer.crystals.framework import Framework
from stemforge.infer.crystals.lattice import THRESHOLD, Lattice, find_lattice
from stemforge.infer.crystals.molecules import TILE, TILE_OVERLAP, check_options, detect_molecules
from stemforge.infer.crystals.restoration import OVERLAP, restore_micrograph
from stemforge.infer.left_out import tell_unusable
from stemforge.infer.resampling import file_sampling
from stemforge.infer.weights import contradiction, load_finder, warn_uncalibrated
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.writers import write_tiff
from stemforge.train.card import Card, RestorerFile
from stemforge.train.networks import Restorer
from stemforge.train.weights import find_weights


def restore_files(
    batch: Batch,
    weights: str | Path = "divaesr",
    *,
    lattice: bool = False,
    overlap: int = OVERLAP,
    device: str = "cpu",
) -> Outcome:
    """Restore many images.

    Parameters
    ----------
    batch
        Images and where results go: ``_restored.tif``, ``_restored.png``, ``_compared.png``.
    weights
        A file, or the name of weights that come with stemforge.
    lattice
        Find the pixel size of images without calibration from their MFI lattice.
    overlap, device
        As for :func:`restore_micrograph`.
    """
    model, card = load_finder(weights, "images")
    patch = Restorer.named(card.architecture).patch
    if not 0 <= overlap < patch:
        raise InputError(f"overlap must lie between 0 and {patch - 1} pixels, not {overlap}")
    batch.reading.refuse_auto()
    batch.check_out()

    def work(micrograph: Micrograph, results: Results) -> int:
        tell_unusable(micrograph)
        found = _lattice(micrograph, lattice)
        restoration = restore_micrograph(
            micrograph, model, card, lattice=found, overlap=overlap, device=device
        )
        if found is None:
            warn_uncalibrated(micrograph, card)
        results.facts.update(contradiction(micrograph))
        write_tiff(results.path("_restored.tif"), restoration.image, restoration.sampling)
        grey = (restoration.image.clip(0, 1) * 255).round().astype("uint8")
        write_png(Image.fromarray(grey), results.path("_restored.png"))
        draw_restoration(restoration, results.path("_compared.png"))
        results.facts["sampling_angstrom"] = restoration.sampling
        return 1

    options = {"weights": str(weights), "overlap": overlap, "lattice": lattice, "device": device}
    return batch.run("infer restore", work, "restored", options)


def detect_molecules_in_files(
    batch: Batch,
    weights: str | Path = "faster-rcnn",
    *,
    restorer: str | Path | None = None,
    lattice: bool = False,
    threshold: float | None = None,
    tile: int = TILE,
    tile_overlap: int = TILE_OVERLAP,
    iou: float = 0.5,
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
        Find the pixel size of images without calibration from their MFI lattice.
    threshold, tile, tile_overlap, iou, device
        As for :func:`detect_molecules`.
    """
    check_options(0.5 if threshold is None else threshold, tile, tile_overlap, iou)
    detector, card = load_finder(weights, "molecules")
    restorer = restorer or _restorer_of(card, Path(weights))
    pair = None if restorer is None else load_finder(restorer, "images", "restorer")
    if restorer is not None and card.inputs.restorer is not None:
        _warn_other_restorer(restorer, card.inputs.restorer)
    batch.reading.refuse_auto()
    batch.check_out()
    options: dict[str, Any] = {"tile": tile, "tile_overlap": tile_overlap, "iou": iou, "device": device}

    def work(micrograph: Micrograph, results: Results) -> int:
        tell_unusable(micrograph)
        found = _lattice(micrograph, lattice)
        detection = detect_molecules(
            micrograph, detector, card, restorer=pair, lattice=found, threshold=threshold, **options
        )
        if found is None:
            warn_uncalibrated(micrograph, card)
        results.facts.update(contradiction(micrograph))
        detection.to_csv(results.path(".csv"))
        draw_molecules(detection, results.path(".png"))
        results.facts.update(molecules=len(detection.molecules), threshold=detection.threshold)
        results.facts["boxes"] = detection.definition.margin
        return len(detection.molecules)

    made_with = {"weights": str(weights), "restorer": None if restorer is None else str(restorer)}
    return batch.run("infer molecules", work, "molecules", {**made_with, "lattice": lattice, **options})


def find_lattices_in_files(batch: Batch, framework: str = "mfi", *, threshold: float = THRESHOLD) -> Outcome:
    """Find a framework's lattice on many images; write what was found and a picture of each.

    Parameters
    ----------
    batch
        Images and where results go: ``_lattice.json`` and ``_lattice.png``.
    framework, threshold
        As for :func:`find_lattice`.
    """
    if not 0 < threshold < 1:
        raise InputError(f"threshold must lie between 0 and 1, not {threshold}")
    wanted = Framework.named(framework)
    batch.reading.refuse_auto()
    batch.check_out()

    def work(micrograph: Micrograph, results: Results) -> int:
        found = find_lattice(micrograph, framework=wanted, threshold=threshold)
        content = {"image": micrograph.name, **found.to_dict(), "sampling_in_file": file_sampling(micrograph)}
        write_json(results.path("_lattice.json"), content)
        draw_lattice(micrograph, found, results.path("_lattice.png"), framework=wanted)
        results.facts.update(sampling_angstrom=found.sampling, correlation=found.score)
        say(
            f"{micrograph.name}: {found.sampling:.4f} Å per pixel, turned by {found.rotation:.2f}°, correlation "
            f"{found.score:.2f}"
        )
        return 1

    return batch.run("infer lattice", work, "lattices", {"framework": framework, "threshold": threshold})


def _lattice(micrograph: Micrograph, wanted: bool) -> Lattice | None:
    """Find the lattice of an image without calibration, where that is asked for."""
    if not wanted or micrograph.sampling is not None:
        return None
    found = find_lattice(micrograph)
    say(f"{micrograph.name}: {found.sampling:.4f} Å per pixel, from its {found.framework} lattice")
    return found


def _restorer_of(card: Card, weights: Path) -> Path | None:
    """Find the restorer that a detector was trained with; None where it learnt from images as they are."""
    if card.inputs.restorer is None:
        return None
    beside = weights.parent / card.inputs.restorer.file
    return beside if beside.is_file() else Path(card.inputs.restorer.file).with_suffix("")


def _warn_other_restorer(path: str | Path, trained: RestorerFile) -> None:
    if hashlib.sha256(find_weights(path).read_bytes()).hexdigest() != trained.sha256:
        say(f"{path}: is another restorer than the detector was trained with ({trained.file})")
