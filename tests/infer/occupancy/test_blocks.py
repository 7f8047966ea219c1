"""Copies of a channel in blocks of cells, asked together."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from stemforge.__main__ import main
from stemforge.errors import InputError
from stemforge.infer import average_occupancy, draw_occupancy, measure_occupancy
from stemforge.infer.occupancy.blocks import blocks_of, summed
from stemforge.infer.occupancy.scores import Scores
from stemforge.micrograph.writers import write_tiff

SHAPE = (256, 300)


@pytest.fixture(scope="module")
def half(film):
    micrograph, _, axes, filled = film(0.5, 1.0, seed=4, shape=SHAPE)
    return micrograph, axes, filled


@pytest.fixture(scope="module")
def found(half, crystal):
    return average_occupancy(half[0], 2, framework=crystal)


def truth_of(found, axes, filled):
    """Which of the copies are filled, shape (n, copies)."""
    distance, which = cKDTree(axes).query(found.copies.reshape(-1, 2))
    assert distance.max() < 2
    return filled[which].reshape(found.copies.shape[:2])


def test_a_block_holds_what_its_copies_hold_in_the_mean(half, found):
    share = truth_of(found, *half[1:]).mean(1)
    assert len(np.unique(share)) > 2
    np.testing.assert_allclose(found.content, share, atol=0.2)
    assert np.all(found.state[share >= 0.5] == "filled")


def test_copies_are_of_one_channel_of_the_cell_and_in_one_block(found):
    steps = found.lattice.to_fractional(found.copies.reshape(-1, 2)).reshape(-1, 4, 2)
    beside = steps - steps[:, :1]
    np.testing.assert_allclose(beside, np.round(beside), atol=0.1)
    np.testing.assert_allclose(np.ptp(steps, axis=1), 1, atol=0.1)
    assert len(np.unique(found.copies.reshape(-1, 2).round(1), axis=0)) == found.copies.shape[0] * 4


@pytest.mark.slow
def test_errors_fall_with_the_root_of_the_copies(half, found, crystal):
    single = measure_occupancy(half[0], framework=crystal)
    assert found.content_error[0] == pytest.approx(single.content_error[0] / 2, rel=1e-6)
    which = cKDTree(single.points).query(found.copies.reshape(-1, 2))[1]
    means = single.content[which].reshape(-1, 4).mean(1)
    # The common offset is fitted to blocks and to channels: a shift of all alike is left.
    np.testing.assert_allclose(found.content - found.content.mean(), means - means.mean(), atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [1.0, 5.0])
def test_blocks_of_an_empty_film_are_not_filled(film, crystal, noise):
    micrograph, *_ = film(0.0, noise, seed=5, shape=SHAPE)
    assert average_occupancy(micrograph, 2, framework=crystal).count("filled") == 0


@pytest.mark.slow
def test_blocks_tell_what_single_channels_leave_open(film, crystal):
    micrograph, _, axes, filled = film(0.0, 9.0, seed=11, shape=SHAPE, column=crystal.guests[7])
    single = measure_occupancy(micrograph, framework=crystal)
    blocks = average_occupancy(micrograph, 2, framework=crystal)
    truth = truth_of(blocks, axes, filled).all(1)
    each = filled[cKDTree(axes).query(single.points)[1]]
    assert not np.any(blocks.state[~truth] == "filled")
    assert np.mean(blocks.state[truth] == "filled") > np.mean(single.state[each] == "filled") + 0.3


def test_blocks_lie_so_that_many_are_whole():
    steps = np.array([(i, j) for i in range(1, 5) for j in range(1, 4)])
    both = np.concatenate([steps, steps])
    site = np.repeat([0, 3], len(steps))
    blocks = blocks_of(both, site, 2)
    assert blocks.shape == (4, 4)
    for block in blocks:
        assert len(set(site[block])) == 1
        assert np.ptp(both[block], axis=0).tolist() == [1, 1]
    assert len(np.unique(blocks)) == blocks.size
    assert len(blocks_of(steps, np.arange(len(steps)), 2)) == 0


def test_a_sum_of_scores_is_the_score_of_an_average():
    rng = np.random.default_rng(0)
    images, templates = rng.normal(size=(4, 50)), rng.normal(size=(3, 50))
    mean, variance = templates.mean(0), 2.5

    def scored(pixels, noise):
        return Scores(
            pixels @ templates.T / noise,
            (templates**2).sum(1) / noise,
            pixels @ mean / noise,
            float(mean @ mean / noise),
            templates @ mean / noise,
            np.zeros(len(pixels), dtype=int),
        )

    together = summed(scored(images, variance), np.array([[0, 1, 2, 3]]))
    expected = scored(images.mean(0)[None], variance / 4)
    for name in ("products", "norms", "mean_products", "mean_norm", "overlaps", "site"):
        np.testing.assert_allclose(getattr(together, name), getattr(expected, name))


def test_what_is_drawn(found, tmp_path):
    figure = draw_occupancy(found, tmp_path / "map.png")
    circles = sum(len(one.get_offsets()) for one in figure.axes[0].collections if hasattr(one, "_widths"))
    assert circles == found.copies.shape[0] * 4
    assert "in blocks of 2 × 2 cells" in str(found)
    assert "blocks" not in str(replace(found, copies=None))


def test_command(half, found, tmp_path):
    write_tiff(tmp_path / "film.tif", half[0].image, None)
    words = ["infer", "occupancy", str(tmp_path / "film.tif"), "--out", str(tmp_path / "out"), "--quiet"]
    assert main([*words, "--guest", "pyridine", "--cells", "2"]) == 0
    with (tmp_path / "out" / "film_occupancy.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["state"] for row in rows] == found.state.tolist()
    assert {row["cells"] for row in rows} == {"4"}
    assert json.loads((tmp_path / "out" / "run.json").read_text())["infer occupancy"]["film"]["cells"] == 4


def test_blocks_larger_than_the_image_are_refused(half, crystal):
    with pytest.raises(InputError, match="cells must be smaller than 7"):
        average_occupancy(half[0], 7, framework=crystal)


def test_command_refuses_before_it_reads(tmp_path, capsys):
    out = tmp_path / "out"
    words = ["infer", "occupancy", str(tmp_path / "none.tif"), "--out", str(out), "--cells", "0"]
    assert main(words) == 2
    assert "cells" in " ".join(capsys.readouterr().err.split())
    assert not out.exists()
