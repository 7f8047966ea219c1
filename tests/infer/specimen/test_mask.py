"""Specimen told from vacuum, its area, and what is no vacuum."""

import numpy as np
import pytest
from scipy import ndimage

from stemforge.infer import find_specimen
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.usable import UsableArea, usable_area
from stemforge.simulate import SimulationRecipe, degrade

SIDE = 256


def counted(electrons, seed=0, gain=12.0, offset=900.0):
    """An image of these electrons a pixel."""
    values = np.random.default_rng(seed).poisson(electrons) * gain + offset
    return Micrograph(values.astype(np.float32))


def texture(seed, contrast=0.08):
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(SIDE, SIDE)), 2.5, mode="wrap")
    return 1 + contrast * field / field.std()


def outline(seed):
    """A specimen with a rough edge and a hole; where it is, and how thick from its edge inwards."""
    y, x = np.mgrid[:SIDE, :SIDE]
    rough = ndimage.gaussian_filter1d(np.random.default_rng(seed).normal(size=SIDE), 12, mode="wrap") * 60
    mask = x > 80 + rough[:, None]
    mask &= np.hypot(x - 180, y - 128) > 25
    return mask, np.minimum(ndimage.distance_transform_edt(mask) / 20, 1.0)


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("level", "vacuum"), [(20, 4), (60, 3), (60, 15), (200, 0.2)])
def test_specimen_and_holes_are_found(seed, level, vacuum):
    mask, thickness = outline(seed)
    found = find_specimen(counted(vacuum + level * np.sqrt(thickness) * texture(seed), seed))
    assert overlap(found.mask, mask) > 0.97
    assert not found.mask[128, 180]
    assert found.low <= mask.mean() <= found.high
    assert found.vacuum == pytest.approx(vacuum / (vacuum + level), abs=0.06)


@pytest.mark.parametrize("contrast", [0.02, 0.1, 0.2])
def test_a_film_without_vacuum_is_all_specimen(contrast):
    """The control: what is dark is thin."""
    found = find_specimen(counted(50 * texture(0, contrast)))
    assert found.mask.all()
    assert (found.share, found.vacuum, found.remark) == (1.0, None, "")
    assert find_specimen(counted(np.full((SIDE, SIDE), 30.0))).mask.all()


def test_a_step_to_a_thinner_part_is_no_edge():
    thick, _ = outline(1)
    assert find_specimen(counted(np.where(thick, 70.0, 40.0) * texture(1))).mask.all()


@pytest.mark.parametrize("thinnest", [20, 30])
def test_a_wedge_is_no_edge(thinnest):
    wedge = np.linspace(thinnest, 60, SIDE) * texture(2, 0.1)
    assert find_specimen(counted(wedge)).mask.all()


@pytest.mark.parametrize("shape", [(8, 8), (12, 300), (15, 15)])
def test_small_images_are_taken_whole(shape):
    found = find_specimen(counted(np.full(shape, 30.0)))
    assert found.mask.all()
    assert "16 × 16 pixels at least" in found.remark


def test_the_darkest_is_vacuum_whatever_detector_units_are():
    _, thickness = outline(0)
    electrons = 3 + 50 * thickness * texture(0)
    found = [find_specimen(counted(electrons, 3, *units)).mask for units in ((1, 0), (7, -300), (0.01, 55))]
    assert all(overlap(found[0], other) > 0.995 for other in found[1:])


def test_an_image_without_counting_noise_is_taken_whole_and_says_why():
    mask, _ = outline(0)
    found = find_specimen(Micrograph(ndimage.gaussian_filter(mask.astype(np.float32) + 1, 3)))
    assert found.mask.all()
    assert found.remark.startswith("vacuum was not looked for")


def test_what_is_not_usable_is_no_specimen():
    mask, thickness = outline(0)
    image = counted(3 + 60 * thickness * texture(0)).image.copy()
    image[-40:] = 0
    usable = usable_area(image)
    found = find_specimen(Micrograph(image), usable)
    assert not found.mask[-40:].any()
    assert overlap(found.mask[:-40], mask[:-40]) > 0.96


def test_atoms_in_vacuum_contradict_it():
    """Graphene beside a thick particle: it is no vacuum, since atoms lie on it."""
    _, thickness = outline(0)
    micrograph = counted(8 + 60 * thickness)
    usable = usable_area(micrograph.image)
    found = find_specimen(micrograph, usable)
    on, off = np.argwhere(found.mask)[::2000, ::-1], np.argwhere(~found.mask)[::2000, ::-1]
    assert found.believed(on, usable) is found
    assert found.believed(np.concatenate([on, off[:1]]), usable) is found
    doubted = found.believed(np.concatenate([on, off]), usable)
    assert doubted.mask.all()
    assert "lie where vacuum would be" in doubted.remark


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quickstart", "pt-nc"])
def test_simulated_specimens(name):
    """Carbon particles with ridges and pores: the mask is where there are atoms."""
    from stemforge.simulate import simulate_sample

    recipe = SimulationRecipe.load(
        name, {"scan.shape": [SIDE, SIDE], "support.vacuum_fraction": 0.35, "store_structures": True}
    )
    sample = simulate_sample(recipe, 1)
    image = degrade(sample.signal, recipe.degradation, sample.sampling, np.random.default_rng(0)).image
    tile = sample.structure.cell[0, 0] / sample.sampling
    margin = round((tile - SIDE) / 2)
    x, y = (sample.structure.positions[:, :2] / sample.sampling - margin).round().astype(int).T
    shown = (x >= 0) & (y >= 0) & (x < SIDE) & (y < SIDE)
    truth = np.zeros((SIDE, SIDE), dtype=bool)
    truth[y[shown], x[shown]] = True
    truth = ndimage.binary_closing(np.pad(truth, 12, mode="edge"), iterations=int(2.5 / sample.sampling))[
        12:-12, 12:-12
    ]
    found = find_specimen(Micrograph(image[0], sample.sampling))
    assert overlap(found.mask, truth) > 0.97


def test_an_image_of_which_nothing_is_usable_has_no_specimen():
    image = np.random.default_rng(0).normal(100, 5, (96, 96)).astype(np.float32)
    usable = UsableArea(np.zeros(image.shape, dtype=bool), {})
    assert not find_specimen(Micrograph(image, 0.3, "HAADF", "a"), usable).mask.any()
