"""Completeness of image files: a table, a figure and everything as JSON."""

from pathlib import Path
from typing import Any

import numpy as np

from stemforge.console import INTERVALS, progress, say
from stemforge.errors import InputError
from stemforge.files import plain, write_csv, write_json
from stemforge.infer.atoms.detection import Detection
from stemforge.infer.atoms.maps import TILE
from stemforge.infer.batch import Batch, Outcome
from stemforge.infer.completeness.analysis import GRAFTS, measure_completeness
from stemforge.infer.completeness.result import Completeness
from stemforge.infer.left_out import tell_doubts
from stemforge.infer.results import Results
from stemforge.infer.weights import load_finder, warn_uncalibrated
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.tables import COMPLETENESS
from stemforge.train.card import Card

SMALL = 1024**2
"""Pixels of an image up to which completeness is measured without being asked for."""
SEED = 0
"""Of the grafts: the same image gives the same figures."""


def completeness_of_files(
    batch: Batch,
    weights: str | Path = "any-atom",
    *,
    threshold: float | None = None,
    grafts: int = GRAFTS,
    tile: int = TILE,
    device: str = "cpu",
) -> Outcome:
    """Say of many images how complete and how pure what a detector finds on them is.

    Parameters
    ----------
    batch
        Images and where results go; its endings are :data:`COMPLETENESS_ENDINGS`.
    weights
        A file, or the name of weights that come with stemforge.
    threshold
        Likelihood from which a candidate is an atom; by default each image has its own.
    grafts
        How many are put into each image.
    tile, device
        As for :func:`stemforge.infer.detect_atoms`.

    Returns
    -------
    Outcome
        Grafts made, and images left out.

    Raises
    ------
    InputError
        Options, weights or results that cannot be; nothing has been written then.

    Examples
    --------
    >>> batch = Batch([Path("film.tif")], Path("completeness"), (".csv", ".json", ".png"))
    >>> completeness_of_files(batch, "atom-net", grafts=0)  # refused before any image is read
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: grafts must be 1 or more, not 0
    """
    check_options(threshold, tile, grafts)
    batch.reading.refuse_auto()
    model, card = load_finder(weights, "atoms")
    batch.check_out()

    def work(micrograph: Micrograph, results: Results) -> int:
        warn_uncalibrated(micrograph, card)
        tell_doubts(micrograph)
        result = _measure(
            micrograph, model, card, batch.quiet, threshold=threshold, grafts=grafts, tile=tile, device=device
        )
        results.facts.update(write_completeness(result, results))
        return len(result.grafts.found)

    options = {"weights": str(weights), "grafts": grafts, "seed": SEED, "tile": tile, "device": device}
    return batch.run("evaluate completeness", work, "grafts", options)


def add_completeness(
    detection: Detection,
    model: Any,
    card: Card,
    results: Results,
    *,
    largest: int | None = None,
    quiet: bool = False,
    **options: Any,
) -> None:
    """Add completeness to the results of a detection; an image that cannot take grafts keeps what it has.

    Parameters
    ----------
    detection, model, card
        What was found, and with what.
    results
        Of the image.
    largest
        Pixels of the largest image that is measured; None for any.
    quiet
        Show no progress.
    options
        As for :func:`stemforge.infer.detect_atoms`.

    Examples
    --------
    >>> from stemforge import Annotations
    >>> from stemforge.train import load_weights
    >>> ramp = Micrograph(np.arange(1024.0).reshape(32, 32), 0.3, name="ramp")  # without noise
    >>> found = Detection(ramp, Annotations([[9, 9]], columns={"score": [0.8]}), ramp.image, 0.3, 0.5)
    >>> results = Results("ramp", Path.cwd)
    >>> add_completeness(found, *load_weights("atom-net"), results, quiet=True)
    >>> results.facts["completeness"]["failed"].split(";")[0]  # the detection keeps what it has
    'ramp: the image has no noise: was it filtered or simulated without counting?'
    """
    micrograph = detection.micrograph
    if largest is not None and micrograph.image.size > largest:
        results.remark(
            f"Of images of more than {largest:,} pixels completeness is measured only where --completeness asks for it."
        )
        return
    say(f"{micrograph.name}: {len(detection.atoms)} atoms; table and overlay are there, completeness follows")
    try:
        result = _measure(micrograph, model, card, quiet, detection=detection, **options)
    except InputError as error:
        say(f"{error}; its completeness is not measured")
        results.facts["completeness"] = {"failed": str(error)}
        return
    results.facts.update(write_completeness(result, results))


