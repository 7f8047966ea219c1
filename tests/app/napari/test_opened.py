"""Atoms that stemforge's reader opened: taken over by the panel as far as their table tells of them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from stemforge.app.analysis.edited import BY_HAND
from stemforge.app.napari.finding import find_atoms, open_atoms
from stemforge.app.napari.layers import BY_HAND_COLOUR, looks, marks, name_of
from stemforge.app.napari.opened import RESULT, atoms_of, image_of, threshold_of
from stemforge.app.napari.reader import read_layers
from stemforge.exchange.results import Result
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph

SAMPLING, EMPTY = 0.293, [108.0, 20.0]


def layer(**options):
    known = {"name": "film", "metadata": {}, "ndim": 2, "scale": (0.03, 0.03), "units": ("nm", "nm")}
    return SimpleNamespace(**{**known, **options})


def result(columns, name="film.csv", **entry):
    points = [[20 * n + 3, 30] for n in range(len(next(iter(columns.values()))))]
    return Result(Path(name), Annotations(points, columns=columns), None, SAMPLING, entry)


@pytest.fixture(scope="module")
def micrograph(film):
    return Micrograph(film, SAMPLING, "HAADF", "film")


@pytest.mark.parametrize(
    ("columns", "atoms"),
    [
        ({"score": [0.9, 0.5]}, True),
        ({"score": np.array([])}, True),
        ({"intensity": [0.9, 0.5]}, False),
        ({"score": [90.0, 50.0]}, False),
        ({"score": np.array(["high", "low"], dtype=object)}, False),
    ],
)
def test_tables_with_likelihoods_are_taken_over(columns, atoms):
    assert (atoms_of(result(columns)) is not None) == atoms


def test_the_threshold_is_the_record_s_or_the_least_likelihood():
    atoms = atoms_of(result({"score": [0.9, 0.43259, 0.1], BY_HAND: [0, 0, 1]}))
    assert threshold_of(atoms, {"threshold": 0.4}) == 0.4
    assert threshold_of(atoms, {"threshold": 0.4326}) == 0.43259  # rounded in the record: all atoms stay
    assert threshold_of(atoms, {}) == threshold_of(atoms, {"threshold": "0.2"}) == 0.43259


def test_atoms_lie_over_the_image_that_was_opened_with_them():
    table, other = result({"score": [0.9]}), result({"score": [0.9]}, "other.csv")
    points, image = layer(metadata={RESULT: table}), layer(metadata={RESULT: table})
    above, coarse = layer(metadata={RESULT: other}), layer(scale=(0.06, 0.06))
    assert image_of(points, [image, above, coarse]) is image
    assert image_of(points, [above, coarse]) is above  # its own image is not known
    assert image_of(points, [coarse, layer(units=("pixel", "pixel")), layer(ndim=3)]) is None
    assert image_of(layer(), [image]) is None  # another program's points


def test_what_the_table_does_not_tell_is_not_known(micrograph):
    density = {"expected": 0.3, "low": 0.1, "high": 0.9}
    table = result({"score": [0.9, 0.6, 0.5]}, expected_f1=0.75, visible_atoms_per_nm2=density)
    known = {row.label: row.value for row in open_atoms(micrograph, table).summary().rows}
    assert (known["Expected F1"], known["By likelihoods"]) == ("0.75", "0.3 per nm² (0.1 to 0.9)")
    found = open_atoms(micrograph, result({"score": [0.9, 0.6, 0.5]}))
    summary = found.summary()
    assert summary.count == "3 atoms"
    assert {"Expected F1", "By likelihoods"}.isdisjoint(row.label for row in summary.rows)
    assert summary.doubts[0].startswith("Opened from film.csv, which has no candidates below 0.50")
    assert found.candidates.lowest == found.threshold == 0.5
    assert len(found.at(0.55).image.chosen) == 2


@pytest.mark.parametrize(
    "density", ["high", [0.3, 0.1, 0.9], {"expected": 0.3}, {"expected": "0.3", "low": 0, "high": 1}]
)
@pytest.mark.parametrize("expected_f1", ["0.75", [0.75], float("nan")])
def test_a_record_that_somebody_else_wrote_tells_nothing(micrograph, density, expected_f1):
    table = result(
        {"score": [0.9, 0.6]}, expected_f1=expected_f1, visible_atoms_per_nm2=density, weights=["x"]
    )
    summary = open_atoms(micrograph, table).summary()
    assert summary.count == "2 atoms"
    assert {"Expected F1", "By likelihoods"}.isdisjoint(row.label for row in summary.rows)


def test_places_by_hand_are_unknown_until_a_network_is_asked(micrograph):
    network = find_atoms(micrograph, "any-atom")
    atoms = network.image.chosen
    points = np.array([*atoms.points, [50, 5]])
    columns = {"score": [*atoms["score"], 0.07], BY_HAND: [*np.zeros(len(atoms)), 1]}
    kept = Result(Path("film.csv"), Annotations(points, columns=columns), None, SAMPLING, {})
    found = open_atoms(micrograph, kept)
    assert not found.unscored  # the table knows what was placed before
    assert found.scored("no such weights") is found
    edited = found.corrected([*points[1:], EMPTY])
    assert edited.unscored
    assert [len(edited.image.edits.removed), len(edited.image.edits.added)] == [1, 2]
    drawn = looks(edited.image, ())
    assert np.isnan(drawn["features"]["score"][-1])
    colour = marks(np.array([np.nan]), np.array([1]), 0.5)["border_color"]
    np.testing.assert_array_equal(drawn["border_color"][-1:], colour)
    assert not (drawn["border_color"][:-1] == colour).all(axis=1).any()
    scored = edited.scored("any-atom")
    by_hand = scored.image.chosen["score"][-2:]
    assert by_hand[0] == 0.07
    assert by_hand[1] == network.candidates.detection.likelihood_at([EMPTY])[0]
    # The table says nothing of its weights; of the same ones there is nothing to say.
    assert scored.summary().doubts[1].endswith("are any-atom's; those of the table are of unknown weights.")
    same = Result(kept.path, kept.objects, None, SAMPLING, {"weights": "any-atom"})
    again = open_atoms(micrograph, same).corrected([EMPTY]).scored("any-atom")
    assert not any("you placed" in doubt for doubt in again.summary().doubts)


def test_opened_atoms_are_saved_with_what_is_known(micrograph, tmp_path):
    atoms = find_atoms(micrograph, "any-atom").image.measured()
    table = Result(Path("film.csv"), atoms, None, SAMPLING, {"expected_f1": 0.8, "weights": "any-atom"})
    found = open_atoms(micrograph, table)
    found.save(tmp_path)
    again = Annotations.from_csv(tmp_path / "atoms" / "film.csv")
    assert len(again) == len(atoms)
    assert np.hypot(*(again.points - atoms.points).T).max() < 0.1  # places that were fitted stay
    np.testing.assert_allclose(again["score"], atoms["score"], atol=1e-5)


def test_opened_results_look_as_the_panel_s(tmp_path):
    table = tmp_path / "film 1.csv"
    Annotations([[3, 4], [8, 9], [5, 5]], columns={"score": [0.5, 1.0, np.nan]}).to_csv(table, SAMPLING)
    table.write_text(table.read_text().replace("nan", ""))  # as a user adds a row
    ((_, arguments, _),) = read_layers(str(table))
    red, yellow, unknown = arguments["border_color"]
    assert (red[:3].tolist(), yellow[:3].tolist()) == ([1, 0, 0], [1, 1, 0])
    assert "#" + "".join(f"{round(255 * part):02x}" for part in unknown[:3]) == BY_HAND_COLOUR
    assert arguments["symbol"].tolist() == ["disc", "disc", "square"]
    assert arguments["size"] == pytest.approx(6 * 1.1 / SAMPLING, rel=1e-4)
    assert name_of(layer(name="film 1 intensity", metadata=arguments["metadata"]), ()) == "film 1"
    # The control: labels without likelihoods are of one colour.
    Annotations([[3, 4]]).to_csv(table, SAMPLING)
    ((_, arguments, _),) = read_layers(str(table))
    assert isinstance(arguments["border_color"], str)
