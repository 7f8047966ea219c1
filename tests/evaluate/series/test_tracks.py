"""Tracks of made series: links, drift, what moved and what was only missed."""

import csv
import importlib.util
import json
import sys
from dataclasses import replace
from itertools import pairwise
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image

from stemforge import Annotations
from stemforge.errors import InputError
from stemforge.evaluate import Series, track_atoms, write_movie
from stemforge.evaluate.series.detections import LEAST_ATOMS
from stemforge.evaluate.series.tables import rounding
from stemforge.evaluate.series.words import counted, lasting


def links(tracks, names):
    """Share of true links that were made, and of made ones that are true."""
    made = {pair for one in tracks.tracks for pair in pairwise(one.index.tolist())}
    true = {
        pair for atom in range(names.max() + 1) for pair in pairwise(np.flatnonzero(names == atom).tolist())
    }
    return len(made & true) / len(true), len(made & true) / len(made)


def test_what_stays_is_followed_through_misses_and_false_atoms(make_series):
    series, names, shift = make_series()
    tracks = track_atoms(series)
    assert min(links(tracks, names)) > 0.97
    assert len(tracks.tracks) == 25
    assert np.sqrt(np.mean((tracks.drift - shift) ** 2)) < 0.15
    assert tracks.hops == 0
    assert tracks.share_moved.value == 0
    assert tracks.share_moved.high < 0.2
    assert tracks.missed > 20  # and none of them is a departure
    assert tracks.presence.losses < 1.5
    assert tracks.presence.arrivals < 1.5
    assert tracks.diffusion.low < 0 < tracks.diffusion.high
    assert tracks.localisation == pytest.approx(0.25, rel=0.2)
    assert tracks.recall == pytest.approx(0.85, abs=0.05)


@pytest.mark.slow
def test_the_error_of_the_drift_is_against_the_first_frame(make_series):
    """Its first frame has no error; of the others it is as large as what is found."""
    found, stated = [], []
    for seed in range(8):
        series, _, shift = make_series(frames=8, seed=seed)
        tracks = track_atoms(series)
        assert tracks.drift_variance[0] == 0
        found.append((tracks.drift - shift)[1:])
        stated.append(tracks.drift_variance[1:])
    assert np.mean(np.square(found)) == pytest.approx(np.mean(stated), rel=0.35)


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_what_cannot_be_told_has_no_numbers(make_series, tmp_path):
    """Each second frame is blank: no atom is found on three frames in a row."""
    series, _, _ = make_series(frames=7, recall=1.0)
    nothing = Annotations(np.empty((0, 2)))
    atoms = [nothing if number % 2 else one for number, one in enumerate(series.atoms)]
    tracks = track_atoms(Series(atoms, series.shape, series.sampling))
    words = " ".join(tracks.lines())
    assert "How far places err cannot be told" in words
    assert "nan" not in words
    assert tracks.summary()["localisation"]["value"] is None
    titles = [axes.get_title(loc) for axes in tracks.figure().axes for loc in ("left", "center")]
    assert "Motion cannot be told" in titles
    assert not any("nan" in title for title in titles)
    tracks.figure().savefig(tmp_path / "tracks.png", dpi=40)


def test_a_series_in_which_nothing_happens(make_series):
    """Every atom is found on every frame: no event, and a residence time without upper end."""
    series, _, _ = make_series(recall=1.0, false=0)
    tracks = track_atoms(series)
    assert tracks.loss_rate.value == 0
    assert np.isinf(tracks.residence.value)
    titles = [axes.get_title(loc) for axes in tracks.figure().axes for loc in ("left", "center")]
    assert any("stays for more than" in title and title.endswith("frames") for title in titles)


def test_sentences_name_their_limits_and_count_in_whole_numbers(make_series, tmp_path):
    series, _, _ = make_series(seed=2)
    tracks = track_atoms(series)
    found = {name: one["sentence"] for name, one in tracks.summary().items()}
    assert f"more than {tracks.model.least:.2g} Å" in found["share_moved"]
    assert f"more than {tracks.shortest_hop:.2g} Å" in found["hop_rate"]
    assert not any(".0 atoms" in one or "1 hops" in one for one in found.values())
    tracks.atoms_to_csv(tmp_path / "atoms.csv")
    chances = [row["shift_p"] for row in csv.DictReader((tmp_path / "atoms.csv").open())]
    assert "" in chances
    assert counted(1, "hop", "hops") == "1 hop"
    assert lasting(30.8, "frame") == "31 frames"
    assert lasting(30.84, "s") == "30.8 s"


