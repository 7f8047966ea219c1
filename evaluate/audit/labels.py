"""The audit of labels: every file against its image, and against all others of the set."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemforge.console import progress
from stemforge.errors import InputError
from stemforge.evaluate.audit.evidence import RankMap, evidence_maps
from stemforge.evaluate.audit.placements import Shape
from stemforge.evaluate.audit.result import Audit
from stemforge.evaluate.audit.search import Candidate, Searcher
from stemforge.evaluate.audit.verdict import Case, judge
from stemforge.infer.weights import load_finder
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.units import length_unit

_UNITS = ("pm", "Å", "nm", "µm")


def audit_labels(
    micrographs: Mapping[str, Micrograph],
    labels: Mapping[str, Annotations],
    *,
    tables: Mapping[str, str] | None = None,
    weights: str | Path | None = "atom-net",
    device: str = "cpu",
    quiet: bool = True,
) -> Audit:
    """Say whether labels fit their images, or where else they fit.

    Labels of bright atoms lie on bright spots. The evidence for an atom at each label, by a network and by bright spots
    of several sizes, is compared with that at random places; then with that under every other placement: mirrored and
    transposed, shifted by up to 64 px, scaled, in another unit, and on every other image of the set. Rows that belong
    to another image are found as runs of consecutive rows. Whatever is reported must be 1000 times likelier than the
    labels as they are, with a prior that the alternatives of a kind share among them: the more are tried, the more each
    has to show. On random points a fault of place is thus reported in less than 1 of 1000 files.

    Parameters
    ----------
    micrographs
        Images by name; on them atoms are bright. Images without labels are places where rows may belong, too.
    labels
        Labels by name of the image, (x, y) [pixel].
    tables
        Names of the files of labels by name of the image, for messages and repaired files.
    weights
        Of a network that finds atoms: a file, or the name of weights that come with stemforge; None for bright
        spots alone.
    device
        Where the network runs.
    quiet
        Show no progress.

    Returns
    -------
    Audit
        A verdict for each file, in order of ``labels``.

    Raises
    ------
    InputError
        Labels of an image that is not given; weights of another kind of network.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> atoms, image = rng.uniform(8, 120, (25, 2)), rng.normal(0, 0.2, (128, 128))
    >>> y, x = np.mgrid[:128, :128]
    >>> for column, row in atoms:
    ...     image += np.exp(-((x - column) ** 2 + (y - row) ** 2) / 8)
    >>> micrographs = {"a": Micrograph(image.astype(np.float32), name="a")}
    >>> audit_labels(micrographs, {"a": Annotations(atoms[:, ::-1])}, weights=None).lines()[0]
    'a: the labels are transposed (x and y swapped)'
    """
    missing = sorted(set(labels) - set(micrographs))
    if missing:
        raise InputError(f"labels: no image is named {', '.join(missing)}")
    network = None if weights is None else load_finder(weights, "atoms")
    points = {name: table.points for name, table in labels.items()}
    shapes: dict[str, Shape] = {}
    candidates: dict[str, dict[tuple[str, int], list[Candidate]]] = {}
    ranks: dict[str, dict[str, dict[str, NDArray[np.uint16]]]] = {name: {} for name in labels}
    tolerances: dict[str, dict[str, float]] = {}
    spacings: dict[str, dict[str, float]] = {}
    # One image at a time: of its maps only the ranks at the labels are kept.
    with progress("audit", len(micrographs), "images", quiet) as advance:
        for name, micrograph in micrographs.items():
            shapes[name] = micrograph.shape
            maps = evidence_maps(micrograph, network, device=device)
            tolerances[name] = {kind: ranked.tolerance for kind, ranked in maps.items()}
            spacings[name] = {kind: ranked.spacing for kind, ranked in maps.items()}
            for table, places in points.items():
                ranks[table][name] = {kind: ranked.at(places) for kind, ranked in maps.items()}
            if name in points and len(points[name]):
                candidates[name] = _search(points[name], micrograph, maps)
            advance(1)
    verdicts = [
        judge(
            Case(
                name,
                (tables or {}).get(name, name),
                points[name],
                shapes,
                candidates.get(name, {}),
                ranks[name],
                tolerances[name],
                spacings[name],
            )
        )
        for name in labels
    ]
    return Audit(tuple(verdicts), micrographs)


def _search(
    points: NDArray[np.float64], micrograph: Micrograph, maps: Mapping[str, RankMap]
) -> dict[tuple[str, int], list[Candidate]]:
    """Return the placements of labels on their image, by map and kind of labels."""
    units = {}
    if micrograph.sampling is not None:
        scales = {unit: length_unit(unit) / micrograph.sampling for unit in _UNITS}
        # A unit that is a pixel, nearly, changes nothing.
        units = {unit: scale for unit, scale in scales.items() if abs(np.log(scale)) > 0.01}
    searcher = Searcher(points, micrograph.shape, maps, units)
    return {(name, row): found for name in maps for row, found in enumerate(searcher.candidates(name))}
