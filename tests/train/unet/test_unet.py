import numpy as np
import pytest
import torch
from pydantic import ValidationError

from stemforge import Micrograph, RecipeError, WeightsError
from stemforge.infer import draw_restoration, restore_micrograph
from stemforge.train import (
    Card,
    Restorer,
    UNet,
    UNetRecipe,
    UNetSettings,
    load_weights,
    restore_image,
    save_weights,
)
from stemforge.train.stitching import restore_planes
from stemforge.train.unet.calibration import fit_widening
from stemforge.train.unet.model import Estimate
from stemforge.train.unet.task import UNetTask

TINY = UNetSettings(widths=(4, 8), blocks=(1, 1))


def _waves(shape):
    y, x = np.indices(shape)
    return np.cos(x / 5) + np.cos(y / 7)


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("shape", [(64, 64), (97, 131), (300, 280)])
def test_images_of_any_size(scale, shape):
    network = UNet(TINY.replace(scale=scale)).eval()
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    mean, low, high = restore_planes(network, image)
    assert mean.shape == (scale * shape[0], scale * shape[1])
    assert (low <= mean).all()
    assert (mean <= high).all()


@pytest.mark.slow
def test_a_pixel_of_the_result_lies_where_the_image_has_it():
    """Trained to repeat what it sees, a network puts a spot where the spot is."""
    torch.manual_seed(0)
    network = UNet(UNetSettings(widths=(8, 8), blocks=(1, 0)))
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    rng = np.random.default_rng(0)
    for _ in range(80):
        image = torch.from_numpy(rng.random((2, 1, 64, 64), dtype=np.float32))
        image = torch.nn.functional.avg_pool2d(image, 5, 1, 2)
        loss = (network(image).mean - image.repeat_interleave(2, 2).repeat_interleave(2, 3)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    spot = np.full((80, 96), 0.4, np.float32)
    spot[28:33, 60:65] = 0.6
    restored = restore_image(network.eval(), spot) - restore_image(network, np.full_like(spot, 0.4))
    weights = np.clip(restored, 0, None) ** 2
    rows, columns = np.indices(restored.shape)
    centre = [float((weights * axis).sum() / weights.sum()) for axis in (rows, columns)]
    np.testing.assert_allclose(centre, [2 * 30 + 0.5, 2 * 62 + 0.5], atol=0.6)


class _Known(UNet):
    """Says 0.5 ± 0.1 of everything."""

    def __init__(self):
        super().__init__(TINY)

    def forward(self, images):
        mean = 0.5 + 0 * images.repeat_interleave(2, 2).repeat_interleave(2, 3)
        return Estimate(mean, mean - 0.1, mean + 0.1)


class _Repeats(UNet):
    """Repeats what it sees, give or take a width."""

    def __init__(self, width):
        super().__init__(TINY)
        self.width = width

    def forward(self, images):
        mean = images.repeat_interleave(2, 2).repeat_interleave(2, 3)
        return Estimate(mean, mean - self.width, mean + self.width)


def _batches(sigma, number=3):
    rng = np.random.default_rng(0)
    for _ in range(number):
        noisy = torch.zeros(4, 1, 64, 64)
        target = torch.from_numpy(rng.normal(0.5, sigma, (4, 1, 128, 128)).astype("float32"))
        yield noisy, noisy, target


@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.3])
def test_the_interval_is_widened_to_what_it_has_to_hold(sigma):
    network = _Known()
    factors = fit_widening(network, _batches(sigma))
    np.testing.assert_allclose(factors, 1.645 * sigma / 0.1, rtol=0.05)
    for noisy, _, target in _batches(sigma):
        _, low, high = network.restore(noisy).split(1, 1)
        assert 0.88 < float(((target >= low) & (target <= high)).float().mean()) < 0.92


@pytest.mark.slow
def test_quantiles_are_learnt():
    """The interval of a constant network becomes that of the data: 5 % beyond either end."""
    recipe = UNetRecipe(network=TINY, floor=1.0, learning_rate=1e-2)
    torch.manual_seed(0)
    task = UNetTask(recipe, UNet(TINY))
    task.report = lambda part, size, loss, **others: loss
    optimiser = torch.optim.Adam(task.parameters(), 5e-3)
    rng = np.random.default_rng(0)
    for _ in range(250):
        noisy = torch.zeros(2, 1, 16, 16)
        target = torch.from_numpy(rng.exponential(0.2, (2, 1, 32, 32)).astype("float32"))
        loss = task.loss((noisy, noisy, target), "train")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    mean, low, high = (float(part.mean().detach()) for part in task.model(torch.zeros(1, 1, 64, 64)))
    np.testing.assert_allclose([mean, low, high], [0.2, 0.2 * 0.0513, 0.2 * 2.996], atol=0.06)


def test_weights_keep_the_interval(tmp_path):
    network = UNet(TINY)
    network.widening.copy_(torch.tensor([0.5, 2.0]))
    save_weights(
        tmp_path / "unet.safetensors", network, Card("unet", 0.25, settings=TINY.model_dump(mode="json"))
    )
    loaded, card = load_weights(tmp_path / "unet.safetensors")
    assert loaded.widening.tolist() == [0.5, 2.0]
    assert card.architecture == "unet"


def test_what_is_doubtful_is_what_may_be_nothing():
    network = _Known().eval()
    card = Card("unet", 0.25, settings=TINY.model_dump(mode="json"))
    flat = restore_micrograph(Micrograph(_waves((70, 90)), 0.25), network, card)
    assert flat.doubtful is not None
    assert not flat.doubtful.any()
    assert flat.image.shape == flat.low.shape == flat.high.shape == (140, 180)

    for width, share in ((0.01, 0.0), (5.0, 0.3)):
        found = restore_micrograph(Micrograph(_waves((70, 90)), 0.25), _Repeats(width).eval(), card)
        assert (found.doubtful.mean() > share) if share else (found.doubtful.mean() == 0)
        assert len(draw_restoration(found).axes) == 7


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"widths": (4, 8), "blocks": (1,)}, "one number for each of the 2 widths"),
        ({"scale": 3}, "scale"),
        ({"widths": ()}, "widths"),
    ],
)
def test_sizes_that_do_not_fit(values, message):
    with pytest.raises((ValidationError, RecipeError), match=message):
        UNetSettings(**values)


def test_featureless_images_need_a_grey_scale():
    with pytest.raises((ValidationError, RecipeError), match="featureless_share"):
        UNetRecipe(target="clean", featureless_share=0.2)


def test_detectors_need_a_restorer_that_doubles_pixels():
    network = Restorer.named("unet")
    image = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    restored = network.doubling(UNet(TINY).eval())(image)
    assert restored.shape == (128, 128)
    assert 0 <= restored.min() <= restored.max() <= 1
    with pytest.raises(WeightsError, match="as many pixels"):
        network.doubling(UNet(TINY.replace(scale=1)))
