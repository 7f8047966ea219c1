"""Single atoms in image files: tables, overlays, and what to expect of them."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from stemforge.console import INTERVALS, progress, say
from stemforge.errors import InputError
from stemforge.infer.atoms.detection import Detection, detect_atoms
from stemforge.infer.atoms.maps import TILE
from stemforge.infer.atoms.sampling import SIZER, SamplingEstimate, common_estimate, estimate_sampling
from stemforge.infer.batch import Batch, Outcome
from stemforge.infer.left_out import tell_doubts, tell_left_out
from stemforge.infer.resampling import CONTRADICTS, file_sampling, sampling_remark
from stemforge.infer.results import Results
from stemforge.infer.weights import load_finder, warn_uncalibrated
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.writers import write_tiff
from stemforge.train.card import Card

LIKELIHOOD = "_likelihood.tif"
"""Ending of a likelihood map's file."""

OVERLAY = "stemforge.infer.atoms.overlay:draw_detection"
"""What draws a detection, by its name: the process that finds atoms need not import it."""

_LARGE = 2_000_000  # pixels, which take some 5 s


def detect_atoms_in_files(
    batch: Batch,
    weights: str | Path = "any-atom",
    *,
    threshold: float | None = None,
    augment: bool = False,
    tile: int = TILE,
    device: str = "cpu",
    further: Callable[[Detection, Any, Card, Results], None] | None = None,
) -> Outcome:
    """Find single atoms on many images; write a table and an overlay of each.

    Parameters
    ----------
    batch
        Images and where results go: ``.csv`` and ``.png``, and :data:`LIKELIHOOD` where that is among its endings.
        Where its reading asks for it, each image's pixel size is estimated (:func:`estimate_sampling`), or one for all
        (:func:`common_estimate`).
    weights
        A file, or the name of weights that come with stemforge.
    threshold, augment, tile, device
        As for :func:`detect_atoms`.
    further
        Makes further results of each detection, of model and card, such as :func:`stemforge.infer.add_completeness`:
        once the others of the image are in the folder.

    Returns
    -------
    Outcome
        Atoms found, and images left out; in ``run.json`` each image has its threshold, expected F1 and density, and
        which share of it was left out and why.

    Raises
    ------
    InputError
        Options, weights or results that cannot be; nothing has been written then.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:64, :64]
    >>> spot = np.exp(-((x - 20) ** 2 + (y - 40) ** 2) / 18)
    >>> write_tiff("image.tif", np.random.default_rng(0).poisson(100 + 60 * spot), sampling=0.293)
    >>> batch = Batch([Path("image.tif")], Path("atoms"), (".csv", ".png"), quiet=True)
    >>> detect_atoms_in_files(batch, "atom-net").found
    1
    >>> sorted(path.name for path in Path("atoms").iterdir())
    ['image.csv', 'image.png', 'run.json']
    """
    if threshold is not None and not 0 < threshold < 1:
        raise InputError(f"threshold must lie between 0 and 1, not {threshold}")
    if tile < 1:
        raise InputError(f"tile must be at least 1 pixel, not {tile}")
    model, card = load_finder(weights, "atoms")
    batch.check_out()

    sizer = (model, card)
    if batch.reading.estimated and card.sizing is None:
        sizer = load_finder(SIZER, "atoms")
        say(f"{weights}: know no pixel sizes; these are estimated by {SIZER}")
    common = _common(batch, *sizer, device) if batch.reading.sampling == "common" else None

    def work(micrograph: Micrograph, results: Results) -> int:
        estimate = common
        if batch.reading.estimated and common is None:
            estimate = estimate_sampling(micrograph, *sizer, device=device)
            say(f"{micrograph.name}: {estimate}")
        if estimate is not None:
            results.remark(INTERVALS)
            micrograph = replace(micrograph, sampling=estimate.sampling)
        # What takes seconds needs no bar of its own beside that of all images.
        quiet = batch.quiet or micrograph.image.size * (8 if augment else 1) < _LARGE
        with progress(micrograph.name, 100, "%", quiet) as advance:
            detection = detect_atoms(
                micrograph, model, card, threshold=threshold, tile=tile, device=device, augment=augment,
                advance=lambda share: advance(100 * share),
            )  # fmt: skip
        warn_uncalibrated(micrograph, card)
        detection.atoms.to_csv(results.path(".csv"), micrograph.sampling)
        results.draw(".png", OVERLAY, detection, estimate)
        if LIKELIHOOD in batch.endings:
            write_tiff(results.path(LIKELIHOOD), detection.likelihood, detection.sampling)
        results.facts.update(_facts(detection), sampling=_sampling_facts(micrograph, estimate))
        if detection.usable is not None:
            tell_left_out(micrograph, detection.usable)
        results.facts["doubts"] = tell_doubts(micrograph)
        if threshold is None:
            _warn_little(detection, card)
        if further is not None:
            results.further = partial(further, detection, model, card)
        return len(detection.atoms)

    options: dict[str, Any] = {"weights": str(weights), "augment": augment, "tile": tile, "device": device}
    # As asked for; beside them each image's entry has the threshold and the pixel size that it got.
    options |= {"threshold_asked": threshold, "sampling_asked": batch.reading.sampling}
    return batch.run("infer atoms", work, "atoms", options)


