"""Sheets, particles and defects, from the recipe to the labels."""

import numpy as np
import pytest

from stemforge.corpus.reader import Corpus
from stemforge.errors import CorpusError, InputError, RecipeError
from stemforge.simulate import SimulationRecipe, record, simulate_corpus, simulate_sample
from stemforge.simulate.labels.vacancies import KEY, with_vacancies
from stemforge.structures import PARTICLE, SINGLE_ATOM, SUPPORT, VACANCY

SHEET = {
    "seed": 3,
    "num_samples": 2,
    "support": {"kind": "layers", "material": "MoS2"},
    "microscope": {"energy": 60e3, "semiangle_cutoff": 30, "detectors": {"rings": {"HAADF": [60, 110]}}},
    "scan": {"shape": [64, 64], "sampling": 0.4},
    "degradation": {"dose": 1e5},
}
MISSING = {"kind": "vacancy", "element": "S", "areal_density": 0.6}
DEFECTS = [
    MISSING,
    {"kind": "substitution", "element": "Mo", "by": "W", "fraction": 0.05},
    {"kind": "adatom", "element": "W", "areal_density": 0.3},
]


def recipe(**overrides):
    return SimulationRecipe.from_mapping(SHEET, overrides)


@pytest.fixture(scope="module")
def sample():
    return simulate_sample(recipe(defects=DEFECTS), 0)


@pytest.mark.parametrize(
    ("support", "shares"),
    [
        ({"material": "graphene"}, {"C": 1.0}),
        ({"material": "h-BN", "num_layers": {"uniform": [1, 3]}}, {"B": 0.5, "N": 0.5}),
        ({"material": "WS2", "stacking": "3R", "num_layers": 2, "twist": 5.0}, {"W": 1 / 3, "S": 2 / 3}),
    ],
)
def test_a_recipe_builds_sheets_that_cover_the_field(support, shares):
    made = recipe(support={"kind": "layers", **support})
    drawn, atoms = made.build(0)
    count = atoms.symbols.formula.count()
    assert {name: number / len(atoms) for name, number in count.items()} == pytest.approx(shares)
    assert (atoms.cell.lengths()[:2] >= np.array(drawn.scan.cell) - 1e-6).all()


def test_everything_is_made_in_order_and_imaged():
    particles = [{"element": "W", "diameter": {"uniform": [8, 10]}, "areal_density": 0.1}]
    drawn, atoms = recipe(particles=particles, defects=DEFECTS).build(0)
    tags = atoms.get_tags()
    elements = {int(tag): set(atoms.symbols[tags == tag]) for tag in set(tags.tolist())}
    assert elements == {int(SUPPORT): {"Mo", "S"}, int(PARTICLE): {"W"}, int(SINGLE_ATOM): {"W"}}
    assert len(atoms.info["vacancies"]["numbers"]) > 2
    assert 8 <= drawn.particles[0].diameter <= 10


def test_particles_are_bright_and_not_labelled():
    particles = [{"element": "W", "diameter": 10.0, "areal_density": 0.2}]
    with_them, without = (simulate_sample(recipe(particles=list(p)), 0) for p in (particles, []))
    assert with_them.signal.max() > 2 * without.signal.max()
    assert len(with_them.labels) == len(without.labels) == 0


def test_labels_of_atoms_do_not_name_what_is_missing(sample):
    assert set(sample.labels["element"].tolist()) == {74}
    assert int(VACANCY) not in sample.labels["tag"]
    assert (sample.labels["cnr"] > 0).all()


def test_who_asks_gets_the_vacancies(sample):
    labels = with_vacancies(sample).labels
    rows = labels.where(labels["tag"] == int(VACANCY))
    assert len(labels) == len(sample.labels) + len(rows) > len(sample.labels)
    assert set(rows["element"].tolist()) == {16}
    assert (rows["cnr"] < 0).all()
    assert (rows["contrast"] < 0).all()
    assert (rows["scattering"] < 0).all()
    assert rows.inside(sample.signal.shape[1:]).all()
    assert set(labels.columns) == set(sample.labels.columns)


