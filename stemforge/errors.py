"""The errors a user can mend: the command line prints them as one message and exits with code 2."""


class InputError(ValueError):
    """Something the user gave is not usable: a file, a recipe field, an option.

    The message names the file or field, what is allowed, what came and the likely mend. The command line
    turns it into one line and exit code 2, before any work has started.
    """


class RecipeError(InputError):
    """A recipe that cannot be used: unknown key, wrong type, value out of range."""


class MicrographError(InputError):
    """An image file that cannot be read as a micrograph."""


class AnnotationsError(InputError):
    """A table of labels that cannot be read or does not fit its image."""


class CorpusError(InputError):
    """A corpus folder or shard that is missing, damaged, foreign or of another recipe."""


class WeightsError(InputError):
    """A weights file that is damaged, unsafe or of another architecture."""
