"""Folders that one process holds, on systems that lock folders and on those that do not."""

import subprocess
import sys
import threading

import pytest

from stemforge.outputs import locks
from stemforge.outputs.locks import hold_folder

_OTHER = """
import sys
from pathlib import Path
from stemforge.outputs import locks
if sys.argv[2] == "windows":
    locks.fcntl = None
release = locks.hold_folder(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["posix", "windows"])
def system(request, monkeypatch):
    if request.param == "windows":
        monkeypatch.setattr(locks, "fcntl", None)
    elif locks.fcntl is None:
        pytest.skip("this system locks no folders")
    return request.param


def test_one_holds_a_folder_at_a_time_and_nothing_is_left_in_it(tmp_path, system):
    release = hold_folder(tmp_path)
    with pytest.raises(BlockingIOError):
        hold_folder(tmp_path)
    inner = tmp_path / "inner"
    inner.mkdir()
    hold_folder(inner)()  # another folder
    release()
    hold_folder(tmp_path)()
    assert list(tmp_path.iterdir()) == [inner]


def test_who_waits_has_it_next(tmp_path, system):
    release, order = hold_folder(tmp_path), []

    def other():
        mine = hold_folder(tmp_path, wait=True)
        order.append("other")
        mine()

    thread = threading.Thread(target=other)
    thread.start()
    thread.join(0.2)
    order.append("first")
    release()
    thread.join(10)
    assert order == ["first", "other"]


def test_a_killed_process_holds_nothing(tmp_path, system):
    command = [sys.executable, "-c", _OTHER, str(tmp_path), system]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError):
            hold_folder(tmp_path)
        process.kill()
        process.wait()
        hold_folder(tmp_path)()


def test_what_is_no_folder_cannot_be_held(tmp_path, system):
    with pytest.raises(OSError, match="no"):
        hold_folder(tmp_path / "none")
