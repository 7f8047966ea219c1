"""``stemforge adapt``: from images and a recipe to a detector, a table for each image and a page."""

import dataclasses
import json
from functools import partial

import numpy as np
import pytest

from stemforge import InputError
from stemforge.__main__ import main
from stemforge.adapt import AdaptOptions, adapt_detector
from stemforge.adapt.adapting import _as_learnt
from stemforge.adapt.training.plan import Costs, Plan
from stemforge.infer import measure_completeness
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.readers import read_micrograph
from stemforge.micrograph.writers import write_tiff
from stemforge.settings import Uniform
from stemforge.simulate import SimulationRecipe, record, simulate_sample
from stemforge.simulate.recording.record import recording_rng
from stemforge.train import Card, load_weights


@pytest.fixture(scope="module")
def recipe():
    return SimulationRecipe.from_mapping(
        {
            "name": "tiny",
            "support": {"kind": "amorphous_carbon", "thickness": {"uniform": [10, 30]}},
            "single_atoms": [{"element": "Pt", "areal_density": 0.4}],
            "scan": {"shape": [208, 208], "sampling": 0.3, "margin": 3},
            "degradation": {"dose": {"loguniform": [1e5, 4e5]}, "source_size": 1.5, "read_noise": 1.0},
        }
    )


@pytest.fixture(scope="module")
def images(recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for index in range(3):
        sample = simulate_sample(recipe.replace(seed=9), index)
        image = record(sample, recipe.degradation, recording_rng({}, index)).image[0]
        write_tiff(folder / f"image-{index}.tif", image, 0.3)
    return sorted(folder.glob("*.tif"))


def test_more_time_is_more_of_everything():
    cheap, dear = Costs(0.2, 0.5), Costs(2.0, 5.0)
    short, long, costly = Plan.of(5, 10, cheap), Plan.of(50, 10, cheap), Plan.of(50, 10, dear)
    for name in ("patches", "images", "rounds", "training"):
        assert getattr(long, name) > getattr(short, name)
    assert costly.patches < long.patches
    assert costly.images < long.images
    with pytest.raises(InputError, match="minutes must be 1 or more"):
        Plan.of(0.5, 10, cheap)
    with pytest.raises(InputError, match="takes 120 s an image to simulate"):
        Plan.of(30, 10, Costs(40.0, 120.0))


@pytest.mark.slow
def test_refused_before_anything_is_made(recipe, images, tmp_path):
    micrographs = [read_micrograph(path) for path in images]
    with pytest.raises(InputError, match="needed are those of atom-net"):
        adapt_detector(micrographs, recipe, tmp_path / "a", AdaptOptions(start="sac-cnn", quiet=True))
    with pytest.raises(InputError, match="nothing to look for"):
        adapt_detector(micrographs, recipe.replace(single_atoms=()), tmp_path / "a", AdaptOptions(quiet=True))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        adapt_detector(micrographs, recipe, tmp_path / "full", AdaptOptions(quiet=True))
    with pytest.raises(InputError, match="needs at least 3"):
        adapt_detector(micrographs[:2], recipe, tmp_path / "a", AdaptOptions(quiet=True))
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
def test_from_images_to_detector_and_page(recipe, images, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("stemforge.adapt.report.MEASURED", 1)
    monkeypatch.setattr("stemforge.adapt.training.plan._TRAINING", 0.1)
    measure = partial(measure_completeness, number=60)
    monkeypatch.setattr("stemforge.adapt.report.measure_completeness", measure)
    (tmp_path / "tiny.yaml").write_text(recipe.to_yaml())
    words = ["adapt", *map(str, images), "--recipe", "tiny.yaml", "--out", "a", "--workers", "1", "--quiet"]
    assert main([*words, "--minutes", "1"]) == 0
    out = tmp_path / "a"
    model, card = load_weights(out / "atom-net.safetensors")
    assert card.calibration is not None
    named = [line for line in card.data if "sha256" in line]
    assert len(named) == 3
    for path in images:
        assert (out / "found" / f"{path.stem}.csv").is_file()
        assert (out / "found" / f"{path.stem}.png").is_file()
    summary = json.loads((out / "found" / "image-0_completeness.json").read_text())
    assert summary["grafts"]["number"] > 50
    page = (out / "report.html").read_text()
    assert "How much of it to believe" in page
    assert "F1" in capsys.readouterr().out
    assert "Posterior" in page
    # The same again goes on, trains nothing anew and gives the same page; anything else is refused.
    trained = (out / "run" / "atom-net.safetensors").read_bytes()
    assert main([*words, "--minutes", "1"]) == 0
    assert (out / "report.html").read_text() == page
    again, _ = load_weights(out / "atom-net.safetensors")
    assert len(trained) == len((out / "run" / "atom-net.safetensors").read_bytes())
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), again.state_dict()[name].numpy())
    assert main([*words, "--minutes", "2"]) == 2
    assert main([*words, "--minutes", "1", "--no-posterior"]) == 2


def test_a_pixel_size_that_nobody_knows_is_refused_before_anything_is_made(recipe, images, tmp_path):
    unknown = [dataclasses.replace(read_micrograph(path), sampling=None) for path in images]
    open_scale = recipe.replace(scan=recipe.scan.replace(sampling=Uniform(uniform=(0.2, 0.4))))
    with pytest.raises(InputError, match="image-0: has no pixel size"):
        adapt_detector(unknown, open_scale, tmp_path / "a", AdaptOptions(start="atom-net", quiet=True))
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("pixel", "side", "learnt"),
    [
        (0.125, 400, 0.25),  # finer than the network's
        (0.24, 400, 0.24),  # hardly finer
        (0.4, 400, 0.4),  # coarser: nothing would be won
        (0.125, 150, 0.125),  # too few pixels would be left
    ],
)
def test_finer_pixels_are_learnt_from_at_the_network_s(pixel, side, learnt):
    image = np.random.default_rng(0).poisson(30, (side, side)).astype(np.float32)
    images = [Micrograph(image, pixel, name=f"{number}") for number in range(3)]
    shown = _as_learnt(images, [Card("atom-net", 0.293), Card("atom-net", 0.25)])
    assert [one.sampling for one in shown] == pytest.approx([learnt] * 3)
    assert [one.name for one in shown] == ["0", "1", "2"]
    assert shown[0].shape[0] * learnt == pytest.approx(side * pixel)
    assert shown[0].image.mean() == pytest.approx(image.mean(), rel=1e-3)
