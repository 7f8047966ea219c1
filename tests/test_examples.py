"""The scripts in examples/ run as they stand."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
# What draws nothing is run elsewhere: onnx_atoms in tests/infer/portable.
EXAMPLES = [path for path in SCRIPTS if path.stem != "onnx_atoms"]


@pytest.mark.slow
@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_runs_and_draws(script, tmp_path):
    done = subprocess.run(
        [sys.executable, str(script), "--out", "made"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    pictures = list((tmp_path / "made").glob("*.png"))
    assert pictures
    assert all(path.stat().st_size > 5000 for path in pictures)
