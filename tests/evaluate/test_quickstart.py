"""The whole chain, as a newcomer runs it: minutes."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from stemforge.__main__ import main
from stemforge.evaluate.quickstart import TRAINING
from stemforge.train import SACCNNRecipe

pytestmark = pytest.mark.slow


def _run(out, environment):
    """Run in a process of its own; without the reference data, to be the same everywhere."""
    command = [sys.executable, "-m", "stemforge", "quickstart", "--out", str(out), "--quiet"]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1800)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished quickstart: the one that STEMFORGE_QUICKSTART names, which was made just before, or a new one."""
    folder = tmp_path_factory.mktemp("quickstart")
    environment = {key: value for key, value in os.environ.items() if key != "STEMFORGE_DATA_DIR"}
    if made := os.environ.get("STEMFORGE_QUICKSTART"):
        return shutil.copytree(made, folder / "out"), environment
    # As a run leaves it that was stopped in its first epoch.
    (folder / "out" / "run" / "logs" / "csv").mkdir(parents=True)
    training = SACCNNRecipe.from_file(SACCNNRecipe.shipped_path(), TRAINING)
    (folder / "out" / "run" / "recipe.yaml").write_text(training.to_yaml(), encoding="utf-8")
    done = _run(folder / "out", environment)
    assert done.returncode == 0, done.stderr
    assert "report.html" in done.stderr
    return folder / "out", environment


def test_the_report_is_one_file_with_pictures_of_every_stage(finished, read_page):
    out, _ = finished
    page = read_page((out / "report.html").read_text(encoding="utf-8"))
    assert sum(tag == "figure" for tag, _ in page.tags) >= 6
    pictures = page.attributes("src")
    assert len(pictures) >= 3
    assert min(map(len, pictures)) > 10_000
    for word in ("specimen", "corpus", "Training", "Unseen", "Scores", "Real images: skipped"):
        assert word in page.text


def test_atoms_are_found_on_other_images(finished):
    out, _ = finished
    scores = json.loads((out / "unseen" / "scores.json").read_text())
    assert len(scores["images"]) == 4
    assert scores["summary"]["box21_iou0.5"]["mean"]["f1"] > 0.5


def test_run_again_it_does_not_start_over(finished):
    out, environment = finished
    kept = [*(out / "corpus").iterdir(), *(out / "run" / "checkpoints").iterdir()]
    before = {path: path.stat().st_mtime_ns for path in kept}
    scores = json.loads((out / "unseen" / "scores.json").read_text())
    (out / "report.html").unlink()
    done = _run(out, environment)
    assert done.returncode == 0, done.stderr
    assert (out / "report.html").exists()
    assert {path: path.stat().st_mtime_ns for path in kept} == before
    assert json.loads((out / "unseen" / "scores.json").read_text())["summary"] == scores["summary"]


def test_its_folder_can_be_inspected(finished, tmp_path):
    out, _ = finished
    assert main(["inspect", str(out / "corpus"), "--figure", str(tmp_path / "sheet.png")]) == 0
