"""Examples in docstrings: every public name has one, and each runs as it stands."""

import doctest
import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("stemforge", "structures", "simulate", "train", "infer", "evaluate", "adapt", "app")
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(parts if parts[0] == "stemforge" else ("stemforge", *parts))


FILES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
MODULES = [name_of(path) for path in FILES if ">>> " in path.read_text(encoding="utf-8")]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    with np.printoptions(legacy=False):
        done = doctest.testmod(module, optionflags=FLAGS)
    assert done.attempted
    assert not done.failed


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_has_an_example(room):
    """Parts of modules (errors, settings, functions); constants are described where they stand."""
    module = importlib.import_module(room if room == "stemforge" else f"stemforge.{room}")
    public = {name: getattr(module, name) for name in module.__all__ if not name.startswith("_")}
    called = {name: one for name, one in public.items() if callable(one)}
    assert called
    assert [name for name, one in called.items() if ">>> " not in (inspect.getdoc(one) or "")] == []
