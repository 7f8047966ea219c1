import numpy as np
import pytest
import torch

from stemforge.train import SACCNN
from stemforge.train.sac_cnn.data import cut_crops

LAYERS = {
    **{
        f"features.{i}.weight": (after, before, 3, 3)
        for i, before, after in ((0, 1, 32), (3, 32, 64), (6, 64, 128))
    },
    **{f"features.{i}.bias": (n,) for i, n in ((0, 32), (3, 64), (6, 128))},
    **{
        f"features.{i}.{name}": (n,)
        for i, n in ((1, 32), (4, 64), (7, 128))
        for name in ("weight", "bias", "running_mean", "running_var")
    },
    **{f"features.{i}.num_batches_tracked": () for i in (1, 4, 7)},
    "fc_layers.0.weight": (128, 1152),
    "fc_layers.0.bias": (128,),
    "fc_layers.2.weight": (128, 128),
    "fc_layers.2.bias": (128,),
    "fc3.weight": (2, 128),
    "fc3.bias": (2,),
}


@pytest.fixture
def model():
    torch.manual_seed(1)
    model = SACCNN()
    # Batch normalisation that does something.
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.normal_(module.weight)
            torch.nn.init.normal_(module.bias)
    return model.eval()


def test_layers_are_the_published_ones():
    state = SACCNN().state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == LAYERS
    assert sum(p.numel() for p in SACCNN().parameters()) == 257_474


def test_kaiming_initialisation():
    torch.manual_seed(0)
    model = SACCNN()
    assert model.fc_layers[0].weight.std().item() == pytest.approx(np.sqrt(2 / 1152), rel=0.02)
    assert model.features[6].weight.std().item() == pytest.approx(np.sqrt(2 / (9 * 64)), rel=0.02)
    assert not model.fc3.bias.any()


def test_published_checkpoint_fits_strictly(data_dir):
    path = data_dir / "pt-nc" / "sac-cnn-reference.ckpt"
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == LAYERS
    SACCNN().load_state_dict(state, strict=True)


@pytest.mark.parametrize("shape", [(33, 47), (5, 60), (1, 1)])
def test_dense_is_the_crop_at_every_pixel(model, shape):
    rng = np.random.default_rng(0)
    image = rng.random(shape, dtype=np.float32)
    corners = [[x, y] for x in (0, shape[1] - 1) for y in (0, shape[0] - 1)]
    centres = np.concatenate([corners, rng.integers(0, [shape[1], shape[0]], (40, 2))])
    with torch.inference_mode():
        logits = model.dense(torch.from_numpy(np.pad(image, 10))[None, None])[0]
        crops = model(torch.from_numpy(cut_crops(image, centres)))
    assert logits.shape == (2, *shape)
    dense = logits[:, centres[:, 1], centres[:, 0]].T
    np.testing.assert_allclose(dense, crops, atol=1e-4 * crops.abs().max().item())


def test_dense_takes_several_images(model):
    images = torch.rand(3, 1, 30, 26)
    with torch.inference_mode():
        together = model.dense(images)
        distance = torch.cat([model.dense(image[None]) for image in images])
    assert together.shape == (3, 2, 10, 6)
    torch.testing.assert_close(together, distance, atol=1e-4, rtol=1e-4)


def test_dropout_acts_in_training_alone():
    torch.manual_seed(0)
    model = SACCNN(dropout=0.5)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    crops = torch.rand(4, 1, 21, 21)
    model.dropout.train()
    assert not torch.equal(model(crops), model(crops))
    model.eval()
    assert torch.equal(model(crops), model(crops))
