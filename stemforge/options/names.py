"""The names of options, and errors that use them."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import get_args, get_type_hints

from stemforge.errors import InputError


@contextmanager
def named_as_options(names: Iterable[str]) -> Iterator[None]:
    """Write arguments as options in errors: a name at the beginning, before "must", or one or two in brackets.

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
        pattern = rf"^(?:{listed})(?=[ :])|(?<=: )(?:{listed})(?= must )"
        pattern += rf"|(?<=\()(?:{listed})(?=\)|, (?:{listed})\))|(?<=, )(?:{listed})(?=\))"
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
