"""From a zeolite recipe to labelled segments."""

import numpy as np
import pytest
from ase import Atoms

from stemforge.corpus.reader import Corpus
from stemforge.errors import InputError, RecipeError
from stemforge.simulate import (
    SEGMENTS,
    Degradation,
    Scan,
    SimulationRecipe,
    degrade,
    idpc_image,
    label_molecules,
    simulate_corpus,
    simulate_sample,
)
from stemforge.simulate.labels.boxes import SPHERES
from stemforge.simulate.running.corpus import check_recipe
from stemforge.structures import mfi, place_guest

SMALL = {
    "num_samples": 2,
    "shard_size": 1,
    "scan": {"shape": [64, 80], "sampling": 0.25, "margin": 8, "rotation": 0.4},
    "engine": {"name": "prism", "sampling": 0.25, "slice_thickness": 8},
    "support": {"kind": "zeolite", "guests": {"pyridine": 1, "thiophene": 1}, "variants": 1, "mistilt": 3},
}


def recipe(**changes):
    return SimulationRecipe.load("zsm5-idpc", {**SMALL, **changes})


def test_labels_are_boxes_around_the_guests():
    atoms = place_guest(mfi(repeat=(2, 3)), "pyridine", rng=np.random.default_rng(0))
    scan = Scan(shape=(150, 150), sampling=0.25, margin=0)
    labels, names = label_molecules(atoms, scan)
    assert names == ["pyridine"]
    assert 6 <= len(labels) <= 12
    for box, point in zip(labels.boxes, labels.points, strict=True):
        assert (box[:2] < point).all()
        assert (box[2:] > point).all()
        assert ((box[2:] - box[:2]) * 0.25 < 9).all()
    # Every heavy guest atom in the field lies in a box.
    cell = tuple(np.diag(atoms.cell)[:2])
    heavy = (atoms.arrays["molecule"] >= 0) & (atoms.numbers > 1)
    places = scan.pixels(atoms.positions[heavy, :2], cell)
    boxed = [((labels.boxes[:, :2] <= p) & (p <= labels.boxes[:, 2:])).all(1).any() for p in places]
    central = ((places > 25) & (places < 125)).all(1)
    assert central.sum() > 20
    assert np.all(np.array(boxed)[central])


def test_a_box_goes_round_the_spheres_of_heavy_atoms():
    places = np.array([[0.0, 0.0], [3.0, 1.0], [0.0, 40.0]])
    assert SPHERES.box(np.array([6, 16, 1]), places).tolist() == [-1.7, -1.7, 4.8, 2.8]
    assert SPHERES.box(np.array([6, 16, 1]), places / 0.25, 0.25) == pytest.approx([-6.8, -6.8, 19.2, 11.2])
    assert SPHERES.box(np.array([1, 1]), places[:2]).tolist() == [-1.2, -1.2, 4.2, 2.2]
    unknown = 26  # Bondi has no iron
    assert SPHERES.box(np.array([unknown]), places[:1]).tolist() == [-1.7, -1.7, 1.7, 1.7]


def test_the_angle_turns_with_the_scan():
    atoms = place_guest(mfi(), "thiophene", rng=np.random.default_rng(0))
    scan = Scan.of_any_size((60, 60), 0.25)
    straight, _ = label_molecules(atoms, scan)
    turned, _ = label_molecules(atoms, Scan.of_any_size((60, 60), 0.25, rotation=np.pi / 2))
    numbers = {round(z, 3): a for z, a in zip(straight["z_angstrom"], straight["angle_degrees"], strict=True)}
    assert len(turned) == len(straight) > 0
    for z, angle in zip(turned["z_angstrom"], turned["angle_degrees"], strict=True):
        assert (numbers[round(z, 3)] - angle - 90) % 360 == pytest.approx(0, abs=1e-6)


def test_without_guests_there_are_no_boxes():
    labels, names = label_molecules(mfi(), Scan(shape=(40, 40), sampling=0.25, margin=0))
    assert len(labels) == 0
    assert labels.boxes.shape == (0, 4)
    assert names == []


