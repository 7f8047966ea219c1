"""What copies of a channel hold in the mean over blocks of cells."""

import csv
import json

import numpy as np
import pytest
from scipy.spatial import cKDTree

from stemforge import Micrograph
from stemforge.__main__ import main
from stemforge.errors import InputError
from stemforge.infer import average_occupancy, draw_blocks, measure_occupancy
from stemforge.infer.occupancy.blocks import blocks_of
from stemforge.micrograph.writers import write_tiff

SHAPE = (256, 300)


@pytest.fixture(scope="module")
def half(film):
    micrograph, _, axes, filled = film(0.5, 1.0, seed=4, shape=SHAPE)
    return micrograph, axes, filled


@pytest.fixture(scope="module")
def found(half, crystal):
    return measure_occupancy(half[0], framework=crystal)


@pytest.fixture(scope="module")
def blocks(found, crystal):
    return average_occupancy(found, crystal, 2)


@pytest.mark.slow
def test_a_block_holds_what_its_copies_hold_in_the_mean(half, found, blocks):
    distance, which = cKDTree(half[1]).query(found.points)
    assert distance.max() < 2
    share = half[2][which][blocks.copies].mean(1)
    assert len(np.unique(share)) > 2
    np.testing.assert_allclose(blocks.content, share, atol=0.2)
    np.testing.assert_allclose(blocks.probability, share, atol=0.1)
    mixed = (share > 0) & (share < 1)
    assert blocks.spread[mixed].min() > 3 * found.content_error[0]


@pytest.mark.slow
def test_copies_are_of_one_channel_of_the_cell_and_in_one_block(found, blocks):
    steps = found.lattice.to_fractional(found.points[blocks.copies].reshape(-1, 2)).reshape(-1, 4, 2)
    beside = steps - steps[:, :1]
    np.testing.assert_allclose(beside, np.round(beside), atol=0.1)
    np.testing.assert_allclose(np.ptp(steps, axis=1), 1, atol=0.1)
    assert len(np.unique(blocks.copies)) == blocks.copies.size
    assert set(blocks.channel) == {0, 1}


@pytest.mark.slow
def test_means_of_an_empty_film_scatter_as_their_errors_say(film, crystal):
    micrograph, *_ = film(0.0, 2.0, seed=6, shape=(420, 420))
    blocks = average_occupancy(measure_occupancy(micrograph, framework=crystal), crystal, 2)
    error = blocks.content_error[0]
    assert error == pytest.approx(blocks.occupancy.content_error[0] / 2)
    assert len(blocks.copies) >= 15
    assert np.sqrt(np.mean(blocks.content**2)) < 2 * error
    assert np.abs(blocks.content).max() < 4 * error


@pytest.mark.slow
def test_blocks_lie_in_one_domain(film, crystal):
    shape = (300, 420)
    one, lattice, *_ = film(0.5, 1.0, seed=8, shape=shape)
    half_a_cell = tuple(lattice.matrix @ [0.5, 0.5])
    other, *_ = film(0.5, 1.0, seed=9, shape=shape, shift=half_a_cell)
    image = np.where(np.arange(shape[1]) < 220, one.image, other.image)
    found = measure_occupancy(Micrograph(image), framework=crystal)
    assert len(found.domains.displacements) == 2
    blocks = average_occupancy(found, crystal, 2)
    domain = found.domains.at(found.points)[blocks.copies]
    assert np.all(domain == domain[:, :1])
    assert len(np.unique(domain)) == 2


def test_blocks_are_laid_so_that_many_are_whole():
    steps = np.array([(i, j) for i in range(1, 5) for j in range(1, 4)])
    both = np.concatenate([steps, steps])
    site = np.repeat([0, 3], len(steps))
    copies = blocks_of(both, site, 2)
    assert copies.shape == (4, 4)
    for block in copies:
        assert len(set(site[block])) == 1
        assert np.ptp(both[block], axis=0).tolist() == [1, 1]
    assert len(np.unique(copies)) == copies.size
    assert len(blocks_of(steps, np.arange(len(steps)), 2)) == 0


@pytest.mark.slow
def test_what_is_drawn(blocks, tmp_path):
    figure = draw_blocks(blocks, tmp_path / "map.png")
    circles = figure.axes[0].collections[-1]
    np.testing.assert_allclose(circles.get_array(), np.repeat(blocks.content, 4))
    assert len(circles.get_offsets()) == blocks.copies.size


@pytest.mark.slow
def test_command(half, found, blocks, tmp_path):
    write_tiff(tmp_path / "film.tif", half[0].image, None)
    words = ["infer", "occupancy", str(tmp_path / "film.tif"), "--out", str(tmp_path / "out"), "--quiet"]
    assert main([*words, "--guest", "pyridine", "--cells", "2"]) == 0
    with (tmp_path / "out" / "film_blocks.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    np.testing.assert_allclose([float(row["content"]) for row in rows], blocks.content, atol=1e-3)
    assert all(sum(int(row[word]) for word in ("filled", "empty", "open")) == 4 for row in rows)
    with (tmp_path / "out" / "film_occupancy.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == len(found.points)
    assert (tmp_path / "out" / "film_blocks.png").is_file()
    facts = json.loads((tmp_path / "out" / "run.json").read_text())
    assert "cells" in json.dumps(facts)


@pytest.mark.slow
@pytest.mark.parametrize(("cells", "says"), [(7, "smaller than 7"), (1, "2 or more")])
def test_blocks_that_an_image_cannot_have_are_refused(found, crystal, cells, says):
    with pytest.raises(InputError, match=says):
        average_occupancy(found, crystal, cells)


@pytest.mark.slow
def test_channels_are_kept_where_no_block_is_whole(half, tmp_path, capsys):
    write_tiff(tmp_path / "film.tif", half[0].image, None)
    out = tmp_path / "out"
    words = ["infer", "occupancy", str(tmp_path / "film.tif"), "--out", str(out), "--quiet"]
    assert main([*words, "--guest", "pyridine", "--cells", "7"]) == 0
    assert (out / "film_occupancy.csv").is_file()
    assert not (out / "film_blocks.csv").exists()
    assert "blocks are left out" in " ".join(capsys.readouterr().err.split())


def test_command_refuses_before_it_reads(tmp_path, capsys):
    out = tmp_path / "out"
    words = ["infer", "occupancy", str(tmp_path / "none.tif"), "--out", str(out), "--cells", "0"]
    assert main(words) == 2
    assert "cells must be 1 or more" in " ".join(capsys.readouterr().err.split())
    assert not out.exists()
