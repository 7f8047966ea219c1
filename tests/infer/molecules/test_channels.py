"""Boxes of a detector, and what the image as recorded says of their channels."""

import csv
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from stemforge import Annotations, Micrograph
from stemforge.infer import MoleculeDetection, check_channels, read_molecules
from stemforge.infer.molecules import states
from stemforge.infer.molecules.states import ChannelStates
from stemforge.train import Calibration, Card


def _boxed(micrograph, points, half=8.0):
    """A detection with a box round each point, best first."""
    boxes = np.column_stack([points - half, points + half])
    columns = {
        "label": np.full(len(points), "molecule", dtype=object),
        "score": np.linspace(0.9, 0.6, len(points)),
    }
    return MoleculeDetection(micrograph, Annotations.of_boxes(boxes, columns), micrograph.image, 0.5, 0.3)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_what_other_channels_hold_does_not_make_one_certain(monkeypatch, probability):
    """One that the image does not show whole, where all others are told without doubt."""
    known = SimpleNamespace(
        points=np.array([[10.0, 10.0], [60.0, 10.0]]),
        probability=np.full(2, probability),
        state=np.full(2, "open", dtype=object),
        guest=np.full(2, "pyridine", dtype=object),
        guest_probability=np.ones(2),
        lattice=SimpleNamespace(sampling=0.25),
        domains=SimpleNamespace(at=lambda points: np.zeros(len(points), dtype=int)),
    )
    monkeypatch.setattr(states, "measure_occupancy", lambda *_, **__: known)
    micrograph = Micrograph(np.eye(200, dtype="float32"))
    lattice, crystal = object(), SimpleNamespace(framework=None)
    found = states.ChannelStates.at(micrograph, np.array([[10.0, 10.0], [150.0, 150.0]]), crystal, lattice)
    assert found.probability.tolist() == pytest.approx([probability, np.nan], nan_ok=True)
    assert abs(found.odds[0]) > 10
    assert found.odds[1] == pytest.approx((2 * probability - 1) * np.log(5))  # 2½ of 3 are alike


