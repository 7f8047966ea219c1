"""The scripts in examples/ run as they stand."""

import runpy
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

FOLDER = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(FOLDER.glob("*.py"))
GALLERY = sorted(FOLDER.glob("gallery/*/*.py"))
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


def test_the_gallery_is_large_and_in_order():
    assert len(GALLERY) >= 25
    assert all(path.name.startswith("plot_") for path in GALLERY)
    assert all((path.parent / "GALLERY_HEADER.rst").is_file() for path in GALLERY)
    for path in GALLERY:
        title, rule = path.read_text(encoding="utf-8").splitlines()[1:3]
        assert rule == "=" * len(title), path.name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.parametrize("script", GALLERY, ids=lambda path: path.stem.removeprefix("plot_"))
def test_the_gallery_draws_and_leaves_nothing(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plt.close("all")
    with mpl.rc_context({"backend": "Agg"}):
        runpy.run_path(str(script))
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()
    assert plt.get_fignums()
    assert not list(tmp_path.iterdir())
    plt.close("all")
