"""Annotations: what is where on a micrograph."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemforge.errors import AnnotationsError
from stemforge.files import write_csv

# Column names under which other programs and stemforge's own tables keep a point.
_POINT_COLUMNS = (("x_px", "y_px"), ("X", "Y"), ("x", "y"))
BOX_COLUMNS = ("x0_px", "y0_px", "x1_px", "y1_px")
"""Names under which tables and corpora keep a box."""


@dataclass(frozen=True)
class Annotations:
    """Objects on a micrograph: points, optional boxes, and columns of numbers about each.

    Parameters
    ----------
    points
        Centres as (x, y) = (column, row) [pixel], shape (n, 2); zero objects are allowed.
    boxes
        Optional (x0, y0, x1, y1) [pixel], shape (n, 4), with x0 ≤ x1 and y0 ≤ y1.
    columns
        Further values by name, each of length n.

    Raises
    ------
    AnnotationsError
        Shapes that do not fit, or coordinates that are not finite.

    Examples
    --------
    >>> atoms = Annotations([[1.0, 2.0], [3.0, 4.0]], columns={"score": [0.9, 0.2]})
    >>> len(atoms.where(atoms["score"] > 0.5))
    1
    """

    points: NDArray[np.float64]
    boxes: NDArray[np.float64] | None = None
    columns: Mapping[str, NDArray] = field(default_factory=dict)

    def __init__(
        self,
        points: ArrayLike,
        boxes: ArrayLike | None = None,
        columns: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        object.__setattr__(self, "points", _table(points, 2, "points (x, y)"))
        if boxes is not None:
            boxes = _table(boxes, 4, "boxes (x0, y0, x1, y1)")
            if np.any(boxes[:, :2] > boxes[:, 2:]):
                raise AnnotationsError("boxes must have x0 <= x1 and y0 <= y1")
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "columns", {k: np.asarray(v) for k, v in (columns or {}).items()})
        for name, values in self.columns.items():
            if values.shape[:1] != (len(self),):
                raise AnnotationsError(
                    f"column '{name}' must have {len(self)} rows, not shape {values.shape}"
                )
        if self.boxes is not None and len(self.boxes) != len(self):
            raise AnnotationsError(f"boxes must have {len(self)} rows, not {len(self.boxes)}")

    @classmethod
    def of_boxes(cls, boxes: ArrayLike, columns: Mapping[str, ArrayLike] | None = None) -> "Annotations":
        """Return objects with boxes, whose points are the middles.

        Examples
        --------
        >>> Annotations.of_boxes([[0, 0, 4, 2]]).points
        array([[2., 1.]])
        """
        table = _table(boxes, 4, "boxes (x0, y0, x1, y1)")
        return cls((table[:, :2] + table[:, 2:]) / 2, table, columns)

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, name: str) -> NDArray:
        """Return one column by name."""
        if name not in self.columns:
            raise AnnotationsError(f"no column '{name}'; there are {', '.join(self.columns) or 'none'}")
        return self.columns[name]

    def where(self, keep: ArrayLike) -> "Annotations":
        """Return the objects that a boolean mask or an index array selects, in that order."""
        keep = np.asarray(keep)
        boxes = None if self.boxes is None else self.boxes[keep]
        return Annotations(self.points[keep], boxes, {k: v[keep] for k, v in self.columns.items()})

    def inside(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Say which points lie on an image of shape (height, width); pixel edges count as inside."""
        x, y = self.points.T
        return (x >= -0.5) & (y >= -0.5) & (x <= shape[1] - 0.5) & (y <= shape[0] - 0.5)

    @classmethod
    def from_csv(cls, path: str | Path, shape: tuple[int, int] | None = None) -> "Annotations":
        """Read a table of points.

        Parameters
        ----------
        path
            CSV with columns ``x_px,y_px`` (stemforge) or ``X,Y`` (ImageJ), in pixels, X the column and Y the
            row; boxes from ``x0_px,y0_px,x1_px,y1_px``; further numeric columns are kept, others dropped.
        shape
            Height and width of the image; points outside it are then refused.

        Raises
        ------
        AnnotationsError
            File missing or not a table of numbers, columns missing, or coordinates off the image.
        """
        path = Path(path)
        header, rows = _read_cells(path)
        pair = next((pair for pair in _POINT_COLUMNS if set(pair) <= set(header)), ())
        has_boxes = set(BOX_COLUMNS) <= set(header)
        if not pair and not has_boxes:
            raise AnnotationsError(
                f"{path}: expected columns x_px,y_px or X,Y (pixels), found {','.join(header) or 'none'}"
            )
        required = {*pair, *(BOX_COLUMNS if has_boxes else ())}
        table = _numbers(path, header, rows, required)
        try:
            boxes = np.column_stack([table[name] for name in BOX_COLUMNS]) if has_boxes else None
            columns = {name: values for name, values in table.items() if name not in required}
            if boxes is not None and not pair:
                annotations = cls.of_boxes(boxes, columns)
            else:
                annotations = cls(np.column_stack([table[name] for name in pair]), boxes, columns)
        except AnnotationsError as error:
            raise AnnotationsError(f"{path}: {error}") from error
        if shape is not None and not annotations.inside(shape).all():
            bad = int(np.flatnonzero(~annotations.inside(shape))[0])
            x, y = annotations.points[bad]
            raise AnnotationsError(
                f"{path}: row {bad + 1} lies at x={x:g}, y={y:g}, outside the image of {shape[1]} × {shape[0]} "
                "pixels (x is the column, y the row); are the columns swapped, or is it another image's table?"
            )
        return annotations

    def to_csv(self, path: str | Path, sampling: float | None = None) -> None:
        """Write the objects as CSV: pixels, nanometres (empty where ``sampling`` [Å] is None), columns.

        Points come as ``x_px,y_px,x_nm,y_nm``, boxes before them as ``x0_px,y0_px,x1_px,y1_px``.
        """
        header = [*(BOX_COLUMNS if self.boxes is not None else ()), "x_px", "y_px", "x_nm", "y_nm"]
        rows = []
        for i, (x, y) in enumerate(self.points):
            box = [] if self.boxes is None else [f"{v:.2f}" for v in self.boxes[i]]
            scaled = ["", ""] if sampling is None else [f"{v * sampling / 10:.5f}" for v in (x, y)]
            values = [_cell(column[i]) for column in self.columns.values()]
            rows.append([*box, f"{x:.3f}", f"{y:.3f}", *scaled, *values])
        write_csv(path, [*header, *self.columns], rows)


