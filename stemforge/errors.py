"""The errors a user can mend: the command line prints them as one message and exits with code 2."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class InputError(ValueError):
    """Something the user gave is not usable: a file, a recipe field, an option.

    The message names the file or field, what is allowed, what came and the likely mend. The command line
    turns it into one line and exit code 2, before any work has started.

    Examples
    --------
    >>> from stemforge import Corpus, read_micrograph
    >>> for read in (Corpus, read_micrograph):
    ...     try:
    ...         read("no-such-file")
    ...     except InputError as error:
    ...         print(type(error).__name__, "-", error)
    CorpusError - no-such-file: no such folder, expected a corpus
    MicrographError - no-such-file: no such file (No such file or directory)
    """


class RecipeError(InputError):
    """A recipe that cannot be used: unknown key, wrong type, value out of range.

    Examples
    --------
    >>> from stemforge import Settings
    >>> class Film(Settings):
    ...     thickness: float = 50.0
    >>> Film.from_mapping({"thickness": "50 nm"})
    Traceback (most recent call last):
        ...
    stemforge.errors.RecipeError: settings: 'thickness': must be a number (got "50 nm")
    """


class StructureError(InputError):
    """A structure file that cannot be read, or holds what would have to be guessed."""


class ChangedFileError(InputError):
    """A file whose content is no longer what it was when the work began."""


class StructureWarning(UserWarning):
    """Something in a structure file that was put right, and that its owner should know of."""


class MicrographError(InputError):
    """An image file that cannot be read as a micrograph.

    Examples
    --------
    >>> from stemforge import Micrograph
    >>> Micrograph([1.0, 2.0])
    Traceback (most recent call last):
        ...
    stemforge.errors.MicrographError: micrograph: a micrograph has shape (height, width), this array has ...
    """


class AnnotationsError(InputError):
    """A table of labels that cannot be read or does not fit its image.

    Examples
    --------
    >>> from stemforge import Annotations
    >>> Annotations([[3, 4], [700, 8]]).to_csv("atoms.csv")
    >>> Annotations.from_csv("atoms.csv", (512, 512))
    Traceback (most recent call last):
        ...
    stemforge.errors.AnnotationsError: atoms.csv: row 2 lies at x=700, y=8, outside the image of 512 × 512 ...
    """


class CorpusError(InputError):
    """A corpus folder or shard that is missing, damaged, foreign or of another recipe.

    Examples
    --------
    >>> from stemforge import CorpusWriter
    >>> writer = CorpusWriter("corpus", {"name": "first"}, "0" * 64)
    >>> CorpusWriter("corpus", {"name": "second"}, "1" * 64)
    Traceback (most recent call last):
        ...
    stemforge.errors.CorpusError: corpus: holds the corpus of another recipe (hash 000000000000, this one is ...
    """


class WriteError(InputError):
    """A file that cannot be written: the disk is full, the folder is read-only; nothing of it is left half-written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from stemforge.files import write_json
    >>> Path("results").touch()
    >>> write_json("results/scores.json", {"F1": 0.8})
    Traceback (most recent call last):
        ...
    stemforge.errors.WriteError: results/scores.json: cannot be written: a part of the path is a file, not a ...
    """


class WeightsError(InputError):
    """A weights file that is damaged, unsafe or of another architecture.

    Examples
    --------
    >>> from pathlib import Path
    >>> from stemforge.train import load_weights
    >>> _ = Path("net.safetensors").write_bytes(b"not weights")
    >>> load_weights("net.safetensors")
    Traceback (most recent call last):
        ...
    stemforge.errors.WeightsError: net.safetensors: is no readable safetensors file (...
    """


class UnfinishedError(RuntimeError):
    """A run that could not make all shards; what it made is kept, and the same call goes on from there.

    Attributes
    ----------
    failures : list
        What failed, the first hundred; empty where a full disk or a lost scheduler ended the run.

    Examples
    --------
    >>> try:
    ...     raise UnfinishedError("1 of 8 shards was not made", ["shard 3: no memory"])
    ... except UnfinishedError as error:
    ...     print(f"{error} ({', '.join(error.failures)}); call again to go on")
    1 of 8 shards was not made (shard 3: no memory); call again to go on
    """

    def __init__(self, message: str, failures: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.failures = list(failures)


@contextmanager
def errors_about(subject: str) -> Iterator[None]:
    """Let the messages of input errors begin with what they are about, such as the name of an image."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{subject}: {error}") from error
