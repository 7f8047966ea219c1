"""The child process: what it returns, and how it ends functions that would never end."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from stemforge import InputError
from stemforge.errors import MicrographError
from stemforge.sandbox import child
from stemforge.sandbox.child import ChildError, Limits, in_child

FUNCTIONS = """
import os, sys, time
import numpy as np
from stemforge.errors import MicrographError

def echo(path, **arguments):
    print("readers print where they like")
    return {"path": path, "array": np.arange(6, dtype=">i2").reshape(2, 3), "empty": np.zeros((0, 4)), **arguments}

def refuse(path): raise MicrographError("is no image")
def stumble(path): return [][1]
def recurse(path): return recurse(path)
def hang(path):
    while True: pass
def wait(path): time.sleep(60)
def fill(path): return np.ones(400_000_000).sum()
def crash(path): os.abort()
def objects(path): return np.array([object()])
def process(path): return os.getpid()
"""


@pytest.fixture
def functions(tmp_path, monkeypatch):
    """Put a module where the child, started anew, can import it."""
    Path(tmp_path, "functions_for_child.py").write_text(FUNCTIONS)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    child._end()
    yield "functions_for_child"
    child._end()


def call(functions, name, limits=None, **arguments):
    return in_child(f"{functions}:{name}", "file", limits or Limits(), **arguments)


def test_values_and_arrays_come_back(functions):
    found = call(functions, "echo", text="Å", none=None, numbers=[1, 2.5])
    assert {name: found[name] for name in ("path", "text", "none", "numbers")} == {
        "path": "file",
        "text": "Å",
        "none": None,
        "numbers": [1, 2.5],
    }
    np.testing.assert_array_equal(found["array"], [[0, 1, 2], [3, 4, 5]])
    assert found["empty"].shape == (0, 4)


def test_input_errors_keep_their_class(functions):
    with pytest.raises(MicrographError, match=r"^is no image$"):
        call(functions, "refuse")


@pytest.mark.parametrize(
    ("name", "limits", "says"),
    [
        ("stumble", Limits(), "IndexError: list index"),
        ("recurse", Limits(), "RecursionError"),
        ("objects", Limits(), "TypeError"),
        ("hang", Limits(seconds=0.3), "more than 0 s"),
        ("wait", Limits(seconds=0.02), "more than 0 s"),
        ("fill", Limits(memory=3e8), "0.3 GB of memory"),
        ("crash", Limits(), "ends the process"),
        ("missing", Limits(), "AttributeError"),
    ],
)
def test_what_fails_is_one_error_and_the_next_call_works(functions, name, limits, says):
    start = time.monotonic()
    with pytest.raises(ChildError, match=says) as caught:
        call(functions, name, limits)
    assert not isinstance(caught.value, InputError)
    assert time.monotonic() - start < 30
    assert call(functions, "echo")["path"] == "file"


def test_one_child_serves_all_calls_and_threads(functions):
    found = []

    def work():
        found.extend(call(functions, "process") for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert len(set(found)) == 1
    assert found[0] != os.getpid()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_has_a_child_of_its_own(functions):
    mine = call(functions, "process")
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            os.write(writing, str(call(functions, "process")).encode())
        finally:
            os._exit(0)
    os.wait()
    assert int(os.read(reading, 100)) != mine
    assert call(functions, "process") == mine


def test_a_larger_file_may_take_longer_and_more(tmp_path):
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"x")
    with large.open("wb") as stream:
        stream.truncate(10**9)
    assert Limits.of_file(small).seconds < 8
    assert Limits.of_file(small).memory < 1.5e9
    assert Limits.of_file(large).seconds > 50
    assert Limits.of_file(large).memory > 8e9


def test_relative_paths_follow_the_working_folder(tmp_path, monkeypatch):
    from stemforge.micrograph.readers import read_micrograph
    from stemforge.micrograph.writers import write_tiff

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        image = np.full((16, 16), ord(name), dtype="float32") + np.eye(16, dtype="float32")
        write_tiff(Path("image.tif"), image, 0.3)
        assert read_micrograph("image.tif").image[0, 1] == ord(name)


def test_a_child_that_was_started_beforehand_is_the_one_that_answers(functions):
    child.start_child(functions)
    started = child._running().process.pid
    child.start_child(functions)
    assert call(functions, "process") == started
    assert call(functions, "echo")["path"] == "file"


def test_a_module_that_cannot_be_imported_beforehand_ends_one_call(functions):
    child.start_child("no_such_module_anywhere")
    with pytest.raises(ChildError, match="ends the process"):
        call(functions, "echo")
    assert call(functions, "echo")["path"] == "file"


@pytest.mark.skipif(os.name != "posix", reason="no signals are sent here")
def test_a_child_leaves_ctrl_c_to_its_parent(functions, capfd):
    process = call(functions, "process")
    os.kill(process, signal.SIGINT)
    assert call(functions, "process") == process
    assert "KeyboardInterrupt" not in capfd.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="no signals are sent here")
def test_nor_does_ctrl_c_end_a_child_that_is_still_starting(functions, capfd):
    child._end()
    child.start_child(functions)
    process = child._running().process
    for _ in range(20):
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    assert call(functions, "process") == process.pid
    assert "KeyboardInterrupt" not in capfd.readouterr().err