@pytest.mark.slow
def test_boxes_in_empty_channels_are_left_out(crystal, film, tmp_path):
    micrograph, _, axes, filled = film(0.5, 2.0)
    found = check_channels(_boxed(micrograph, axes), crystal)
    assert found.boxes == len(axes)
    assert found.empty >= 5
    kept = found.detection.molecules
    distance = np.hypot(*(kept.points[:, None] - axes).T).T
    truth = filled[distance.argmin(1)]
    assert truth[kept["state"] == "filled"].all()
    assert np.sum(kept["state"] == "filled") >= 5
    assert (kept["probability"][kept["state"] == "filled"] >= 0.9).all()
    found.detection.to_csv(tmp_path / "m.csv")
    assert len(read_molecules(tmp_path / "m.csv")) == len(kept)
    with (tmp_path / "m.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["channel"] for row in rows] == kept["state"].tolist()


@pytest.mark.slow
def test_likelihoods_are_of_score_and_channel_and_decide(crystal, film, tmp_path):
    """Candidates with one score for all: only their channels tell those of molecules from the others."""
    micrograph, _, axes, filled = film(0.5, 2.0)
    found = _boxed(micrograph, axes)
    columns = {**found.molecules.columns, "score": np.full(len(axes), 0.3)}
    candidates = Annotations(found.molecules.points, found.molecules.boxes, columns)
    detection = replace(found, molecules=candidates.where(np.zeros(len(axes), bool)), candidates=candidates)
    calibration = Calibration(1.0, 0.0, channel=1.0)
    card = Card(
        "faster-rcnn",
        0.25,
        0.9,
        calibration=Calibration(),
        channel_calibration=calibration,
        min_expected_f1=0.4,
    )
    checked = check_channels(detection, crystal, card=card)
    kept = checked.detection.molecules
    truth = filled[np.hypot(*(kept.points[:, None] - axes).T).T.argmin(1)]
    assert truth.all()
    whole = np.hypot(*(checked.occupancy.points[:, None] - axes).T).T.argmin(1)
    assert len(kept) >= 0.8 * filled[whole].sum()
    assert checked.detection.expected_f1 > 0.85
    assert checked.boxes == len(axes) == len(kept) + checked.empty + checked.unlikely
    expected = calibration.likelihood(np.log(3 / 7), np.log(kept["probability"] / (1 - kept["probability"])))
    inside = np.isfinite(kept["probability"]) & (kept["probability"] < 1 - 1e-6)
    assert kept["likelihood"][inside] == pytest.approx(expected[inside], abs=1e-3)
    # The same threshold for all images, as asked for.
    assert len(check_channels(detection, crystal, card=card, threshold=0.0).detection.molecules) > len(kept)
    checked.detection.to_csv(tmp_path / "m.csv")
    with (tmp_path / "m.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["likelihood"]) for row in rows] == pytest.approx(kept["likelihood"], abs=1e-4)
    assert {row["guest"] for row in rows} <= {"pyridine", ""}
    assert {row["agreement"] for row in rows} == {""}


@pytest.mark.slow
def test_boxes_beside_the_crystal_are_left_out(crystal, film):
    micrograph, _, axes, _ = film(1.0, 2.0)
    image = micrograph.image.copy()
    image[:, 170:] = np.random.default_rng(0).normal(image.mean(), 2.0, image[:, 170:].shape)
    found = check_channels(_boxed(Micrograph(image), axes), crystal)
    assert found.beside >= np.sum(axes[:, 0] > 185)
    assert (found.detection.molecules.points[:, 0] < 185).all()
    assert len(found.detection.molecules) >= 5


@pytest.mark.parametrize("kind", ["vacuum", "gradient", "speckle"])
def test_no_molecule_without_a_lattice(crystal, kind):
    from scipy import ndimage

    rng = np.random.default_rng(1)
    image = rng.normal(0, 1.0, (256, 256))
    if kind == "gradient":
        image += np.linspace(0, 20, 256)
    if kind == "speckle":
        image = 8 * ndimage.gaussian_filter(image, 4) + 0.3 * rng.normal(size=image.shape)
    micrograph = Micrograph(image.astype("float32"))
    found = check_channels(_boxed(micrograph, rng.uniform(30, 220, (12, 2))), crystal)
    assert found.occupancy is None
    assert len(found.detection.molecules) == 0
    assert "12 boxes left out" in str(found)
    assert "the image must show the crystal" in str(found)  # what the lattice's search says


def test_boxes_that_would_not_have_been_drawn_are_not_told_of(crystal):
    micrograph = Micrograph(np.random.default_rng(1).normal(size=(128, 128)).astype("float32"))
    candidates = _boxed(micrograph, np.random.default_rng(2).uniform(30, 100, (12, 2)))
    drawn = candidates.molecules.where(np.arange(12) < 3)
    detection = replace(candidates, molecules=drawn, candidates=candidates.molecules)
    found = check_channels(detection, crystal, card=Card("faster-rcnn", 0.25, calibration=Calibration()))
    assert "3 boxes left out" in str(found)
    assert found.boxes == found.beside == 12


def test_of_boxes_in_one_channel_the_best_stays():
    states = ChannelStates.unknown(np.zeros(6, dtype=bool), "")
    states = replace(states, channel=np.array([0, 0, -1, 1, -1, 0]))
    surplus = states.surplus(np.array([0.3, 0.9, 0.2, 0.05, 0.1, 0.8]))
    assert surplus.tolist() == [True, False, False, False, False, True]


def test_boxes_stay_open_where_next_to_no_channel_is_whole(crystal, film, monkeypatch):
    micrograph, lattice, _, _ = film(0.0, 0.5)
    image = micrograph.image.copy()
    image[:, 150:] = 0
    monkeypatch.setattr("stemforge.infer.occupancy.analysis._FEW", 1000)
    points = np.array([[60.0, 120.0], [230.0, 120.0]])
    found = check_channels(_boxed(Micrograph(image), points), crystal, lattice=lattice)
    assert found.occupancy is None
    assert found.beside == 1
    assert found.detection.molecules["state"].tolist() == ["open"]
    assert np.isnan(found.detection.molecules["probability"]).all()
    assert "whole channels" in str(found)
    assert "1 boxes left open" in str(found)


def test_without_boxes_no_channel_is_measured(crystal, film):
    found = check_channels(_boxed(film(0.0, 0.5)[0], np.empty((0, 2))), crystal)
    assert (found.boxes, found.occupancy) == (0, None)
    assert "no boxes" in str(found)
