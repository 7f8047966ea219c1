"""Every shipped recipe is explained, loads, and runs."""

import csv

import numpy as np
import pytest
import torch
import yaml

from stemforge.errors import CorpusError, InputError, RecipeError, WeightsError
from stemforge.infer.weights import load_finder
from stemforge.simulate import BoxDefinition
from stemforge.train import (
    AtomNetRecipe,
    Card,
    DIVAESRRecipe,
    FasterRCNNRecipe,
    Inputs,
    RunOptions,
    SACCNNRecipe,
    UNetRecipe,
    fit,
    load_weights,
    save_weights,
)

QUICK = {"num_workers": 0, "quiet": True, "trainer_options": {"accelerator": "cpu", "devices": 1}}


def run(recipe, data, out, **options):
    return fit(recipe, data, out, RunOptions(**QUICK, **options))


ALL = [(kind, name) for kind in (SACCNNRecipe, DIVAESRRecipe, FasterRCNNRecipe) for name in kind.SHIPPED]
TINY_DIVAESR = {
    "epochs": 1,
    "per_image": 2,
    "images_per_batch": 1,
    "network.channels": [4, 8],
    "network.latent": 4,
    "network.blocks": 1,
    "network.features": 4,
}
TINY_UNET = {
    "epochs": 1,
    "per_image": 2,
    "images_per_batch": 1,
    "network.widths": [4, 8],
    "network.blocks": [1, 1],
}
TINY_RCNN = {
    "epochs": 1,
    "per_image": 1,
    "crop": 64,
    "images_per_batch": 2,
    "network.pyramid": 8,
    "network.head": 16,
}


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_a_shipped_recipe_explains_and_states_every_field(kind, name):
    path = kind.shipped_path(name)
    recipe = kind.load(name)
    text = path.read_text()
    assert text.startswith("# ")
    stated = yaml.safe_load(text)
    expected = recipe.model_dump(mode="json")
    expected.get("network", {}).pop("classes", None)
    assert stated == expected
    bare = [line for line in text.splitlines() if "#" not in line]
    assert bare in ([], ["visible:", "crops:"], ["augmentation:", "network:"], ["augmentation:"])


@pytest.mark.parametrize("kind", [SACCNNRecipe, DIVAESRRecipe, FasterRCNNRecipe])
def test_the_first_shipped_recipe_is_the_published_one_and_the_default(kind):
    assert kind.load() == kind.shipped() == kind.load(kind.SHIPPED[0])
    with pytest.raises(RecipeError, match=f"nonesuch: .*{kind.SHIPPED[-1]}"):
        kind.load("nonesuch")
    with pytest.raises(RecipeError, match="unknown key"):
        kind.load(kind.SHIPPED[-1], {"epoch": 1})


def test_fine_tuning_is_the_training_that_ships_but_short_careful_and_balanced():
    usual, fine = (AtomNetRecipe.load(name).model_dump(mode="json") for name in AtomNetRecipe.SHIPPED)
    differ = {name for name in usual if usual[name] != fine[name]}
    assert differ == {"epochs", "learning_rate", "average", "balance", "patience", "augmentation"}
    assert fine["balance"]
    assert fine["learning_rate"] < usual["learning_rate"]
    low, high = fine["augmentation"]["zoom"]
    assert low * high == pytest.approx(1, abs=1e-3)


def _validations(run):
    with (run / "logs" / "csv" / "metrics.csv").open(newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["validation_loss"]]


