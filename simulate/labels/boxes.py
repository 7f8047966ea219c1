"""What a molecule's box is: round the van der Waals spheres of its heavy atoms, or some way round their centres."""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from stemforge.corpus.sample import Sample
from stemforge.errors import CorpusError, InputError
from stemforge.structures import Tag

VAN_DER_WAALS = "van-der-waals"
"""Name of boxes round van der Waals spheres; what corpora hold, and tables and weights that state no definition."""

BoxMargin = Literal["van-der-waals"] | float
"""A definition as settings and files state it: the name, or a distance from atom centres [Å]."""

CARBON = 1.7
"""Van der Waals radius of carbon (Bondi 1964) [Å]: taken for the outermost atoms where these are not known."""

_MOST = 20.0  # Å; wider than any channel
# Atoms of a labelled molecule lie within this of its centre on the image, those of other channels beyond [Å].
_REACH = 4.0
# A side that lies so near the frame was cut by it [pixel].
_CUT = 0.5


@dataclass(frozen=True)
class BoxDefinition:
    """How far a molecule's box reaches beyond the centres of its heavy atoms.

    Hydrogen hardly scatters and does not count, unless a molecule has nothing else.

    Parameters
    ----------
    margin
        ``"van-der-waals"``: each atom's radius, by Bondi (1964), doi:10.1021/j100785a001; 1.7 Å where he has none.
        Or one distance for all [Å].

    Raises
    ------
    InputError
        Another name, or a distance that is negative or more than 20 Å.

    Examples
    --------
    >>> places = np.array([[0.0, 0.0], [2.0, 0.0]])
    >>> BoxDefinition(0.5).box(np.array([6, 7]), places).tolist()
    [-0.5, -0.5, 2.5, 0.5]
    >>> print(BoxDefinition(0.5), BoxDefinition(), sep=", ")
    0.5 Å round atom centres, van-der-waals
    """

    margin: BoxMargin = "van-der-waals"

    def __post_init__(self) -> None:
        if self.margin == VAN_DER_WAALS:
            return
        if isinstance(self.margin, str | bool) or not 0 <= self.margin <= _MOST:
            raise InputError(
                f"boxes must be {VAN_DER_WAALS} or a distance from atom centres, 0 to {_MOST:g} Å, not {self.margin!r}"
            )

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a definition from a setting, a card, a table or an option; None, of older ones, is van der Waals.

        Examples
        --------
        >>> BoxDefinition.parse("0.5") == BoxDefinition(0.5), BoxDefinition.parse(None) == BoxDefinition()
        (True, True)
        """
        if value is None or value == VAN_DER_WAALS:
            return cls()
        try:
            margin = float(str(value))
        except ValueError:
            raise InputError(
                f"boxes must be {VAN_DER_WAALS} or a distance from atom centres [Å], not {value!r}"
            ) from None
        return cls(margin)

    def __str__(self) -> str:
        return VAN_DER_WAALS if isinstance(self.margin, str) else f"{self.margin:g} Å round atom centres"

    @property
    def reach(self) -> float:
        """How far boxes reach beyond the centres of outermost atoms that are not known, taken for carbon [Å]."""
        return CARBON if isinstance(self.margin, str) else self.margin

    def box(
        self, numbers: NDArray[np.int_], places: NDArray[np.float64], sampling: float = 1.0
    ) -> NDArray[np.float64]:
        """Return the box (x0, y0, x1, y1) [pixel] round a molecule.

        Parameters
        ----------
        numbers
            Atomic numbers, shape (n,). A molecule of nothing but hydrogen is taken as it is.
        places
            (x, y) of the atoms [pixel], shape (n, 2).
        sampling
            Å a pixel.
        """
        # Detectors of atoms read a definition in their card, too, and do without ASE.
        from ase.data import vdw_radii

        kept = numbers > 1 if (numbers > 1).any() else numbers > 0
        if isinstance(self.margin, str):
            room = np.nan_to_num(vdw_radii[numbers[kept], None], nan=CARBON) / sampling
        else:
            room = np.full((int(kept.sum()), 1), self.margin / sampling)
        return np.concatenate([(places[kept] - room).min(0), (places[kept] + room).max(0)])


SPHERES = BoxDefinition()
"""Boxes round van der Waals spheres."""


def convert_boxes(
    boxes: NDArray[np.float64],
    of: BoxDefinition,
    to: BoxDefinition,
    sampling: float,
    shape: tuple[int, int] | None = None,
) -> NDArray[np.float64]:
    """Bring boxes to another definition where the atoms are not known.

    Each side moves by the difference of the two margins. That is exact between two distances. For van der Waals boxes
    the outermost atoms are taken for carbon: a side is 0.15 Å off where it is nitrogen, 0.18 Å at oxygen, 0.10 Å at
    sulphur.

    Parameters
    ----------
    boxes
        (x0, y0, x1, y1) [pixel], shape (n, 4).
    of, to
        The definition that the boxes have, and the one wanted.
    sampling
        Å a pixel.
    shape
        Height and width of the image [pixel]: sides at its frame are cut there, and stay. Without, every side moves.

    Returns
    -------
    ndarray
        Shape (n, 4); a box that would shrink to less than nothing is a point or a line in its middle.

    Examples
    --------
    >>> convert_boxes(np.array([[10.0, 10, 34, 34]]), BoxDefinition(), BoxDefinition(0.7), 0.25).tolist()
    [[14.0, 14.0, 30.0, 30.0]]
    """
    boxes = np.asarray(boxes, dtype=float).reshape(-1, 4)
    if of == to:
        return boxes
    moved = boxes + (to.reach - of.reach) / sampling * np.array([-1, -1, 1, 1])
    middle = np.tile((boxes[:, :2] + boxes[:, 2:]) / 2, 2)
    moved = np.hstack([np.minimum(moved[:, :2], middle[:, :2]), np.maximum(moved[:, 2:], middle[:, 2:])])
    if shape is None:
        return moved
    frame = np.array([-0.5, -0.5, shape[1] - 0.5, shape[0] - 0.5])
    cut = np.abs(boxes - frame) < _CUT
    return np.clip(np.where(cut, boxes, moved), -0.5, [shape[1] - 0.5, shape[0] - 0.5] * 2)


def sample_molecule_boxes(sample: Sample, definition: BoxDefinition) -> NDArray[np.float64] | None:
    """Return the boxes of a sample's molecules by a definition that its reader chooses.

    Parameters
    ----------
    sample
        Simulated; its labels hold boxes round van der Waals spheres.
    definition
        The one wanted. Boxes are exact where the sample keeps its structure, else see :func:`convert_boxes`.

    Returns
    -------
    ndarray or None
        (x0, y0, x1, y1) [pixel], shape (n, 4), cut at the frame; None where the labels have no boxes.

    Raises
    ------
    CorpusError
        Neither structure nor pixel size, and another definition than van der Waals is wanted.

    Examples
    --------
    >>> from stemforge import Annotations
    >>> labels = Annotations([[22, 22]], [[10, 10, 34, 34]])
    >>> sample = Sample(0, np.ones((4, 48, 48), "float32"), 0.25, ("DPC_0", "DPC_1", "DPC_2", "DPC_3"), labels)
    >>> sample_molecule_boxes(sample, BoxDefinition(0.7)).tolist()
    [[14.0, 14.0, 30.0, 30.0]]
    """
    held = sample.labels.boxes
    if held is None or definition == SPHERES or not len(held):
        return held
    if sample.sampling is None:
        raise CorpusError(
            f"sample {sample.index}: has no pixel size, so its boxes cannot become {definition}"
        )
    shape = (sample.signal.shape[-2], sample.signal.shape[-1])
    boxes = convert_boxes(held, SPHERES, definition, sample.sampling, shape)
    if sample.structure is None:
        return boxes
    # Molecules whose atoms carry no tag, as in corpora that were made elsewhere, keep the approximation.
    guest = sample.structure.tags == Tag.GUEST
    numbers = sample.structure.numbers[guest].astype(int)
    from stemforge.simulate.scan import Scan  # settings, which who detects atoms does not need

    scan = Scan.of_any_size(shape, sample.sampling, **sample.metadata.get("frame", {}))
    cell = (float(sample.structure.cell[0, 0]), float(sample.structure.cell[1, 1]))
    places = scan.pixels(sample.structure.positions[guest, :2].astype(float), cell)
    most = np.array([shape[1] - 0.5, shape[0] - 0.5] * 2)
    for i, point in enumerate(sample.labels.points):
        near = np.hypot(*(places - point).T) * sample.sampling < _REACH
        if near.any():
            boxes[i] = np.clip(definition.box(numbers[near], places[near], sample.sampling), -0.5, most)
    return boxes
