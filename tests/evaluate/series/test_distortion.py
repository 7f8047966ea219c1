"""Drift within a frame: found where it is, taken off, and nothing done where it is not."""

import csv
import json

import numpy as np
import pytest

from stemforge.evaluate import Series, track_atoms
from stemforge.evaluate.series.movie import _grey

SIDE = 256 * 0.3


def _bent(spans, curves=None):
    """Return how atoms are displaced on each frame: by spans (frames, 2) [Å] from the first line to the last."""

    def move(places, frame):
        line = 2 * places[:, 1:] / SIDE - 1
        moved = places + spans[frame] / 2 * line
        return moved if curves is None else moved + curves[frame] * (1.5 * line**2 - 0.5)

    return move


def _spans(frames=12, seed=5, length=2.0):
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, frames)
    return length * np.stack([np.cos(angle), np.sin(angle)], 1)


@pytest.mark.slow
def test_drift_within_frames_is_found_and_taken_off(make_series):
    spans = _spans()
    tracks = track_atoms(make_series(moves=_bent(spans))[0])
    assert tracks.distortion.corrected.mean() > 0.7
    found = 2 * tracks.distortion.coefficients[:, 0]
    error = (found - found.mean(0)) - (spans - spans.mean(0))  # what all frames have in common cannot be told
    assert np.sqrt(np.mean(error**2)) < 0.4
    assert tracks.localisation == pytest.approx(0.25, rel=0.25)
    assert tracks.hops == 0
    assert "of 12 frames were straightened" in " ".join(tracks.lines())


def test_drift_that_gets_faster_has_a_curve(make_series):
    curves, spans = np.zeros((12, 2)), np.zeros((12, 2))
    curves[4], spans[4] = [2.0, 0.0], [2.0, 0.0]
    tracks = track_atoms(make_series(moves=_bent(spans, curves))[0])
    found = tracks.distortion.coefficients[4]
    assert found[0] == pytest.approx([1.0, 0.0], abs=0.35)
    assert found[1] == pytest.approx([2.0, 0.0], abs=0.45)


def test_only_the_frame_that_is_distorted_is_straightened(make_series):
    spans = np.zeros((12, 2))
    spans[7] = [0.0, 3.0]
    tracks = track_atoms(make_series(moves=_bent(spans), seed=1)[0])
    assert np.flatnonzero(tracks.distortion.corrected).tolist() == [7]
    assert tracks.distortion.span[7] == pytest.approx(3.0, abs=0.6)


@pytest.mark.slow
def test_frames_that_are_not_distorted_are_left_as_they_are(make_series):
    """The control: noise, misses and false atoms alone, 72 frames."""
    corrected = [track_atoms(make_series(seed=seed)[0]).distortion.corrected for seed in range(6)]
    assert np.mean(corrected) < 0.05
    tracks = track_atoms(make_series()[0])
    assert tracks.summary()["distortion"]["value"] == 0
    assert "No frame is distorted" in tracks.summary()["distortion"]["sentence"]


def test_tables_and_movie_are_straight(make_series, blobs, tmp_path):
    """The atom nearest to the upper edge and that nearest to the lower lie where they lay on each frame."""
    spans = np.zeros((8, 2))
    spans[5] = [6.0, 4.0]
    series, _, _ = make_series(frames=8, recall=1.0, false=0, drift=0.0, moves=_bent(spans))
    images = [blobs(one.points, (256, 256), sigma=1.5, noise=0.1) for one in series.atoms]
    tracks = track_atoms(Series(series.atoms, series.shape, series.sampling, images))
    assert tracks.distortion.corrected[5]
    tracks.to_csv(tmp_path / "tracks.csv")
    rows = list(csv.DictReader((tmp_path / "tracks.csv").open()))
    places = np.array([[float(row["x_angstrom_aligned"]), float(row["y_angstrom_aligned"])] for row in rows])
    frame = np.array([int(row["frame"]) for row in rows])
    np.testing.assert_allclose(places[frame == 5], places[frame == 4], atol=1.5)
    assert np.sqrt(np.mean((places[frame == 5] - places[frame == 4]) ** 2)) < 0.5
    tracks.to_json(tmp_path / "tracks.json")
    content = json.loads((tmp_path / "tracks.json").read_text())
    assert content["distortion"]["corrected"][5]
    low, high = float(np.min(images)), float(np.max(images))
    shown = {number: _grey(tracks, number, low, high).astype(float).ravel() for number in (3, 4, 5)}
    alike = np.corrcoef([shown[3], shown[4], shown[5]])
    raw = np.corrcoef([images[4].ravel(), images[5].ravel()])[0, 1]
    assert alike[1, 2] > 0.8 * alike[0, 1]
    assert raw < 0.5 * alike[0, 1]
