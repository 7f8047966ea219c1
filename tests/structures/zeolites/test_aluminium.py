"""Aluminium: Löwenstein's rule, charge balance, protons, sites, variants, refusals."""

import numpy as np
import pytest
from ase.neighborlist import neighbor_list

from stemforge.structures.tags import Tag
from stemforge.structures.zeolites.aluminium import substitute_aluminium
from stemforge.structures.zeolites.frameworks import mfi
from stemforge.structures.zeolites.tiles import translates

FILM = mfi(repeat=(2, 1))


def shared_oxygens(atoms):
    """Number of Al atoms bonded to each oxygen."""
    i, _ = neighbor_list("ij", atoms, {("O", "Al"): 2.0})
    return np.bincount(i[atoms.symbols[i] == "O"], minlength=1) if len(i) else np.zeros(1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.2])
def test_lowenstein_and_charge(seed, fraction):
    acid = substitute_aluminium(FILM, fraction=fraction, rng=np.random.default_rng(seed))
    aluminium, protons = acid.symbols == "Al", acid.symbols == "H"
    assert aluminium.sum() == protons.sum() == round(fraction * 192)
    assert shared_oxygens(acid).max() == 1
    assert (acid.arrays["site"][aluminium] > 0).all()
    assert set(acid.get_tags()) == {Tag.SUPPORT}
    assert len(acid) == len(FILM) + protons.sum()
    for name, value in (("site", 0), ("molecule", -1)):
        assert set(acid.arrays[name][protons]) == {value}
    assert acid.arrays["thermal_sigma"][protons] == pytest.approx(0.04154**0.5)


@pytest.mark.parametrize("oxygen", [None, 0, 3])
@pytest.mark.parametrize("site", [1, 6, 12])
def test_the_proton_points_away_from_both_t_atoms(site, oxygen):
    acid = substitute_aluminium(FILM, site=site, number=1, oxygen=oxygen, rng=np.random.default_rng(site))
    assert acid.arrays["site"][acid.symbols == "Al"].tolist() == [site, site]
    assert acid.arrays["tile"][acid.symbols == "H"].tolist() == [0, 1]
    for proton in np.flatnonzero(acid.symbols == "H"):
        others = np.flatnonzero(np.arange(len(acid)) != proton)
        distance = acid.get_distances(proton, others, mic=True)
        owner = others[np.argmin(distance)]
        assert distance.min() == pytest.approx(0.97)
        assert acid.symbols[owner] == "O"
        assert np.sort(distance)[1] > 1.8
        t = [
            k for k in others if acid.symbols[k] in ("Al", "Si") and acid.get_distance(owner, k, mic=True) < 2
        ]
        assert sorted(acid.symbols[t]) == ["Al", "Si"]
        angles = [acid.get_angle(proton, owner, k, mic=True) for k in t]
        assert angles[0] == pytest.approx(angles[1], abs=0.1)
        assert min(angles) > 90


def test_a_second_substitution_keeps_to_the_rule_and_the_first():
    rng = np.random.default_rng(0)
    once = substitute_aluminium(FILM, number=8, rng=rng)
    twice = substitute_aluminium(once, number=8, rng=rng)
    assert (twice.symbols == "Al").sum() == (twice.symbols == "H").sum() == 32
    assert (twice.numbers[: len(once)][once.symbols == "Al"] == 13).all()
    assert shared_oxygens(twice).max() == 1


def test_variants_are_translates_and_keep_to_the_rule_across_tiles():
    film = mfi(repeat=(3, 3))
    acid = substitute_aluminium(film, number=12, variants=2, rng=np.random.default_rng(3))
    variant = np.array(acid.info["variants"])
    assert sorted(np.bincount(variant)) == [4, 5]
    for number in range(2):
        first, *others = np.flatnonzero(variant == number)
        assert all(translates(acid, first, other) for other in others)
    assert not translates(acid, *[np.flatnonzero(variant == number)[0] for number in range(2)])
    assert shared_oxygens(acid).max() == 1
    assert (acid.symbols == "Al").sum() == (acid.symbols == "H").sum() == 108


def test_the_same_seed_gives_the_same_atoms():
    one, two = (substitute_aluminium(FILM, fraction=0.1, rng=np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one.positions, two.positions)
    assert np.array_equal(one.numbers, two.numbers)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "number must be given, or else fraction, not both, got None"),
        ({"number": 1, "fraction": 0.1}, "number must be given, or else fraction, not both"),
        ({"number": 0}, "number must be a whole number, at least 1"),
        ({"fraction": 0.6}, "fraction must be between 0 and 0.5, got 0.6. Löwenstein"),
        ({"fraction": 0.5}, "fraction must be such that at most .* Si are exchanged here, got 0.5"),
        ({"number": 9, "site": 3}, "number must be such that at most . Si are exchanged here, got 9"),
        ({"number": 1, "site": 13}, "site must be the number of a T site that holds Si, 1–12, got 13"),
        ({"number": 1, "oxygen": 4}, "oxygen must be 0, 1, 2 or 3, got 4"),
        ({"number": 1, "variants": 0}, "variants must be a whole number, at least 1, got 0"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        substitute_aluminium(FILM, **settings, rng=np.random.default_rng(0))


def test_other_atoms_and_seeds_are_refused():
    with pytest.raises(ValueError, match=r"atoms must be a framework from mfi\(\) or zeolite\(\)"):
        substitute_aluminium(FILM[:0].__class__("Si"), number=1, rng=np.random.default_rng(0))
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator"):
        substitute_aluminium(FILM, number=1, rng=0)
