"""Series in, tracks out: stacks, folders of frames, folders of tables; and what is refused before work starts."""

import json
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from stemforge import Annotations

SIDE, FRAMES = 160, 4


@pytest.fixture
def frames(blobs):
    """Spots that drift by 2, −1 pixels a frame, one of which hops by 8 pixels before the third."""
    rng, places = np.random.default_rng(0), np.empty((0, 2))
    while len(places) < 15:  # in no rows: they would be taken for seams
        new = rng.uniform([16, 20], [SIDE - 30, SIDE - 16])
        if (np.hypot(*(places - new).T) > 24).all():
            places = np.append(places, [new], axis=0)
    made = []
    for number in range(FRAMES):
        points = places + np.array([2.0, -1.0]) * number
        if number >= 2:
            points[7] += [8, 0]
        made.append(blobs(points, (SIDE, SIDE), noise=6.0, seed=number))
    return np.stack(made)


@pytest.fixture
def track(cli, spot_weights, tmp_path):
    def run(*words, out="out"):
        return cli("track", *words, "--weights", spot_weights, "--out", tmp_path / out, "--quiet")

    return run


def _stack(path, frames, sampling=0.293):
    path.parent.mkdir(exist_ok=True)
    scale = {} if sampling is None else {"resolution": (10 / sampling,) * 2}
    unit = {} if sampling is None else {"unit": "nm"}
    tifffile.imwrite(path, frames.astype("float32"), imagej=True, metadata={"axes": "TYX", **unit}, **scale)
    return path


def _numbers(tmp_path, name, out="out"):
    return json.loads((tmp_path / out / f"{name}_tracks.json").read_text())


@pytest.mark.slow
def test_a_stack(track, frames, tmp_path):
    code, printed = track(_stack(tmp_path / "film.tif", frames), "--frame-time", "2")
    assert code == 0, printed
    endings = ("_atoms.csv", "_tracks.csv", "_tracks.gif", "_tracks.json", "_tracks.png")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [*(f"film{end}" for end in endings), "run.json"]
    content = _numbers(tmp_path, "film")
    assert content["numbers"]["atoms"]["value"] == 15
    rate = content["numbers"]["hop_rate"]
    assert rate["value"] == pytest.approx(1 / 45, rel=0.02)
    assert rate["per_time"]["value"] == pytest.approx(rate["value"] / 2)
    assert rate["per_time"]["unit"] == "per atom and s"
    assert content["numbers"]["loss_rate"]["per_time"]["high"] == pytest.approx(
        content["numbers"]["loss_rate"]["high"] / 2
    )
    assert content["numbers"]["residence"]["unit"] == "s"
    assert content["drift"]["x"][-1] == pytest.approx(6 * 0.293, abs=0.1)
    assert content["drift"]["y"][-1] == pytest.approx(-3 * 0.293, abs=0.1)
    assert "1 hop found, " in printed
    assert f"{rate['per_time']['value']:.3g} (" in printed
    assert printed.count("95 % intervals") == 1
    assert "15 atoms in 1 of 1 series" in printed
    record = json.loads((tmp_path / "out" / "run.json").read_text())["track"]["film"]
    assert record["frames"] == FRAMES
    assert record["frame_time"] == 2
    code, printed = track(tmp_path / "film.tif")
    assert code == 2
    assert "already holds film_tracks.csv" in printed


@pytest.mark.slow
def test_a_folder_of_frames_comes_in_the_order_of_numbers(track, write_image, frames, tmp_path):
    for number, frame in zip((8, 9, 10, 11), frames, strict=True):
        write_image(f"film/a{number}.tif", frame, sampling=None)
    code, printed = track(tmp_path / "film")
    assert code == 0, printed
    assert "film: no calibration: lengths are in pixels" in printed
    content = _numbers(tmp_path, "film")
    assert content["unit"] == "px"
    assert content["drift"]["x"] == pytest.approx([0, 2, 4, 6], abs=0.3)


@pytest.mark.slow
def test_missing_and_blank_frames_take_their_time(track, write_image, frames, tmp_path):
    """f8 is missing, f11 blank: the drift of the frames around them is that of two steps."""
    for number, shown in zip((7, 9, 10, 12), frames[[0, 1, 2, 3]], strict=True):
        write_image(f"film/f{number}.tif", shown, sampling=None)
    write_image("film/f11.tif", np.full((SIDE, SIDE), 7.0), sampling=None)
    (tmp_path / "film" / "notes.csv").write_text("operator,day\nme,1\n")  # no table of a frame
    code, printed = track(tmp_path / "film")
    assert code == 0, printed
    assert "frame 8 is missing; taken as a frame on which nothing was found" in printed
    assert "f11.tif: holds no signal; taken as a frame on which nothing was found" in printed
    content = _numbers(tmp_path, "film")
    assert content["frames"] == 6
    assert content["drift"]["x"] == pytest.approx([0, 1, 2, 4, 5, 6], abs=0.4)
    assert [one is None for one in content["drift"]["error"]] == [False, True, False, False, True, False]
    rows = (tmp_path / "out" / "film_tracks.csv").read_text().splitlines()
    assert sum(",blank," in row for row in rows) == 30