def test_a_sample_carries_what_targets_need():
    sample = simulate_sample(recipe(), 0)
    assert sample.channels == SEGMENTS
    assert sample.signal.shape == (4, 64, 80)
    assert sample.structure is not None
    assert set(sample.metadata["molecules"]) <= {"pyridine", "thiophene"}
    lattice = sample.metadata["lattice"]
    a, b = np.array(lattice["a_px"]), np.array(lattice["b_px"])
    size = mfi().info["tile_size"]
    np.testing.assert_allclose([np.hypot(*a) * 0.25, np.hypot(*b) * 0.25], size, rtol=1e-4)
    assert np.degrees(np.arctan2(a[1], a[0])) == pytest.approx(-np.degrees(0.4), abs=0.01)
    # The image repeats itself along the lattice vectors, as far as the framework goes.
    image = idpc_image(sample.signal, 0.25)
    assert image.max() > 3 * image.std()


@pytest.mark.slow
def test_a_corpus_of_segments_is_the_same_again(tmp_path):
    simulate_corpus(recipe(), tmp_path / "a", workers=1, quiet=True)
    corpus = Corpus(tmp_path / "a")
    again = simulate_sample(recipe(), 1)
    np.testing.assert_array_equal(corpus[1].signal, again.signal)
    np.testing.assert_array_equal(corpus[1].labels.boxes, again.labels.boxes)


def test_planned_engine(tmp_path):
    Atoms("SiO", positions=[[2, 2, 1], [5, 6, 2]], cell=[9, 8, 4]).write(tmp_path / "oxide.xyz")
    planned = recipe(
        engine={"name": "auto", "max_error": 0.05},
        support={"kind": "file", "path": str(tmp_path / "oxide.xyz")},
        scan={"shape": [16, 16], "sampling": 0.4, "margin": 0},
    )
    sample = simulate_sample(planned, 1)
    engine = sample.metadata["drawn"]["engine"]
    assert engine["slice_thickness"] > 1
    assert 0.1 < engine["sampling"] < 0.3
    assert sample.labels.boxes is not None
    assert len(sample.labels) == 0


def test_channels_of_unequal_gain_and_contamination():
    signal = np.full((4, 64, 64), 0.2, dtype="float32")
    rng = np.random.default_rng(0)
    unequal = degrade(signal, Degradation(dose=1e4, counting=False, gain_spread=0.1), 0.25, rng).image
    means = unequal.mean((1, 2))
    assert np.ptp(unequal, axis=(1, 2)).max() < 1e-3 * means.min()
    assert 0.02 < means.std() / means.mean() < 0.3
    dirty = degrade(
        signal, Degradation(dose=1e4, counting=False, contamination=0.05, contamination_length=2.0), 0.25, rng
    ).image
    share = (dirty / dirty.mean() - 1).std()
    assert share == pytest.approx(0.05, rel=0.1)
    np.testing.assert_allclose(dirty[0] + dirty[2], 2 * dirty.mean(), rtol=1e-3)  # deflection keeps the sum
    one = degrade(signal[:1], Degradation(dose=1e4, counting=False, contamination=0.05), 0.25, rng).image
    assert one.min() >= 0.2 * 1e4 * 0.25**2 * 0.999  # a film only adds to an annular detector


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"engine": {"name": "kernels"}}, "engine.name: kernels adds intensities"),
        ({"engine": {"name": "prism", "interpolation": 2}}, "engine.interpolation: must be 1"),
        ({"engine": {"name": "multislice"}}, "scan.rotation, scan.shift: are for prism"),
        (
            {"engine": {"name": "prism", "sampling": 0.5}},
            "microscope.detectors: outer angle 22 mrad of segments",
        ),
        ({"support": {"kind": "zeolite", "guests": {"unobtainium": 1}}}, "support: .*unobtainium"),
        ({"support": {"kind": "zeolite", "framework": "/no/such.cif"}}, "support: .*/no/such.cif"),
    ],
)
def test_bad_recipes_are_refused_before_work(changes, message):
    with pytest.raises(InputError, match=message):
        check_recipe(recipe(**changes))


def test_segments_and_annular_detectors_exclude_each_other():
    with pytest.raises(RecipeError, match="must be either"):
        recipe(
            microscope={
                "preset": "low-dose-idpc",
                "detectors": {"rings": {"HAADF": [90, 185]}, "segments": [4, 22]},
            }
        )