@pytest.mark.parametrize("name", DIVAESRRecipe.SHIPPED)
@pytest.mark.parametrize("source", ["corpus", "published"])
def test_divaesr_recipes_run(name, source, tmp_path, corpus_by_name, pairs_zip):
    recipe = DIVAESRRecipe.load(name, TINY_DIVAESR)
    data = [pairs_zip] if source == "published" else ["somewhere"]
    path = run(recipe, data, tmp_path / "run")
    assert path == tmp_path / "run" / "divaesr.safetensors"
    model, card = load_weights(path)
    assert model.settings == recipe.network
    assert card.recipe == recipe.model_dump(mode="json")
    assert card.sampling == (None if source == "published" else 0.25)
    assert card.inputs == Inputs(high_pass=0.0 if source == "published" else 0.02)
    assert card.data == (("pairs.zip",) if source == "published" else ("fake 000000000000 (3 simulated)",))
    (row,) = _validations(tmp_path / "run")
    assert card.metrics["validation_mse"] == pytest.approx(float(row["validation_mse"]), rel=1e-5)
    assert 0 < card.metrics["validation_mse"] < 255**2
    assert model.restore(torch.rand(1, 1, 64, 64)).shape == (1, 1, 128, 128)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "one_class"),
    [
        ("faster-rcnn-small", False),
        ("faster-rcnn-small", True),
        pytest.param("faster-rcnn", False, marks=pytest.mark.slow),
    ],
)
def test_faster_rcnn_recipes_run(name, one_class, tmp_path, corpus_by_name):
    boxes = 0.56 if one_class else "van-der-waals"
    recipe = FasterRCNNRecipe.load(name, TINY_RCNN | {"one_class": one_class, "boxes": boxes})
    path = run(recipe, ["somewhere"], tmp_path / "run")
    assert path == tmp_path / "run" / "faster-rcnn.safetensors"
    model, card = load_weights(path)
    assert model.settings.classes == (("molecule",) if one_class else ("pyridine", "thiophene"))
    assert (card.sampling, card.inputs.restorer, card.inputs.zoom) == (0.25, None, 1)
    assert card.inputs.boxes == BoxDefinition(boxes)
    (row,) = _validations(tmp_path / "run")
    assert card.metrics["validation_loss"] == pytest.approx(float(row["validation_loss"]), rel=1e-5)
    assert 0 <= float(row["validation_f1"]) <= 1
    assert set(model([torch.rand(1, 64, 64)])[0]) == {"boxes", "labels", "scores"}


@pytest.fixture(scope="module")
def small_rcnn():
    return FasterRCNNRecipe.load("faster-rcnn-small", TINY_RCNN)


@pytest.fixture
def restorer(tmp_path, corpus_by_name):
    recipe = DIVAESRRecipe.load("sr", TINY_DIVAESR)
    return run(recipe, ["somewhere"], tmp_path / "restorer")


@pytest.mark.slow
def test_a_detector_of_restored_images_names_its_restorer(restorer, tmp_path, small_rcnn):
    path = run(small_rcnn.replace(restorer=str(restorer)), ["somewhere"], tmp_path / "run")
    named = load_weights(path)[1].inputs.restorer
    assert named.file == "divaesr.safetensors"
    assert len(named.sha256) == 64


def test_weights_of_another_network_are_refused(restorer, tmp_path, small_rcnn, random_weights):
    with pytest.raises(
        WeightsError, match="restoring needs weights of divaesr or unet, these are of sac-cnn"
    ):
        run(small_rcnn.replace(restorer=str(random_weights)), ["somewhere"], tmp_path / "run")
    with pytest.raises(WeightsError, match="are weights of divaesr, not of faster-rcnn"):
        run(small_rcnn, ["somewhere"], tmp_path / "run", init=restorer)
    larger = DIVAESRRecipe.load("sr", TINY_DIVAESR | {"network.features": 8})
    with pytest.raises(WeightsError, match="other sizes than the recipe's"):
        run(larger, ["somewhere"], tmp_path / "run", init=restorer)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_stopped_and_resumed_is_the_same_as_in_one_go(tmp_path, corpus_by_name):
    # The autoencoder draws from its latent distribution: the same numbers after a resume.
    one, two = (
        DIVAESRRecipe.load("divaesr", TINY_DIVAESR | {"epochs": epochs, "clean_share": 0.5})
        for epochs in (1, 2)
    )
    run(one, ["somewhere"], tmp_path / "parts")
    paths = [
        run(two, ["somewhere"], tmp_path / "parts", resume=True),
        run(two, ["somewhere"], tmp_path / "whole"),
    ]
    states = [
        torch.load(p.parent / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for p in paths
    ]
    for name in states[0]:
        torch.testing.assert_close(states[0][name], states[1][name], msg=name)


@pytest.mark.parametrize("half", [False, True])
def test_half_precision_on_disk(tmp_path, corpus_by_name, half):
    recipe = DIVAESRRecipe.load("divaesr", TINY_DIVAESR)
    path = run(recipe, ["somewhere"], tmp_path / "run", half=half)
    from safetensors.torch import load_file

    stored = load_file(path)
    kernels = {t.dtype for t in stored.values() if t.ndim > 1}
    assert kernels == {torch.float16 if half else torch.float32}
    assert {t.dtype for t in stored.values() if t.ndim == 1} == {torch.float32}
    assert {t.dtype for t in load_weights(path)[0].state_dict().values() if t.ndim} == {torch.float32}


@pytest.mark.slow
def test_checkpoints_of_runs_are_weights_too(tmp_path, corpus_by_name, small_rcnn):
    runs = {
        "divaesr": run(DIVAESRRecipe.load("divaesr", TINY_DIVAESR), ["x"], tmp_path / "a"),
        "faster-rcnn": run(small_rcnn, ["x"], tmp_path / "b"),
    }
    for architecture, path in runs.items():
        model, card = load_weights(path)
        same, its_card = load_weights(path.parent / "checkpoints" / "best.ckpt")
        assert card.architecture == its_card.architecture == architecture
        assert (its_card.settings, its_card.sampling, its_card.inputs) == (
            card.settings,
            card.sampling,
            card.inputs,
        )
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, same.state_dict()[name]), name


