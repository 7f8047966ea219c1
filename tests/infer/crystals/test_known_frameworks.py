"""Lattices of the built-in frameworks on noisy pictures of them, and their projected cells."""

import numpy as np
import pytest

from stemforge import Micrograph
from stemforge.errors import InputError
from stemforge.infer import Framework, find_lattice
from stemforge.infer.crystals.framework import framework_film, projected_cell
from stemforge.structures import zeolite_cell

CELLS = {
    "mfi": (20.11, 13.41),
    "fau": (17.21, 24.35),
    "cha": (13.68, 12.53),
    "mor": (18.26, 20.53),
    "bea": (12.66, 26.41),
}


@pytest.mark.parametrize("name", CELLS)
def test_lattice_is_found_on_a_noisy_picture(name):
    framework = Framework.named(name)
    assert framework.cell == pytest.approx(CELLS[name], abs=0.01)
    shape = tuple(round(side / 0.25) for side in reversed(framework.cell))
    repeats = [int(np.ceil(260 / side)) for side in shape]
    picture = np.tile(framework.image(shape), repeats)
    picture = picture + np.random.default_rng(0).normal(0, picture.std(), picture.shape)
    found = find_lattice(Micrograph(picture), framework=framework)
    assert found.framework == name
    assert found.score > 0.95
    assert found.sampling == pytest.approx(0.25, rel=0.01)


@pytest.mark.parametrize("name", CELLS)
def test_the_projected_cell_holds_its_share_of_the_atoms(name):
    tile = framework_film(name)
    part = projected_cell(tile)
    share = np.prod(tile.cell.lengths()[:2]) / np.prod(part.cell.lengths()[:2])
    assert share == pytest.approx(round(share))
    for number in (8, 14):
        assert np.sum(tile.numbers == number) == round(share) * np.sum(part.numbers == number)


def test_a_cif_is_seen_along_its_channels(tmp_path):
    zeolite_cell("mor").write(tmp_path / "own.cif")
    assert Framework.named(str(tmp_path / "own.cif")).cell == pytest.approx(CELLS["mor"], abs=0.01)


def test_unknown_name():
    with pytest.raises(InputError, match="mfi, fau, cha, mor, bea"):
        Framework.named("fauna")
