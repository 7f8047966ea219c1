"""Carbon particle: thickness, vacuum, taper, pores, determinism, refusals."""

import numpy as np
import pytest
from scipy.ndimage import minimum_filter
from scipy.spatial import cKDTree

from stemforge.structures.atoms.surface import covered_pixels
from stemforge.structures.supports.particle import carbon_particle
from stemforge.structures.supports.random_fields import random_field

SIZE = (90.0, 80.0)
ATOMS_PER_A3 = 2.0 / 12.011 / 1.66054


def particle(seed=0, **settings):
    defaults = {"size": SIZE, "mean_thickness": 60.0, "porosity": 0.0, "rng": np.random.default_rng(seed)}
    return carbon_particle(**defaults | settings)


@pytest.mark.parametrize(("mean_thickness", "vacuum_fraction"), [(20, 0.0), (60, 0.3), (150, 0.5)])
def test_mean_thickness_and_vacuum(mean_thickness, vacuum_fraction):
    atoms = particle(mean_thickness=mean_thickness, vacuum_fraction=vacuum_fraction)
    covered = covered_pixels(atoms)
    assert 1 - covered.mean() == pytest.approx(vacuum_fraction, abs=0.03)
    # Measured from the atoms: height of each 4 Å column, a little less than the surfaces are apart.
    bins = np.ceil(np.array(SIZE) / 4).astype(int)
    i, j = (atoms.positions[:, :2] / 4).astype(int).T
    top, bottom = np.full(bins, -np.inf), np.full(bins, np.inf)
    np.maximum.at(top, (i, j), atoms.positions[:, 2])
    np.minimum.at(bottom, (i, j), atoms.positions[:, 2])
    heights = (top - bottom)[np.isfinite(top)]
    assert heights.mean() == pytest.approx(mean_thickness, rel=0.08)
    volume = len(atoms) / ATOMS_PER_A3
    assert volume / (np.prod(SIZE) * (1 - vacuum_fraction)) == pytest.approx(mean_thickness, rel=0.01)


@pytest.mark.parametrize("porosity", [0.1, 0.4])
def test_pores_take_their_share(porosity):
    # Pores are random and few: a mean over particles.
    share = np.mean(
        [
            len(particle(seed, porosity=porosity, vacuum_fraction=0.0))
            / len(particle(seed, vacuum_fraction=0.0))
            for seed in range(3)
        ]
    )
    assert 1 - share == pytest.approx(porosity, rel=0.15)


def test_the_particle_is_thinner_towards_vacuum():
    def thickness_by_distance(taper):
        atoms = particle(
            taper=taper, vacuum_fraction=0.3, roughness=0.0, ridge_height=0.0, outline_roughness=0.0
        )
        counts, _, _ = np.histogram2d(*atoms.positions[:, :2].T, bins=(18, 16), range=((0, 90), (0, 80)))
        whole = minimum_filter(counts, size=3) > 0  # without pixels that the outline cuts
        filled = np.sort(counts[whole])
        return filled[len(filled) // 10] / filled[-len(filled) // 10]

    cliff, rounded, wedge = (thickness_by_distance(taper) for taper in (0.0, 0.4, 1.0))
    assert cliff > 0.75 > rounded > 0.35 > wedge > 0


def test_roughness_is_the_spread_of_the_thickness():
    atoms = particle(roughness=0.2, ridge_height=0.0, vacuum_fraction=0.0, mean_thickness=200)
    counts, _, _ = np.histogram2d(*atoms.positions[:, :2].T, bins=(22, 20))
    assert counts.std() / counts.mean() == pytest.approx(0.2, rel=0.2)


def test_cell_margins_and_hard_core():
    atoms = particle(vacuum=4.0, vacuum_fraction=0.0)
    z, height = atoms.positions[:, 2], atoms.cell.lengths()[2]
    assert 4.0 <= z.min() < 8.0
    assert 4.0 <= height - z.max() < 8.0
    tree = cKDTree(atoms.positions, boxsize=(*SIZE, 0))
    assert tree.query(atoms.positions, k=2)[0][:, 1].min() >= 1.35


def test_the_same_seed_gives_the_same_bytes():
    first, second, other = (particle(seed, porosity=0.1) for seed in (1, 1, 2))
    assert first.positions.tobytes() == second.positions.tobytes()
    assert first.positions.tobytes() != other.positions.tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": (90,)}, "size must be 2 positive lengths"),
        ({"mean_thickness": 1.0}, "mean_thickness must be between 5 and 2000, got 1.0. Thickness is in Å"),
        ({"vacuum_fraction": 1.0}, "vacuum_fraction must be between 0 and 0.9"),
        ({"roughness": 12.0}, "roughness must be between 0 and 0.5.*not a length"),
        ({"taper": -1.0}, "taper must be between 0 and 1"),
        ({"porosity": 0.99}, "porosity must be between 0 and 0.9"),
        ({"correlation_length": 3.0}, "correlation_length must be a finite number, at least 30"),
        ({"density": 9.0}, "density must be at most"),
    ],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        particle(**change)


def test_random_field_keeps_to_its_band():
    field = random_field((128, 96), (128.0, 96.0), (10.0, 40.0), np.random.default_rng(0))
    k = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(96))
    power = np.abs(np.fft.fft2(field)) ** 2
    outside = (k < 1 / 40 - 1e-9) | (k > 1 / 10 + 1e-9)
    assert power[outside].sum() < 1e-20 * power.sum()
    assert field.mean() == pytest.approx(0, abs=1e-12)
    octaves = [power[(k >= low) & (k < 2 * low)].sum() for low in (1 / 40, 1 / 20)]
    assert octaves[0] / octaves[1] == pytest.approx(1, abs=0.4)


def test_random_field_without_room_for_its_band_is_flat():
    assert not random_field((8, 8), (8.0, 8.0), (20.0, 40.0), np.random.default_rng(0)).any()
