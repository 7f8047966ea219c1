"""Options that say where results go, and what is shown meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

from stemforge.console import say
from stemforge.options.names import named_as_options
from stemforge.outputs.folder import ResultFolder


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
@dataclass(frozen=True, kw_only=True)
class Overwrite:
    """What may be replaced.

    Parameters
    ----------
    overwrite
        Replace results that are already there.
    """

    overwrite: bool = False


_OF_FILES = (
    ".csv",
    ".html",
    ".json",
    ".pdf",
    ".png",
    ".tif",
    ".tiff",
    ".zip",
)  # who gives these expects one file


@Parameter(name="*")
@dataclass(frozen=True)
class Output(Overwrite):
    """Where results go.

    Parameters
    ----------
    out
        Folder for the results; by default one in the working folder that is named after what it holds.
    """

    out: Path | None = None

    def folder(self, name: str) -> Path:
        """Return the folder, ``name`` by default; refuse one that cannot be written to."""
        return self.results(name).path

    def results(self, name: str, results: Sequence[str] = (), inputs: Sequence[Path] = ()) -> ResultFolder:
        """Return the folder for these results; refuse it where it holds some of them, or cannot be written to."""
        folder = ResultFolder(Path(name) if self.out is None else self.out, self.overwrite)
        with named_as_options(["out", "overwrite"]):
            folder.check(results, inputs)
        if folder.path.suffix.lower() in _OF_FILES:
            say(f"--out {folder.path}: is the name of a folder, in which the results are")
        return folder


@Parameter(name="*")
@dataclass(frozen=True)
class JsonFile:
    """A file with everything that was found.

    Parameters
    ----------
    json
        Write everything to this file, too (JSON).
    """

    json: Path | None = None


@Parameter(name="*")
@dataclass(frozen=True)
class FigureFile:
    """A file with a picture of what was found.

    Parameters
    ----------
    figure
        Draw what was found into this file (PNG, PDF, SVG, JPG).
    """

    figure: Path | None = None
