import numpy as np
import pytest
import torch
from torch import nn

from stemforge.errors import MicrographError, RecipeError
from stemforge.train.divaesr.model import DIVAESR, DIVAESRSettings, rescale
from stemforge.train.divaesr.recipe import DIVAESRRecipe
from stemforge.train.divaesr.task import DIVAESRTask
from stemforge.train.stitching import restore_image

MODES = ["vae", "sr", "vae+sr", "divaesr"]
TINY = {"channels": (4, 8, 8), "latent": 4, "blocks": 1, "features": 4}


def _network(mode="divaesr", **changes):
    torch.manual_seed(0)
    return DIVAESR(DIVAESRSettings(mode=mode, **TINY | changes))


def _task(mode, **changes):
    torch.manual_seed(0)
    recipe = DIVAESRRecipe(network=DIVAESRSettings(mode=mode, **TINY), **changes)
    task = DIVAESRTask(recipe, DIVAESR(recipe.network))
    task.message = {}
    task.log_dict = lambda values, **options: task.message.update(
        {k: float(torch.as_tensor(v).detach()) for k, v in values.items()}
    )
    return task


def _batch(n=3):
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.rand(n, 1, side, side, generator=generator) for side in (64, 64, 128))


def test_published_sizes():
    network = DIVAESR()
    convolutions = [m for m in network.vae.encoder.modules() if isinstance(m, nn.Conv2d)]
    assert [(c.out_channels, c.kernel_size, c.stride) for c in convolutions] == [
        (n, (3, 3), (2, 2)) for n in (32, 64, 128, 256, 512)
    ]
    assert network.vae.mean.out_features == network.vae.log_variance.out_features == 128
    mirrored = [m.in_channels for m in network.vae.decoder.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert mirrored == [512, 256, 128, 64, 32]
    assert len(network.edsr.blocks) == 12
    assert network.edsr.head[1].out_channels == 64
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.edsr.modules())


@pytest.mark.parametrize("mode", MODES)
def test_shapes_and_determinism(mode):
    network = _network(mode)
    patches = torch.rand(3, 1, 64, 64)
    restored = network.train()(patches)
    assert restored.output.shape == (3, 1, 128, 128)
    assert restored.denoised.shape == patches.shape
    if mode != "sr":
        assert restored.noise.shape == patches.shape
        assert restored.mean.shape == restored.log_variance.shape == (3, 4)
        assert not torch.equal(network(patches).noise, network(patches).noise)  # drawn from the latent
    network.eval()
    assert torch.equal(network.restore(patches), network.restore(patches))
    assert (network.restore(10 * patches).min() >= 0, network.restore(10 * patches).max() <= 1) == (
        True,
        True,
    )
    assert (network.tiles.largest == 256) == (mode == "sr")


def test_noise_is_subtracted_and_the_rest_scaled():
    network = _network("vae").eval()
    patches = torch.rand(2, 1, 64, 64)
    restored = network(patches)
    torch.testing.assert_close(restored.denoised, rescale(patches - restored.noise))
    assert restored.denoised.amin((1, 2, 3)).tolist() == [0, 0]
    assert restored.denoised.amax((1, 2, 3)).tolist() == [1, 1]
    # Enlarged without a shift: means of 2 × 2 pixels are the pixels again, within the interpolation's error.
    smooth = torch.nn.functional.avg_pool2d(restored.output, 2)
    assert (smooth - restored.denoised)[..., 2:-2, 2:-2].abs().mean() < 0.1
    assert torch.isfinite(rescale(torch.full((1, 1, 64, 64), 0.5))).all()


def test_trained_apart_or_together():
    for mode, reaches in (("vae+sr", False), ("divaesr", True)):
        network = _network(mode)
        network(torch.rand(2, 1, 64, 64)).output.sum().backward()
        assert (network.vae.mean.weight.grad is not None) == reaches, mode
        assert network.edsr.body.weight.grad is not None


@pytest.mark.parametrize(
    ("mode", "terms"),
    [
        ("vae", {"noise_mse", "kl"}),
        ("sr", {"l1"}),
        ("vae+sr", {"noise_mse", "kl", "l1"}),
        ("divaesr", {"noise_mse", "kl", "l1"}),
    ],
)
def test_loss_is_the_sum_of_its_terms(mode, terms):
    task = _task(mode, kl_weight=0.5, lambda_l1=0.2)
    loss = task.loss(_batch(), "train").detach()
    weights = {"train_noise_mse": 1, "train_kl": 0.5, "train_l1": 0.2}
    assert set(task.message) == {f"train_{name}" for name in terms | {"loss", "mse"}}
    assert float(loss) == pytest.approx(sum(w * task.message.get(n, 0) for n, w in weights.items()), rel=1e-5)
    assert task.message["train_kl" if mode != "sr" else "train_l1"] >= 0


