"""An icon that starts the page: what stands in it, and that it starts what it says."""

import configparser
import subprocess
import sys

import pytest

from stemforge.__main__ import main
from stemforge.app import command
from stemforge.installation.requirements import install_command

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads desktop entries of Linux")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", ["kept", "my images", 'a 5% $HOME `ls` "b" \\ c'])
def test_the_icon_starts_the_page_in_its_folder(home, capsys, name):
    assert main(["shortcut", "--folder", str(home / name)]) == 0
    places = [home / "Desktop" / "stemforge.desktop", home / ".local/share/applications/stemforge.desktop"]
    assert capsys.readouterr().err.split() == list(map(str, places))
    for place in places:
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        parser.read(place)
        entry = parser["Desktop Entry"]
        text = entry["Exec"].replace("%%", "%").replace("\\\\", "\\")
        shell = ["sh", "-c", f"printf '%s\\n' {text}"]
        words = subprocess.run(shell, capture_output=True, text=True, check=True).stdout.splitlines()
        assert words[1:] == ["-m", "stemforge", "app", "--folder", str(home / name)]
        assert (home / entry["Icon"]).is_file()
    # The words are those of the command line, and the Python is the one that knows stemforge.
    done = subprocess.run([*words[:4], "--help"], capture_output=True, text=True, check=True)
    assert "Drop image files on the page" in done.stdout
    assert not (home / name).exists()


def test_what_cannot_be_started_gets_no_icon(home, monkeypatch, capsys):
    (home / "file").write_text("mine")
    assert main(["shortcut", "--folder", str(home / "file")]) == 2
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "pyshortcuts" else object())
    assert main(["shortcut"]) == 2
    assert install_command("app") in capsys.readouterr().err
    assert not list(home.rglob("*.desktop"))
