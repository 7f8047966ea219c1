"""The parent's side: a function is called in a child process, which is ended where it takes too long or too much.

A crafted HDF5 file can hold the HDF5 library for ever (h5py issue 1707), a header of a few bytes can ask for all memory
there is, and neither can be caught by the process that reads. The child is started once and serves all calls of a
process.
"""

import atexit
import os
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError as NotYetError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from stemforge import errors
from stemforge.sandbox.messages import encode, receive, send
from stemforge.sandbox.signals import sigint_blocked

# A damaged file is refused within these; a sound file of a size gets more by the size.
_SECONDS, _BYTES = 5.0, 0.8e9
_BYTES_PER_SECOND = 2e7  # of the slowest compression in use
_GROWTH = 8  # memory for each byte of a file: compressed images grow, some are copied
_POLL = 0.02
_BLOCKED = 20  # how much longer than the processor time a call may take that waits for a disk
_START = 60.0


class ChildError(Exception):
    """A call that did not come back with a value: the function raised, was too slow, or needed too much memory."""


class RaisedError(ChildError):
    """A function that raised what is no :class:`~stemforge.errors.InputError`: class and text are its library's."""


@dataclass(frozen=True)
class Limits:
    """What a call may take.

    Parameters
    ----------
    seconds
        Of the processor's time [s]: a busy machine or a slow disk is not the file's fault.
    memory
        Beyond what the child had before [byte].
    """

    seconds: float = _SECONDS
    memory: float = _BYTES

    @classmethod
    def of_file(cls, path: str | Path) -> "Limits":
        """Return limits that let every sound file of this size through."""
        size = Path(path).stat().st_size
        return cls(_SECONDS + size / _BYTES_PER_SECOND, _BYTES + _GROWTH * size)


class _Child:
    """One child process; it takes one call at a time, and has imported some modules before the first."""

    def __init__(self, *modules: str) -> None:
        # The same modules as here, whatever folder the program was started in.
        path = os.pathsep.join(entry for entry in sys.path if entry)
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        with sigint_blocked():
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "stemforge.sandbox.server", *modules],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
            )
        self.reader = ThreadPoolExecutor(1, "sandbox")
        self.ready = self._answer()
        self.watch = psutil.Process(self.process.pid)

    def call(self, function: str, arguments: dict[str, Any], limits: Limits) -> Any:
        assert self.process.stdin is not None  # noqa: S101  # a pipe, see above
        self.ready.result(_START)
        before = self.watch.memory_info().rss
        start = sum(self.watch.cpu_times()[:2])
        # The child outlives a change of the working folder, in a notebook for instance.
        send(self.process.stdin, encode([function, arguments, str(Path.cwd())]))
        answer, waited = self._answer(), 0.0
        while True:
            try:
                return answer.result(_POLL)
            except NotYetError:
                waited += _POLL
            seconds = sum(self.watch.cpu_times()[:2]) - start
            if seconds > limits.seconds or waited > _BLOCKED * limits.seconds:
                raise ChildError(f"takes more than {limits.seconds:.0f} s")
            if self.watch.memory_info().rss - before > limits.memory:
                raise ChildError(f"takes more than {limits.memory / 1e9:.1f} GB of memory")

    def _answer(self) -> "Future[Any]":
        assert self.process.stdout is not None  # noqa: S101
        return self.reader.submit(receive, self.process.stdout)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.shutdown(wait=False)
        for stream in (self.process.stdin, self.process.stdout):
            with suppress(OSError, ValueError):
                stream.close()  # type: ignore[union-attr]


_lock = threading.Lock()
_children: dict[int, _Child] = {}


def start_child(*modules: str) -> None:
    """Start the child, unless it runs, without waiting for it: it is ready when what is imported meanwhile is.

    Parameters
    ----------
    modules
        Names of modules with functions that it will be asked for; it imports them.

    Examples
    --------
    >>> start_child("json")
    >>> in_child("os.path:exists", "no such file", Limits())
    False
    """
    with _lock:
        _running(*modules)


def _running(*modules: str) -> _Child:
    # A forked process must not share its parent's pipe.
    child = _children.get(os.getpid())
    if child is None or child.process.poll() is not None:
        child = _children[os.getpid()] = _Child(*modules)
    return child


def in_child(function: str, path: str | Path, limits: Limits | None = None, **arguments: Any) -> Any:
    """Call a function on a file in the child process.

    Parameters
    ----------
    function
        ``module:name``; it is called as ``name(path=…, **arguments)`` and returns plain values and arrays of numbers.
    path
        The file.
    limits
        Those of a file of this size by default.
    arguments
        Further plain values.

    Returns
    -------
    object
        What the function returned; tuples as lists.

    Raises
    ------
    InputError
        As the function raised it, in its own class.
    RaisedError
        It raised something else.
    ChildError
        It took too long or too much memory, or ended the child.

    Examples
    --------
    >>> in_child("os.path:basename", "folder/image.tif", Limits(), **{})
    Traceback (most recent call last):
    stemforge.sandbox.child.RaisedError: TypeError: basename() got an unexpected keyword argument 'path'
    """
    limits = Limits.of_file(path) if limits is None else limits
    with _lock:
        child = _running()
        try:
            answer = child.call(function, {"path": str(path), **arguments}, limits)
        except (EOFError, OSError, ValueError, psutil.Error) as error:
            _end()
            raise ChildError("ends the process that reads it") from error
        except BaseException:  # too slow, too large, or Ctrl-C: an answer that is still to come is nobody's
            _end()
            raise
    if "value" in answer:
        return answer["value"]
    raise getattr(errors, answer["error"] or "", RaisedError)(answer["message"])


def _end() -> None:
    child = _children.pop(os.getpid(), None)
    if child is not None:
        child.end()


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    # A lock that another thread held at the fork would never be released in the new process.
    os.register_at_fork(after_in_child=lambda: globals().update(_lock=threading.Lock(), _children={}))
