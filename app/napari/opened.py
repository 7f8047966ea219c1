"""What stemforge's reader opened: its layers keep the result that they were made of."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stemforge.app.analysis.edited import BY_HAND
from stemforge.app.sessions.records import Edits
from stemforge.exchange.results import Result
from stemforge.micrograph.annotations import Annotations

RESULT = "stemforge"
"""Under this name the ``metadata`` of a layer have the :class:`stemforge.exchange.results.Result` that it shows."""


def result_of(layer: Any) -> Result | None:
    """Return the result that a layer was made of; None where stemforge's reader did not make it."""
    result = layer.metadata.get(RESULT)
    return result if isinstance(result, Result) else None


def atoms_of(result: Result | None) -> Annotations | None:
    """Return the atoms of a result with their likelihoods, as far as its table has any.

    Returns
    -------
    Annotations
        Points (x, y) [pixel] with the numbers of the table: ``score``, NaN where the cell is empty, and
        :data:`~stemforge.app.analysis.edited.BY_HAND`, 1 where the table says so or has no score. None where there is
        no table of points with likelihoods between 0 and 1.

    Examples
    --------
    >>> from pathlib import Path
    >>> table = Annotations([[3, 4], [8, 9]], columns={"score": [0.75, np.nan]})
    >>> atoms_of(Result(Path("film.csv"), table, None, 0.2))[BY_HAND].tolist()
    [0, 1]
    >>> atoms_of(Result(Path("film.csv"), Annotations([[3, 4]]), None, 0.2)) is None
    True
    """
    objects = None if result is None else result.objects
    if objects is None or objects.boxes is not None or "score" not in objects.columns:
        return None
    numbers = {name: values for name, values in objects.columns.items() if values.dtype != object}
    score = numbers.get("score")
    if score is None or not (np.isnan(score) | ((score >= 0) & (score <= 1))).all():
        return None
    by_hand = np.isnan(score) | (numbers.get(BY_HAND, np.zeros(len(objects))) == 1)
    return Annotations(objects.points, columns={**numbers, BY_HAND: by_hand.astype(int)})


def threshold_of(atoms: Annotations, entry: Mapping[str, Any]) -> float:
    """Return from which likelihood on a table has atoms: as ``run.json`` says, or that of its least likely atom.

    Parameters
    ----------
    atoms
        From :func:`atoms_of`.
    entry
        What ``run.json`` says of the table.

    Examples
    --------
    >>> atoms = Annotations([[3, 4], [8, 9]], columns={"score": [0.75, 0.5], BY_HAND: [0, 0]})
    >>> threshold_of(atoms, {"threshold": 0.4326}), threshold_of(atoms, {})
    (0.4326, 0.5)
    """
    found = atoms["score"][atoms[BY_HAND] == 0]
    least = float(found.min()) if len(found) else Edits().threshold
    known = entry.get("threshold")
    # The record rounds it.
    return min(float(known), least) if isinstance(known, float) and 0 <= known <= 1 else least


def image_of(points: Any, images: Sequence[Any]) -> Any | None:
    """Return the image that opened atoms lie over; None where these are no such atoms, or lie over none.

    Parameters
    ----------
    points
        A layer of points.
    images
        The image layers below it, from the lowest: that which was opened with the points is taken, else the uppermost
        with pixels of the same size.
    """
    result = result_of(points)
    if result is None or atoms_of(result) is None:
        return None
    fitting = [
        image
        for image in images
        if image.ndim == points.ndim == 2
        and tuple(image.units) == tuple(points.units)
        and np.allclose(image.scale, points.scale)
    ]
    together = [image for image in fitting if result_of(image) is result]
    return (together or fitting or [None])[-1]