@pytest.mark.slow
@pytest.mark.parametrize("errors", [True, False])
def test_hops_are_counted(make_series, errors):
    def hop(places, frame):
        """Every fifth atom hops by 3 Å, one after the other."""
        moved = places.copy()
        moved[::5][: max(0, frame - 3)] += [3.0, 0]
        return moved

    series, names, _ = make_series(moves=hop, errors=errors)
    tracks = track_atoms(series)
    hopped = {int(names[one.index[0]]) for one in tracks.tracks if one.hops}
    assert hopped <= {0, 5, 10, 15, 20}
    assert (
        tracks.hops == len(hopped) >= 4
    )  # a hop of an atom that is missed before or after can look like two atoms
    assert tracks.moved.sum() == tracks.hops
    assert tracks.hop_rate.low < 5 / (25 * 11) < tracks.hop_rate.high
    assert 0.6 < tracks.shortest_hop < 2.5
    # The sheet has the rate of the text, with hops that were missed, beside the number of those found.
    shown = f"{tracks.hops} hops found: {tracks.hop_rate} per atom and frame"
    assert tracks.figure().get_suptitle().endswith(shown)
    assert f"{tracks.hops} hops found, {tracks.hop_rate} per atom and frame" in " ".join(tracks.lines())
    assert tracks.summary()["hop_rate"]["per_time"] is None
    timed = replace(tracks, series=replace(series, frame_time=0.5))
    assert timed.figure().get_suptitle().endswith(f"{tracks.hop_rate.per(0.5)} per atom and s")


@pytest.mark.slow
def test_who_leaves_is_told_from_who_is_missed(make_series):
    def leave(places, frame):
        """The first five leave after frame 5: what is found beyond the frame is not on the image."""
        moved = places.copy()
        if frame > 5:
            moved[:5] += 1000
        return moved

    series, names, _ = make_series(moves=leave, seed=2)
    inside = [one.inside(series.shape) for one in series.atoms]
    kept = [one.where(which) for one, which in zip(series.atoms, inside, strict=True)]
    names = names[np.concatenate(inside)]
    tracks = track_atoms(Series(kept, series.shape, series.sampling))
    left = tracks.presence.disappeared > 0.5
    gone = {int(names[one.index[0]]) for one, away in zip(tracks.tracks, left, strict=True) if away}
    assert gone >= {0, 1, 2, 3, 4}
    assert len(gone) <= 6  # one was missed three times at the end
    assert tracks.presence.losses == pytest.approx(5, abs=2)
    assert tracks.residence.low < (20 * 11 + 5 * 6) / 5 < tracks.residence.high


def test_diffusing_atoms(make_series):
    steps = np.random.default_rng(9).normal(0, 0.6, (12, 25, 2)).cumsum(0)
    series, names, _ = make_series(moves=lambda places, frame: places + steps[frame])
    tracks = track_atoms(series)
    assert min(links(tracks, names)) > 0.93
    assert tracks.diffusion.low < 0.6**2 / 2 < tracks.diffusion.high
    assert tracks.diffusion.value == pytest.approx(0.18, rel=0.35)
    assert tracks.share_moved.value > 0.5
    assert tracks.hops <= 1


def test_images_tell_drift_where_atoms_do_not(blobs):
    """Two thirds of the frame's spots are not in the tables."""
    rng = np.random.default_rng(3)
    places = rng.uniform(10, 246, (45, 2))
    shift = np.array([[0, 0], [40.0, 0], [40, 30], [0, 30]])
    images = [blobs(places + one, (256, 256), seed=n) for n, one in enumerate(shift)]
    found = [Annotations(places[:15] + one) for one in shift]
    tracks = track_atoms(Series(found, (256, 256), 0.3, images))
    np.testing.assert_allclose(tracks.drift / 0.3, shift, atol=0.3)


def _random(frames=8, atoms=25, seed=0):
    rng = np.random.default_rng(seed)
    return [Annotations(rng.uniform(0, 256, (atoms, 2))) for _ in range(frames)]


def test_independent_frames_are_refused():
    for seed in range(3):
        with pytest.raises(InputError, match="frames of other specimens"):
            track_atoms(Series(_random(seed=seed), (256, 256), 0.3))


def test_another_specimen_is_refused(make_series):
    one, _, _ = make_series(frames=6)
    other, _, _ = make_series(frames=6, seed=1)
    with pytest.raises(InputError, match="from frame 6 on another specimen"):
        track_atoms(Series([*one.atoms, *other.atoms], one.shape, one.sampling))
    with pytest.raises(InputError, match="frame 3 has no more atoms in common"):
        track_atoms(Series([*one.atoms[:3], other.atoms[0], *one.atoms[3:]], one.shape, one.sampling))


