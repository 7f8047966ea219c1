import json
import pickle
import resource
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from stemforge.errors import WeightsError
from stemforge.train import SACCNN, Card, load_weights, save_weights

CARD = Card(
    architecture="sac-cnn",
    sampling=0.25,
    threshold=0.7,
    recipe={"epochs": 3, "crops": {"jitter": 1}},
    data=("one", "two"),
    metrics={"f1": 0.5},
    command="stemforge train sac-cnn",
    date="2024-05-06",
)


class _Harm:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


class _HarmByOpen(_Harm):
    def __reduce__(self):
        return open, (self.path, "w")


def test_round_trip_with_card(tmp_path):
    model = SACCNN()
    save_weights(tmp_path / "w.safetensors", model, CARD)
    loaded, card = load_weights(tmp_path / "w.safetensors")
    assert card == CARD
    assert not loaded.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_card_is_json_that_others_can_read(tmp_path):
    from safetensors import safe_open

    save_weights(tmp_path / "w.safetensors", SACCNN(), CARD)
    with safe_open(tmp_path / "w.safetensors", framework="pt") as stored:
        values = json.loads(stored.metadata()["stemforge"])
    assert (values["sampling"], values["threshold"]) == (0.25, 0.7)


def test_half_precision_is_widened(tmp_path):
    model = SACCNN().half()
    save_weights(tmp_path / "w.safetensors", model, CARD)
    assert load_weights(tmp_path / "w.safetensors")[0].fc3.weight.dtype == torch.float32


@pytest.mark.parametrize("name", ["none.safetensors", "none.ckpt", "."])
def test_missing(tmp_path, name):
    with pytest.raises(WeightsError, match="no such weights file"):
        load_weights(tmp_path / name)


@pytest.mark.parametrize("keep", [0, 5, 400, -10])
def test_truncated_safetensors(tmp_path, random_weights, keep):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(random_weights.read_bytes()[:keep])
    with pytest.raises(WeightsError, match=r"cut\.safetensors: is no readable safetensors file"):
        load_weights(path)


