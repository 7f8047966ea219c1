"""Tables of boxes brought to one definition of a box before they are scored."""

from dataclasses import dataclass

import numpy as np

from stemforge.errors import InputError
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate import BoxDefinition, convert_boxes


@dataclass(frozen=True)
class BoxTable:
    """The boxes of one image, and what a box is in them.

    Parameters
    ----------
    source
        Where they come from, for messages.
    boxes
        With columns ``label`` and, of predictions, ``score``.
    definition
        What a box is; None where there is no box.
    sampling
        Pixel size [Å], or None.
    """

    source: str
    boxes: Annotations
    definition: BoxDefinition | None
    sampling: float | None

    @classmethod
    def of_table(cls, source: str, table: Annotations) -> "BoxTable":
        """Read the definition from the column ``boxes``, and the pixel size from corners in pixels and in nm.

        Raises
        ------
        InputError
            Rows of different definitions.
        """
        margins = set(table["boxes"].tolist()) if "boxes" in table.columns else set()
        if len(margins) > 1:
            listed = ", ".join(sorted(str(BoxDefinition(margin)) for margin in margins))
            raise InputError(
                f"{source}: its boxes are of different definitions ({listed}); give each a table"
            )
        definition = BoxDefinition(margins.pop()) if margins else None
        return cls(source, table, definition, _sampling(table))

    def to(self, definition: BoxDefinition, sampling: float | None = None) -> Annotations:
        """Return the boxes of another definition, see :func:`stemforge.simulate.convert_boxes`.

        Parameters
        ----------
        definition
            The one wanted.
        sampling
            Pixel size [Å] where the table itself knows none.

        Raises
        ------
        InputError
            The definitions differ and nobody knows the pixel size.
        """
        if self.definition is None or self.definition == definition or self.boxes.boxes is None:
            return self.boxes
        sampling = self.sampling or sampling
        if sampling is None:
            raise InputError(
                f"{self.source}: its boxes are {self.definition}, wanted are {definition}; without a pixel size "
                "(columns x0_nm …) they cannot be converted"
            )
        moved = convert_boxes(self.boxes.boxes, self.definition, definition, sampling)
        return Annotations.of_boxes(moved, self.boxes.columns)


def _sampling(table: Annotations) -> float | None:
    """Pixel size [Å] from the boxes' widths in pixels and in nm; None where a table has no nm."""
    if table.boxes is None or not {"x0_nm", "x1_nm"} <= set(table.columns) or not len(table):
        return None
    pixels, lengths = table.boxes[:, 2] - table.boxes[:, 0], table["x1_nm"] - table["x0_nm"]
    known = np.isfinite(lengths)  # cells may be empty
    ratio = float(10 * lengths[known].sum() / max(float(pixels[known].sum()), 1e-30))
    return ratio if np.isfinite(ratio) and ratio > 0 else None