@pytest.mark.slow
def test_a_pair_of_frames_that_coincides_by_chance_does_not_hide_another_specimen(pytestconfig):
    # Of the three pairs across this change one is 2.1 standard deviations above mirrored frames, their mean is 0.9.
    path = pytestconfig.rootpath / "benchmarks" / "tracking.py"
    spec = importlib.util.spec_from_file_location("tracking", path)
    tracking = importlib.util.module_from_spec(spec)
    # A dataclass looks for its module.
    with patch.dict(sys.modules, {spec.name: tracking}):
        spec.loader.exec_module(tracking)
    one, other = (tracking.simulate(seed, 20)[0] for seed in (4002, 4003))
    with pytest.raises(InputError, match="from frame 10 on another specimen"):
        track_atoms(Series([*one.atoms[:10], *other.atoms[10:]], one.shape, one.sampling))


def test_bad_series_are_refused(make_series):
    tables = make_series()[0].atoms
    with pytest.raises(InputError, match="2 frames; motion needs 3"):
        Series(tables[:2], (256, 256))
    with pytest.raises(InputError, match=f"9 atoms on a typical frame; {LEAST_ATOMS} at least"):
        Series([one.where(np.arange(9)) for one in tables], (256, 256))
    images = [np.zeros((256, 256), "float32")] * 11 + [np.zeros((256, 250), "float32")]
    with pytest.raises(InputError, match="frame 11 has 250 × 256 pixels, frame 0 has 256 × 256"):
        Series(tables, (256, 256), images=images)
    with pytest.raises(InputError, match="reach must be positive"):
        track_atoms(make_series()[0], reach=0)


def test_without_laptrack_the_extra_is_named(make_series, monkeypatch):
    monkeypatch.setitem(sys.modules, "laptrack", None)
    with pytest.raises(InputError, match=r"stemforge\[track\]"):
        track_atoms(make_series()[0])


@pytest.mark.slow
def test_everything_is_written(make_series, tmp_path):
    series, _, _ = make_series()
    timed = Series(series.atoms, series.shape, series.sampling, frame_time=0.5, name="a$b")
    tracks = track_atoms(timed)
    tracks.to_csv(tmp_path / "tracks.csv")
    rows = list(csv.DictReader((tmp_path / "tracks.csv").open()))
    assert {row["state"] for row in rows} <= {"found", "missed", "aside"}
    assert sum(row["state"] == "missed" for row in rows) == tracks.missed
    assert all((row["x_px"] == "") == (row["state"] == "missed") for row in rows)
    first = rows[0]
    raw = float(first["x_px"]) * 0.3 - tracks.drift[int(first["frame"]), 0]
    assert float(first["x_angstrom_aligned"]) == pytest.approx(raw, abs=2e-3)
    tracks.atoms_to_csv(tmp_path / "atoms.csv")
    atoms = list(csv.DictReader((tmp_path / "atoms.csv").open()))
    assert len(atoms) == len(tracks.tracks)
    assert "diffusion_angstrom2_per_s" in atoms[0]
    tracks.to_json(tmp_path / "tracks.json")
    content = json.loads((tmp_path / "tracks.json").read_text())
    assert content["numbers"]["residence"]["unit"] == "s"
    assert all(one["sentence"].endswith(".") for one in content["numbers"].values())
    assert content["numbers"]["diffusion"]["value"] == pytest.approx(2 * track_atoms(series).diffusion.value)
    tracks.figure().savefig(tmp_path / "tracks.png", dpi=40)
    write_movie(tracks, tmp_path / "movie.gif")
    with Image.open(tmp_path / "movie.gif") as movie:
        assert movie.n_frames == 12
        assert movie.size == (512, 512)
        assert len(np.unique(np.asarray(movie.convert("RGB")).reshape(-1, 3), axis=0)) >= 2


def test_numbers_have_the_decimals_of_their_errors(make_series, tmp_path):
    tracks = track_atoms(make_series(frames=6)[0])
    tracks.atoms_to_csv(tmp_path / "atoms.csv")
    rows = list(csv.DictReader((tmp_path / "atoms.csv").open()))
    columns = (
        ("displacement_angstrom", "displacement_error_angstrom"),
        ("diffusion_angstrom2_per_frame", "diffusion_error"),
    )
    for name, error in columns:
        pairs = [(row[name], row[error]) for row in rows if row[name]]
        assert len(pairs) > 10
        assert all(len(value.split(".")[1]) == len(known.split(".")[1]) for value, known in pairs)
        assert all(2 <= len(known.replace(".", "").lstrip("0")) <= 3 for _, known in pairs)
    assert [rounding(error) for error in (0.0, 0.5, 25.0)] == [3, 2, 0]
