"""Options that many commands share, each with one name, type and explanation; and fields of a recipe as options."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_type_hints

from cyclopts import Parameter

from stemforge.errors import InputError, RecipeError
from stemforge.files import plain_yaml
from stemforge.outputs.folder import ResultFolder

if TYPE_CHECKING:
    from stemforge.micrograph.image import Micrograph

Images = Annotated[list[Path], Parameter(negative=())]
"""Image files, one after another."""
Folders = Annotated[list[Path], Parameter(consume_multiple=True, negative=())]
"""Folders after one option, such as ``--data corpora/a corpora/b``."""
Overrides = Annotated[str, Parameter(name="OVERRIDES", allow_leading_hyphen=True, show=True)]
"""Type of a command's ``*overrides``: everything that is none of its own options."""


@Parameter(name="*")
@dataclass(frozen=True)
class Progress:
    """What a command shows while it works.

    Parameters
    ----------
    quiet
        Show no progress.
    """

    quiet: bool = False


@Parameter(name="*")
@dataclass(frozen=True)
class Places:
    """How it is asked where atoms stand that were found.

    Parameters
    ----------
    images
        The images of tables, or folders of them, paired by name; by default those that run.json beside them names.
    masks
        Image files that are not 0 where the specimen is: one for all images, or one for each, paired by name. By
        default what is neither vacuum, which the image's own noise tells, nor padding, bars and text.
    element
        Element of the atoms: its longest bond, 1.2 × twice the covalent radius, is used for bonds and clusters.
    bond
        Longest bond [Å, or pixels without pixel size] instead.
    recall
        Chance that a neighbour of an atom found was found, as `stemforge evaluate completeness` measures it.
    purity
        Share of what was found that is atoms.
    closest
        Two atoms nearer than that are found as one [Å, or pixels without pixel size]: random patterns then show such
        pairs as one, too, and are not denser than what can be found.
    simulations
        Random patterns for envelopes.
    seed
        Root of the randomness.
    """

    images: Folders | None = None
    masks: Folders | None = None
    element: str | None = None
    bond: float | None = None
    recall: float = 1.0
    purity: float = 1.0
    closest: float = 0.0
    simulations: int = 999
    seed: int = 0


@Parameter(name="*")
@dataclass(frozen=True)
class Reading:
    """How image files are read.

    Parameters
    ----------
    sampling
        Pixel size of the images [Å], where the files carry none or a wrong one; `infer atoms` also takes auto, which
        estimates it from the atoms on each image, and common, one for all images of one magnification.
    frame
        Which frame of a stack to look at, counted from 0.
    stack
        Look at every frame of a stack.
    signal
        Which of several images in a file (EMD, DM4, HSPY, EMI): its title, such as HAADF, or its number; by default the
        only one, or that called HAADF.
    """

    sampling: float | Literal["auto", "common"] | None = None
    frame: int | None = None
    stack: bool = False
    signal: str | None = None

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
    def prepare() -> None:
        """Start the process that reads files: it becomes ready while the command imports what works on them."""
        from stemforge.sandbox.child import start_child

        start_child("stemforge.micrograph.reading.formats")

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


@Parameter(name="*")
@dataclass(frozen=True)
class Output:
    """Where results go.

    Parameters
    ----------
    out
        Folder for the results; by default one in the working folder that is named after what it holds.
    overwrite
        Replace results that are already in the folder.
    """

    out: Path | None = None
    overwrite: bool = False

    def folder(self, name: str) -> Path:
        """Return the folder, ``name`` by default; refuse one that cannot be written to."""
        return self.results(name).path

    def results(self, name: str, results: Sequence[str] = (), inputs: Sequence[Path] = ()) -> ResultFolder:
        """Return the folder for these results; refuse it where it holds some of them, or cannot be written to."""
        folder = ResultFolder(Path(name) if self.out is None else self.out, self.overwrite)
        with named_as_options(["out", "overwrite"]):
            folder.check(results, inputs)
        return folder


@Parameter(name="*")
@dataclass(frozen=True)
class Device:
    """Where networks run.

    Parameters
    ----------
    device
        Where the networks run: cpu, cuda, cuda:1, …
    """

    device: str = "cpu"

    def check(self) -> str:
        """Return the device; one that cannot be used here is refused."""
        import torch

        try:
            torch.empty(1, device=self.device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"--device {self.device}: cannot be used here ({reason}); cpu always works"
            ) from error
        return self.device


@contextmanager
def named_as_options(names: Iterable[str]) -> Iterator[None]:
    """Write arguments as options in errors: a name at the beginning, before "must", or alone in brackets.

    Examples
    --------
    >>> with named_as_options(["max_false", "control"]):
    ...     raise InputError("max_false must be positive; give images without atoms (control)")
    Traceback (most recent call last):
    stemforge.errors.InputError: --max-false must be positive; give images without atoms (--control)
    """
    try:
        yield
    except InputError as error:
        listed = "|".join(names)
        # A path may begin with the same word: data/images.tif.
        pattern = rf"^(?:{listed})(?=[ :])|(?<=: )(?:{listed})(?= must )|(?<=\()(?:{listed})(?=\))"
        message = re.sub(pattern, lambda name: f"--{name[0].replace('_', '-')}", str(error))
        if message == str(error):
            raise
        raise type(error)(message) from error


def option_names(command: Callable[..., object]) -> Iterator[str]:
    """Return the names of a command's options; those that several commands share stand in a dataclass."""
    hints = get_type_hints(command)
    for parameter in inspect.signature(command).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            hint = hints[parameter.name]
            shared = [kind for kind in (hint, *get_args(hint)) if is_dataclass(kind)]
            yield from (field.name for field in fields(shared[0])) if shared else (parameter.name,)


def parse_overrides(tokens: Sequence[str]) -> dict[str, Any]:
    """Read ``--microscope.energy 80e3 --scan.shape=[64,64]`` as values by dotted name.

    Parameters
    ----------
    tokens
        Words of the command line, as ``--name value`` or ``--name=value``; values are YAML.

    Raises
    ------
    RecipeError
        A name without value, or a value without name.

    Examples
    --------
    >>> parse_overrides(["--scan.shape", "[64, 64]", "--seed=3", "--engine.name", "prism"])
    {'scan.shape': [64, 64], 'seed': 3, 'engine.name': 'prism'}
    """
    values: dict[str, Any] = {}
    words = list(tokens)
    while words:
        word = words.pop(0)
        if not word.startswith("--") or len(word) == 2:
            raise RecipeError(f"'{word}': expected an option such as --scan.shape '[256, 256]'")
        name, equals, text = word[2:].partition("=")
        if not equals:
            if not words or words[0].startswith("--"):
                raise RecipeError(
                    f"'{word}': needs a value; recipe fields are set as --microscope.energy 80e3"
                )
            text = words.pop(0)
        try:
            value = plain_yaml(text)
        except ValueError as error:
            raise RecipeError(f"'{word}': '{text}' is no YAML value") from error
        # YAML 1.1 reads 1e4 as text; a number is meant.
        values[name.replace("-", "_")] = _number(value) if isinstance(value, str) else value
    return values


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
