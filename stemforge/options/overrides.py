"""Fields of a recipe as options: ``--microscope.energy 80e3``."""

from collections.abc import Sequence
from typing import Any

from stemforge.errors import RecipeError
from stemforge.files import plain_yaml


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
