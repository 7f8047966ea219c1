"""What is kept of images, edits and jobs, as JSON."""

import re
import unicodedata
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

Status = Literal["waiting", "working", "done", "failed"]
PagePlace = Literal["atoms", "molecules"]
"""Of the page, to which an image belongs."""
_LONGEST_NAME = 120
_MOST = 200_000  # of atoms that are taken out or added by hand
_MOST_CORNERS = 50_000  # of all masks: each is compared with each candidate

Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]
Place = tuple[Number, Number]
"""(x, y) [pixel]."""
Polygon = Annotated[list[Place], Field(min_length=3, max_length=2000)]


class Record(BaseModel):
    """A record that refuses what it does not know."""

    model_config = ConfigDict(extra="forbid")


class Edits(Record):
    """What a user changed about the atoms of an image.

    Parameters
    ----------
    threshold
        Likelihood from which a candidate is shown.
    removed
        Numbers of candidates that are no atoms.
    added
        Atoms (x, y) that were missed [pixel].
    masks
        Polygons (x, y) of areas that are left out [pixel].
    """

    threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5
    removed: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=_MOST)] = []
    added: Annotated[list[Place], Field(max_length=_MOST)] = []
    masks: Annotated[list[Polygon], Field(max_length=500)] = []

    @field_validator("masks")
    @classmethod
    def _few_corners(cls, masks: list[Polygon]) -> list[Polygon]:
        if sum(map(len, masks)) > _MOST_CORNERS:
            raise ValueError(f"masks have at most {_MOST_CORNERS} corners together")
        return masks


class Image(Record):
    """One image of a session; all but sampling_in_file, contrast, generation and judged are shown to the page.

    Parameters
    ----------
    id
        Made by the server.
    name
        As the user calls it; shown, and never a path.
    shape
        Rows and columns.
    sampling, sampling_source
        Pixel size [Å], and who says so.
    status, error
        Of the search for atoms.
    remarks
        What a user must know of the image.
    detector
        Name of the weights.
    threshold
        Likelihood from which the image's candidates are atoms, as the detector chose it.
    count, added, removed, masks
        Atoms shown, and how many edits there are of each kind.
    expected_f1
        Of the detector on this image, by its likelihoods.
    verdict, reasons
        Of triage, such as doubtful, and why; None until it was judged.
    focus
        Finest width possible over the finest detail, 0 to 1; None where it was not measured.
    version
        Grows with every change.
    place
        Of the page: where atoms are looked for, or molecules in a zeolite.
    framework, framework_name
        Of the zeolite: one that is built in, or ``"cif"`` and what the user calls the file.
    progress, doing
        How far the work is, 0 to 1, and what is being done, or what could not be; None and empty where nothing is.
    sampling_in_file
        Pixel size in the file [Å].
    contrast
        Values that are drawn black and white.
    generation
        Grows when atoms must be looked for again.
    judged
        The generation whose quality was judged last.
    edited
        The version since which candidates and corrections are as they are.
    created
        Seconds since 1970.
    """

    id: str
    name: str
    shape: tuple[int, int]
    sampling: float | None = None
    sampling_source: Literal["file", "user", "estimated"] | None = None
    status: Status = "waiting"
    error: str | None = None
    remarks: list[str] = []
    detector: str = "any-atom"
    threshold: float = 0.5
    count: int = 0
    added: int = 0
    removed: int = 0
    masks: int = 0
    expected_f1: float | None = None
    verdict: str | None = None
    reasons: list[str] = []
    focus: float | None = None
    version: int = 1
    place: PagePlace = "atoms"
    framework: str = "mfi"
    framework_name: str | None = None
    progress: float | None = None
    doing: str = ""
    sampling_in_file: float | None = None
    contrast: tuple[float, float] = (0.0, 1.0)
    generation: int = 0
    judged: int = -1
    edited: int = 1
    created: float = 0.0

    def public(self) -> dict[str, Any]:
        """Return what the page is told."""
        hidden = {"sampling_in_file", "contrast", "generation", "judged", "edited"}
        return self.model_dump(mode="json", exclude=hidden)


