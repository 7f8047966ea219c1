"""On what a run trains."""

import platform

import pytest
import torch
from lightning.fabric import accelerators as fabric
from lightning.pytorch.accelerators import MPSAccelerator
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from stemforge.errors import InputError
from stemforge.train import RunOptions, SACCNNRecipe, fit, network
from stemforge.train.command import Run
from stemforge.train.running.devices import trainer_devices


@pytest.mark.parametrize(
    ("devices", "accelerator", "wanted"),
    [
        ("auto", "auto", ("auto", "auto")),
        ("4", "gpu", ("gpu", 4)),
        ("0,2", "gpu", ("gpu", "0,2")),
        ("cpu", "auto", ("cpu", 1)),
        ("cuda", "gpu", ("cuda", 1)),
        ("cuda:1", "auto", ("cuda", [1])),
        ("mps", "auto", ("mps", 1)),
        ("mps", "gpu", ("mps", 1)),
    ],
)
def test_devices_have_the_names_that_inference_takes(devices, accelerator, wanted):
    taken = Run(device=devices, accelerator=accelerator).options(quiet=True).trainer_options
    assert (taken["accelerator"], taken["devices"]) == wanted


@pytest.mark.parametrize(("devices", "accelerator"), [("cuda", "cpu"), ("cpu", "gpu"), ("mps", "cuda")])
def test_a_device_of_another_kind_is_refused(devices, accelerator):
    with pytest.raises(InputError, match=f"must be of the accelerator {accelerator}, not {devices}"):
        trainer_devices(devices, accelerator)


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has one")
def test_a_device_that_the_machine_lacks_is_refused_before_the_folder_is_made(tmp_path, tiny_corpus):
    options = RunOptions(num_workers=0, quiet=True, trainer_options=trainer_devices("mps"))
    with pytest.raises(InputError, match=r"(?i)mps"):
        fit(SACCNNRecipe(epochs=1, validation=0.25), [tiny_corpus], tmp_path / "run", options)
    assert not (tmp_path / "run").exists()


class ReachedError(Exception):
    """The network is about to be moved to the device."""


def test_an_apple_gpu_is_taken_where_there_is_one(tmp_path, tiny_corpus, monkeypatch):
    """As far as the network would be moved to it: this machine has none."""
    # Lightning keeps the answer that it was once given, which would go for other tests, too.
    for accelerator in (MPSAccelerator, fabric.MPSAccelerator):
        monkeypatch.setattr(accelerator, "is_available", staticmethod(lambda: True))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(platform, "processor", lambda: "arm")
    devices = []

    def stop(strategy):
        devices.append(str(strategy.root_device))
        raise ReachedError

    monkeypatch.setattr(SingleDeviceStrategy, "model_to_device", stop)
    options = RunOptions(num_workers=0, quiet=True, trainer_options=trainer_devices("mps"))
    with pytest.raises(ReachedError):
        fit(SACCNNRecipe(epochs=1, validation=0.25), [tiny_corpus], tmp_path / "run", options)
    assert devices == ["mps:0"]


class Doubles(TorchDispatchMode):
    """Note operations on numbers of 64 bits, which Apple's GPUs do not have."""

    def __init__(self):
        super().__init__()
        self.found = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for value in tree_leaves((args, kwargs, result)):
            if isinstance(value, torch.Tensor) and value.dtype in (torch.float64, torch.complex128):
                self.found.add(str(function))
        return result


def test_numbers_of_64_bits_are_noted():
    with Doubles() as doubles:
        torch.ones(3).double().sum()
    assert doubles.found


SMALL = {
    "sac-cnn": {},
    "atom-net": {"crop": 64, "per_image": 1, "network": {"width": 4, "levels": 3}},
    "divaesr": {"per_image": 1, "network": {"blocks": 1, "features": 4, "channels": [4, 8]}},
    "unet": {"per_image": 1, "network": {"widths": [4, 8], "blocks": [1, 1]}},
    "faster-rcnn": {"crop": 64, "per_image": 1, "network": {"pyramid": 8, "head": 16}},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_step_of_training_needs_no_numbers_of_64_bits(
    name, corpus_by_name, make_sample, write_blobs, tmp_path
):
    kind = network(name)
    corpus_by_name[:] = [make_sample(index, size=160) for index in range(3)]
    data = [write_blobs(tmp_path / "blobs", images=3)] if kind.finds == "atoms" else ["x"]
    learnt = kind.data(
        data, kind.recipe.shipped().replace(validation=0.34, images_per_batch=1, **SMALL[name])
    )
    task = kind.task(learnt.recipe)
    task.log_dict = lambda *_, **__: None
    made = task.configure_optimizers()
    optimiser = made["optimizer"] if isinstance(made, dict) else made
    with Doubles() as doubles:
        for part, step in ((learnt.training, task.training_step), (learnt.validation, task.validation_step)):
            batch = next(iter(part))
            tensors = [leaf for leaf in tree_leaves(batch) if isinstance(leaf, torch.Tensor)]
            assert tensors
            assert all(tensor.dtype != torch.float64 for tensor in tensors)
            task.train(part is learnt.training)
            doubles.found.clear()  # what a processor does to make a batch
            with torch.set_grad_enabled(part is learnt.training):
                loss = step(batch, 0)
            if loss is not None:
                loss.backward()
                optimiser.step()
            assert not doubles.found, part
