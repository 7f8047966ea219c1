import json

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from stemforge import InputError, Micrograph, WeightsError, read_micrograph
from stemforge.__main__ import main
from stemforge.infer import draw_restoration, restore_micrograph
from stemforge.train import DIVAESR, SACCNN, Card, DIVAESRSettings, UNet, UNetSettings, save_weights

TINY = DIVAESRSettings(channels=(4, 8), latent=4, blocks=1, features=4)


class Enlarger(DIVAESR):
    """Repeats pixels: what a perfect network would do to a perfect image."""

    def __init__(self):
        super().__init__(TINY)

    def restore(self, patches):
        return patches.repeat_interleave(2, 2).repeat_interleave(2, 3)


CARD = Card("divaesr", 0.25, settings=TINY.model_dump(mode="json"))


def _waves(shape):
    y, x = np.indices(shape)
    return np.cos(x / 5) + np.cos(y / 7)


@pytest.mark.parametrize("shape", [(64, 64), (64, 200), (131, 97)])
def test_tiles_leave_no_seam(shape):
    image = _waves(shape)
    restored = restore_micrograph(Micrograph(image, 0.25), Enlarger(), CARD)
    assert restored.image.shape == (2 * shape[0], 2 * shape[1])
    assert restored.sampling == 0.125
    low, high = np.percentile(image, [0.1, 99.9])
    expected = np.clip((image - low) / (high - low), 0, 1).repeat(2, 0).repeat(2, 1)
    np.testing.assert_allclose(restored.image, expected, atol=0.01)


def test_resampled_to_the_networks_pixel_size():
    restored = restore_micrograph(Micrograph(_waves((80, 100)), 0.5), Enlarger(), CARD)
    assert restored.image.shape == (320, 400)
    assert restored.sampling == 0.125
    np.testing.assert_allclose(restored.to_original([[0.5, 0.5]]), [[-0.25, -0.25]])
    np.testing.assert_allclose(restored.to_original([[399.5, 319.5]]), [[99.5, 79.5]])


def test_uncalibrated_stays_so():
    restored = restore_micrograph(Micrograph(_waves((70, 70))), Enlarger(), CARD)
    assert restored.image.shape == (140, 140)
    assert restored.sampling is None


@pytest.mark.parametrize(("shape", "sampling"), [((63, 100), None), ((100, 100), 0.1)])
def test_smaller_than_a_patch(shape, sampling):
    with pytest.raises(InputError, match=r"image: .* one patch"):
        restore_micrograph(Micrograph(_waves(shape), sampling, name="image"), Enlarger(), CARD)


def test_weights_of_another_network():
    with pytest.raises(WeightsError, match="needs weights of divaesr"):
        restore_micrograph(Micrograph(_waves((70, 70))), SACCNN(), Card("sac-cnn"))


@pytest.mark.parametrize("overlap", [-1, 64])
def test_overlap_out_of_range(overlap):
    with pytest.raises(InputError, match="overlap"):
        restore_micrograph(Micrograph(_waves((70, 70))), Enlarger(), CARD, overlap=overlap)


def test_the_figure():
    restored = restore_micrograph(Micrograph(_waves((70, 90)), 0.25, name="field"), Enlarger(), CARD)
    assert draw_restoration(restored).axes[0].get_title() == "field, as recorded"


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    save_weights(tmp_path / "d.safetensors", DIVAESR(TINY), CARD)
    return str(tmp_path / "d.safetensors")


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "noisy.tif"
    scale = {"resolution": (10 / 0.25,) * 2, "metadata": {"unit": "nm"}}
    tifffile.imwrite(path, _waves((70, 90)).astype("float32"), imagej=True, **scale)
    return str(path)


def test_the_command(weights, image, tmp_path, capsys):
    out = tmp_path / "out"
    small = tmp_path / "small.tif"
    tifffile.imwrite(small, _waves((30, 90)).astype("float32"))
    code = main(["infer", "restore", image, str(small), "--weights", weights, "--out", str(out), "--quiet"])
    assert code == 1
    assert "one patch" in capsys.readouterr().err
    assert sorted(path.name for path in out.iterdir()) == [
        "noisy_compared.png",
        "noisy_restored.png",
        "noisy_restored.tif",
        "run.json",
    ]
    restored = read_micrograph(out / "noisy_restored.tif")
    assert restored.shape == (140, 180)
    assert restored.sampling == pytest.approx(0.125, rel=1e-4)
    with Image.open(out / "noisy_restored.png") as picture:
        assert (picture.mode, picture.size) == ("L", (180, 140))


@pytest.mark.slow
def test_the_command_says_how_sure_it_is(image, tmp_path):
    settings = UNetSettings(widths=(4, 8), blocks=(1, 1))
    network = UNet(settings)
    network.widening.fill_(1.2)  # as at the end of a run
    save_weights(
        tmp_path / "u.safetensors",
        network,
        Card("unet", 0.25, settings=settings.model_dump(mode="json")),
    )
    out = tmp_path / "out"
    words = ["--weights", str(tmp_path / "u.safetensors"), "--out", str(out), "--quiet"]
    assert main(["infer", "restore", image, *words]) == 0
    low, mean, high = (
        read_micrograph(out / f"noisy_{name}.tif").image for name in ("low", "restored", "high")
    )
    assert low.shape == mean.shape == (140, 180)
    assert (low <= mean).all()
    assert (mean <= high).all()
    record = json.loads((out / "run.json").read_text())
    assert 0 <= record["infer restore"]["noisy"]["doubtful_share"] <= 1
    # Another network says nothing of the kind: what the first one said must not lie beside its image.
    (out / "mine_low.tif").write_bytes(b"a user's")
    torch.manual_seed(0)
    save_weights(tmp_path / "d.safetensors", DIVAESR(TINY), CARD)
    words = ["--weights", str(tmp_path / "d.safetensors"), "--out", str(out), "--quiet", "--overwrite"]
    assert main(["infer", "restore", image, *words]) == 0
    assert not list(out.glob("noisy_low*"))
    assert not list(out.glob("noisy_high*"))
    assert (out / "mine_low.tif").exists()


@pytest.mark.slow
def test_the_command_draws_what_was_taken_away(weights, image, tmp_path):
    out = tmp_path / "out"
    words = ["infer", "restore", image, "--weights", weights, "--out", str(out), "--quiet"]
    assert main([*words, "--residual"]) == 0
    assert (out / "noisy_residual.png").is_file()
    facts = json.loads((out / "run.json").read_text())["infer restore"]["noisy"]
    assert "structure_left" in facts
    assert main([*words, "--overwrite"]) == 0
    assert not (out / "noisy_residual.png").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--overlap", "64"], "overlap must lie"),
        (["--device", "abacus"], "--device"),
        (["--sampling", "0"], "positive"),
    ],
)
def test_bad_options(weights, image, tmp_path, capsys, words, message):
    out = tmp_path / "out"
    assert main(["infer", "restore", image, "--weights", weights, "--out", str(out), *words]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_weights_of_another_network_on_the_command_line(random_weights, image, tmp_path, capsys):
    words = ["infer", "restore", image, "--weights", str(random_weights), "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "sac-cnn" in capsys.readouterr().err
