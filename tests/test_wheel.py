"""The wheel holds exactly what git tracks, whether it is built from the tree or from the sdist."""

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("stemforge", "structures", "simulate", "train", "infer", "evaluate", "adapt", "app")
# A sub-package that is listed nowhere, with a data folder of its own.
NEW = (
    "simulate/listed_nowhere/__init__.py",
    "simulate/listed_nowhere/__init__.pyi",
    "simulate/listed_nowhere/deep/a.py",
    "simulate/listed_nowhere/data/a.yaml",
)


def git_files():
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(line) for line in sorted(set(result.stdout.splitlines())) if (ROOT / line).is_file()]


def build(source, out, *options):
    """Build with the setuptools that is here, or in isolation where there is none."""
    installed = {dist.name for dist in importlib.metadata.distributions()}
    command = [sys.executable, "-m", "build", *options, "--outdir", str(out), str(source)]
    command += ["--no-isolation"] if "setuptools" in installed else []
    # Not run in the checkout: a folder called build/ there would pass for the module.
    result = subprocess.run(command, cwd=out, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.mark.slow
# Without options, build makes the sdist and then the wheel from the sdist.
@pytest.mark.parametrize("options", [("--wheel",), ()], ids=["tree", "sdist"])
def test_the_wheel_holds_what_git_tracks(tmp_path, options):
    source, out = tmp_path / "source", tmp_path / "out"
    out.mkdir()
    files = git_files()
    for path in files:
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, source / path)
    for path in map(Path, NEW):
        assert path not in files
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).touch()
        files.append(path)
    with zipfile.ZipFile(build(source, out, *options)) as wheel:
        names = [name for name in wheel.namelist() if not name.endswith("/")]
    tracked = {
        # stemforge/x stays, room/x becomes stemforge/room/x.
        (path if path.parts[0] == "stemforge" else Path("stemforge") / path).as_posix()
        for path in files
        if path.parts[0] in FOLDERS
    }
    packaged = {name for name in names if name.startswith("stemforge/")}
    assert packaged - tracked == set()
    assert tracked - packaged == set()
    tops = {name.split("/")[0] for name in names}
    assert len(tops) == 2
    assert all(top == "stemforge" or top.endswith(".dist-info") for top in tops)
