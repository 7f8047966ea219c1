"""AtomNet: what its maps mean, crops of any size, what it is shown, and that it learns."""

import numpy as np
import pytest
import torch

from stemforge import Corpus, CorpusError, MicrographError
from stemforge.infer import find_peaks, map_image
from stemforge.simulate import SimulationRecipe, simulate_corpus
from stemforge.train import (
    AtomHeatMaps,
    AtomNet,
    AtomNetRecipe,
    AtomNetSettings,
    AtomNetTask,
    RunOptions,
    fit,
    load_weights,
    network,
    standardise_image,
)
from stemforge.train.atom_net.data import HEAT_SIGMA, OFFSET_RADIUS, draw_heat

NONE = np.empty((0, 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    settings = {
        "num_samples": 4,
        "scan.shape": [64, 64],
        "support.mean_thickness": 30,
        "support.vacuum_fraction": 0,
        "single_atoms": [{"element": "Pt", "areal_density": 2.0}],
        "degradation.dose": 2e5,
        "store_structures": False,
    }
    out = tmp_path_factory.mktemp("corpus") / "atoms"
    simulate_corpus(SimulationRecipe.load("pt-nc", settings), out, workers=1, quiet=True)
    return out


def small(**changes):
    settings = {
        "crop": 48,
        "per_image": 2,
        "validation": 0.25,
        "network.width": 4,
        "network.levels": 3,
        **changes,
    }
    return AtomNetRecipe.load(None, settings)


def test_the_heat_is_highest_and_the_offset_exact_at_an_atom():
    atoms = np.array([[10.3, 20.6], [40.0, 5.0]])
    heat, weight, offset, near = draw_heat((32, 48), atoms, NONE)
    assert np.unravel_index(heat[:, :30].argmax(), (32, 30)) == (21, 10)
    assert heat[5, 40] == 1
    assert heat.sum() == pytest.approx(2 * 2 * np.pi * HEAT_SIGMA**2, rel=0.02)
    assert (weight == 1).all()
    rows, columns = np.nonzero(near)
    known = np.column_stack([columns, rows]) + offset[:, rows, columns].T
    distance = np.linalg.norm(known[:, None] - atoms, axis=2)
    assert np.allclose(distance.min(1), 0, atol=1e-5)
    assert np.hypot(*offset[:, rows, columns]).max() <= OFFSET_RADIUS


def test_between_two_atoms_the_offset_leads_to_the_nearer():
    _, _, offset, _ = draw_heat((20, 20), np.array([[6.0, 10.0], [11.0, 10.0]]), NONE)
    assert offset[0, 10].tolist()[5:12] == [1, 0, -1, -2, 2, 1, 0]


def test_doubtful_atoms_teach_nothing_unless_an_atom_is_there():
    heat, weight, _, _ = draw_heat((40, 40), np.array([[30.0, 30.0]]), np.array([[10.0, 10.0], [29.0, 30.0]]))
    assert weight[10, 10] == 0
    assert heat[10, 10] == 0
    assert weight[30, 30] == 1
    assert weight[20, 20] == 1


@pytest.mark.parametrize("shape", [(48, 48), (37, 50), (9, 64)])
def test_maps_have_the_image_s_size_whatever_it_is(shape):
    maps = AtomNet().eval()(torch.randn(2, 1, *shape))
    assert maps.logit.shape == maps.log_sigma.shape == (2, *shape)
    assert maps.offset.shape == (2, 2, *shape)


@pytest.mark.slow
@pytest.mark.parametrize(("levels", "tile"), [(4, 128), (4, 100), (6, 33)])
def test_tiles_do_not_show(levels, tile):
    torch.manual_seed(0)
    model = AtomNet(AtomNetSettings(width=4, levels=levels)).eval()
    image = np.random.default_rng(0).normal(size=(300, 460)).astype("float32")
    whole, tiled = (map_image(network("atom-net"), model, image, tile=side) for side in (512, tile))
    for one, other in zip(whole, tiled, strict=True):
        assert np.abs(one - other).max() < 1e-4


def test_peaks_are_moved_by_their_offset_and_sorted():
    heat, _, offset, _ = draw_heat((40, 40), np.array([[10.3, 12.4], [30.6, 25.2]]), NONE)
    heat[20:, 20:] *= 0.5
    found = find_peaks(heat, offset, np.full((40, 40), 0.2, "float32"), 0.3)
    assert np.allclose(found.points, [[10.3, 12.4], [30.6, 25.2]], atol=1e-5)
    assert found["score"][0] > found["score"][1]
    assert found["sigma_px"].tolist() == pytest.approx([0.2, 0.2])
    assert len(find_peaks(heat, offset, heat, 0.6)) == 1


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (230.0, 1.7e5)])
def test_standardised_images_do_not_depend_on_the_detector_s_units(gain, offset):
    image = np.random.default_rng(1).poisson(50, (96, 96)).astype("float32")
    expected = standardise_image(image)
    assert expected.std() == pytest.approx(1, abs=0.1)
    assert np.allclose(standardise_image(image * gain + offset), expected, atol=2e-3)
    for bad in (np.ones((32, 32)), np.full((32, 32), np.nan)):
        with pytest.raises(MicrographError):
            standardise_image(bad)


