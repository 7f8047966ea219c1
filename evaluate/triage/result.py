"""What triage says of an image, and the columns of its table: each with its unit and one sentence."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from stemforge.files import plain

OPEN, DOUBTFUL, NONE, UNREADABLE = "open first", "doubtful", "no atoms", "cannot be read"
VERDICTS = (OPEN, DOUBTFUL, NONE, UNREADABLE)
"""In the order of the table."""


@dataclass(frozen=True)
class Column:
    """A column of the table: its unit and what it says."""

    unit: str
    sentence: str


COLUMNS: Mapping[str, Column] = {
    "image": Column("", "Name of the image, below the folder that was given."),
    "verdict": Column("", "open first, doubtful, no atoms, or cannot be read."),
    "why": Column("", "What makes the image doubtful, or why it cannot be read."),
    "atoms_probability": Column("", "Probability that the image holds at least one visible atom."),
    "atoms_expected": Column(
        "", "Visible atoms to be expected on the specimen, by the detector's likelihoods."
    ),
    "atoms_low": Column("", "Lower end of an interval that holds their number in 95 of 100 images."),
    "atoms_high": Column("", "Upper end of that interval."),
    "expected_f1": Column("", "F1 that the best threshold is expected to give, by the likelihoods alone."),
    "focus": Column(
        "", "Finest width that pixels and a good probe allow over the finest detail: 1 is sharp."
    ),
    "finest_detail_angstrom": Column("Å", "Full width of the finest detail that stands out from the noise."),
    "finest_detail_px": Column("pixel", "The same in pixels."),
    "atom_width_angstrom": Column("Å", "Full width at half maximum of the likely atoms' mean image."),
    "line_jitter_angstrom": Column("Å", "Root mean square displacement of scan lines from their places."),
    "line_jitter_px": Column("pixel", "The same in pixels."),
    "thick_share": Column(
        "of the specimen", "Share at least twice as bright as the specimen's median, or saturated."
    ),
    "electrons_per_px": Column(
        "1/pixel", "Electrons detected in a pixel of specimen, by the image's own noise."
    ),
    "electrons_per_angstrom2": Column("1/Å²", "The same per area of specimen."),
    "vacuum_share": Column("of the usable image", "Share that shows vacuum."),
    "left_out_share": Column("of the image", "Share that is padding, text, saturated or beside a seam."),
    "sampling_angstrom": Column("Å", "Side of a pixel, from the file or as given."),
    "width_px": Column("pixel", "Width of the image."),
    "height_px": Column("pixel", "Height of the image."),
    "file": Column("", "The file."),
    "frame": Column("", "Frame of a stack, counted from 0."),
}
"""Every column by name, in order."""


@dataclass(frozen=True)
class ImageTriage:
    """What triage says of one image; attributes are those columns of :data:`COLUMNS` that have its name.

    Parameters
    ----------
    points
        Places (x, y) [pixel] of what is likely an atom, for pictures.
    reasons
        Why it is doubtful or cannot be read.

    Examples
    --------
    >>> found = ImageTriage("a.tif", "/data/a.tif", verdict=DOUBTFUL, reasons=("out of focus",))
    >>> found.words
    'doubtful: out of focus'
    """

    image: str
    file: str
    frame: int | None = None
    verdict: str = UNREADABLE
    reasons: tuple[str, ...] = ()
    atoms_probability: float | None = None
    atoms_expected: float | None = None
    atoms_low: float | None = None
    atoms_high: float | None = None
    expected_f1: float | None = None
    focus: float | None = None
    finest_detail_px: float | None = None
    atom_width_px: float | None = None
    line_jitter_px: float | None = None
    thick_share: float | None = None
    electrons_per_px: float | None = None
    vacuum_share: float | None = None
    left_out_share: float | None = None
    sampling_angstrom: float | None = None
    width_px: int | None = None
    height_px: int | None = None
    points: tuple[tuple[int, int], ...] = field(default=(), repr=False)

    @property
    def why(self) -> str:
        """The reasons in one text."""
        return "; ".join(self.reasons)

    @property
    def words(self) -> str:
        """Verdict and reasons."""
        return f"{self.verdict}: {self.why}" if self.reasons else self.verdict

    @property
    def finest_detail_angstrom(self) -> float | None:
        """Full width of the finest detail [Å]."""
        return self._length(self.finest_detail_px)

    @property
    def atom_width_angstrom(self) -> float | None:
        """Full width of the atoms' mean image [Å]."""
        return self._length(self.atom_width_px)

    @property
    def line_jitter_angstrom(self) -> float | None:
        """Displacement of lines, root mean square [Å]."""
        return self._length(self.line_jitter_px)

    @property
    def electrons_per_angstrom2(self) -> float | None:
        """Electrons detected per area of specimen [1/Å²]."""
        if self.electrons_per_px is None or self.sampling_angstrom is None:
            return None
        return self.electrons_per_px / self.sampling_angstrom**2

    def _length(self, pixels: float | None) -> float | None:
        return None if pixels is None or self.sampling_angstrom is None else pixels * self.sampling_angstrom

    @property
    def order(self) -> tuple[float, ...]:
        """Where it stands in the table: by verdict, then by expected F1 and number of atoms."""
        f1, number, chance = (
            value or 0.0 for value in (self.expected_f1, self.atoms_expected, self.atoms_probability)
        )
        first = chance if self.verdict == NONE else 0.0
        return VERDICTS.index(self.verdict), -first, -round(f1, 2), -number

    def row(self) -> list[Any]:
        """Return the cells of its row in the table, numbers to four digits."""
        cells = (getattr(self, name) for name in COLUMNS)
        return [float(f"{cell:.4g}") if isinstance(cell, float) else cell for cell in cells]

    def facts(self) -> dict[str, Any]:
        """Return what ``run.json`` keeps, from which :meth:`from_facts` makes it again."""
        kept = {one.name: getattr(self, one.name) for one in fields(self)}
        return plain({name: value for name, value in kept.items() if value is not None})

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Self:
        """Read what :meth:`facts` returned.

        Raises
        ------
        TypeError, ValueError
            Something else.
        """
        known = {one.name: facts[one.name] for one in fields(cls) if one.name in facts}
        points = tuple((int(x), int(y)) for x, y in known.pop("points", ()))
        reasons = tuple(str(reason) for reason in known.pop("reasons", ()))
        if known.get("verdict") not in VERDICTS:
            raise ValueError(f"verdict is none of {', '.join(VERDICTS)}")
        return cls(**known, points=points, reasons=reasons)