def _read_cells(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header of a CSV, and its rows that are not empty with their line numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationsError(f"{path}: cannot be read as CSV ({error})") from error
    first, *rest = [*csv.reader(text.splitlines())] or [[]]
    header = [name.strip() for name in first]
    named = [name for name in header if name]
    if len(set(named)) < len(named):
        raise AnnotationsError(f"{path}: two columns have the same name in {','.join(header)}")
    rows = [(n, row) for n, row in enumerate(rest, start=2) if any(cell.strip() for cell in row)]
    return header, rows


def _numbers(
    path: Path, header: list[str], rows: list[tuple[int, list[str]]], required: set[str]
) -> dict[str, list[float]]:
    """Return the columns of numbers by name; others are dropped, or refused where they are required."""
    table: dict[str, list[float]] = {name: [] for name in header if name}
    for number, row in rows:
        if len(row) != len(header):
            raise AnnotationsError(f"{path}: line {number} has {len(row)} cells, the header {len(header)}")
        for name, cell in zip(header, row, strict=True):
            if name not in table:
                continue
            try:
                table[name].append(float(cell) if cell.strip() else np.nan)
            except ValueError as error:
                if name in required:
                    raise AnnotationsError(
                        f"{path}: line {number}, column {name}: '{cell}' is no number"
                    ) from error
                del table[name]
    return table


def _cell(value: np.generic) -> str:
    return f"{value:.6g}" if isinstance(value, np.floating) else str(value)


def _table(values: ArrayLike, width: int, what: str) -> NDArray[np.float64]:
    table = np.asarray(values, dtype=float)
    if table.size == 0:
        table = table.reshape(0, width)
    if table.ndim != 2 or table.shape[1] != width:
        raise AnnotationsError(f"{what} must have shape (n, {width}), not {table.shape}")
    if not np.all(np.isfinite(table)):
        row = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
        raise AnnotationsError(f"{what} must be finite numbers; row {row + 1} is {table[row].tolist()}")
    return table
