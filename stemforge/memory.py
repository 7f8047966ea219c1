"""What a process holds in memory."""

import atexit
import gc
import re
import sys
from pathlib import Path

import psutil


def peak_memory() -> float:
    """Measure the most resident memory that this process has held since its program started.

    Linux passes ``ru_maxrss`` of a parent on to the programs that it starts, so that a small child of a large parent
    would be taken for a large one. The mark of the address space begins anew with each program.

    Returns
    -------
    float
        Size [byte].

    Examples
    --------
    >>> peak_memory() > 1e6
    True
    """
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset)
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text(encoding="ascii")
        if mark := re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE):
            return 1024.0 * int(mark[1])
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def collect_seldom() -> None:
    """Spare the million objects of torch and matplotlib, which stay, the search for cycles of garbage.

    With Python's 700 objects between two searches it takes a sixth of the time in which a program imports them, with
    10 000 a tenth; and at the program's end half a second.

    Examples
    --------
    >>> collect_seldom()
    >>> gc.get_threshold()[0]
    100000
    """
    gc.set_threshold(100_000, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)
