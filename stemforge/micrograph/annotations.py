"""Annotations: what is where on a micrograph."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemforge.errors import AnnotationsError, errors_about
from stemforge.files import write_csv
from stemforge.micrograph.coordinates import (
    choose_coordinates,
    known_unit,
    pixels_per_unit,
    suggested_unit,
)
from stemforge.micrograph.tables import read_cells, read_numbers, read_words

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
    def from_csv(
        cls,
        path: str | Path,
        shape: tuple[int, int] | None = None,
        *,
        sampling: float | None = None,
        label_unit: str | None = None,
        words: bool = False,
        unplaced: bool = True,
    ) -> "Annotations":
        """Read a table of points.

        Parameters
        ----------
        path
            Text with a header, cells between commas, semicolons or tabs: columns ``x_px,y_px`` (stemforge), ``X,Y`` or
            ``XM,YM`` (ImageJ), X the column and Y the row, also with a unit as ``x_nm`` or ``X (nm)``; boxes from
            ``x0_px,y0_px,x1_px,y1_px``; further numeric columns are kept, others dropped.
        shape
            Height and width of the image [pixel]; points outside it are then refused. With ``sampling``, so are points
            of a header without unit that are plainly no pixels.
        sampling
            Pixel size of the image [Å], by which other units become pixels.
        label_unit
            Unit of points whose header names none: ``"px"`` or one of length; by default pixels, with a doubt.
        words
            Keep columns of text, too, as arrays of objects.
        unplaced
            Refuse rows whose cells of the place are empty; otherwise leave them out, as frames on which a followed atom
            was missed.

        Raises
        ------
        AnnotationsError
            File missing or not a table of numbers, columns missing, coordinates off the image or plainly in another
            unit, a unit that the header contradicts or that needs the pixel size of an image without one.
        """
        path = Path(path)
        header, rows = read_cells(path)
        unit = None if label_unit is None else known_unit(label_unit)
        has_boxes = set(BOX_COLUMNS) <= set(header)
        pair = choose_coordinates(path, header, unit, has_boxes)
        names = (pair.x, pair.y) if pair else ()
        required = {*names, *(BOX_COLUMNS if has_boxes else ())}
        if not unplaced:
            cells = [place for place, name in enumerate(header) if name in required]
            rows = [(n, row) for n, row in rows if any(row[place].strip() for place in cells)]
        table = read_numbers(path, header, rows, required)
        scale = pixels_per_unit(path, pair, unit, sampling)
        columns: dict[str, ArrayLike] = {k: values for k, values in table.items() if k not in required}
        if words:
            columns |= read_words(header, rows, table)
        with errors_about(str(path)):
            boxes = np.column_stack([table[name] for name in BOX_COLUMNS]) if has_boxes else None
            if boxes is not None and not pair:
                annotations = cls.of_boxes(boxes, columns)
            else:
                points = np.column_stack([table[name] for name in names])
                annotations = cls(points * scale, boxes, columns)
        if shape is not None:
            open_unit = unit is None and pair is not None and pair.unit is None
            _check_place(path, annotations, shape, sampling if open_unit else None)
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


def _check_place(
    path: Path, annotations: Annotations, shape: tuple[int, int], sampling: float | None
) -> None:
    """Refuse points off the image, or in a corner of it because they are no pixels."""
    unit = suggested_unit(annotations.points, shape, sampling)
    size = f"{shape[1]} × {shape[0]} pixels"
    inside = annotations.inside(shape)
    if not inside.all():
        bad = int(np.flatnonzero(~inside)[0])
        x, y = annotations.points[bad]
        mend = (
            f"taken as {unit[0]} they fit; give the unit (label_unit)"
            if unit
            else "are the columns swapped, or is it another image's table?"
        )
        raise AnnotationsError(
            f"{path}: row {bad + 1} lies at x={x:g}, y={y:g}, outside the image of {size} (x is the column, y the "
            f"row); {mend}"
        )
    if unit and unit[1]:
        x, y = annotations.points.max(axis=0)
        raise AnnotationsError(
            f"{path}: all {len(annotations)} points lie within x={x:g}, y={y:g}, one corner of the image of {size}; "
            f"they would fit as {unit[0]}; give their unit, {unit[0]} or px (label_unit)"
        )


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