@pytest.mark.slow
def test_a_blank_frame_of_a_stack_is_kept(track, frames, tmp_path):
    blank = np.full_like(frames[:1], 3.0)
    code, printed = track(_stack(tmp_path / "film.tif", np.concatenate([frames[:2], blank, frames[2:]])))
    assert code == 0, printed
    assert "frame 2 is blank" in printed
    content = _numbers(tmp_path, "film")
    assert content["frames"] == 5
    assert content["numbers"]["recall"]["value"] > 0.95


def test_numbers_that_are_no_frames_are_refused(track, tmp_path):
    folder = _tables(tmp_path / "found")
    (folder / "f_004.csv").rename(folder / "f_009.csv")
    code, printed = track(folder)
    assert code == 2
    assert "frame 4 is missing, and 4 more between 0 and 9" in printed


@pytest.mark.slow
def test_names_with_superscripts(track, tmp_path):
    folder = _tables(tmp_path / "found")
    for file in [*folder.iterdir()]:
        file.rename(folder / f"{file.stem}².csv")
    code, printed = track(folder)
    assert code == 0, printed


def test_an_empty_table_is_a_frame(track, tmp_path):
    folder = _tables(tmp_path / "found")
    Annotations(np.empty((0, 2))).to_csv(folder / "f_002.csv", 0.3)
    code, printed = track(folder)
    assert code == 0, printed
    assert "the size of the frames is not known" in printed
    assert _numbers(tmp_path, "found")["numbers"]["recall"]["value"] == pytest.approx(1)
    assert _numbers(tmp_path, "found")["numbers"]["loss_rate"]["value"] < 0.02


@pytest.mark.slow
def test_tables_of_infer_atoms_know_their_frames(track, write_image, tmp_path):
    folder = _tables(tmp_path / "found")
    image = write_image("big.tif", np.random.default_rng(0).normal(size=(300, 310)))
    entries = {f"f_{number:03d}": {"file": str(image)} for number in range(5)}
    (folder / "run.json").write_text(json.dumps({"infer atoms": entries}))
    write_image("found/f_000.tif", np.eye(9))  # the pictures that lie beside tables
    code, printed = track(folder)
    assert code == 0, printed
    assert "size of the frames" not in printed


def _tables(folder, count=5, seed=0):
    rng = np.random.default_rng(seed)
    folder.mkdir()
    places = rng.uniform(10, 240, (25, 2))
    for number in range(count):
        Annotations(places + rng.normal(0, 0.5, (25, 2))).to_csv(folder / f"f_{number:03d}.csv", 0.3)
    return folder


def test_a_folder_of_tables(track, tmp_path):
    code, printed = track(_tables(tmp_path / "found"))
    assert code == 0, printed
    content = _numbers(tmp_path, "found")
    assert (content["frames"], content["unit"], content["numbers"]["atoms"]["value"]) == (5, "Å", 25)
    assert content["numbers"]["share_moved"]["value"] == 0
    with Image.open(tmp_path / "out" / "found_tracks.gif") as movie:
        assert movie.n_frames == 5


def test_a_movie_as_mp4(track, tmp_path, monkeypatch):
    code, printed = track(_tables(tmp_path / "found"), "--movie", "mp4")
    assert code == 0, printed
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert "found_tracks.mp4" in names
    assert "found_tracks.gif" not in names
    record = json.loads((tmp_path / "out" / "run.json").read_text())["track"]["found"]
    assert "found_tracks.mp4" in record["results"]
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    code, printed = track(tmp_path / "found", "--movie", "mp4", out="other")
    assert code == 2
    assert "MP4 needs imageio-ffmpeg" in printed
    assert not (tmp_path / "other").exists()


def test_a_bad_series_is_left_out_and_the_others_go_on(track, tmp_path):
    good, bad = _tables(tmp_path / "good"), tmp_path / "bad"
    bad.mkdir()
    for number in range(6):
        points = np.random.default_rng(number).uniform(0, 240, (25, 2))
        Annotations(points).to_csv(bad / f"f_{number}.csv", 0.3)
    code, printed = track(bad, good)
    assert code == 1
    assert "left out: bad: " in printed
    assert "frames of other specimens" in printed
    assert (tmp_path / "out" / "good_tracks.json").is_file()
    assert not (tmp_path / "out" / "bad_tracks.json").exists()


def test_what_is_no_series_is_refused(track, write_image, frames, tmp_path):
    code, printed = track(write_image("one.tif", frames[0]))
    assert code == 2
    assert "1 frame; a series has 3 at least" in printed
    for number, frame in enumerate(frames):
        write_image(f"cut/a{number}.tif", frame[: SIDE - 10 * (number == 2)])
    code, printed = track(tmp_path / "cut")
    assert code == 2
    assert f"frame 2 has {SIDE} × {SIDE - 10} pixels, frame 0 has {SIDE} × {SIDE}" in printed
    (tmp_path / "empty").mkdir()
    code, printed = track(tmp_path / "empty")
    assert code == 2
    assert "holds neither images" in printed
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--frame-time", "0"), "--frame-time must be positive"),
        (("--reach", "-1"), "--reach must be positive"),
        (("--threshold", "1.5"), "threshold must lie between 0 and 1"),
    ],
)
def test_bad_options(track, tmp_path, words, message):
    code, printed = track(_tables(tmp_path / "found"), *words)
    assert code == 2
    assert message in printed
