"""The machine: cores, threads, memory, disk."""

import os
import platform
import shutil
from pathlib import Path

import psutil

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Variables of the environment that limit threads."""


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_limits() -> dict[str, str]:
    """Return the variables of the environment that limit threads, where they are set."""
    return {name: os.environ[name] for name in THREADS if name in os.environ}


def memory() -> dict[str, int]:
    """Return the memory in all and what of it is free [byte]; a container's limit counts."""
    found = psutil.virtual_memory()
    limit = _container_limit() or found.total
    return {"total": min(found.total, limit), "available": min(found.available, limit)}


def _container_limit() -> int | None:
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(name).read_text().strip()
        except OSError:
            continue
        return int(text) if text.isdigit() else None
    return None


def free_disk(folder: Path) -> int | None:
    """Return what is free on the disk of a folder [byte]; None where the system does not say."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def system() -> str:
    """Return the operating system and processor."""
    return f"{platform.system()} {platform.release()}, {platform.machine()}"
