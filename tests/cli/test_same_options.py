"""One concept, one option: name, type, default and help are the same in all commands, and images may be folders."""

import collections
import functools
from typing import get_args

import pytest

from stemforge.__main__ import COMMANDS, command_line

NAMES = [name for name, *_ in COMMANDS]

DIFFERENT = {
    "--cells": "conformation asks about the whole image by default, which has more signal",
    "--data": "to learn from, or learnt from",
    "--device": "training takes the fastest device, and several",
    "--dose": "a new recipe has one dose or a range",
    "--element": "of a new specimen, of found atoms, or needed",
    "--folder": "an icon is started from no folder in particular",
    "--framework": "a detector of molecules was trained with one",
    "--guest": "one guest is docked; several are looked for",
    "--num": "it counts what each command makes",
    "--out": "it says what each command writes: a folder, a recipe, a model",
    "--overlap": "restorers and detectors see differently far",
    "--pred": "tables of points or of boxes",
    "--recipe": "of a corpus, of a network, or of a microscope",
    "--sampling": "some commands estimate it; a new recipe sets it",
    "--seed": "exports repeat the noise of the recipe",
    "--semiangle": "a new recipe has one number or a range",
    "--source-size": "a new recipe has one number or a range, and depth can fit it",
    "--threshold": "of points or of boxes",
    "--truth": "tables of points or of boxes",
    "--weights": "each task has its networks",
    "--workers": "triage holds a network in each process, training prepares images beside itself",
}
"""Options that differ between commands, and why."""

WITHOUT_PROGRESS = {
    "doctor": "seconds, with a sign of life",
    "new": "one small image, with a sign of life",
    "recipe list": "at once",
    "recipe show": "at once",
    "recipe explain": "at once",
    "inspect": "seconds",
    "export-model": "half a minute, with a sign of life",
    "evaluate atoms": "seconds",
    "evaluate molecules": "seconds",
    "app": "the page shows it",
    "shortcut": "at once",
    "imagej-macro": "at once",
}
"""Commands without a progress bar, and why."""


@functools.cache
def arguments(words):
    """Return the arguments of a command that its help shows."""
    app = command_line(words.split())
    for word in words.split():
        app = app[word]
    return [one for one in app.assemble_argument_collection(parse_docstring=True) if one.show]


@pytest.fixture(scope="module")
def options():
    """The options of all commands: for each name the commands and what they say of it."""
    found = collections.defaultdict(dict)
    for words in NAMES:
        for one in arguments(words):
            if one.name.startswith("--"):
                fact = (str(one.hint), str(one.field_info.default), one.parameter.help)
                found[one.name][words] = fact
    return found


def test_an_option_is_the_same_in_all_commands(options):
    differing = {name for name, commands in options.items() if len(set(commands.values())) > 1}
    assert differing == set(DIFFERENT)


@pytest.mark.parametrize("words", NAMES)
def test_several_values_follow_one_option(words):
    for one in arguments(words):
        kinds = [one.hint, *get_args(one.hint)]
        if one.name.startswith("--") and any(str(kind).startswith(("list", "tuple")) for kind in kinds):
            assert one.parameter.consume_multiple, one.name
        assert "commas" not in one.parameter.help, one.name


@pytest.mark.parametrize("words", NAMES)
def test_help_says_what_an_option_is(words):
    for one in arguments(words):
        first = one.parameter.help.split()[0]
        assert first not in {"Of", "Whose", "In", "For", "From"}, f"{one.name}: {one.parameter.help}"
        assert one.parameter.help.endswith("."), one.name


@pytest.mark.parametrize("words", NAMES)
def test_what_takes_long_shows_progress(words):
    names = {one.name for one in arguments(words)}
    assert ("--quiet" in names) != (words in WITHOUT_PROGRESS)


TAKING_IMAGES = [words for words in NAMES if any(one.name == "IMAGES" for one in arguments(words))]


@pytest.mark.parametrize("words", TAKING_IMAGES)
def test_images_may_be_folders(words, refuse, tmp_path):
    """The folder is looked into: an empty one is refused before anything else."""
    (tmp_path / "empty").mkdir()
    needed = [one for one in arguments(words) if one.required and one.name.startswith("--")]
    given = [word for one in needed for word in (one.name, tmp_path / "x")]
    printed = refuse([*words.split(), tmp_path / "empty", *given], "empty: holds no image")
    assert not (tmp_path / "x").exists(), printed


@pytest.mark.parametrize("words", NAMES)
def test_where_image_files_are_taken_folders_are(words):
    for one in arguments(words):
        assert "mage files" not in one.parameter.help or "older" in one.parameter.help, one.name


def test_a_folder_is_its_images_and_no_results(cli, write_image, spot_weights, tmp_path):
    write_image("session/b.tif")
    write_image("session/a.tif")
    (tmp_path / "session" / "notes.txt").touch()
    words = ["--weights", spot_weights, "--out", tmp_path / "session", "--no-completeness", "--quiet"]
    assert cli("infer", "atoms", tmp_path / "session", *words)[0] == 0
    code, printed = cli("infer", "atoms", tmp_path / "session", *words, "--overwrite")
    assert code == 0
    assert "2 of 2 images" in printed  # the overlays beside them are results


def test_images_of_a_folder_are_inspected(cli, refuse, write_image, tmp_path):
    write_image("session/a.tif")
    write_image("session/b.tif")
    code, printed = cli("inspect", tmp_path / "session")
    assert code == 0
    assert printed.count("0.293 Å (1.88 × 1.88 nm)") == 2
    refuse(["inspect", tmp_path / "session", "--figure", tmp_path / "f.png"], "--figure draws one")
