"""Dotted options of the command line."""

import pytest

from stemforge import RecipeError
from stemforge.options import parse_overrides


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ([], {}),
        (["--seed", "3"], {"seed": 3}),
        (["--seed=3"], {"seed": 3}),
        (["--a.b", "80e3"], {"a.b": 80e3}),
        (["--a.b", "1e4"], {"a.b": 1e4}),
        (["--a.b", "-0.5"], {"a.b": -0.5}),
        (["--a.b=-5"], {"a.b": -5}),
        (["--shape", "[64, 64]"], {"shape": [64, 64]}),
        (["--shape=[64,64]", "--on", "true"], {"shape": [64, 64], "on": True}),
        (["--focus", "{uniform: [0, 1]}"], {"focus": {"uniform": [0, 1]}}),
        (["--num-samples", "3"], {"num_samples": 3}),
        (["--bits", "null"], {"bits": None}),
        (["--name", "pt"], {"name": "pt"}),
        (["--name=a=b"], {"name": "a=b"}),
        (["--seed", "1", "--seed", "2"], {"seed": 2}),
    ],
)
def test_read(words, values):
    assert parse_overrides(words) == values


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["seed", "3"], "'seed': expected an option"),
        (["-s", "3"], "expected an option"),
        (["--"], "expected an option"),
        (["--seed"], "'--seed': needs a value"),
        (["--seed", "--name", "x"], "'--seed': needs a value"),
        (["--shape", "[64"], "no YAML value"),
        (["--name", "!!python/object/apply:os.getcwd []"], "no YAML value"),
        (["--seed", "3", "4"], "'4': expected an option"),
    ],
)
def test_refused(words, says):
    with pytest.raises(RecipeError, match=says):
        parse_overrides(words)
