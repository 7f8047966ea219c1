"""The public face, and the examples in the docstrings."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import stemforge.structures as structures

MODULES = [module.name for module in pkgutil.iter_modules(structures.__path__)]


def test_every_public_name_resolves_and_is_documented():
    assert structures.__all__
    for name in structures.__all__:
        assert getattr(structures, name).__doc__


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(f"stemforge.structures.{name}")
    with np.printoptions(legacy=False):
        assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0