def test_simulated_images_are_exposed_to_the_doses_asked_for(folder, tmp_path, write_blobs):
    corpora = [Corpus(folder), Corpus(write_blobs(tmp_path / "measured", 2))]
    faint, plain = (AtomHeatMaps(corpora, "train", small(doses=doses)) for doses in ((5.0, 5.0), None))
    # Five electrons per Å² show no atom, so that none counts.
    assert not faint.batch(np.arange(1), 0).heat.any()
    assert plain.batch(np.arange(1), 0).heat.any()
    assert faint.degradations[0].dose.bounds == (5.0, 5.0)
    assert faint.degradations[1] is None


def test_batches_hold_crops_and_maps_that_belong_together(folder):
    data = AtomHeatMaps([Corpus(folder)], "train", small())
    batch = data.batch(np.arange(2), 0)
    assert batch.image.shape == (4, 1, 48, 48)
    assert batch.heat.shape == batch.weight.shape == batch.near.shape == (4, 48, 48)
    assert batch.offset.shape == (4, 2, 48, 48)
    again, other = data.batch(np.arange(2), 0), data.batch(np.arange(2), 1)
    assert torch.equal(batch.image, again.image)
    assert not torch.equal(batch.image, other.image)
    # At so high a dose atoms are bright: the image is brighter where the heat is.
    assert (batch.image[:, 0] * batch.heat).sum() > 0.5 * batch.heat.sum()


def test_crops_larger_than_the_images_are_refused(folder):
    with pytest.raises(CorpusError, match="smaller than the crops of 256"):
        AtomHeatMaps([Corpus(folder)], "train", small(crop=256))


@pytest.mark.slow
def test_the_loss_falls_on_one_batch(folder):
    torch.manual_seed(0)
    recipe = small()
    task = AtomNetTask(recipe, AtomNet(recipe.network))
    task.log_dict = lambda *args, **kwargs: None
    batch = AtomHeatMaps([Corpus(folder)], "train", recipe).batch(np.arange(3), 0)
    optimiser = torch.optim.AdamW(task.parameters(), 5e-3)
    losses = []
    for _ in range(40):
        loss = task.loss(batch, "train")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_a_run_writes_weights_that_load(folder, tmp_path):
    path = fit(small(epochs=1), [folder], tmp_path / "run", RunOptions(num_workers=0, quiet=True))
    model, card = load_weights(path)
    assert isinstance(model, AtomNet)
    assert model.settings.levels == 3
    assert card.architecture == "atom-net"
    assert card.sampling == pytest.approx(0.293)
