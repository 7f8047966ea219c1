"""The errors a user can mend: the command line prints them as one message and exits with code 2."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class InputError(ValueError):
    """Something the user gave is not usable: a file, a recipe field, an option.

    The message names the file or field, what is allowed, what came and the likely mend. The command line
    turns it into one line and exit code 2, before any work has started.
    """


class RecipeError(InputError):
    """A recipe that cannot be used: unknown key, wrong type, value out of range."""


class StructureError(InputError):
    """A structure file that cannot be read, or holds what would have to be guessed."""


class ChangedFileError(InputError):
    """A file whose content is no longer what it was when the work began."""


class StructureWarning(UserWarning):
    """Something in a structure file that was put right, and that its owner should know of."""


class MicrographError(InputError):
    """An image file that cannot be read as a micrograph."""


class AnnotationsError(InputError):
    """A table of labels that cannot be read or does not fit its image."""


class CorpusError(InputError):
    """A corpus folder or shard that is missing, damaged, foreign or of another recipe."""


class WriteError(InputError):
    """A file that cannot be written: the disk is full, the folder is read-only; nothing of it is left half-written."""


class WeightsError(InputError):
    """A weights file that is damaged, unsafe or of another architecture."""


class UnfinishedError(RuntimeError):
    """A run that could not make all shards; what it made is kept, and the same call goes on from there.

    Attributes
    ----------
    failures : list
        What failed, the first hundred; empty where a full disk or a lost scheduler ended the run.
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
