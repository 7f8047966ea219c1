"""A system without POSIX: no module or function of it is needed to open, detect and report."""

import subprocess
import sys

import pytest
import tifffile

_WITHOUT_POSIX = """
import builtins, os, sys
_import, _open = builtins.__import__, os.open

def without_posix(name, globals=None, *rest, **more):
    caller = (globals or {}).get("__name__", "")
    if name in {"fcntl", "grp", "pwd", "resource", "termios"} and caller.startswith("stemforge"):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return _import(name, globals, *rest, **more)

def open_no_folder(path, *rest, **more):
    if not isinstance(path, int) and os.path.isdir(path):
        raise PermissionError(13, "Permission denied", path)
    return _open(path, *rest, **more)

builtins.__import__, os.open = without_posix, open_no_folder
for name in ("getuid", "sched_getaffinity"):
    delattr(os, name)
from stemforge.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def run(folder, *words, code=_WITHOUT_POSIX):
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)


@pytest.mark.slow
def test_detect_and_report_without_posix(tmp_path, blobs):
    places = [(x, y) for x in range(12, 90, 16) for y in range(12, 90, 16)]
    image = blobs(places, (96, 96))
    scale = {"imagej": True, "resolution": (34.13, 34.13), "metadata": {"unit": "nm"}}
    tifffile.imwrite(tmp_path / "image.tif", image, **scale)
    for words in (
        ("infer", "atoms", "image.tif", "--out", "found", "--no-completeness", "--quiet"),
        ("report", "found", "--out", "report", "--simulations", "199", "--quiet"),
    ):
        done = run(tmp_path, *words)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "found" / "image.csv").read_text().count("\n") > len(places) // 2
    assert (tmp_path / "report" / "report.html").is_file()


def test_the_fake_takes_posix_away(tmp_path):
    """The control."""
    code = _WITHOUT_POSIX.split("from stemforge")[0]
    code += "exec(compile('import fcntl', 'x', 'exec'), {'__name__': 'stemforge.x'})"
    assert "No module named 'fcntl'" in run(tmp_path, code=code).stderr
    code = _WITHOUT_POSIX.split("from stemforge")[0] + "os.open('.', os.O_RDONLY)"
    assert "PermissionError" in run(tmp_path, code=code).stderr
