"""Atom maps."""

import numpy as np
import pytest

from stemforge.corpus.sample import Sample, Structure
from stemforge.errors import CorpusError
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate import atom_map


def sample(numbers, places, *, shape=(32, 40), sampling=0.25, metadata=None, cell=(10.0, 8.0)):
    positions = np.column_stack([np.array(places, dtype=float), np.zeros(len(places))])
    structure = Structure(
        np.array(numbers, np.uint8), positions, np.zeros(len(numbers)), np.diag([*cell, 1.0])
    )
    return Sample(
        0,
        np.zeros((4, *shape), "float32"),
        sampling,
        tuple("abcd"),
        Annotations([]),
        metadata or {},
        structure,
    )


@pytest.mark.parametrize("zoom", [1, 2, 3])
def test_discs_lie_where_the_atoms_are(zoom):
    drawn = atom_map(sample([14], [[4.0, 3.0]]), zoom)
    assert drawn.shape == (32 * zoom, 40 * zoom)
    rows, columns = np.indices(drawn.shape)
    total = drawn.sum()
    centre = (columns * drawn).sum() / total, (rows * drawn).sum() / total
    # Pixel centres of the image: (16, 12), that is the middle of a block of the map.
    np.testing.assert_allclose(centre, (np.array([16, 12]) + 0.5) * zoom - 0.5, atol=0.02 * zoom)
    assert total * (0.25 / zoom) ** 2 == pytest.approx(np.pi * 0.75**2, rel=0.1)
    assert drawn.max() == 1


def test_elements_differ_and_hydrogen_is_left_out():
    sums = [atom_map(sample([z], [[4, 4]]), 2).sum() for z in (14, 8, 7, 6, 1)]
    assert sums[0] > sums[1] > sums[2] > sums[3] > 0
    assert sums[4] == 0


def test_overlap_keeps_the_brighter():
    both = atom_map(sample([14, 6], [[4, 4], [4.2, 4]]), 2)
    np.testing.assert_array_equal(both, np.maximum(atom_map(sample([14], [[4, 4]]), 2), both))
    assert both.max() == 1


def test_follows_the_turned_frame_and_the_scan():
    frame = {"frame": {"rotation": np.pi / 2, "shift": [1.0, 0.0]}}
    drawn = atom_map(sample([14], [[6.0, 6.0]], metadata=frame))
    # 0 along x and 2 Å along y from the shifted middle (6, 4): along +x of the turned scan.
    y, x = np.unravel_index(drawn.argmax(), drawn.shape)
    assert abs(x - (20 + 8)) <= 3
    assert abs(y - 16) <= 3
    displacement = np.column_stack([np.full(32, 3.0), np.zeros(32)])
    moved = atom_map(sample([14], [[4, 4]]), displacement=displacement)
    np.testing.assert_allclose(moved[:, 3:], atom_map(sample([14], [[4, 4]]))[:, :-3], atol=1e-6)


def test_bad_input():
    bare = Sample(7, np.zeros((4, 8, 8), "float32"), 0.2, tuple("abcd"), Annotations([]))
    with pytest.raises(
        CorpusError, match="sample 7: carries no structure; make the corpus with store_structures"
    ):
        atom_map(bare)
