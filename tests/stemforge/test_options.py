"""Options that commands share, and dotted options of recipes."""

import numpy as np
import pytest
import tifffile

from stemforge import InputError, MicrographError, RecipeError
from stemforge.options import Output, Reading, named_as_options, parse_overrides


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


@pytest.fixture
def stack(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.random.default_rng(0).random((3, 8, 8), "float32"), photometric="minisblack")
    return path


def test_images_are_read_as_asked(stack):
    assert [m.name for m in Reading(stack=True).read(stack)] == ["stack_000", "stack_001", "stack_002"]
    (micrograph,) = Reading(sampling=0.2, frame=1).read(stack)
    assert (micrograph.name, micrograph.sampling) == ("stack_001", 0.2)
    with pytest.raises(MicrographError, match=r"from 0 to 2 \(--frame\)"):
        Reading().read(stack)


def test_results_are_not_replaced_unasked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = ["a.json", "b.json"]
    folder = Output().results("found", results).path
    assert not folder.exists()
    folder.mkdir()
    (folder / "b.json").write_text("mine")
    with pytest.raises(InputError, match=r"--out found: already holds b\.json; .*\(--overwrite\)"):
        Output().results("found", results)
    assert Output(overwrite=True).results("found", results).path == folder
    with pytest.raises(InputError, match="is a file"):
        Output(folder / "b.json").folder("found")


@pytest.mark.parametrize(
    ("message", "printed"),
    [
        ("one_class must be true", "--one-class must be true"),
        ("give one class (one_class)", "give one class (--one-class)"),
        ("one_classes: one_class", "one_classes: one_class"),
        ("small one_class", "small one_class"),
    ],
)
def test_arguments_are_written_as_options(message, printed):
    with pytest.raises(RecipeError) as error, named_as_options(["one_class", "other"]):
        raise RecipeError(message)
    assert str(error.value) == printed


def test_a_folder_that_is_called_like_a_file_is_named(tmp_path, capsys):
    Output(tmp_path / "table.csv").folder("triage")
    assert "table.csv: is the name of a folder, in which the results are" in capsys.readouterr().err
    Output(tmp_path / "pt-nc.21").folder("triage")
    assert capsys.readouterr().err == ""
