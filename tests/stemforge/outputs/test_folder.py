"""Results that belong together appear together, and nothing is replaced unasked."""

import errno
import threading
from types import SimpleNamespace

import pytest

from stemforge import InputError, WriteError
from stemforge.files import PARTIAL, write_text
from stemforge.outputs import folder as module
from stemforge.outputs.folder import ResultFolder, name_clash


def _names(path):
    return sorted(inner.name for inner in path.iterdir())


def _write(folder, *names):
    for name in names:
        (folder / name).write_text(str(name))


def test_results_appear_together_or_not_at_all(tmp_path):
    folder = ResultFolder(tmp_path / "out")
    with folder.staged() as staging:
        (staging / "a").write_text("1")
        assert not [name for name in _names(folder.path) if not name.endswith(PARTIAL)]
        (staging / "b").write_text("2")
    assert _names(folder.path) == ["a", "b"]
    with pytest.raises(WriteError), folder.staged() as staging:
        _write(staging, "c", staging / "none" / "d")
    assert _names(folder.path) == ["a", "b"]


def test_a_folder_for_which_nothing_came_is_not_left(tmp_path):
    with pytest.raises(KeyboardInterrupt), ResultFolder(tmp_path / "new").staged():
        raise KeyboardInterrupt
    (tmp_path / "users").mkdir()
    with pytest.raises(KeyboardInterrupt), ResultFolder(tmp_path / "users").staged():
        raise KeyboardInterrupt
    assert _names(tmp_path) == ["users"]


def test_what_another_run_wrote_meanwhile_is_kept(tmp_path):
    folder = ResultFolder(tmp_path)
    folder.check(["a"])
    with pytest.raises(InputError, match="already holds a"), folder.staged() as staging:
        _write(staging, "a", "b", tmp_path / "a")
    assert _names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == str(tmp_path / "a")
    with ResultFolder(tmp_path, overwrite=True).staged() as staging:
        (staging / "a").write_text("mine")
    assert (tmp_path / "a").read_text() == "mine"


@pytest.mark.parametrize("kind", ["same", "hardlink", "symlink"])
def test_inputs_stay_even_where_results_may_be_replaced(tmp_path, kind):
    image = tmp_path / "a.png" if kind == "same" else tmp_path / "image.png"
    image.write_text("image")
    if kind != "same":
        getattr(tmp_path / "a.png", f"{kind}_to")(image)
    folder = ResultFolder(tmp_path, overwrite=True)
    with pytest.raises(InputError, match="would replace the image"):
        folder.check(["a.png"], [image])
    with pytest.raises(InputError, match="would replace the image"), folder.staged([image]) as staging:
        (staging / "a.png").write_text("overlay")
    assert image.read_text() == "image"


def test_names_that_cannot_be(tmp_path):
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(InputError, match=r"holds a folder a\.csv"):
        ResultFolder(tmp_path, overwrite=True).check(["a.csv"])
    ResultFolder(tmp_path).check(["ä" * 125 + ".csv"])
    with pytest.raises(InputError, match="longer than the 255 bytes"):
        ResultFolder(tmp_path).check(["ä" * 126 + ".csv"])


def test_a_full_disk_is_said_of_the_folder_not_of_a_part_of_it(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("stemforge.files.os.fsync", full)
    folder = ResultFolder(tmp_path / "out")
    with (
        pytest.raises(WriteError, match=r"disk is full.*then begin anew") as raised,
        folder.staged(then="begin anew") as staging,
    ):
        write_text(staging / "a.csv", "x")
    assert str(raised.value).startswith(f"{tmp_path / 'out' / 'a.csv'}: cannot be written")
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_is_removed_and_what_a_running_one_makes_is_not(tmp_path):
    (tmp_path / f"stage-left{PARTIAL}").mkdir()
    (tmp_path / f"stage-left{PARTIAL}" / "half").write_text("x")
    folder = ResultFolder(tmp_path)
    with folder.staged() as first:
        assert _names(tmp_path) == [first.name]
        with folder.staged() as second:
            assert _names(tmp_path) == sorted([first.name, second.name])
            (first / "a").write_text("x")
    assert _names(tmp_path) == ["a"]


def test_the_lock_keeps_another_run_waiting(tmp_path):
    folder, order = ResultFolder(tmp_path), []

    def other():
        with folder.lock():
            order.append("other")

    with folder.lock():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(5)
    assert order == ["first", "other"]


@pytest.mark.parametrize("folded", [True, False])
def test_names_that_differ_in_case_clash_where_the_system_takes_them_as_one(tmp_path, monkeypatch, folded):
    monkeypatch.setattr(module, "ignores_case", lambda _: folded)
    names = [("a.csv", tmp_path / "a.tif"), ("A.csv", tmp_path / "A.tif")]
    clash = ("A.csv", tmp_path / "a.tif", tmp_path / "A.tif")
    assert name_clash(names, tmp_path) == (clash if folded else None)
    composed = [("é.csv", tmp_path / "1"), ("e\u0301.csv", tmp_path / "2")]
    assert (name_clash(composed, tmp_path) is not None) is folded
    assert name_clash([names[0], names[0]], tmp_path) is not None


def test_where_nothing_can_be_locked_results_that_are_being_made_stay(tmp_path, monkeypatch):
    """As on some network file systems, whose folders this process seems not to hold."""

    def refuse(*_):
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr("stemforge.outputs.locks.fcntl", SimpleNamespace(flock=refuse, LOCK_EX=2, LOCK_NB=4))
    folder = ResultFolder(tmp_path / "out")
    with folder.staged() as first, folder.staged() as second:
        (first / "a.txt").write_text("a")
        (second / "b.txt").write_text("b")
    assert sorted(path.name for path in folder.path.iterdir()) == ["a.txt", "b.txt"]
