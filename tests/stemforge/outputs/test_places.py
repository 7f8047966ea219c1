"""Whether results can be written is found out by trying, and leaves nothing behind."""

import errno
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from stemforge import InputError, WriteError
from stemforge.outputs import places
from stemforge.outputs.places import check_file, check_folder, ignores_case, same_file


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "is a folder"),
        ("a.gif", r"must end in \.png"),
        ("no/a.png", "no does not exist"),
        ("b.png", "exists"),
        ("read.png", "is a file that is read"),
        ("link.png", "is a file that is read"),
        ("pipe.png", "is a device or a pipe"),
    ],
)
def test_files_for_results_are_checked(tmp_path, name, says):
    for taken in ("b.png", "read.png"):
        (tmp_path / taken).write_text("mine")
    (tmp_path / "link.png").hardlink_to(tmp_path / "read.png")
    os.mkfifo(tmp_path / "pipe.png")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=f"--figure .*{says}"):
        check_file(
            tmp_path / name, "--figure", (".png",), overwrite=name != "b.png", inputs=[tmp_path / "read.png"]
        )
    check_file(tmp_path / "b.png", "--figure", (".png",))
    check_file(tmp_path / "new.png", "--figure", (".png",))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["new", "new/and/deeper", "old", "old/new"])
def test_a_trial_leaves_nothing(tmp_path, name):
    (tmp_path / "old").mkdir()
    before = sorted(tmp_path.rglob("*"))
    check_folder(tmp_path / name, "--out")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("place", "error", "says"),
    [
        ("file", InputError, "is a file, expected a folder"),
        ("file/below", WriteError, "a part of the path is a file"),
        ("/proc/none", WriteError, "no folder can be made here"),
        ("x" * 300, WriteError, "the name is too long"),
    ],
)
def test_places_where_nothing_can_be_made(tmp_path, place, error, says):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(error, match=f"^--out .*{says}"):
        check_folder(tmp_path / place, "--out")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EACCES, "permission denied"),
        (errno.EDQUOT, "quota"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_what_the_system_refuses_is_said_and_the_folders_are_gone(tmp_path, monkeypatch, number, says):
    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(places.tempfile, "NamedTemporaryFile", refused)
    with pytest.raises(WriteError, match=says):
        check_folder(tmp_path / "a" / "b", "--out")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_another_trial_removes_meanwhile_is_made_again(tmp_path, monkeypatch):
    real, calls = tempfile.NamedTemporaryFile, []

    def removed_once(*arguments, dir, **options):
        calls.append(dir)
        if len(calls) == 1:
            Path(dir).rmdir()
        return real(*arguments, dir=dir, **options)

    monkeypatch.setattr(places.tempfile, "NamedTemporaryFile", removed_once)
    check_folder(tmp_path / "out", "--out")
    assert len(calls) == 2


@pytest.mark.skipif(
    os.getuid() == 0 and not shutil.which("setpriv"),
    reason="nothing is refused to root, and there is no setpriv",
)
def test_permissions_bind(tmp_path):
    """A real folder without permission to write, as a user sees it: root gives up its power to pass over modes."""
    (tmp_path / "closed").mkdir(mode=0o555)
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    command = [
        *drop,
        shutil.which("stemforge"),
        "inspect",
        "none.tif",
        "--figure",
        str(tmp_path / "closed" / "a.png"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert "permission denied" in result.stderr
    assert "Traceback" not in result.stderr


def test_case_is_found_out_by_trying(tmp_path, monkeypatch):
    (tmp_path / "lower").write_text("x")
    assert ignores_case(tmp_path / "not" / "made") is (tmp_path / "LOWER").exists()
    (tmp_path / "lower").unlink()
    monkeypatch.setattr(places.Path, "exists", lambda path: True)
    assert ignores_case(tmp_path)
    assert not list(tmp_path.iterdir())


def test_one_file_under_two_names(tmp_path):
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "c").write_text("x")
    others = [tmp_path / "none", tmp_path / "c", tmp_path / "b"]
    assert same_file(tmp_path / "a", others) == tmp_path / "b"
    assert same_file(tmp_path / "a", others[:2]) is None