def test_figures_are_those_of_a_direct_computation():
    task = _task("divaesr").eval()
    noisy, clean, target = _batch()
    task.loss((noisy, clean, target), "validation")
    with torch.no_grad():
        restored = task.model(noisy)
        normal = torch.distributions.Normal(restored.mean, torch.exp(restored.log_variance / 2))
        kl = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()
    assert task.message["validation_kl"] == pytest.approx(float(kl), rel=1e-4)
    noise = torch.nn.functional.mse_loss(restored.noise, noisy - clean)
    assert task.message["validation_noise_mse"] == pytest.approx(float(noise), rel=1e-5)
    grey = (restored.output.clamp(0, 1) - target).square().mean() * 255**2
    assert task.message["validation_mse"] == pytest.approx(float(grey), rel=1e-5)


def test_folded_pixels_unfold():
    network = _network("sr", features=16, squeeze=2).eval()
    assert network(torch.rand(1, 1, 64, 32)).output.shape == (1, 1, 128, 64)
    with pytest.raises(RecipeError, match="multiple of squeeze² = 4"):
        DIVAESRSettings.from_mapping({"features": 6, "squeeze": 2})
    with pytest.raises(RecipeError, match="channels"):
        DIVAESRSettings.from_mapping({"channels": [8] * 6})


class _Doubler(DIVAESR):
    """Repeats every pixel, and counts the tiles."""

    def __init__(self, mode, **changes):
        super().__init__(DIVAESRSettings(mode=mode, **TINY | changes))
        self.shapes = []

    def restore(self, patches):
        self.shapes.append(tuple(patches.shape))
        return patches.repeat_interleave(2, 2).repeat_interleave(2, 3)


@pytest.mark.parametrize("shape", [(64, 64), (65, 64), (70, 200), (131, 97), (300, 280)])
@pytest.mark.parametrize(
    ("mode", "changes"), [("sr", {}), ("divaesr", {}), ("sr", {"squeeze": 4, "features": 16})]
)
def test_tiles_join_without_a_seam(shape, mode, changes):
    network = _Doubler(mode, **changes)
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    restored = restore_image(network, image)
    np.testing.assert_allclose(restored, image.repeat(2, 0).repeat(2, 1), atol=1e-6)
    assert restored.dtype == np.float32
    if mode == "divaesr":
        assert {s[1:] for s in network.shapes} == {(1, 64, 64)}
    elif max(shape) <= 256:
        assert len(network.shapes) == 1


def test_an_image_smaller_than_a_patch_is_refused():
    with pytest.raises(MicrographError, match="63 × 200 pixels is smaller than a patch"):
        restore_image(_network().eval(), np.zeros((63, 200), np.float32))


@pytest.mark.slow
def test_learning_works():
    """EDSR learns to take noise off blobs better than a Gaussian filter does."""
    from scipy import ndimage

    rng = np.random.default_rng(0)

    def made(n):
        spots = np.zeros((n, 64, 64))
        spots[np.arange(n).repeat(12), rng.integers(0, 64, 12 * n), rng.integers(0, 64, 12 * n)] = 1
        clean = np.stack([ndimage.gaussian_filter(s, 2.0) for s in spots]) * 25
        noisy = clean + rng.normal(0, 0.3, clean.shape)
        target = clean.repeat(2, 1).repeat(2, 2)
        return tuple(
            torch.from_numpy(a[:, None].clip(0, 1).astype("float32")) for a in (noisy, clean, target)
        )

    torch.manual_seed(0)
    task = _task("sr", learning_rate=3e-3)
    task.model = DIVAESR(DIVAESRSettings(mode="sr", blocks=3, features=16, squeeze=2))
    optimiser = torch.optim.Adam(task.parameters(), 3e-3)
    for _ in range(150):
        loss = task.loss(made(8), "train")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    noisy, clean, target = made(8)
    restored = task.model.eval().restore(noisy)
    classical = np.stack([ndimage.gaussian_filter(n, 1.5) for n in noisy[:, 0].numpy()])
    assert (restored - target).square().mean() < 0.7 * ((classical - clean[:, 0].numpy()) ** 2).mean()
