"""Options that say what is looked at: files, folders and patterns, and how they are read."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from stemforge.errors import InputError
from stemforge.options.names import named_as_options
from stemforge.options.work import Seed

if TYPE_CHECKING:
    from stemforge.micrograph.image import Micrograph

Files = Annotated[list[Path], Parameter(negative=())]
"""Files or folders, one after another."""
Images = Annotated[list[Path], Parameter(negative=()), "images"]
"""Image files, folders of them and patterns; the front door makes files of them (:func:`resolve_images`)."""
Folders = Annotated[list[Path], Parameter(consume_multiple=True, negative=())]
"""Folders after one option, such as ``--data corpora/a corpora/b``."""
Words = Annotated[list[str], Parameter(consume_multiple=True, negative=())]
"""Words after one option, such as ``--guest pyridine thiophene``: several values of one option are always given so."""
Numbers = Annotated[list[float], Parameter(consume_multiple=True, negative=())]
"""Numbers after one option, such as ``--dose 500 1000``."""
Overrides = Annotated[str, Parameter(name="OVERRIDES", allow_leading_hyphen=True, show=True)]
"""Type of a command's ``*overrides``: everything that is none of its own options."""


@Parameter(name="*")
@dataclass(frozen=True)
class PairedImages:
    """The images that belong to tables.

    Parameters
    ----------
    images
        The images of the tables, or folders of them, paired by name; by default those that run.json beside the tables
        names.
    """

    images: Folders | None = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Places(PairedImages, Seed):
    """How it is asked where atoms stand that were found.

    Parameters
    ----------
    masks
        Image files that are not 0 where the specimen is, or folders of them: one for all images, or one for each,
        paired by name. By default what is neither vacuum, which the image's own noise tells, nor padding, bars and
        text.
    element
        Chemical symbol of the atoms: 1.2 × twice its covalent radius is the longest bond, for bonds and clusters.
    bond
        Longest bond [Å, or pixels without pixel size], instead of that of the element.
    recall
        Share of the atoms beside a found atom that are found, too, as `stemforge evaluate completeness` measures it.
    purity
        Share of what was found that is atoms.
    closest
        Two atoms nearer than that are found as one [Å, or pixels without pixel size]: random patterns then show such
        pairs as one, too, and are not denser than what can be found.
    simulations
        Random patterns from which the intervals of the curves are taken.
    """

    masks: Folders | None = None
    element: str | None = None
    bond: float | None = None
    recall: float = 1.0
    purity: float = 1.0
    closest: float = 0.0
    simulations: int = 999


@Parameter(name="*")
@dataclass(frozen=True)
class Calibration:
    """The pixel size, where it is not in the files.

    Parameters
    ----------
    sampling
        Pixel size of the images [Å], where the files carry none or a wrong one.
    """

    sampling: float | None = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ChosenSignal:
    """Which image of a file is meant.

    Parameters
    ----------
    signal
        Which of several images in a file (EMD, DM4, HSPY, EMI): its title, such as HAADF, or its number; by default the
        only one, or that called HAADF.
    """

    signal: str | None = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ChosenFrame(ChosenSignal):
    """Which image of a file or stack is meant.

    Parameters
    ----------
    frame
        Which frame of a stack to look at, counted from 0.
    """

    frame: int | None = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Reading(ChosenFrame):
    """How image files are read.

    Parameters
    ----------
    sampling
        Pixel size of the images [Å], where the files carry none or a wrong one. `infer atoms` and `report` also take
        auto, which estimates it from the atoms on each image, and common, one for all images of one magnification.
    stack
        Look at every frame of a stack.
    """

    sampling: float | Literal["auto", "common"] | None = None
    stack: bool = False

    def __post_init__(self) -> None:
        if self.stack and self.frame is not None:
            raise InputError("give either --frame or --stack")
        if self.length is not None and not 0 < self.length < float("inf"):
            raise InputError(f"--sampling must be a positive number of Å, not {self.sampling}")
        if self.frame is not None and self.frame < 0:
            raise InputError(f"--frame must be 0 or more, not {self.frame}")

    @property
    def estimated(self) -> bool:
        """Whether pixel sizes are to be estimated from the images."""
        return self.sampling in ("auto", "common")

    @property
    def length(self) -> float | None:
        """The pixel size that was given [Å]; None where it is the file's, or to be estimated."""
        if self.sampling is None or self.sampling == "auto" or self.sampling == "common":
            return None
        return self.sampling

    def refuse_auto(self) -> None:
        """Refuse to estimate pixel sizes in a command that cannot."""
        if self.estimated:
            raise InputError(
                f"--sampling {self.sampling}: only infer atoms estimates pixel sizes, from atoms; infer restore and "
                "infer molecules find that of a crystal from its lattice (--lattice); or give it in Å"
            )

    @staticmethod
    def prepare(images: Sequence[Path]) -> None:
        """Start the process that reads files: it becomes ready while the command imports what works on them.

        What reads them it would import at the first one, for which the command would have to wait.
        """
        from stemforge.sandbox.child import start_child

        endings = {path.suffix.lower() for path in images}
        modules = ["stemforge.micrograph.reading.formats"]
        if endings & {".tif", ".tiff"}:
            modules += ["stemforge.micrograph.reading.tiff", "rsciio.tiff"]
        if endings - {".tif", ".tiff", ".png", ".jpg", ".jpeg"}:
            modules += ["dask.array"]
        start_child(*modules)

    def read(self, path: Path) -> "list[Micrograph]":
        """Return the micrograph of an image file, or one for each frame of a stack."""
        from stemforge.micrograph.readers import read_micrograph, read_stack

        with named_as_options(["frame", "sampling", "signal", "stack"]):
            if self.stack:
                return read_stack(path, sampling=self.length, signal=self.signal)
            return [read_micrograph(path, sampling=self.length, frame=self.frame, signal=self.signal)]


@Parameter(name="*")
@dataclass(frozen=True)
class Labels:
    """How tables of labels are read.

    Parameters
    ----------
    label_unit
        Unit of the labels, px or one of length (pm, Å or A, nm, µm or um), where their tables do not name it, as X (nm)
        does. By default px; what is plainly in another unit is then refused.
    """

    label_unit: str | None = None


def resolve_images(command: Callable[..., object], arguments: dict[str, Any]) -> None:
    """Put image files in the place of the folders and patterns that a command's :data:`Images` arguments name.

    Raises
    ------
    InputError
        A folder without images.

    Examples
    --------
    >>> def look(images: Images) -> None: ...
    >>> Path("b.tif").touch(), Path("a.tif").touch()
    (None, None)
    >>> arguments = {"images": [Path(".")]}
    >>> resolve_images(look, arguments)
    >>> arguments
    {'images': [PosixPath('a.tif'), PosixPath('b.tif')]}
    """
    parameters = inspect.signature(command).parameters
    for name in [name for name in arguments if parameters[name].annotation == Images]:
        if not all(path.is_file() for path in arguments[name]):
            from stemforge.micrograph.paths import find_images

            arguments[name] = find_images(arguments[name])
