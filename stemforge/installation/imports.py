"""Imports tried in a child process: one that breaks, or brings the process down, breaks nothing else."""

import json
import subprocess
import sys
from typing import Any

HEAVY = ("numpy", "h5py", "numba", "torch", "torchvision", "abtem")
"""Modules with machine code or much below them: where an installation breaks, one of them does not import."""

# Each line is printed as soon as it is known: the module after the last one brought the process down.
_CHILD = """
import importlib, json, sys
for name in sys.argv[1:]:
    print(json.dumps({"trying": name}), flush=True)
    try:
        importlib.import_module(name)
    except BaseException as error:
        print(json.dumps({"failed": name, "reason": f"{type(error).__name__}: {error}"}), flush=True)
torch = sys.modules.get("torch")
if hasattr(torch, "cuda"):
    found = {"threads": torch.get_num_threads(), "built_for_cuda": torch.version.cuda, "devices": []}
    try:
        for number in range(torch.cuda.device_count()):
            one = torch.cuda.get_device_properties(number)
            found["devices"].append({"name": f"cuda:{number}", "model": one.name, "memory": one.total_memory})
        if torch.backends.mps.is_available():
            found["devices"].append({"name": "mps", "model": "Apple", "memory": None})
    except Exception as error:
        found["reason"] = f"{type(error).__name__}: {error}"
    print(json.dumps({"torch": found}), flush=True)
"""


def try_imports(
    names: tuple[str, ...] = HEAVY, timeout: float = 300.0
) -> tuple[dict[str, str], dict[str, Any] | None]:
    """Import modules in a child process.

    Parameters
    ----------
    names
        Modules.
    timeout
        Longest time [s].

    Returns
    -------
    failed, torch
        Why modules cannot be imported, by name; and what torch says of threads and devices, None where it cannot.

    Examples
    --------
    >>> try_imports(("json", "no_such_module"))[0]
    {'no_such_module': "ModuleNotFoundError: No module named 'no_such_module'"}
    """
    command = [sys.executable, "-c", _CHILD, *names]
    failed: dict[str, str] = {}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        printed, ending = done.stdout, f"ended the process with code {done.returncode}"
    except subprocess.TimeoutExpired as error:
        out = error.stdout or b""
        printed, ending = out.decode() if isinstance(out, bytes) else out, f"took more than {timeout:g} s"
        done = None
    trying, torch = "", None
    for line in printed.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:  # of a module that prints when it is imported
            continue
        trying, torch = entry.get("trying", trying), entry.get("torch", torch)
        if "failed" in entry:
            failed[entry["failed"]] = " ".join(entry["reason"].split())
    if (done is None or done.returncode) and trying:
        failed.setdefault(trying, ending)
    return failed, torch
