"""What is done to labels is named, sound ones are left alone, and the mend is where the atoms are."""

import json

import numpy as np
import pytest

from stemforge import Annotations, InputError, Micrograph
from stemforge.evaluate import audit_labels
from stemforge.evaluate.audit.placements import ORIENTATIONS, Placement, oriented

SAMPLING = 0.3
SIZE = (144, 160)
NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def atoms():
    """Thirty points an image, none nearer to another than 12 px."""
    found = {}
    for index, name in enumerate(NAMES):
        rng = np.random.default_rng(index)
        points = []
        while len(points) < 30:
            point = rng.uniform(6, np.array(SIZE[::-1]) - 6)
            if all(np.hypot(*(point - other)) > 12 for other in points):
                points.append(point)
        found[name] = np.array(points)
    return found


@pytest.fixture(scope="module")
def images(atoms, blobs):
    return {
        name: Micrograph(blobs(atoms[name], SIZE, height=4, noise=1, seed=7), SAMPLING, name=name)
        for name in NAMES
    }


@pytest.fixture(scope="module")
def run(images):
    def run(points, names=NAMES):
        labels = {name: Annotations(points[name]) for name in names}
        return audit_labels(images, labels, weights=None)

    return run


def kinds(audit):
    return [{fault.kind for fault in verdict.faults} for verdict in audit.verdicts]


def check_mend(audit, atoms, names):
    """Every image that has faults gets its atoms back, and nothing else is written."""
    repaired = audit.repaired()
    assert set(repaired) == set(names)
    for name in names:
        found = repaired[name].points
        away = np.hypot(*(found[:, None] - atoms[name]).transpose(2, 0, 1))
        assert away.min(axis=1).max() < 2
        assert len(found) == len(np.unique(away.argmin(axis=1)))
        assert len(found) >= len(atoms[name]) - 2


def test_sound_labels_are_left_alone(run, atoms):
    audit = run(atoms)
    assert kinds(audit) == [set(), set(), set()]
    assert audit.sound
    assert audit.repaired() == {}
    assert audit.lines() == ["3 of 3 files of labels fit their images"]


CORRUPTIONS = {
    "shift": lambda p: p + np.array([6, -5]),
    "transposed": lambda p: oriented(p, SIZE, 4),
    "mirrored": lambda p: oriented(p, SIZE, 2),
    "scale": lambda p: p / 2,
    "unit": lambda p: np.round(p * SAMPLING / 10, 3),
}


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_whole_files(run, atoms, kind):
    audit = run({"a": CORRUPTIONS[kind](atoms["a"]), "b": atoms["b"], "c": atoms["c"]})
    assert kinds(audit) == [{kind}, set(), set()]
    check_mend(audit, atoms, ["a"])


def test_swapped_files(run, atoms):
    audit = run({"a": atoms["b"], "b": atoms["a"], "c": atoms["c"]})
    assert kinds(audit) == [{"image"}, {"image"}, set()]
    assert [verdict.faults[0].image for verdict in audit.verdicts[:2]] == ["b", "a"]
    check_mend(audit, atoms, ["a", "b"])


def test_an_image_whose_labels_are_all_of_another_gets_no_empty_table(run, atoms, tmp_path):
    audit = run({"a": atoms["b"], "b": atoms["b"], "c": atoms["c"]})
    assert "a" not in audit.repaired()
    assert any("none of its rows belongs to a" in line for line in audit.lines())
    assert not [path for path in audit.write(tmp_path) if path.name == "a.csv"]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("number", [8, 22])
def test_rows_of_one_file_in_the_next(run, atoms, first, number):
    parts = [atoms["a"][-number:], atoms["b"]]
    audit = run(
        {"a": atoms["a"][:-number], "b": np.concatenate(parts if first else parts[::-1]), "c": atoms["c"]}
    )
    assert kinds(audit) == [set(), {"rows"}, set()]
    (fault,) = audit.verdicts[1].faults
    assert fault.image == "a"
    wrong = set(range(1, number + 1)) if first else set(range(31, 31 + number))
    # The row at the border may fit both images by chance.
    assert len(wrong ^ set(fault.rows)) <= 1
    check_mend(audit, atoms, ["a", "b"])


def test_rows_of_an_image_that_is_not_in_the_set(run, atoms):
    rng = np.random.default_rng(5)
    audit = run({**atoms, "b": np.concatenate([atoms["b"], rng.uniform(5, 140, (25, 2))])})
    assert kinds(audit)[1] == {"rows"}
    (fault,) = audit.verdicts[1].faults
    assert fault.image is None
    assert "fit no image of the set" in fault.message
    check_mend(audit, atoms, ["b"])


def test_duplicates_and_rows_off_the_image(run, atoms):
    audit = run({**atoms, "c": np.concatenate([atoms["c"], atoms["c"][3:6] + 0.4, [[200, 10]]])})
    assert {fault.kind: fault.rows for fault in audit.verdicts[2].faults} == {
        "duplicates": (31, 32, 33),
        "outside": (34,),
    }
    check_mend(audit, atoms, ["c"])


def test_atoms_one_behind_the_other_are_no_duplicates(run, atoms):
    """One pair within the tolerance may be chance; several are not."""
    near = np.array([0.4, -0.4])
    assert run({**atoms, "c": np.concatenate([atoms["c"], atoms["c"][3:4] + near])}).sound
    audit = run({**atoms, "c": np.concatenate([atoms["c"], atoms["c"][3:9] + near])})
    assert kinds(audit) == [set(), set(), {"duplicates"}]


