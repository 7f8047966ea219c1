"""Movies: every frame, of the size it must have, with marks in their colours; and without the encoder a clear word."""

import sys

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from stemforge import Annotations
from stemforge.colours import SKY
from stemforge.errors import InputError
from stemforge.evaluate import Series, track_atoms, write_movie


def _tracks(shape=(101, 77), frames=5, grey=None):
    """Return tracks of atoms that stay; ``grey``: on frames of these levels."""
    rng = np.random.default_rng(0)
    places = rng.uniform(5, [shape[1] - 5, shape[0] - 5], (12, 2))
    atoms = [Annotations(places + rng.normal(0, 0.1, (12, 2))) for _ in range(frames)]
    images = None
    if grey is not None:
        images = [rng.normal(level, 0.1, shape).astype(np.float32) for level in grey]
    return track_atoms(Series(atoms, shape, 0.3, images))


def _read(path):
    reader = imageio_ffmpeg.read_frames(str(path))
    facts = next(reader)
    width, height = facts["size"]
    return facts, [np.frombuffer(one, np.uint8).reshape(height, width, 3) for one in reader]


def test_an_mp4_has_every_frame_and_even_sides(tmp_path):
    write_movie(_tracks(), tmp_path / "movie.mp4")
    facts, frames = _read(tmp_path / "movie.mp4")
    assert len(frames) == 5
    assert facts["size"] == (770, 1010)  # ten times as large
    assert facts["codec"] == "h264"
    assert facts["pix_fmt"].startswith("yuv420p")
    assert facts["fps"] == pytest.approx(6.25)
    sky = np.array([int(SKY[i : i + 2], 16) for i in (1, 3, 5)])
    assert (np.abs(frames[2].astype(int) - sky).max(-1) < 40).sum() > 500  # circles


def test_an_odd_side_gets_a_row_of_black(tmp_path):
    """A picture larger than 1024 pixels is shown as it is."""
    write_movie(_tracks((1025, 61), grey=[0, 0, 0, 100, 200]), tmp_path / "movie.mp4")
    facts, frames = _read(tmp_path / "movie.mp4")
    assert facts["size"] == (62, 1026)
    assert np.median(frames[-1][:-2, :-2]) > 230
    assert frames[-1][-1].max() < 30
    assert frames[-1][:, -1].max() < 30


@pytest.mark.slow
def test_frames_come_in_order_and_a_gif_of_a_long_series_leaves_some_out(tmp_path):
    levels = np.linspace(0, 100, 230)
    tracks = _tracks((64, 64), 230, levels)
    write_movie(tracks, tmp_path / "movie.mp4")
    facts, frames = _read(tmp_path / "movie.mp4")
    assert len(frames) == 230
    assert facts["fps"] == pytest.approx(230 / 32, abs=0.1)
    shown = [np.median(one) for one in frames]
    np.testing.assert_allclose(shown[::20], levels[::20] / 100 * 255, atol=12)
    write_movie(tracks, tmp_path / "movie.gif")
    with Image.open(tmp_path / "movie.gif") as movie:
        assert movie.n_frames == 115
        assert movie.size == (512, 512)


def test_what_is_no_movie_is_refused(tmp_path, monkeypatch):
    tracks = _tracks()
    with pytest.raises(InputError, match=r"must end in \.gif or \.mp4"):
        write_movie(tracks, tmp_path / "movie.avi")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(InputError, match=r"MP4 needs imageio-ffmpeg.*stemforge\[track\]"):
        write_movie(tracks, tmp_path / "movie.mp4")
    assert not (tmp_path / "movie.mp4").exists()
    write_movie(tracks, tmp_path / "movie.gif")
