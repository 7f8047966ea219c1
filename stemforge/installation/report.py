"""All that ``stemforge doctor`` finds out, and what of it is a problem."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stemforge.cache import cache_folder
from stemforge.installation.imports import HEAVY, try_imports
from stemforge.installation.machine import free_disk, memory, system, thread_limits, usable_cores
from stemforge.installation.requirements import (
    Extra,
    Package,
    extras,
    install_command,
    installed_version,
    required_packages,
)
from stemforge.installation.weights import shipped_weights, weights_fault

_LITTLE_DISK = 2e9  # a corpus of the smallest recipe and its weights [byte]


@dataclass(frozen=True)
class Installation:
    """What was found.

    Parameters
    ----------
    version, python, system
        Of stemforge and Python; the operating system.
    packages
        What is always required.
    extras
        Optional features.
    broken
        Modules that cannot be imported, and why.
    torch
        Threads and devices; None where torch cannot be imported.
    cores, limits, memory
        What this process may use.
    disks
        Free on the disks of the cache and of the working folder [byte].
    cache
        Folder that results of long calculations are kept in; None for none.
    weights
        Faults of weights' files that ship, by name; an empty text for none.
    writable
        Whether the working folder can be written to.
    """

    version: str
    python: str
    system: str
    packages: tuple[Package, ...]
    extras: tuple[Extra, ...]
    broken: Mapping[str, str]
    torch: Mapping[str, Any] | None
    cores: int
    limits: Mapping[str, str]
    memory: Mapping[str, int]
    disks: Mapping[str, int | None]
    cache: Path | None
    weights: Mapping[str, str]
    writable: bool
    cupy: str | None = field(default=None)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is broken that stemforge needs, each with what mends it."""
        found = [f"{one.problem}; {install_command()} mends it" for one in self.packages if one.problem]
        for name, why in self.broken.items():
            found.append(f"{name} cannot be imported ({why}); pip install --force-reinstall {name}")
        for name, fault in self.weights.items():
            if fault:
                found.append(f"weights {name}: the file {fault}; install stemforge again")
        if not self.weights:
            found.append("weights: no file came with stemforge; install it again")
        return tuple(found)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What works, but not as well as it could."""
        found = []
        if self.cache is None:
            found.append("no cache folder can be written to; name one in STEMFORGE_CACHE_DIR")
        if not self.writable:
            found.append(f"{Path.cwd()}: cannot be written to; work in another folder or give --out")
        for name, free in self.disks.items():
            if free is not None and free < _LITTLE_DISK:
                found.append(f"the disk of the {name} folder has only {free / 1e9:.1f} GB left")
        if self.torch and self.torch["built_for_cuda"] and not self.torch["devices"]:
            reason = self.torch.get("reason", "no driver or no device")
            found.append(
                f"torch is built for CUDA {self.torch['built_for_cuda']}, but finds no GPU ({reason})"
            )
        return tuple(found)

    def to_mapping(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        return {
            "stemforge": self.version,
            "python": self.python,
            "system": self.system,
            "packages": {one.name: one.version for one in self.packages},
            "cores": self.cores,
            "thread_limits": dict(self.limits),
            "memory": dict(self.memory),
            "free_disk": dict(self.disks),
            "cache": self.cache and str(self.cache),
            "torch": self.torch and dict(self.torch),
            "cupy": self.cupy,
            "extras": {
                one.name: {
                    "purpose": one.purpose,
                    "missing": [package.name for package in one.missing],
                    "install": one.install,
                }
                for one in self.extras
            },
            "weights": {name: fault or "intact" for name, fault in self.weights.items()},
            "problems": list(self.problems),
            "remarks": list(self.remarks),
        }


def examine() -> Installation:
    """Find out what this installation can do here; nothing that is broken keeps the rest from being known."""
    import stemforge

    broken, torch = try_imports(HEAVY)
    cache, work = cache_folder(), Path.cwd()
    disks = {"working": free_disk(work), **({"cache": free_disk(cache)} if cache else {})}
    cupy = (installed_version(name) for name in ("cupy", "cupy-cuda12x", "cupy-cuda13x"))
    return Installation(
        version=stemforge.__version__,
        python=platform.python_version(),
        system=system(),
        packages=required_packages(),
        extras=extras(),
        broken=broken,
        torch=torch,
        cores=usable_cores(),
        limits=thread_limits(),
        memory=memory(),
        disks=disks,
        cache=cache,
        weights={path.stem: weights_fault(path) for path in shipped_weights()},
        writable=os.access(work, os.W_OK),
        cupy=next((one for one in cupy if one), None),
    )
