"""Exit codes of the command line, progress, errors, and the examples in the docstrings."""

import doctest
import importlib
import pkgutil

import pytest

import stemforge
from stemforge import errors
from stemforge.__main__ import main
from stemforge.console import console, progress

MODULES = [m.name for m in pkgutil.iter_modules(stemforge.__path__) if not m.ispkg and m.name != "__main__"]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(f"stemforge.{name}")
    if module.__name__.count(".") == 1 and "structures" not in name:
        result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
        assert result.failed == 0


@pytest.mark.parametrize(
    "name", [name for name in vars(errors) if name.endswith("Error") and not name.startswith("_")]
)
def test_errors_a_user_can_mend(name):
    error = getattr(errors, name)
    if error.__module__ == "stemforge.errors":
        # A run that could not be finished is no bad input.
        assert issubclass(error, errors.InputError) or error is errors.UnfinishedError
        assert error.__doc__


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["simulate", "no-such", "--out", "OUT"], 2, "no such recipe file"),
        (["simulate", "quickstart", "--out", "OUT", "--sed", "1"], 2, "did you mean 'seed'"),
        (["simulate", "quickstart", "--out", "OUT", "--degradation.dose", "-1"], 2, "degradation.dose"),
        (["simulate", "quickstart"], 2, "--out"),
        (["ingest", "none.tif", "--labels", "none.csv", "--out", "OUT"], 2, "no such file"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_bad_input_is_one_message_and_code_2(tmp_path, monkeypatch, capsys, arguments, code, says):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == code
    captured = capsys.readouterr()
    text = captured.out + captured.err
    assert says in " ".join(text.split())
    assert "Traceback" not in text
    assert not list(tmp_path.iterdir())


def test_version_and_help(capsys):
    assert main(["--version"]) == 0
    assert stemforge.__version__ in capsys.readouterr().out
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    for command in ("quickstart", "simulate", "ingest", "inspect", "train", "infer", "evaluate"):
        assert command in printed


def test_progress_counts_and_is_silent_on_request(capsys):
    with progress("work", 5, "images") as advance:
        advance(2)
        advance(3)
    captured = capsys.readouterr()
    assert not captured.out  # results go to standard output, progress does not
    assert console.stderr
    with progress("work", 5, quiet=True) as advance:
        advance(5)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