def nothing_found() -> dict[str, Any]:
    """Return what an image has on which nothing was found yet, or that is looked at anew; edits by hand stay.

    Examples
    --------
    >>> nothing_found()["expected_f1"] is None
    True
    """
    names = ("error", "remarks", "threshold", "count", "expected_f1", "verdict", "reasons", "focus")
    fields = {name: Image.model_fields[name] for name in (*names, "progress", "doing")}
    return {name: field.get_default(call_default_factory=True) for name, field in fields.items()}


class JobFile(Record):
    """A file that a job made.

    Parameters
    ----------
    name
        Under which it is downloaded.
    stored
        Name in the job's folder.
    bytes
        Its size.
    """

    name: str
    stored: str
    bytes: int


class Job(Record):
    """Work in the background.

    Parameters
    ----------
    id
        Made by the server.
    kind
        Such as report.
    images
        Their ids.
    status
        As of images, or stopped.
    progress
        0 to 1; None where it is not known.
    message
        What is being done, or why it failed.
    files
        What it made.
    created
        Seconds since 1970.
    version
        Grows with every change.
    """

    id: str
    kind: str
    images: list[str]
    status: Literal["waiting", "working", "done", "failed", "stopped"] = "waiting"
    progress: float | None = None
    message: str = ""
    files: list[JobFile] = []
    created: float = 0.0
    version: int = 1

    def public(self) -> dict[str, Any]:
        """Return what the page is told."""
        files = [
            {"name": one.name, "url": f"/api/jobs/{self.id}/files/{number}", "bytes": one.bytes}
            for number, one in enumerate(self.files)
        ]
        return {**self.model_dump(mode="json", exclude={"files"}), "files": files}


def clean_name(text: str, default: str = "image") -> str:
    r"""Return a name for display from what a client calls a file: no folders, no control characters, not too long.

    Examples
    --------
    >>> clean_name("../../etc/passwd"), clean_name("C:\\data\\a\tb.dm4"), clean_name("..")
    ('passwd', 'a b.dm4', 'image')
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", text))[-1]
    # Controls, separators, surrogates and marks that turn the direction of text.
    plain = "".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in last)
    plain = " ".join(plain.split()).strip(". ")
    if len(plain) > _LONGEST_NAME:
        stem, dot, ending = plain.rpartition(".")
        ending = f"{dot}{ending}" if dot and len(ending) <= 8 else ""
        plain = (stem if ending else plain)[: _LONGEST_NAME - len(ending)] + ending
    return plain or default


def inside_polygon(points: NDArray[np.float64], polygon: list[Place]) -> NDArray[np.bool_]:
    """Tell which points (x, y), shape (n, 2), lie in a polygon, by the even-odd rule.

    Examples
    --------
    >>> inside_polygon(np.array([[1.0, 1.0], [3.0, 1.0]]), [(0, 0), (2, 0), (2, 2), (0, 2)])
    array([ True, False])
    """
    x, y = points.T
    inside = np.zeros(len(points), dtype=bool)
    for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if y0 == y1:
            continue
        crossing = (y0 > y) != (y1 > y)
        inside ^= crossing & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return inside


def shown_atoms(
    points: NDArray[np.float64], likelihood: NDArray[np.float64], edits: Edits
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the numbers of the candidates that are shown, and the places that were added and are shown, shape (m, 2).

    Parameters
    ----------
    points
        Of all candidates (x, y) [pixel], shape (n, 2).
    likelihood
        Of each, shape (n,).
    edits
        What the user changed.
    """
    keep = np.asarray(likelihood >= edits.threshold)
    removed = np.array([n for n in edits.removed if n < len(points)], dtype=np.int64)
    keep[removed] = False
    added = np.array(edits.added, dtype=float).reshape(-1, 2)
    kept = np.ones(len(added), dtype=bool)
    for polygon in edits.masks:
        keep &= ~inside_polygon(points, polygon)
        kept &= ~inside_polygon(added, polygon)
    return np.flatnonzero(keep), added[kept]
