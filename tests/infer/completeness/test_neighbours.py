"""Atoms right beside others, and several that are one spot: counted where they are, and not where they are not."""

import numpy as np
import pytest
from scipy.special import ndtr

from stemforge.infer.completeness.brightness import TypicalAtom
from stemforge.infer.completeness.density import Clusters, corrected_density
from stemforge.infer.completeness.injection import Grafts
from stemforge.infer.completeness.multiplicity import LIGHT, MOST, TOGETHER, Multiplicity
from stemforge.infer.completeness.neighbours import with_companions
from stemforge.infer.completeness.recall import RecallCurve
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate import Host, Spots, graft

SAMPLING = 0.3


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("further", [0.0, 0.5])
def test_numbers_of_atoms_by_their_light(seed, further):
    rng = np.random.default_rng(seed)
    number = np.minimum(rng.geometric(1 - further, 150), MOST)
    mean = number.mean()
    electrons = 800 * LIGHT[number - 1] * np.exp(rng.normal(0, 0.25, 150))
    model = Multiplicity.fit(electrons)
    assert model.electrons == pytest.approx(800, rel=0.2)
    chances = model.chances(electrons)
    assert chances.shape == (150, MOST)
    assert chances.sum(1) == pytest.approx(1)
    assert (chances @ np.arange(1, MOST + 1)).mean() == pytest.approx(mean, rel=0.2)
    # A brighter atom makes of the same spots fewer.
    assert (model.chances(electrons, 0.5) @ np.arange(1, MOST + 1)).mean() < 1.01 * mean


def test_a_spot_without_light_is_as_likely_many_as_spots_at_large_and_the_brightest_are_the_most():
    model = Multiplicity(1000.0, 0.25, 0.3)
    unknown, bright, one = model.chances([0.0, 1e6, 1000.0])
    assert unknown[1] / unknown[0] == pytest.approx(0.3)
    assert bright.argmax() == MOST - 1
    assert one[0] > 0.9


@pytest.fixture(scope="module")
def atoms():
    """Return an image of free atoms and pairs 2.4 Å apart, the places of one atom of each, and those of the others."""
    rng = np.random.default_rng(1)
    host = Host.of(rng.poisson(np.tile(np.linspace(30, 60, 256), (256, 1))), SAMPLING)
    places = np.stack(np.meshgrid(*2 * [np.arange(25, 240, 22.0)]), -1).reshape(-1, 2)
    turn = rng.uniform(0, 2 * np.pi, 40)
    others = places[:40] + 2.4 / SAMPLING * np.column_stack([np.cos(turn), np.sin(turn)])
    every = np.concatenate([places, others])
    image = graft(
        host, Spots.gaussian([0.7], SAMPLING), every, np.zeros(len(every), int), rng, electrons=500.0
    ).image
    host = Host.of(image, SAMPLING)
    return host.without(host.visibility(every, 500.0, 0.7, 0.7)), places, others


def test_companions_are_found_where_they_are(atoms):
    host, places, others = atoms
    spots = with_companions(host, Annotations(places), TypicalAtom(0.7, 500.0, 40))
    new = spots.atoms.points[len(places) :]
    assert len(new) == spots.companions
    nearest = np.hypot(*(new[:, None] - others).transpose(2, 0, 1)).min(1) * SAMPLING
    assert np.count_nonzero(nearest < 0.6) >= 32  # of 40
    assert np.count_nonzero(nearest >= 0.6) <= 4  # … and beside the hundred atoms, as good as none
    assert np.median(spots.electrons) == pytest.approx(500, rel=0.15)
    # What is measured of one of a pair is what is measured of a free one.
    assert np.median(spots.measured[:40]) == pytest.approx(np.median(spots.measured[40:100]), rel=0.1)


def test_density_counts_the_atoms_of_spots():
    """Spots of one, two and more atoms, each atom as visible: without clusters the count falls short."""
    rng = np.random.default_rng(3)
    number = np.minimum(rng.geometric(0.5, 120), MOST)
    each = rng.uniform(5, 7, 120)
    shown = each * TOGETHER[number - 1]
    found = rng.random(120) < ndtr(shown - 4)
    measured = (shown + rng.normal(0, 1, 120))[found]
    electrons = (800 * LIGHT[number - 1] * np.exp(rng.normal(0, 0.2, 120)))[found]
    cnr = rng.uniform(1, 14, 600)
    hit = rng.random(600) < ndtr(cnr - 4)
    values = np.where(hit, cnr + rng.normal(0, 1, 600), np.nan)
    grafts = Grafts(
        Annotations(np.zeros((600, 2)), columns={"cnr": cnr}), hit, values, np.zeros((600, 2)), values, hit, 1
    )
    curve = RecallCurve.fit(cnr, hit, rng)
    model = Multiplicity.fit(electrons)
    true = np.ones(len(measured))
    settings = {"cnr": 4.0, "brightest": 14.0, "area": 100.0, "rng": rng}
    clusters = Clusters(lambda shift: model.chances(electrons, shift), TOGETHER)
    result = corrected_density(measured, true, grafts, curve, clusters, **settings)
    assert result.low < number.sum() < result.high
    assert result.number == pytest.approx(number.sum(), rel=0.25)
    without = corrected_density(measured, true, grafts, curve, **settings)
    assert without.high < number.sum()
