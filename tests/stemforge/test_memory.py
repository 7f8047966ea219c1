"""What a process holds in memory."""

import subprocess
import sys

_SIZE = 800_000_000
_ASKS = "from stemforge.memory import peak_memory"
_SMALL = f"{_ASKS}; print(peak_memory())"
_LARGE = f"""
import subprocess, sys
{_ASKS}
held = bytearray(b"x") * {_SIZE}
print(peak_memory(), flush=True)
subprocess.run([sys.executable, "-c", {_SMALL!r}], check=True)
"""


def test_a_child_does_not_count_what_its_parent_holds():
    answer = subprocess.run(
        [sys.executable, "-c", _LARGE], capture_output=True, text=True, check=True, timeout=120
    )
    parent, child = map(float, answer.stdout.split())
    assert parent > _SIZE
    assert 1e7 < child < _SIZE
