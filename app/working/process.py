"""A worker: a process that keeps models warm, with limits of time and memory; it may end, the server goes on."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError as NotYetError
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from stemforge import errors
from stemforge.sandbox.messages import encode, receive, send

_POLL = 0.02
_START = 120.0
_MEMORY = 12e9
# Ctrl-C in a terminal goes to the server alone, which ends its workers.
_ALONE: dict[str, Any] = {"start_new_session": True}
if sys.platform == "win32":
    _ALONE = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}


class WorkerError(Exception):
    """Work that did not end with a value; the message is a sentence for the user."""


class StoppedError(Exception):
    """Work that was stopped on request."""


class Worker:
    """A process that calls functions of stemforge, one at a time; started with the first call.

    Parameters
    ----------
    threads
        Of numerical libraries; None leaves them their choice.
    nice
        By how much it gives way to other processes, 0 to 19.
    """

    def __init__(self, threads: int | None = None, nice: int = 0) -> None:
        self._threads, self._nice = threads, nice
        self._turn = threading.Lock()
        self._used = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: ThreadPoolExecutor | None = None

    def call(
        self,
        function: str,
        seconds: float,
        stop: threading.Event | None = None,
        tick: Callable[[], None] | None = None,
        **arguments: Any,
    ) -> Any:
        """Call a function in the worker and return its value.

        Parameters
        ----------
        function
            ``module:name``.
        seconds
            How long it may take; after that the worker is ended.
        stop
            Ends the worker when it is set.
        tick
            Called a few times a second while it works.
        arguments
            Plain values.

        Raises
        ------
        InputError
            As the function raised it.
        WorkerError
            It raised something else, took too long or too much memory, or ended the worker.
        StoppedError
            ``stop`` was set.
        """
        with self._turn:
            try:
                answer = self._ask(function, arguments, seconds, stop, tick)
            except (EOFError, OSError, ValueError) as error:
                self.end()
                raise WorkerError(
                    "The process that worked on it ended; it may be too large for the memory."
                ) from error
            except BaseException:
                self.end()
                raise
            finally:
                self._used = time.monotonic()
        if "value" in answer:
            return answer["value"]
        if answer["error"]:
            raise getattr(errors, answer["error"], WorkerError)(answer["message"])
        raise WorkerError(f"This should not have happened: {answer['message']}")

    def end(self) -> None:
        """End the process and what it started; the next call starts another one."""
        process, self._process = self._process, None
        reader, self._reader = self._reader, None
        if process is None:
            return
        children = []
        with suppress(psutil.Error):
            children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        for child in children:
            with suppress(psutil.Error):
                child.kill()
        if reader is not None:
            reader.shutdown(wait=False)
        for stream in (process.stdin, process.stdout):
            with suppress(OSError, ValueError):
                stream.close()  # type: ignore[union-attr]

    def end_unused(self, seconds: float) -> None:
        """End the process if it had no call for some time [s]: its memory is worth more than its start."""
        if self._process is None or not self._turn.acquire(blocking=False):
            return
        try:
            if time.monotonic() - self._used >= seconds:
                self.end()
        finally:
            self._turn.release()

    def _ask(
        self,
        function: str,
        arguments: dict[str, Any],
        seconds: float,
        stop: threading.Event | None,
        tick: Callable[[], None] | None,
    ) -> Any:
        process, reader = self._started()
        assert process.stdin is not None  # noqa: S101  # a pipe, see below
        send(process.stdin, encode([function, arguments, str(Path.cwd())]))
        answer, waited = self._answer(process, reader), 0.0
        watch = psutil.Process(process.pid)
        while True:
            try:
                return answer.result(_POLL)
            except NotYetError:
                waited += _POLL
            if stop is not None and stop.is_set():
                raise StoppedError
            if waited > seconds:
                raise WorkerError(f"It took longer than {seconds:.0f} s and was stopped.")
            with suppress(psutil.Error):
                if watch.memory_info().rss > _MEMORY:
                    raise WorkerError(
                        f"It needed more than {_MEMORY / 1e9:.0f} GB of memory and was stopped."
                    )
            if tick is not None:
                tick()

    def _started(self) -> tuple[subprocess.Popen[bytes], ThreadPoolExecutor]:
        if self._process is not None and self._reader is not None and self._process.poll() is None:
            return self._process, self._reader
        self.end()
        path = os.pathsep.join(entry for entry in sys.path if entry)
        environment = {**os.environ, "PYTHONPATH": path}
        if self._threads is not None:
            environment |= {f"{name}_NUM_THREADS": str(self._threads) for name in ("OMP", "OPENBLAS", "MKL")}
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "stemforge.sandbox.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            **_ALONE,
        )
        if self._nice:
            with suppress(psutil.Error):
                psutil.Process(process.pid).nice(
                    psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else self._nice
                )
        self._process, self._reader = process, ThreadPoolExecutor(1, "worker")
        self._answer(process, self._reader).result(_START)
        return self._process, self._reader

    @staticmethod
    def _answer(process: subprocess.Popen[bytes], reader: ThreadPoolExecutor) -> "Future[Any]":
        assert process.stdout is not None  # noqa: S101
        return reader.submit(receive, process.stdout)