def test_checkpoints_of_a_unet_hold_the_interval_of_the_weights_or_are_refused(
    tmp_path, corpus_by_name, monkeypatch
):
    monkeypatch.setattr(UNetRecipe, "PATCH", 64)
    recipe = UNetRecipe.load("unet", TINY_UNET)
    path = run(recipe, ["x"], tmp_path / "a")
    widening = load_weights(path)[0].widening
    assert not torch.equal(widening, torch.ones(2))
    checkpoints = path.parent / "checkpoints"
    assert torch.equal(load_finder(checkpoints / "best.ckpt", "images")[0].widening, widening)
    # The last epoch was stored while the interval was not fitted yet, also where the run began with weights that had
    # been finished; it goes on all the same.
    for last in (checkpoints, run(recipe, ["x"], tmp_path / "b", init=path).parent / "checkpoints"):
        with pytest.raises(InputError, match="before its training run ended: its interval was not fitted"):
            load_finder(last / "last.ckpt", "images")
    again = run(recipe.replace(epochs=2), ["x"], tmp_path / "a", resume=True)
    assert load_weights(again)[0].calibrated


def test_a_diverged_run_ends_in_one_message(tmp_path, corpus_by_name):
    changes = {"learning_rate": 1e30, "epochs": 3}
    restoring = DIVAESRRecipe.load("divaesr", TINY_DIVAESR | changes)
    with pytest.raises(InputError, match="diverged; lower the learning rate"):
        run(restoring, ["x"], tmp_path / "a")
    finding = FasterRCNNRecipe.load("faster-rcnn-small", TINY_RCNN | changes)
    with pytest.raises(InputError, match="diverged; lower the learning rate"):
        run(finding, ["x"], tmp_path / "b")


def test_a_corpus_without_what_is_needed_leaves_no_folder(tmp_path, tiny_corpus, small_rcnn):
    with pytest.raises(CorpusError, match="lacks simulated segment signals"):
        run(DIVAESRRecipe.shipped(), [tiny_corpus], tmp_path / "run")
    with pytest.raises(CorpusError, match=r"lacks simulated segment signals.*; molecule boxes"):
        run(small_rcnn, [tiny_corpus], tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("architecture", "settings", "message"),
    [
        ("divaesr", {"mode": "magic"}, "its card describes no divaesr .*mode"),
        ("divaesr", {"blocks": 10**9}, "blocks"),
        ("faster-rcnn", {"classes": []}, "classes"),
        (
            "divaesr",
            {"mode": "sr", "blocks": 1, "features": 4},
            "are weights of another network than divaesr",
        ),
    ],
)
def test_cards_are_not_trusted(tmp_path, architecture, settings, message):
    save_weights(tmp_path / "w.safetensors", torch.nn.Linear(2, 2), Card(architecture, settings=settings))
    with pytest.raises(WeightsError, match=rf"w\.safetensors: .*{message}"):
        load_weights(tmp_path / "w.safetensors")


@pytest.mark.slow
def test_molecules_are_learnt(tmp_path, make_sample, fake_corpus, monkeypatch):
    rng = np.random.default_rng(0)
    points = rng.uniform(14, 82, (24, 3, 2))
    corpus = fake_corpus([make_sample(i, points=p, molecules=["m"]) for i, p in enumerate(points)])
    monkeypatch.setattr("stemforge.train.faster_rcnn.network.Corpus", lambda folder: corpus)
    changes = {"epochs": 20, "per_image": 1, "images_per_batch": 4, "crop": 96, "learning_rate": 1e-3}
    changes |= {"doses": [1e5, 1e5], "network.pyramid": 32, "network.head": 64, "augmentation.zoom": [1, 1]}
    recipe = FasterRCNNRecipe.load("faster-rcnn-small", changes)
    run(recipe, ["x"], tmp_path / "run")
    assert max(float(row["validation_f1"]) for row in _validations(tmp_path / "run")) > 0.8
