"""The child's side: it waits for the name of a function, calls it, and sends what it returns or raises."""

import ctypes
import logging
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import IO, Any

from stemforge.errors import InputError
from stemforge.sandbox.messages import encode, receive, send

_LOOK = 1.0  # seconds between looks at whether the parent lives


def serve(modules: Sequence[str] = ()) -> None:
    """Answer on standard output what comes on standard input, until that ends; import some modules before."""
    # Libraries print where they like; the pipe carries messages alone.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # What readers remark goes past a user, who did not choose them; what matters is raised.
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    # Ctrl-C in a terminal reaches all its processes; this one is ended by its parent, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    for module in modules:
        import_module(module)
    send(answers, encode("ready"))
    while _answer(sys.stdin.buffer, answers):
        pass


def _end_with(parent: int) -> None:
    """End when the parent does, in the midst of work, too: nobody waits for the answer of a parent that was killed."""
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)


def _answer(questions: IO[bytes], answers: IO[bytes]) -> bool:
    try:
        function, arguments, folder = receive(questions)
    except EOFError:  # the parent has ended
        return False
    send(answers, _call(function, arguments, folder))
    del arguments
    _return_memory()
    return True


def _return_memory() -> None:
    """Give back to the system what the C library keeps of memory that is free, after a large image hundreds of MB."""
    with suppress(AttributeError, OSError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)


def _call(function: str, arguments: dict[str, Any], folder: str) -> list[bytes | memoryview]:
    module, _, name = function.partition(":")
    try:
        os.chdir(folder)  # relative paths are the parent's
        return encode({"value": getattr(import_module(module), name)(**arguments)})
    except InputError as error:
        return encode({"error": type(error).__name__, "message": str(error)})
    # Readers raise whatever their format's parser trips over, RecursionError and MemoryError included.
    except Exception as error:
        return encode({"error": "", "message": f"{type(error).__name__}: {error}"[:2000]})


if __name__ == "__main__":
    serve(sys.argv[1:])
