"""What docstrings and bounds say of a field."""

from typing import Annotated

import numpy as np
import pytest
from pydantic import Field

from stemforge.settings import Fraction, Positive, Random, Settings, describe, within


class Lens(Settings):
    """A lens.

    Parameters
    ----------
    current, voltage
        Through the coil [A] and at its ends [V]. Both are small.
    share
        Of the beam: 0 none, 1 all of it.
    turns
        Of wire,
        counted from 1.

    Notes
    -----
    share
        Not this one.
    """

    current: Positive = 1.0
    voltage: Annotated[Random, within(high=5)] = 1.0
    share: Fraction = 0.5
    turns: Annotated[int, Field(ge=1, lt=1000)] = 10
    silent: float = 0.0


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("current", ("Through the coil and at its ends", "A", 0, np.inf)),
        ("voltage", ("Through the coil and at its ends", "A", -np.inf, 5)),
        ("share", ("Of the beam: 0 none, 1 all of it", "", 0, 1)),
        ("turns", ("Of wire, counted from 1", "", 1, 1000)),
    ],
)
def test_a_field_has_its_words_unit_and_bounds(field, expected):
    found = describe(Lens, field)
    assert (found.text, found.unit, found.low, found.high) == expected


def test_a_field_without_words_is_an_error():
    with pytest.raises(KeyError):
        describe(Lens, "silent")


@pytest.mark.parametrize(("value", "words"), [(-1, "greater than 0"), (0, "greater than 0")])
def test_bounds_are_still_checked(value, words):
    with pytest.raises(ValueError, match=words):
        Lens(current=value)
    with pytest.raises(ValueError, match="must be at most 5$|must be at most 5 "):
        Lens(voltage={"uniform": [1, 6]})