def _common(batch: Batch, model: Any, card: Card, device: str) -> SamplingEstimate:
    """Estimate one pixel size from all images; those that tell none, or cannot be read, are passed over here."""
    estimates, files = [], []
    with progress("pixel size", len(batch.images), "images", batch.quiet) as advance:
        for path in batch.images:
            with suppress(InputError):
                for micrograph in batch.reading.read(path):
                    files.append(file_sampling(micrograph))
                    estimates.append(estimate_sampling(micrograph, model, card, device=device))
            advance(1)
    sizes = [size for size in files if size is not None]
    if sizes and max(sizes) > min(sizes) * (1 + CONTRADICTS):
        raise InputError(
            f"the files say {min(sizes):.4g} to {max(sizes):.4g} Å per pixel, which is not one magnification: estimate "
            "each image's own (sampling auto)"
        )
    if not estimates:
        raise InputError(f"none of the {len(batch.images)} images tells its pixel size; give it (sampling)")
    common = common_estimate(estimates)
    say(f"all images: {common}")
    return common


def _facts(detection: Detection) -> dict[str, Any]:
    """Return what ``run.json`` says of an image."""
    facts: dict[str, Any] = {
        "atoms": len(detection.atoms),
        "threshold": round(detection.threshold, 4),
        "expected_f1": None if detection.expected_f1 is None else round(detection.expected_f1, 4),
        "visible_atoms_per_nm2": None,
    }
    if detection.density is not None:
        facts["visible_atoms_per_nm2"] = dict(
            zip(("expected", "low", "high"), detection.density, strict=True)
        )
    if detection.specimen is not None:
        facts["specimen"] = detection.specimen.facts(detection.micrograph.sampling)
        off = int((~detection.specimen.inside(detection.atoms.points)).sum())
        if off:
            facts["specimen"]["atoms_beside_it"] = off
    if detection.usable is not None:
        facts["left_out"] = {reason: round(share, 4) for reason, share in detection.usable.reasons.items()}
    return facts


def _sampling_facts(micrograph: Micrograph, estimate: SamplingEstimate | None) -> dict[str, Any]:
    """Return what ``run.json`` says of an image's pixel size; say what the file says else."""
    facts: dict[str, Any] = {"angstrom": micrograph.sampling, "in_file": file_sampling(micrograph)}
    remark = sampling_remark(micrograph) if estimate is None else estimate.remark(micrograph)
    if estimate is not None:
        facts |= {"estimated": True, "of_images": estimate.images, "relative_error": round(estimate.error, 3)}
        facts["interval_95"] = [round(end, 4) for end in estimate.interval]
    if remark is not None:
        say(remark)
        facts["remark"] = remark
    return facts


def _warn_little(detection: Detection, card: Card) -> None:
    f1 = detection.expected_f1
    if f1 is not None and f1 < (card.min_expected_f1 or 0):
        say(
            f"{detection.micrograph.name}: hardly anything looks like an atom (expected F1 {f1:.2f}); "
            "only what is sure is marked, a lower threshold shows more (--threshold)"
        )
