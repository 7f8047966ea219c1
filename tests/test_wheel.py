"""The wheel holds exactly what git tracks: a sub-package that is not listed is missing without a word."""

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("stemforge", "structures", "simulate", "train", "infer", "evaluate")


def git_files():
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(line) for line in sorted(set(result.stdout.splitlines())) if (ROOT / line).is_file()]


def build(source, out):
    """Build a wheel with the setuptools that is here, or in isolation where there is none."""
    # Asked of the metadata: a folder called build/ at the root would pass for a module.
    installed = {name for dist in importlib.metadata.distributions() if (name := dist.name)}
    here = "setuptools" in installed
    if "build" in installed:
        command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(source)]
        command += ["--no-isolation"] if here else []
    else:
        command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(out), str(source)]
        command += ["--no-build-isolation"] if here else []
    result = subprocess.run(command, cwd=out, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.mark.slow
def test_the_wheel_holds_what_git_tracks(tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    out.mkdir()
    files = git_files()
    for path in files:
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, source / path)
    with zipfile.ZipFile(build(source, out)) as wheel:
        names = [name for name in wheel.namelist() if not name.endswith("/")]
    tracked = {
        # stemforge/x stays, room/x becomes stemforge/room/x.
        (path if path.parts[0] == "stemforge" else Path("stemforge") / path).as_posix()
        for path in files
        if path.parts[0] in FOLDERS
    }
    assert {Path(name).suffix for name in tracked} <= {
        ".py",
        ".pyi",
        ".yaml",
        ".html",
        ".typed",
        ".safetensors",
        ".md",
    }
    packaged = {name for name in names if name.startswith("stemforge/")}
    assert packaged - tracked == set()
    assert tracked - packaged == set()
    tops = {name.split("/")[0] for name in names}
    assert len(tops) == 2
    assert all(top == "stemforge" or top.endswith(".dist-info") for top in tops)
