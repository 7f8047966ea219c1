"""What a run prints and draws while it goes."""

import io
import re
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from stemforge.errors import InputError
from stemforge.train import AtomNetRecipe, AtomNetTask, Crops, DIVAESRTask, RunOptions, SACCNNRecipe, fit
from stemforge.train.atom_net.data import HeatMaps, draw_heat
from stemforge.train.atom_net.task import peaks_f1
from stemforge.train.running.curves import LearningCurves
from stemforge.train.running.shown import epoch_line

QUICK = {"accelerator": "cpu", "devices": 1}
LINE = re.compile(
    r"Epoch (\d)/(\d): F1 (0\.\d\d|1\.00), loss [\d.e-]+ \(training [\d.e-]+\), \d+ s(, best so far)?"
)


def train(data, out, quiet=False, resume=False, **changes):
    values = {"epochs": 2, "images_per_batch": 1, "crops": Crops(per_image=8), "validation": 0.25}
    options = RunOptions(num_workers=0, quiet=quiet, resume=resume, trainer_options=QUICK)
    return fit(SACCNNRecipe(**values | changes), [data], out, options)


def lines(text):
    return [line.strip() for line in text.splitlines() if line.strip().startswith("Epoch")]


def test_each_epoch_has_a_line_and_the_run_a_picture_also_when_it_goes_on(tmp_path, tiny_corpus, capsys):
    train(tiny_corpus, tmp_path / "run")
    printed = lines(capsys.readouterr().err)
    found = [LINE.fullmatch(line) for line in printed]
    assert all(found), printed
    assert [(m[1], m[2]) for m in found] == [("1", "2"), ("2", "2")]
    assert found[0][4]  # the first epoch is the best of one
    first = Image.open(tmp_path / "run" / "learning_curves.png").tobytes()

    train(tiny_corpus, tmp_path / "run", resume=True, epochs=3)
    found = [LINE.fullmatch(line) for line in lines(capsys.readouterr().err)]
    assert [(m[1], m[2]) for m in found] == [("3", "3")]
    curves = LearningCurves.read(tmp_path / "run")
    np.testing.assert_array_equal(curves.epochs, [1, 2, 3])
    for name in ("train_loss", "validation_loss", "train_f1", "validation_f1"):
        assert np.isfinite(curves.values[name]).all(), name
    # The line and the picture speak of the same weights as the checkpoint.
    best = torch.load(tmp_path / "run" / "checkpoints" / "best.ckpt", weights_only=True)
    assert curves.best == best["epoch"] + 1
    assert bool(found[0][4]) == (curves.best == 3)
    assert Image.open(tmp_path / "run" / "learning_curves.png").tobytes() != first


def test_a_quiet_run_prints_nothing_and_draws_all_the_same(tmp_path, tiny_corpus, capsys):
    train(tiny_corpus, tmp_path / "run", quiet=True, epochs=1)
    assert not "".join(capsys.readouterr())
    assert (tmp_path / "run" / "learning_curves.png").is_file()


@pytest.mark.slow
def test_lines_stand_above_the_bar_in_a_terminal(tmp_path, tiny_corpus, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("stemforge.console.console", Console(file=terminal, force_terminal=True))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    train(tiny_corpus, tmp_path / "run")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "Epoch 1/1" in shown  # Lightning's bar
    found = [LINE.match(line) for line in re.split(r"[\r\n]", shown) if LINE.match(line)]
    assert [(m[1], m[2]) for m in found] == [("1", "2"), ("2", "2")]


def test_a_run_that_diverges_leaves_the_picture_of_what_came_before(tmp_path, tiny_corpus, monkeypatch):
    from stemforge.train import SACCNNTask

    original = SACCNNTask.loss

    def loss(self, batch, part):
        value = original(self, batch, part)
        return self.report(part, 1, value * np.nan) if self.current_epoch == 1 else value

    monkeypatch.setattr(SACCNNTask, "loss", loss)
    with pytest.raises(InputError, match="diverged"):
        train(tiny_corpus, tmp_path / "run", quiet=True)
    np.testing.assert_array_equal(LearningCurves.read(tmp_path / "run").epochs, [1])
    assert (tmp_path / "run" / "learning_curves.png").is_file()


def test_words_of_the_line_are_the_networks():
    figures = {"validation_loss": 0.5, "validation_mse": 121.0, "train_loss": -0.25, "validation_f1": 0.5}
    assert epoch_line("1/9", figures, DIVAESRTask, 300, False) == (
        "Epoch 1/9: RMS error 11 grey levels, loss 0.5 (training -0.25), 5 min"
    )
    assert epoch_line("1/9", figures, AtomNetTask, 1, True).startswith("Epoch 1/9: F1 0.50, loss 0.5")


@pytest.fixture
def four_atoms():
    points = np.array([[10.5, 12.5], [40.2, 20.9], [20.0, 45.0], [50.5, 50.49]])
    maps = [torch.from_numpy(part)[None] for part in draw_heat((64, 64), points, np.array([[32.0, 32.0]]))]
    return points, HeatMaps(torch.zeros(1, 1, 64, 64), *maps)


def drawn(points):
    heat = draw_heat((64, 64), np.asarray(points, float).reshape(-1, 2), np.empty((0, 2)))[0]
    return torch.from_numpy(8 * heat - 4)[None]


def test_f1_of_peaks(four_atoms):
    points, batch = four_atoms
    assert peaks_f1(drawn(points), batch) == 1
    assert peaks_f1(drawn(points + 1.2), batch) == 1
    assert peaks_f1(drawn(points + 8), batch) == 0
    assert peaks_f1(drawn(points[:2]), batch) == pytest.approx(2 * 2 / (2 + 4))
    assert peaks_f1(drawn([*points, [5, 55]]), batch) == pytest.approx(2 * 4 / (5 + 4))
    assert peaks_f1(drawn([*points, [32, 32]]), batch) == 1  # where nothing is known
    assert peaks_f1(drawn([]), batch) == 0
    nothing = HeatMaps(
        batch.image,
        *(torch.from_numpy(x)[None] for x in draw_heat((64, 64), np.empty((0, 2)), np.empty((0, 2)))),
    )
    assert peaks_f1(drawn([]), nothing) == 1
    assert peaks_f1(drawn(points), nothing) == 0


def test_atom_net_says_its_f1(tmp_path, write_blobs, capsys):
    corpus = write_blobs(tmp_path / "blobs", images=3)
    small = {"crop": 64, "per_image": 1, "validation": 0.34, "images_per_batch": 1}
    recipe = AtomNetRecipe(epochs=1, network={"width": 4, "levels": 3}, **small)
    fit(recipe, [corpus], tmp_path / "run", RunOptions(num_workers=0, trainer_options=QUICK))
    assert LINE.fullmatch(*lines(capsys.readouterr().err))
