"""The tables of a series: a row for each atom and frame, a row for each atom, and every number."""

from pathlib import Path as File
from typing import TYPE_CHECKING, Any

import numpy as np

import stemforge
from stemforge.evaluate.series.motion import diffusion_of, localisation_excess
from stemforge.files import write_csv, write_json

if TYPE_CHECKING:
    from stemforge.evaluate.series.result import Tracks


def write_frames(tracks: "Tracks", path: str | File) -> None:
    """Write a row for each atom and frame, from the first to the last on which it was found."""
    unit = _unit(tracks)
    header = ["track", "frame", "state", "place", "x_px", "y_px", f"x_{unit}_aligned", f"y_{unit}_aligned"]
    rows = [row for number in range(len(tracks.tracks)) for row in _frames_of(tracks, number)]
    write_csv(path, [*header, "score", "present"], rows)


def _frames_of(tracks: "Tracks", number: int) -> list[list[Any]]:
    """Return the rows of one atom."""
    one, found = tracks.tracks[number], tracks.series.detections
    listed = {int(frame): row for row, frame in enumerate(one.path.frame)}
    aside = {int(found.frame[index]): int(index) for index in one.aside}
    filled, rows = set(found.filled.tolist()), []
    for frame in range(int(one.path.frame[0]), int(one.path.frame[-1]) + 1):
        row = listed.get(frame)
        index = aside.get(frame) if row is None else int(one.index[row])
        state = "found" if row is not None else "aside"
        if index is None:
            state = "missed" if frame in filled else "blank"
        cells: list[Any] = [None] * 5
        if index is not None:
            places = (*found.points[index] / tracks.series.scale, *tracks.placed.points[index])
            cells = [*(f"{value:.3f}" for value in places), f"{found.score[index]:.4f}"]
        place = None if row is None else one.path.part[row]
        rows.append([number, frame, state, place, *cells, f"{tracks.presence.chance[number, frame]:.4f}"])
    return rows


def write_atoms(tracks: "Tracks", path: str | File) -> None:
    """Write a row for each atom: when it was found, how it moved, and whether it came and left."""
    unit = _unit(tracks)
    header = [
        *("track", "first_frame", "last_frame", "found", "missed", "recall", "hops", "moved", "shift_p"),
        *(f"displacement_{unit}", f"displacement_error_{unit}"),
        *(f"diffusion_{unit}2_per_{tracks.series.time_unit}", "diffusion_error"),
        *("appeared", "disappeared"),
    ]
    excess = localisation_excess([one.path for one in tracks.tracks], tracks.diffusion.localisation)
    write_csv(path, header, [_atom(tracks, number, excess) for number in range(len(tracks.tracks))])


def _atom(tracks: "Tracks", number: int, excess: float) -> list[Any]:
    """Return the row of one atom; ``excess``: variance of places that the detector does not explain [unit²]."""
    one, presence = tracks.tracks[number], tracks.presence
    first, last = one.path.frame[[0, -1]]
    error = float(np.sqrt(one.path.variance[[0, -1]].sum() + 2 * excess))
    d, d_error = diffusion_of(one.path, tracks.series.step)
    p = tracks.shift_chances[number]
    return [
        *(
            number,
            first,
            last,
            len(one.index),
            tracks.missed_of(one),
            f"{presence.recall[number]:.3f}",
            one.hops,
        ),
        *(int(tracks.moved[number]), f"{p:.2g}" if np.isfinite(p) else None),
        *_with_error(float(np.hypot(*one.path.net)), error),
        *_with_error(d, d_error),
        *(f"{chance:.3f}" for chance in (presence.appeared[number], presence.disappeared[number])),
    ]


def _with_error(value: float, error: float) -> list[str | None]:
    """Write a number to the decimals that its error has, of which two digits are shown."""
    if not np.isfinite(value):
        return [None, None]
    digits = rounding(error)
    return [f"{value:.{digits}f}", f"{error:.{digits}f}"]


def rounding(error: float) -> int:
    """Return the decimals of a number whose error has two digits that count.

    Examples
    --------
    >>> [rounding(error) for error in (12.0, 0.37, 0.0123, 0.0)]
    [0, 2, 3, 3]
    """
    if not 0 < error < np.inf:
        return 3
    return int(np.clip(1 - np.floor(np.log10(error)), 0, 9))


def write_numbers(tracks: "Tracks", path: str | File) -> None:
    """Write every number with its interval and sentence, drift, and the curve of squared displacements."""
    drift, bent = tracks.drift, tracks.distortion
    content = {
        "stemforge": stemforge.__version__,
        "series": tracks.series.name,
        "frames": len(tracks.series),
        "unit": tracks.series.unit,
        "time_unit": tracks.series.time_unit,
        "reach": tracks.model.reach,
        "numbers": tracks.summary(),
        "drift": {
            "x": drift[:, 0],
            "y": drift[:, 1],
            "error": np.sqrt(tracks.drift_variance),
            "unit": tracks.series.unit,
        },
        "distortion": {
            "corrected": bent.corrected,
            "x": bent.coefficients[..., 0],
            "y": bent.coefficients[..., 1],
            "unit": tracks.series.unit,
        },
        "hop_recall": {"lengths": tracks.hop_recall.lengths, "found": tracks.hop_recall.found},
        "squared_displacements": tracks.squared_displacements,
    }
    write_json(path, content)


def _unit(tracks: "Tracks") -> str:
    """Return the unit of lengths as names of columns have it."""
    return tracks.series.unit.replace("Å", "angstrom")