@pytest.mark.parametrize("keep", [0, 5, 400, -10])
def test_truncated_checkpoint(tmp_path, keep):
    path = tmp_path / "cut.ckpt"
    torch.save({"state_dict": SACCNN().state_dict()}, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(WeightsError, match=r"cut\.ckpt"):
        load_weights(path)


@pytest.mark.parametrize("harm", [_Harm, _HarmByOpen])
@pytest.mark.parametrize("how", ["zip", "pickle", "nested"])
def test_code_in_a_checkpoint_is_not_run(tmp_path, harm, how):
    path, victim = tmp_path / "bad.ckpt", tmp_path / "victim"
    content = {"state_dict": SACCNN().state_dict(), "extra": harm(victim)}
    if how == "zip":
        torch.save(content, path)
    elif how == "nested":
        torch.save(harm(victim), path)
    else:
        path.write_bytes(pickle.dumps({"state_dict": {}, "extra": harm(victim)}, protocol=2))
    with pytest.raises(WeightsError, match=r"bad\.ckpt"):
        load_weights(path)
    assert not victim.exists()
    if how == "pickle":  # the trap works where nothing guards against it
        pickle.loads(path.read_bytes())
        assert victim.exists()


def test_another_architecture_by_its_layers(tmp_path):
    path = tmp_path / "other.safetensors"
    save_weights(path, torch.nn.Sequential(torch.nn.Linear(3, 4)), CARD)
    with pytest.raises(
        WeightsError, match=r"other\.safetensors: are weights of another network than sac-cnn"
    ):
        load_weights(path)
    torch.save({"state_dict": torch.nn.Linear(3, 4).state_dict()}, tmp_path / "other.ckpt")
    with pytest.raises(WeightsError, match=r"other\.ckpt: are weights of another network"):
        load_weights(tmp_path / "other.ckpt")


def test_another_architecture_by_shape(tmp_path):
    model = SACCNN()
    model.fc3 = torch.nn.Linear(128, 3)
    save_weights(tmp_path / "w.safetensors", model, CARD)
    with pytest.raises(WeightsError, match="fc3"):
        load_weights(tmp_path / "w.safetensors")


def test_a_card_of_a_network_that_fills_the_memory(tmp_path):
    """The file has no weights, its card promises 6 GB of them: it is refused before they have a place."""
    card = Card("atom-net", 0.293, settings={"width": 128, "levels": 6})
    save_file({"x": torch.ones(1)}, tmp_path / "w.safetensors", metadata={"stemforge": card.to_json()})
    began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(WeightsError, match="weights of another network"):
        load_weights(tmp_path / "w.safetensors")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - began < 500e3  # kB


def test_a_checkpoint_with_broken_pickle(tmp_path):
    """PyTorch's reader takes a value from an empty stack."""
    torch.save({"state_dict": SACCNN().state_dict()}, tmp_path / "w.ckpt")
    with zipfile.ZipFile(tmp_path / "w.ckpt") as archive, zipfile.ZipFile(tmp_path / "v.ckpt", "w") as made:
        for name in archive.namelist():
            made.writestr(name, b"\x80\x02." if name.endswith("data.pkl") else archive.read(name))
    with pytest.raises(WeightsError, match=r"v\.ckpt: is no readable checkpoint"):
        load_weights(tmp_path / "v.ckpt")


def test_another_architecture_by_its_card(tmp_path):
    save_weights(tmp_path / "w.safetensors", SACCNN(), Card("v-net"))
    with pytest.raises(WeightsError, match="unknown network 'v-net'; known are sac-cnn"):
        load_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite(tmp_path, value):
    model = SACCNN()
    with torch.no_grad():
        model.fc3.weight[0, 5] = value
    save_weights(tmp_path / "w.safetensors", model, CARD)
    with pytest.raises(WeightsError, match=r"not finite in fc3\.weight"):
        load_weights(tmp_path / "w.safetensors")


def test_foreign_safetensors(tmp_path, random_weights):
    save_file(load_file(random_weights), tmp_path / "foreign.safetensors")
    with pytest.raises(WeightsError, match="carries no stemforge card"):
        load_weights(tmp_path / "foreign.safetensors")


@pytest.mark.parametrize(
    "card",
    [
        "no json",
        "[]",
        "{}",
        '{"architecture": "sac-cnn", "data": [], "colour": 1}',
        '{"architecture": "sac-cnn", "data": [], "inputs": {"boxes": "wide"}}',
        '{"architecture": "sac-cnn", "data": [], "inputs": {"restorer": {"file": "d.safetensors"}}}',
    ],
)
def test_damaged_card(tmp_path, random_weights, card):
    save_file(load_file(random_weights), tmp_path / "w.safetensors", metadata={"stemforge": card})
    with pytest.raises(WeightsError, match="card is damaged"):
        load_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": {}}, {"state_dict": {"a": 1}}, {"a": 1}])
def test_checkpoint_without_tensors(tmp_path, content):
    torch.save(content, tmp_path / "w.ckpt")
    with pytest.raises(WeightsError, match="holds no state_dict of tensors"):
        load_weights(tmp_path / "w.ckpt")


def test_checkpoint_with_lightnings_prefix(tmp_path):
    model = SACCNN()
    torch.save({"state_dict": {f"model.{k}": v for k, v in model.state_dict().items()}}, tmp_path / "w.ckpt")
    loaded, card = load_weights(tmp_path / "w.ckpt")
    assert torch.equal(loaded.fc3.weight, model.fc3.weight)
    assert card.architecture == "sac-cnn"


def test_published_checkpoint(data_dir):
    model, card = load_weights(data_dir / "pt-nc" / "sac-cnn-reference.ckpt")
    assert not model.training
    assert card.threshold == 0.89
    assert card.sampling == pytest.approx(0.293, abs=1e-3)
