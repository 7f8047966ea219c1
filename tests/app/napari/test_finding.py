"""Atoms on layers of napari: found, corrected, counted and kept, without a window."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from stemforge.__main__ import main
from stemforge.app.analysis.edited import BY_HAND
from stemforge.app.napari.finding import find_atoms
from stemforge.app.napari.layers import frame_of, looks, micrograph_of, places_of, points_over, sampling_of
from stemforge.corpus.reader import Corpus
from stemforge.errors import InputError
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph

SAMPLING, EMPTY = 0.293, [108.0, 20.0]


class Unit(str):
    """A unit as napari has them: with a short and a long name."""

    def __format__(self, spec):
        return {"nanometer": "nm", "angstrom": "Å"}.get(self, self) if spec == "~" else str(self)


def layer(pixels, length=SAMPLING / 10, unit="nanometer", **options):
    """Return an image layer as far as it is asked."""
    front = np.ndim(pixels) - 2
    known = {
        "name": "film",
        "rgb": False,
        "multiscale": False,
        "metadata": {},
        "scale": np.array([1.0] * front + [length] * 2),
        "units": (Unit("pixel"),) * front + (Unit(unit),) * 2,
        "ndim": front + 2,
        "world_to_data": lambda point: np.asarray(point) / known["scale"],
        **dict.fromkeys(("translate", "rotate", "shear", "affine", "axis_labels")),
    }
    return SimpleNamespace(**{**known, "data": pixels, **options})


@pytest.fixture(scope="module")
def found(film):
    return find_atoms(Micrograph(film, SAMPLING, "HAADF", "film"), "any-atom")


def test_the_layer_s_pixel_size_is_in_angstrom():
    image = np.eye(8)
    assert sampling_of(layer(image)) == pytest.approx(SAMPLING)
    assert sampling_of(layer(image, 0.25, "angstrom")) == 0.25
    assert sampling_of(layer(image, 2.5e-4, "micrometer")) == pytest.approx(2.5)
    assert sampling_of(layer(image, 1.0, "pixel")) is None


@pytest.mark.parametrize(
    ("change", "sampling", "message"),
    [
        ({"units": (Unit("pixel"),) * 2}, None, "film: pixel size is missing; type it"),
        ({"scale": np.array([0.03, 0.02])}, None, "film: its pixels are 0.3 Å high and 0.2 Å wide"),
        ({"rgb": True}, 0.3, "film: is a picture in colours"),
        ({"data": np.zeros((8, 8))}, 0.3, "film: every pixel has the same value"),
        ({"data": np.full((8, 8), np.nan)}, 0.3, "film: 64 of 64 pixels are NaN"),
    ],
)
def test_what_cannot_be_used_is_refused(change, sampling, message):
    one = layer(np.eye(8), **change)
    with pytest.raises(InputError, match=message):
        micrograph_of(one, (), sampling)


def test_of_a_stack_the_shown_frame_is_taken():
    stack = np.random.default_rng(0).random((3, 2, 8, 10))
    one = layer(stack)
    frame = frame_of(one, (7.0, 2.2, 0.9, 0.1, 0.1))  # the viewer has an axis more
    assert frame == (2, 1)
    taken = micrograph_of(one, frame, None)
    np.testing.assert_array_equal(taken.image, stack[2, 1].astype(np.float32))
    assert (taken.name, taken.sampling) == ("film_002_001", pytest.approx(SAMPLING))
    assert frame_of(one, (99.0, -5.0, 0.0, 0.0)) == (2, 0)
    assert frame_of(layer(stack[0, 0]), (0.1, 0.1)) == ()


def test_points_lie_over_their_image(found, places):
    one = layer(found.image.micrograph.image)
    points = {**points_over(one, found.image), **looks(found.image, ())}
    for place in places:
        assert np.hypot(*(points["data"][:, ::-1] - place).T).min() < 1
    assert all(points[name] is getattr(one, name) for name in ("scale", "units", "affine"))
    assert len(points["data"]) == len(points["features"]["score"]) == len(points["border_color"])
    again, elsewhere = places_of(SimpleNamespace(data=points["data"]), (), (128, 128))
    np.testing.assert_array_equal(again, found.image.chosen.points)
    assert elsewhere == 0
    # On the third frame of a stack; the control: nothing of it on the second, and nothing off the image.
    assert points_over(layer(np.zeros((4, 128, 128))), found.image)["ndim"] == 3
    stack = looks(found.image, (2,))
    assert set(stack["data"][:, 0]) == {2.0}
    assert len(places_of(SimpleNamespace(data=stack["data"]), (2,), (128, 128))[0]) == len(again)
    assert places_of(SimpleNamespace(data=stack["data"]), (1,), (128, 128))[1] == len(again)
    assert places_of(SimpleNamespace(data=np.array([[-3.0, 5.0], [5.0, 128.0]])), (), (128, 128))[1] == 2


def test_what_is_placed_by_hand_gets_the_network_s_likelihood(found, places):
    points = found.image.chosen.points
    first = int(np.hypot(*(points - places[0]).T).argmin())
    shifted = points[first] + [1.0, -1.0]
    edited = found.corrected([*np.delete(points, first, axis=0), shifted, EMPTY])
    assert (len(edited.image.edits.removed), len(edited.image.edits.added)) == (1, 2)
    atoms = edited.image.chosen
    by_hand = atoms["score"][atoms[BY_HAND] == 1]
    # The same atom, beside its middle, has the likelihood of its peak; an empty place has none.
    assert by_hand[0] == found.image.chosen["score"][first] > 0.5
    assert by_hand[1] < 0.1
    assert edited.placed_likelihoods().value.endswith(f"; 1 of 2 below {edited.threshold:.2f}")
    assert found.placed_likelihoods().value == "nothing was placed by hand"
    rows = {row.label: row.value for row in edited.summary().rows}
    assert rows["By hand"] == "2 placed, 1 taken out"
    assert "By likelihoods" not in rows  # corrections make it untrue
    assert "By likelihoods" in {row.label for row in found.summary().rows}
    # Places that were left alone are no corrections; a doubled point is one atom.
    same = found.corrected([*points, points[0]])
    assert same.image.edits == found.image.edits
    np.testing.assert_array_equal(same.image.chosen.points, points)


def test_the_threshold_leaves_corrections(found):
    points = found.image.chosen.points
    edited = found.corrected([*points[1:], EMPTY])
    assert len(edited.at(found.candidates.lowest).image.chosen) >= len(points)
    assert len(edited.at(1.0).image.chosen) == 1  # what was placed by hand
    assert edited.at(1.0).at(found.threshold).image.edits == edited.image.edits


def test_an_image_without_atoms_has_few():
    noise = np.random.default_rng(0).normal(100, 6, (128, 128))
    nothing = find_atoms(Micrograph(noise, SAMPLING, "HAADF", "noise"), "any-atom")
    assert len(nothing.image.chosen) <= 1
    assert any("Hardly anything looks like an atom" in doubt for doubt in nothing.summary().doubts)
    # An image with nothing at all takes what a user places.
    for frame in ((), (2,)):
        empty = looks(nothing.at(1.0).image, frame)
        assert empty["data"].shape == (0, 2 + len(frame))
    assert len(nothing.at(1.0).corrected([[20, 30]]).image.chosen) == 1


def test_doubts_are_shown(blobs):
    y, x = np.mgrid[:10, :10] * 12.0 + 10
    lattice = blobs(np.column_stack([x.ravel(), y.ravel()]), (128, 128), sigma=2.5, height=60, noise=3)
    crystal = find_atoms(Micrograph(lattice, SAMPLING, "HAADF", "crystal"), "any-atom")
    assert any("shows a lattice" in doubt for doubt in crystal.summary().doubts)


@pytest.mark.slow
def test_what_is_saved_goes_into_the_next_commands(found, tmp_path):
    points = found.image.chosen.points
    edited = found.corrected([*points[1:], EMPTY])
    out = tmp_path / "out"
    sentence = edited.save(out)
    assert f"stemforge ingest {out / 'images'} --labels {out / 'labels'}" in sentence

    def read_entry():
        return json.loads((out / "atoms" / "run.json").read_text())["infer atoms"]["film"]

    entry = read_entry()
    assert entry["corrected_by_hand"] == {"removed": 1, "added": 1, "masks": 0}
    assert entry["atoms"] == len(points)
    assert "visible_atoms_per_nm2" not in entry  # corrections make it untrue
    table = Annotations.from_csv(out / "atoms" / "film.csv", (128, 128))
    assert table[BY_HAND].sum() == 1
    assert table["score"][table[BY_HAND] == 1][0] < 0.1  # the network's word, not the hand's
    assert main(["analyse", str(out / "atoms"), "--out", str(tmp_path / "analysed"), "--quiet"]) == 0
    labels = ["--labels", str(out / "labels")]
    assert main(["ingest", str(out / "images"), *labels, "--out", str(tmp_path / "c")]) == 0
    (sample,) = list(Corpus(tmp_path / "c"))
    assert sample.sampling == pytest.approx(SAMPLING)
    np.testing.assert_allclose(sample.labels.points, table.points, atol=1e-3)
    np.testing.assert_allclose(sample.signal[0], found.image.micrograph.image)
    # Nothing is replaced unasked; nor the image that the layer shows, if asked.
    with pytest.raises(InputError, match=r"already holds film\.tif"):
        found.save(out)
    with pytest.raises(InputError, match="would replace the image"):
        found.save(out, overwrite=True, inputs=[out / "images" / "film.tif"])
    found.save(out, overwrite=True)
    assert read_entry()["corrected_by_hand"]["added"] == 0
