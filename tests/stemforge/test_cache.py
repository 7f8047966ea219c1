"""What is kept between runs, where anything can be kept at all."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from stemforge import cache

_CODE = """
from stemforge.cache import cache_folder, set_font_cache
from stemforge.evaluate.images import bm3d
from stemforge.simulate.splines import _compiled_weights
set_font_cache()
import matplotlib.font_manager
_compiled_weights(0.5)
print(cache_folder())
"""


def _run(home, temporary, **variables):
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("STEMFORGE_", "XDG_", "MPL"))
    }
    environment |= {"HOME": str(home), "TMPDIR": str(temporary), **variables}
    command = [sys.executable, "-c", _CODE]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(("home", "chosen"), [("/proc/nonexistent", False), ("file", True)])
def test_without_a_home_a_private_temporary_folder_is_used(tmp_path, home, chosen):
    (tmp_path / "file").write_text("mine")
    variables = {"STEMFORGE_CACHE_DIR": str(tmp_path / "file")} if chosen else {}
    result = _run(tmp_path / home, tmp_path, **variables)
    assert result.returncode == 0, result.stderr
    folder = tmp_path / f"stemforge-{os.getuid()}"
    assert Path(result.stdout.strip()) == folder
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.glob("numba/**/*.nbi"))
    assert (folder / "matplotlib").is_dir()
    expected = f"STEMFORGE_CACHE_DIR {tmp_path / 'file'}: cannot be written to; {folder} is used instead\n"
    assert result.stderr == (expected if chosen else "")


@pytest.mark.slow
def test_a_temporary_folder_that_others_can_write_to_is_not_used(tmp_path):
    (tmp_path / f"stemforge-{os.getuid()}").mkdir()
    (tmp_path / f"stemforge-{os.getuid()}").chmod(0o777)
    result = _run("/proc/nonexistent", tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "None"
    assert not list(tmp_path.rglob("*.nbi"))


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """The user's cache in the test's folder, and nothing remembered."""
    cache._first_usable.cache_clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    cache._first_usable.cache_clear()


def test_the_first_folder_that_can_be_written_to(fresh, monkeypatch):
    monkeypatch.setenv("STEMFORGE_CACHE_DIR", str(fresh / "chosen"))
    assert cache.cache_folder() == fresh / "chosen"
    monkeypatch.delenv("STEMFORGE_CACHE_DIR")
    assert cache.cache_folder() == fresh / "user" / "stemforge"


def test_a_link_and_a_folder_of_a_group_are_not_private(fresh):
    (fresh / "mine").mkdir(mode=0o700)
    assert cache._is_private(fresh / "mine")
    (fresh / "link").symlink_to(fresh / "mine")
    assert not cache._is_private(fresh / "link")
    (fresh / "mine").chmod(0o750)
    assert not cache._is_private(fresh / "mine")


def test_a_user_without_a_home_gets_no_folder_called_tilde(fresh, monkeypatch):
    monkeypatch.setattr("pooch.os_cache", lambda name: Path("~") / ".cache" / name)
    monkeypatch.delenv("STEMFORGE_CACHE_DIR")
    assert cache.cache_folder() == fresh / f"stemforge-{os.getuid()}"