def check_options(threshold: float | None, tile: int, grafts: int) -> None:
    """Refuse options that cannot be."""
    if threshold is not None and not 0 < threshold < 1:
        raise InputError(f"threshold must lie between 0 and 1, not {threshold}")
    if tile < 1:
        raise InputError(f"tile must be at least 1 pixel, not {tile}")
    if grafts < 1:
        raise InputError(f"grafts must be 1 or more, not {grafts}")


def _measure(
    micrograph: Micrograph,
    model: Any,
    card: Card,
    quiet: bool,
    *,
    detection: Detection | None = None,
    grafts: int = GRAFTS,
    **options: Any,
) -> Completeness:
    """Measure one image, with a progress bar; what cannot be exact is said."""
    rng = np.random.default_rng(SEED)
    with progress(micrograph.name, grafts, "grafts", quiet) as advance:
        result = measure_completeness(
            micrograph, model, card, rng, detection=detection, number=grafts, advance=advance, **options
        )
    if not result.host.counted:
        say(
            f"{micrograph.name}: its noise is no counting noise any more, so grafts bring none of their own: bright "
            "ones are found a little too easily"
        )
    if result.atom.atoms == 0:
        say(
            f"{micrograph.name}: too few atoms were found to measure how wide they are; grafts are "
            f"{result.atom.width:g} Å wide (standard deviation), as atoms usually are"
        )
    return result


def write_completeness(result: Completeness, results: Results) -> dict[str, Any]:
    """Write table, JSON and figure of one image; return what ``run.json`` says of it, and say it in a line."""
    summary = plain(result.summary())
    write_json(results.path(f"{COMPLETENESS}.json"), summary)
    rows = [_row(row) for row in summary["recall_by_cnr"]]
    ideal = result.ideal(np.array([(row["low"] + row["high"]) / 2 for row in summary["recall_by_cnr"]]))
    placed = {row["low"]: row for row in summary["localisation_angstrom"]}
    for row, limit, low in zip(rows, ideal, (r["low"] for r in summary["recall_by_cnr"]), strict=True):
        place = placed.get(low)
        row.append(f"{limit:.4g}")
        row += ["", ""] if place is None else [f"{place['error']:.4g}", f"{place['bound']:.4g}"]
    header = ["cnr_from", "cnr_to", "grafts", "found", "recall", "recall_low", "recall_high", "ideal_recall"]
    write_csv(results.path(f"{COMPLETENESS}.csv"), [*header, "error_angstrom", "bound_angstrom"], rows)
    results.draw(f"{COMPLETENESS}.png", "stemforge.infer.completeness.figure:draw_completeness", result)
    false, density = summary["false_atoms"], summary["corrected"]
    if result.density.too_small:
        answer = f"the image is too small for a density: {result.density.too_small}"
    else:
        per_area = density["atoms_per_nm2"]
        answer = (
            f"{per_area['expected']:.2f} ({per_area['low']:.2f} to {per_area['high']:.2f}) atoms per nm² from "
            f"contrast-to-noise {density['from_cnr']:.1f} on"
        )
    say(
        f"{result.detection.micrograph.name}: half of the atoms of contrast-to-noise {result.curve.half:.1f} are "
        f"found; of {len(result.false.scores)} atoms found away from edges, about "
        f"{false['expected']:.0f} ({false['low']:.0f} to {false['high']:.0f}) are false; {answer}"
    )
    results.remark(INTERVALS)
    kept = ("area_nm2", "grafts", "half_found_at_cnr", "lost_however_bright", "beside_another", "corrected")
    facts = {name: summary[name] for name in kept}
    return {"completeness": {**facts, "false_atoms": {k: false[k] for k in ("expected", "low", "high")}}}


def _row(one: dict[str, Any]) -> list[str]:
    names = ("low", "high", "grafts", "found", "recall", "lower", "upper")
    return [f"{one[name]:.4g}" for name in names]
