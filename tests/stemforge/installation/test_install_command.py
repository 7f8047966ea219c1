"""The command that adds an extra: right for who installed from a folder, an archive, a repository, by pip or by uv."""

import ast
import json
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from stemforge.installation import requirements
from stemforge.installation.requirements import install_command

ROOMS = ("stemforge", "structures", "simulate", "train", "infer", "evaluate", "adapt", "app")


class Installed(Distribution):
    """An installation whose records are given."""

    def __init__(self, installer, origin):
        self.texts = {"INSTALLER": installer, "direct_url.json": origin and json.dumps(origin)}

    def read_text(self, filename):
        return self.texts.get(filename)

    def locate_file(self, path):
        return Path(path)


FOLDER = {"url": "file:///home/a%20b/stemforge", "dir_info": {}}
EDITABLE = {"url": "file:///home/me/stemforge", "dir_info": {"editable": True}}
ARCHIVE = {"url": "https://example.org/stemforge.zip", "archive_info": {}}
VERSIONED = {"url": "https://example.org/x.git", "vcs_info": {"vcs": "git", "commit_id": "1f0"}}
BY_NAME = 'pip install "stemforge[app]"'


@pytest.mark.parametrize(
    ("installer", "origin", "command"),
    [
        ("pip\n", FOLDER, BY_NAME),
        ("pip\n", EDITABLE, BY_NAME),
        ("pip\n", None, BY_NAME),
        (None, None, BY_NAME),
        ("uv", None, f"uv {BY_NAME}"),
        ("uv", FOLDER, 'uv pip install "/home/a b/stemforge[app]"'),
        ("uv\n", EDITABLE, 'uv pip install -e "/home/me/stemforge[app]"'),
        ("uv", ARCHIVE, 'uv pip install "stemforge[app] @ https://example.org/stemforge.zip"'),
        ("uv", VERSIONED, 'uv pip install "stemforge[app] @ git+https://example.org/x.git@1f0"'),
    ],
)
def test_the_command_is_right_for_how_stemforge_was_installed(monkeypatch, installer, origin, command):
    monkeypatch.setattr(requirements, "installed", lambda name: Installed(installer, origin))
    assert install_command("app") == command
    assert install_command() == command.replace("[app]", "")


def test_what_is_not_installed_is_named_as_pip_names_it():
    assert install_command("app", "no-such-package") == 'pip install "no-such-package[app]"'


def words_of_installers(tree):
    """Yield the texts of a module, other than docstrings, that tell a user what to install."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef
    described = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and id(node) not in described else None
        if isinstance(text, str) and "pip install" in text and "--force-reinstall" not in text:
            yield text


@pytest.mark.slow
def test_messages_take_the_command_from_one_place():
    root = Path(__file__).parents[3]
    found = {
        str(path.relative_to(root)): texts
        for room in ROOMS
        for path in sorted((root / room).rglob("*.py"))
        if (texts := list(words_of_installers(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert set(found) == {"stemforge/installation/requirements.py"}
    control = ast.parse("def f():\n    'Runs pip install x.'\n    raise ValueError('pip install x')")
    assert list(words_of_installers(control)) == ["pip install x"]
