import csv
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.corpus.writer import CorpusWriter
from stemforge.errors import CorpusError, InputError, WeightsError
from stemforge.train import (
    Calibration,
    Counting,
    Crops,
    RunOptions,
    SACCNNRecipe,
    fit,
    load_weights,
    save_weights,
)
from stemforge.train.data.batches import split_corpora
from stemforge.train.sac_cnn.data import AtomCrops

QUICK = {"accelerator": "cpu", "devices": 1}


def _recipe(**changes):
    values = {"epochs": 2, "images_per_batch": 1, "crops": Crops(per_image=8), "validation": 0.25}
    return SACCNNRecipe(**values | changes)


def _fit(data, out, **options):
    recipe = options.pop("recipe", None) or _recipe()
    return fit(recipe, data, out, RunOptions(num_workers=0, quiet=True, trainer_options=QUICK, **options))


def _metrics(run):
    with (run / "logs" / "csv" / "metrics.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def _epochs(run, part="validation_loss"):
    return [int(row["epoch"]) for row in _metrics(run) if row[part]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_corpus):
    """A run of two epochs; copy it before changing it."""
    run = tmp_path_factory.mktemp("fit") / "run"
    _fit([tiny_corpus], run)
    return run


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def test_a_run_leaves_weights_card_logs_and_checkpoints(finished, tiny_corpus):
    model, card = load_weights(finished / "sac-cnn.safetensors")
    assert card.architecture == "sac-cnn"
    assert card.sampling == pytest.approx(0.293)
    assert card.recipe == _recipe().model_dump(mode="json")
    assert card.data == (f"quickstart {Corpus(tiny_corpus).recipe_hash[:12]} (4 simulated)",)
    assert np.isfinite(card.metrics["validation_loss"])
    assert card.date
    assert not model.training

    rows = _metrics(finished)
    for name in ("train_loss", "validation_loss", "train_f1", "validation_f1"):
        values = [float(row[name]) for row in rows if row[name]]
        assert len(values) == 2, name
        assert np.all(np.isfinite(values)), name
    best = min(float(row["validation_loss"]) for row in rows if row["validation_loss"])
    assert card.metrics["validation_loss"] == pytest.approx(best, rel=1e-5)
    (events,) = (finished / "logs" / "tensorboard").glob("events.out.tfevents.*")
    assert events.stat().st_size > 500
    assert {p.name for p in (finished / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert yaml.safe_load((finished / "recipe.yaml").read_text()) == card.recipe


def test_weights_are_those_of_the_best_epoch(finished):
    state = torch.load(finished / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    model, _ = load_weights(finished / "sac-cnn.safetensors")
    assert all(torch.equal(state[f"model.{name}"], tensor) for name, tensor in model.state_dict().items())


def test_a_log_says_how_far_a_run_is(tmp_path, tiny_corpus, monkeypatch, capsys):
    monkeypatch.setattr("stemforge.console._A_LINE", 0)
    fit(_recipe(), [tiny_corpus], tmp_path / "run", RunOptions(num_workers=0, trainer_options=QUICK))
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("train, epoch")]
    assert re.fullmatch(r"train, epoch 1: 1 of \d+ batches, 0 s elapsed, about 0 s left", lines[0])
    assert re.search(r"train, epoch 2, validation loss [\d.e-]+: \d+ of \d+ batches", lines[-1])


@pytest.mark.slow
def test_resume_goes_on_counting(run, tiny_corpus):
    before = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    shown = []
    original = AtomCrops._crops

    def spy(self, item, epoch):
        if self.part == "train":
            shown.append(epoch)
        return original(self, item, epoch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AtomCrops, "_crops", spy)
        _fit([tiny_corpus], run, recipe=_recipe(epochs=4), resume=True)
    after = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert (before["epoch"], after["epoch"]) == (1, 3)
    assert after["global_step"] == 2 * before["global_step"]
    images = len(split_corpora([Corpus(tiny_corpus)], 0.25)[0])
    assert shown == [2] * images + [3] * images  # the two further epochs, degraded anew
    assert _epochs(run)[-2:] == [2, 3]
    assert load_weights(run / "sac-cnn.safetensors")[1].recipe["epochs"] == 4


@pytest.mark.slow
def test_resume_is_the_same_as_not_having_stopped(run, tmp_path, tiny_corpus):
    recipe = _recipe(epochs=3)
    _fit([tiny_corpus], run, recipe=recipe, resume=True)
    _fit([tiny_corpus], tmp_path / "whole", recipe=recipe)
    one, two = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for folder in (run, tmp_path / "whole")
    )
    for name in one:
        torch.testing.assert_close(one[name], two[name], msg=name)


@pytest.mark.slow
def test_a_run_with_a_falling_learning_rate_can_be_resumed(tmp_path, tiny_corpus):
    _fit([tiny_corpus], tmp_path / "run", recipe=_recipe(schedule="cosine"))
    _fit([tiny_corpus], tmp_path / "run", recipe=_recipe(schedule="cosine", epochs=3), resume=True)
    last = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["epoch"] == 2


@pytest.mark.slow
def test_an_average_of_the_weights_is_kept(tmp_path, tiny_corpus):
    """The average lags behind the weights that are trained; and a stop does not change it."""
    settings = {"average": 0.999999, "learning_rate": 1e-3}
    plain = _fit([tiny_corpus], tmp_path / "plain", recipe=_recipe(epochs=2, learning_rate=1e-3))
    kept = _fit([tiny_corpus], tmp_path / "kept", recipe=_recipe(epochs=2, **settings))
    # The weights that are trained are the same; those that are kept lag behind.
    last = torch.load(tmp_path / "kept" / "checkpoints" / "last.ckpt", weights_only=True)
    other = torch.load(tmp_path / "plain" / "checkpoints" / "last.ckpt", weights_only=True)
    name = "model.fc3.weight"
    torch.testing.assert_close(last["current_model_state"][name], other["state_dict"][name])
    assert not torch.equal(last["state_dict"][name], other["state_dict"][name])
    assert load_weights(kept)[1].recipe["average"] == 0.999999
    assert not torch.equal(load_weights(kept)[0].fc3.weight, load_weights(plain)[0].fc3.weight)
    _fit([tiny_corpus], tmp_path / "kept", recipe=_recipe(epochs=3, **settings), resume=True)
    _fit([tiny_corpus], tmp_path / "whole", recipe=_recipe(epochs=3, **settings))
    one, two = (
        torch.load(tmp_path / folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for folder in ("kept", "whole")
    )
    for name in one:
        torch.testing.assert_close(one[name], two[name], msg=name)


def test_resume_of_a_finished_run_that_was_moved(tmp_path, tiny_corpus):
    recipe = _recipe(epochs=1)
    _fit([tiny_corpus], tmp_path / "here", recipe=recipe)
    moved = (tmp_path / "here").rename(tmp_path / "there")
    before = load_weights(moved / "sac-cnn.safetensors")[0].state_dict()
    (moved / "sac-cnn.safetensors").unlink()
    path = _fit([tiny_corpus], moved, recipe=recipe, resume=True)
    assert path == moved / "sac-cnn.safetensors"
    assert all(
        torch.equal(tensor, before[name]) for name, tensor in load_weights(path)[0].state_dict().items()
    )
    assert not (tmp_path / "here").exists()


def test_an_epoch_is_validated_also_with_an_image_that_shows_nothing(tmp_path, write_blobs):
    folder = write_blobs(tmp_path / "a", 4)
    writer = CorpusWriter(folder, Corpus(folder).recipe, Corpus(folder).recipe_hash, kind="measured")
    points = Corpus(folder)[0].labels
    writer.write(0, [Sample(0, np.full((1, 72, 72), 5, np.float32), 0.293, ("HAADF",), points, {})])
    _fit([folder], tmp_path / "run")
    assert _epochs(tmp_path / "run") == [0, 1]


def test_init_weights_are_used(tmp_path, tiny_corpus, spot_weights):
    path = _fit(
        [tiny_corpus], tmp_path / "run", init=spot_weights, recipe=_recipe(learning_rate=1e-12, epochs=1)
    )
    tuned, start = (load_weights(p)[0].fc3.weight for p in (path, spot_weights))
    torch.testing.assert_close(tuned, start, atol=1e-6, rtol=0)


@pytest.mark.slow
def test_the_calibration_of_init_weights_is_kept_also_when_the_run_is_resumed(
    tmp_path, tiny_corpus, spot_weights
):
    model, card = load_weights(spot_weights)
    meaning = {
        "threshold": 0.35,
        "calibration": Calibration(1.2, 0.4),
        "counting": Counting(1.1, 0.5),
        "min_expected_f1": 0.4,
    }
    save_weights(tmp_path / "start.safetensors", model, replace(card, **meaning))
    start = tmp_path / "start.safetensors"
    _fit([tiny_corpus], tmp_path / "run", init=start, recipe=_recipe(epochs=1))
    path = _fit([tiny_corpus], tmp_path / "run", resume=True, recipe=_recipe(epochs=2))
    tuned = load_weights(path)[1]
    assert {name: getattr(tuned, name) for name in meaning} == meaning
    plain = _fit([tiny_corpus], tmp_path / "other", init=spot_weights, recipe=_recipe(epochs=1))
    assert load_weights(plain)[1].threshold == 0.5


def test_bad_init_weights_are_refused_before_anything_is_written(tmp_path, tiny_corpus):
    (tmp_path / "bad.safetensors").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match=r"bad\.safetensors"):
        _fit([tiny_corpus], tmp_path / "run", init=tmp_path / "bad.safetensors")
    assert not (tmp_path / "run").exists()


def test_a_used_folder_is_refused_and_left_alone(tmp_path, run, tiny_corpus):
    before = sorted((p, p.stat().st_mtime_ns) for p in run.rglob("*") if p.is_file())
    with pytest.raises(InputError, match="is not empty"):
        _fit([tiny_corpus], run)
    assert sorted((p, p.stat().st_mtime_ns) for p in run.rglob("*") if p.is_file()) == before
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        _fit([tiny_corpus], tmp_path / "strange")
    assert [p.name for p in (tmp_path / "strange").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("change", [{"learning_rate": 0.5}, {"seed": 1}, {"crops": Crops(per_image=10)}])
def test_resume_with_other_settings_is_refused(run, tiny_corpus, change):
    before = (run / "checkpoints" / "last.ckpt").read_bytes()
    with pytest.raises(InputError, match=r"recipe\.yaml: the run was started with other settings"):
        _fit([tiny_corpus], run, recipe=_recipe(**change), resume=True)
    assert (run / "checkpoints" / "last.ckpt").read_bytes() == before


def test_resume_begins_where_there_is_no_run_yet(tmp_path, tiny_corpus, capsys):
    """The script of a job is submitted again as it is."""
    first = _fit([tiny_corpus], tmp_path / "run", resume=True)
    assert "no run to go on with yet" in capsys.readouterr().err
    before = first.read_bytes()
    assert _fit([tiny_corpus], tmp_path / "run", resume=True).read_bytes() == before
    assert "one begins" not in capsys.readouterr().err


def test_resume_in_a_folder_of_something_else_is_refused(tmp_path, tiny_corpus):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="holds no run to go on with"):
        _fit([tiny_corpus], tmp_path, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_resume_from_a_damaged_checkpoint_is_refused(run, tiny_corpus):
    last = run / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"last\.ckpt"):
        _fit([tiny_corpus], run, recipe=_recipe(epochs=3), resume=True)


def test_corpora_of_differing_pixel_size_are_refused(tmp_path, tiny_corpus, write_blobs):
    other = write_blobs(tmp_path / "coarse", 2, sampling=0.4)
    with pytest.raises(CorpusError, match=r"differ in pixel size .*0\.293 Å.*0\.4 Å"):
        _fit([tiny_corpus, other], tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_corpora_mix_and_an_uncalibrated_one_is_taken_along(tmp_path, tiny_corpus, write_blobs):
    other = write_blobs(tmp_path / "bare", 2, sampling=None)
    path = _fit([tiny_corpus, other], tmp_path / "run", recipe=_recipe(epochs=1))
    card = load_weights(path)[1]
    assert card.sampling == pytest.approx(0.293)
    assert [text.rsplit("(")[-1] for text in card.data] == ["4 simulated)", "2 measured)"]


def test_corpora_without_a_single_label_are_refused(tmp_path, write_blobs):
    empty = write_blobs(tmp_path / "empty", 3, points=np.empty((0, 2)))
    with pytest.raises(CorpusError, match="no labelled atom"):
        _fit([empty], tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, tiny_corpus):
    with pytest.raises(InputError, match="diverged; lower the learning rate"):
        _fit([tiny_corpus], tmp_path / "run", recipe=_recipe(learning_rate=1e30))


def test_missing_corpus(tmp_path):
    with pytest.raises(CorpusError, match="none: no such folder"):
        _fit([tmp_path / "none"], tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_learning_works(tmp_path, write_blobs, blobs):
    from stemforge import Micrograph
    from stemforge.evaluate import score_atoms
    from stemforge.infer import detect_atoms

    corpus = write_blobs(tmp_path / "corpus", images=8, size=96)
    recipe = _recipe(epochs=8, learning_rate=1e-3, crops=Crops(per_image=64), patience=8)
    path = _fit([corpus], tmp_path / "run", recipe=recipe)
    f1 = [float(row["validation_f1"]) for row in _metrics(tmp_path / "run") if row["validation_f1"]]
    assert max(f1) > 0.9

    truth = np.array([[20.3, 30.1], [70.0, 25.6], [48.8, 75.2], [90.5, 88.0]])
    image = Micrograph(blobs(truth, (110, 110), seed=99), 0.293)
    model, card = load_weights(path)
    found = detect_atoms(image, model, card, threshold=0.9)
    assert score_atoms(found.atoms.points, truth).f1 > 0.9


@pytest.mark.slow
def test_a_run_stopped_before_its_first_checkpoint_goes_on_by_the_same_call(tmp_path, tiny_corpus):
    out = tmp_path / "run"
    (out / "logs" / "csv").mkdir(parents=True)
    (out / "recipe.yaml").write_text(_recipe().to_yaml(), encoding="utf-8")
    with pytest.raises(InputError, match="is not empty"):  # of other settings
        _fit([tiny_corpus], out, recipe=_recipe(seed=5))
    (out / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        _fit([tiny_corpus], out)
    (out / "notes.txt").unlink()
    assert _fit([tiny_corpus], out).is_file()
    with pytest.raises(InputError, match="is not empty"):  # it has checkpoints now
        _fit([tiny_corpus], out)
