import json

import numpy as np
import pytest

from stemforge import Annotations
from stemforge.errors import InputError
from stemforge.evaluate import measure_intensities, mix_intensities


def _single(rng, number, spread=0.15):
    return rng.lognormal(0, spread, number)


@pytest.mark.parametrize("number", [40, 150])
def test_single_atoms_stay_one_component(number):
    rng = np.random.default_rng(0)
    names = [mix_intensities(_single(rng, number, 0.3)).names for _ in range(8)]
    assert names.count(("one atom",)) >= 7


def test_atoms_in_line_are_counted():
    rng = np.random.default_rng(1)
    mixture = mix_intensities(np.concatenate([_single(rng, 150), 2 * _single(rng, 50)]))
    assert mixture.names == ("one atom", "2 atoms in line")
    assert mixture.shares == pytest.approx([0.75, 0.25], abs=0.05)
    assert np.diff(np.exp(mixture.means) / np.exp(mixture.means[0])) == pytest.approx([1.0])
    assert (mixture.chances.argmax(1) == np.repeat([0, 1], [150, 50])).mean() > 0.95
    assert np.allclose(mixture.chances.sum(1), 1)


def test_a_second_element_is_no_atom_in_line():
    rng = np.random.default_rng(2)
    mixture = mix_intensities(np.concatenate([_single(rng, 80), 4.6 * _single(rng, 80)]))
    assert mixture.names == ("kind 1", "kind 2")
    assert np.exp(mixture.means[1] - mixture.means[0]) == pytest.approx(4.6, rel=0.08)


def test_faint_background_is_a_component_of_its_own():
    rng = np.random.default_rng(3)
    parts = [_single(rng, 300), 2 * _single(rng, 80), rng.lognormal(-1.2, 0.4, 60)]
    mixture = mix_intensities(np.concatenate(parts))
    assert mixture.names == ("background", "one atom", "2 atoms in line")
    assert mixture.shares[0] == pytest.approx(60 / 440, abs=0.04)
    assert mixture.evidence > 50
    assert "13 % background" in mixture.sentence or "14 % background" in mixture.sentence
    mixture.figure().savefig("/dev/null", format="png", dpi=20)


def test_density_is_the_mixtures():
    mixture = mix_intensities(_single(np.random.default_rng(4), 60))
    x = np.linspace(-3, 3, 2001)
    assert np.trapezoid(mixture.density(x).sum(0), x) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("values", "match"),
    [(np.ones(29), "29 intensities"), (np.append(np.ones(40), 0.0), "positive"), ([np.nan] * 40, "positive")],
)
def test_what_is_no_intensity_is_refused(values, match):
    with pytest.raises(InputError, match=match):
        mix_intensities(values)


def test_equal_intensities_are_one_component():
    assert mix_intensities(np.full(40, 3.0)).names == ("one atom",)


def _atoms(rng, number, scale, unfitted=0):
    values = scale * _single(rng, number)
    values[:unfitted] = 0
    columns = {"intensity": values, "intensity_error": values / 4, "fitted": np.arange(number) >= unfitted}
    return Annotations(rng.uniform(0, 200, (number, 2)), columns=columns)


def test_each_image_counts_over_its_own_median(tmp_path):
    rng = np.random.default_rng(5)
    atoms = {"a": _atoms(rng, 40, 10), "b": _atoms(rng, 40, 1e5, unfitted=3), "labels": Annotations([[1, 2]])}
    found = measure_intensities(atoms)
    assert found.mixture.names == ("one atom",)
    assert len(found.mixture.intensities) == 77
    assert found.error == pytest.approx(0.25)
    assert list(found.summary()["shares_of_images"]) == ["a", "b"]
    json.dumps(found.summary())
    found.to_csv(tmp_path / "i.csv")
    table = np.genfromtxt(tmp_path / "i.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    assert len(table) == 77
    assert table["chance_one_atom"] == pytest.approx(1)
    assert np.median(table["relative_intensity"][table["image"] == "b"]) == pytest.approx(1, rel=1e-3)


def test_labels_have_no_intensities():
    assert measure_intensities({"a": Annotations([[1, 2]])}) is None
    with pytest.raises(InputError, match="20 atoms have an intensity"):
        measure_intensities({"a": _atoms(np.random.default_rng(6), 20, 1)})