def test_labels_half_of_which_are_wrong_are_remarked(run, atoms):
    rng = np.random.default_rng(9)
    points = np.concatenate([atoms["a"][:12], rng.uniform(5, 140, (40, 2))])
    audit = run({**atoms, "a": points[rng.permutation(52)]})
    assert audit.sound
    assert "of the labels lie on bright spots" in audit.lines()[0]
    assert audit.verdicts[0].share[2] < 0.6 < audit.verdicts[1].share[1]


def test_an_unlabelled_image_is_a_place_where_rows_may_belong(run, atoms):
    audit = run({"a": atoms["c"], "b": atoms["b"]}, names=("a", "b"))
    assert [verdict.faults[0].image for verdict in audit.verdicts if verdict.faults] == ["c"]


@pytest.mark.parametrize("seed", range(3))
def test_random_points_fit_nowhere(run, atoms, seed):
    points = np.random.default_rng(100 + seed).uniform(0, 143, (3, 40, 2))
    audit = run(dict(zip(NAMES, points, strict=True)))
    assert kinds(audit) == [{"nowhere"}] * 3
    assert audit.repaired() == {}


def test_points_on_an_image_without_atoms(atoms):
    noise = np.random.default_rng(1).normal(100, 1, SIZE)
    labels = {"a": Annotations(atoms["a"])}
    audit = audit_labels({"a": Micrograph(noise, SAMPLING)}, labels, weights=None)
    assert kinds(audit) == [{"nowhere"}]


def test_few_labels(run, atoms):
    assert kinds(run({name: points[:9] for name, points in atoms.items()})) == [set(), set(), set()]
    # Five random points prove nothing, neither way.
    points = np.random.default_rng(100).uniform(0, 143, (3, 5, 2))
    audit = run(dict(zip(NAMES, points, strict=True)))
    assert audit.sound
    assert all("too few to tell" in verdict.note for verdict in audit.verdicts)
    assert audit.lines()[-1] == "0 of 3 files of labels fit their images"


def test_an_empty_file(run, atoms):
    audit = run({**atoms, "b": np.empty((0, 2))})
    assert audit.sound
    assert audit.verdicts[1].note == "no labels"


def test_a_bright_support_beside_vacuum_is_no_evidence(blobs):
    """Random labels on the support, none in vacuum: brighter than random places, and wrong all the same."""
    rng = np.random.default_rng(3)
    atoms = rng.uniform([4, 4], [70, 140], (20, 2))
    image = blobs(atoms, SIZE, height=4, noise=1)
    image[:, :80] += 30
    labels = {"a": Annotations(rng.uniform([4, 4], [70, 140], (30, 2)))}
    audit = audit_labels({"a": Micrograph(image, SAMPLING)}, labels, weights=None)
    assert kinds(audit) == [{"nowhere"}]


def test_ambiguous_labels_are_not_mended(blobs):
    """A lattice fits itself a period away: a shift is found, not which."""
    lattice = np.stack(np.meshgrid(np.arange(10, 150, 16), np.arange(10, 140, 16)), -1).reshape(-1, 2)
    image = Micrograph(blobs(lattice, SIZE, height=6, noise=1), SAMPLING)
    chosen = lattice[(lattice > 30).all(axis=1) & (lattice < 120).all(axis=1)]
    audit = audit_labels({"a": image}, {"a": Annotations(chosen + np.array([8, 8]))}, weights=None)
    assert kinds(audit) == [{"shift"}]
    assert "; or " in audit.lines()[0]
    assert audit.repaired() == {}


def test_labels_without_image_are_refused(images):
    with pytest.raises(InputError, match="no image is named d"):
        audit_labels(images, {"d": Annotations([[1, 1]])}, weights=None)


@pytest.mark.parametrize("orientation", range(8))
def test_orientations_undo_what_they_name(orientation):
    image = np.arange(12).reshape(3, 4)
    turned = {
        "as given": image,
        "mirrored left to right": image[:, ::-1],
        "mirrored top to bottom": image[::-1],
        "turned by 180°": image[::-1, ::-1],
        "transposed (x and y swapped)": image.T,
        "turned by 90° clockwise": np.rot90(image, -1),
        "turned by 90° anticlockwise": np.rot90(image),
        "transposed about the other diagonal": np.rot90(image.T, 2),
    }[ORIENTATIONS[orientation]]
    row, column = np.argwhere(turned == image[0, 1])[0]
    np.testing.assert_array_equal(oriented([[column, row]], image.shape, orientation), [[1, 0]])


def test_written_files(run, atoms, tmp_path):
    audit = run({**atoms, "a": atoms["b"], "b": atoms["a"]})
    files = [path.name for path in audit.write(tmp_path)]
    assert sorted(files) == ["a.csv", "a_labels.png", "audit.json", "b.csv", "b_labels.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)
    np.testing.assert_allclose(Annotations.from_csv(tmp_path / "a.csv", SIZE).points, atoms["a"], atol=1e-3)
    content = json.loads((tmp_path / "audit.json").read_text())
    assert content["sound"] is False
    assert [file["sound"] for file in content["files"]] == [False, False, True]
    assert content["files"][0]["rows"][0]["image"] == "b"


def test_words():
    place = Placement(4, 34.13, shift=(2.0, -3.0), unit="nm")
    assert place.kind == "unit and transposed and shift"
    assert place.words() == (
        "the labels are in nm, not in pixels (1 nm = 34.13 px) and are transposed (x and y swapped) and are shifted "
        "by x=-2.0, y=+3.0 px"
    )
