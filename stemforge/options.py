"""Options that many commands share, each with one name, type and explanation; and fields of a recipe as options."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from cyclopts import Parameter

from stemforge.errors import InputError, RecipeError

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
class Reading:
    """How image files are read.

    Parameters
    ----------
    sampling
        Pixel size of the images [Å], where the files carry none or a wrong one.
    frame
        Which frame of a stack to look at, counted from 0.
    stack
        Look at every frame of a stack.
    """

    sampling: float | None = None
    frame: int | None = None
    stack: bool = False

    def __post_init__(self) -> None:
        if self.stack and self.frame is not None:
            raise InputError("give either --frame or --stack")


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
        """Return the folder; ``name`` is what it is called by default."""
        return Path(name) if self.out is None else self.out


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
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise RecipeError(f"'{word}': '{text}' is no YAML value") from error
        # YAML 1.1 reads 1e4 as text; nobody who types it means that.
        values[name.replace("-", "_")] = _number(value) if isinstance(value, str) else value
    return values


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