def test_a_vacancy_is_where_the_image_is_darker():
    # The same sheet with and without: substituting nothing draws nothing else from the generator.
    whole, holey = (simulate_sample(recipe(defects=list(d)), 0) for d in ([], [MISSING]))
    lost = (whole.signal - holey.signal)[0]
    rows = with_vacancies(holey).labels
    columns, lines = np.rint(rows.points).astype(int).T
    keep = (np.minimum(columns, lines) >= 2) & (np.maximum(columns, lines) <= 61)
    assert keep.sum() > 2
    at = lost[lines[keep], columns[keep]]
    assert (at > 0.5 * lost.max()).all()
    assert lost.mean() < 0.2 * at.min()
    # The label says how much is missing, as the image does: Σ over the field times the pixel's area [Å²].
    expected = -rows["scattering"].sum()
    assert lost.sum() * 0.4**2 == pytest.approx(expected, rel=0.3)


def test_recording_moves_vacancies_as_it_moves_atoms(sample):
    moved = record(
        with_vacancies(sample), recipe(degradation={"dose": 1e6}).degradation, np.random.default_rng(0)
    ).labels
    rows = moved["tag"] == int(VACANCY)
    assert rows.any()
    assert not rows.all()
    assert (moved["cnr"][rows] < 0).all()
    assert (moved["cnr"][~rows] > 0).all()


def test_a_corpus_keeps_them(tmp_path):
    simulate_corpus(recipe(defects=DEFECTS, num_samples=1), tmp_path / "corpus", workers=1, quiet=True)
    kept = Corpus(tmp_path / "corpus")[0]
    made = simulate_sample(recipe(defects=DEFECTS, num_samples=1), 0)
    assert np.array_equal(kept.signal, made.signal)
    assert np.allclose(with_vacancies(kept).labels.points, with_vacancies(made).labels.points)
    assert PARTICLE not in kept.structure.tags


def test_a_sample_without_vacancies_says_what_to_do():
    plain = simulate_sample(recipe(), 0)
    assert KEY not in plain.metadata
    with pytest.raises(
        CorpusError, match="says nothing of vacancies; simulate it from a recipe with defects"
    ):
        with_vacancies(plain)


def test_no_vacancy_drawn_is_no_error():
    rare = simulate_sample(recipe(defects=[{**MISSING, "areal_density": 0.0}]), 0)
    assert len(with_vacancies(rare).labels) == 0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"support.stacking": "ABC"}, "stacking must be one of 2H, 3R, AA for MoS2"),
        ({"support.material": "gold"}, "support.material"),
        ({"support.num_layer": 2}, "did you mean 'num_layers'"),
        ({"particles": [{"element": "C"}]}, "particles.0.*element must be a metal"),
        ({"particles": [{"element": "Fe", "shape": "decahedron"}]}, "an fcc metal for the shape decahedron"),
        (
            {"particles": [{"element": "Au", "diameter": {"uniform": [2, 9]}}]},
            "particles.0.diameter.*at least 6",
        ),
        ({"defects": [{"kind": "vacancy"}]}, "needs either fraction"),
        ({"defects": [{"kind": "vacancy", "fraction": 0.1, "areal_density": 1}]}, "needs either fraction"),
        ({"defects": [{"kind": "vacancies", "fraction": 0.1}]}, "defects.0"),
        ({"defects": [{"kind": "substitution", "by": "Zz", "fraction": 0.1}]}, "no such element: 'Zz'"),
        ({"defects": [{"kind": "interstitial", "element": "Li"}]}, "areal_density"),
    ],
)
def test_recipes_that_cannot_be_meant_are_refused(overrides, message):
    with pytest.raises(RecipeError, match=message):
        recipe(**overrides)


@pytest.mark.parametrize(
    "defect", [{"kind": "vacancy", "element": "C", "fraction": 0.1}, {**MISSING, "areal_density": 300}]
)
def test_defects_that_the_support_cannot_have_are_refused(defect):
    with pytest.raises(
        InputError, match=r"structure of sample 0: (element must be one of|areal_density must be at)"
    ):
        recipe(defects=[defect]).build(0)


def test_the_same_recipe_gives_the_same_bytes():
    made = recipe(defects=DEFECTS, particles=[{"element": "W", "diameter": 8.0, "areal_density": 0.1}])
    one, again, other = made.build(1)[1], made.build(1)[1], made.build(0)[1]
    assert one.positions.tobytes() == again.positions.tobytes()
    assert len(one) != len(other)
