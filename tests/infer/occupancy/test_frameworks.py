"""Channels of other frameworks than MFI, of one from a CIF among them."""

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from scipy.spatial import cKDTree

from stemforge.infer import measure_occupancy
from stemforge.infer.occupancy.crystal import ChannelCrystal
from stemforge.structures import zeolite_cell


@pytest.fixture(scope="module")
def mordenite(tmp_path_factory):
    path = tmp_path_factory.mktemp("framework") / "mine.cif"
    cell = zeolite_cell("mor")
    write(path, Atoms(cell.numbers, positions=cell.positions, cell=cell.cell, pbc=True))
    return ChannelCrystal.named(str(path), ("benzene",))


def check(film, crystal, shape=(256, 256)):
    """Half filled: nearly all filled channels found, no empty one called so."""
    micrograph, _, axes, filled = film(0.5, 1.0, seed=4, crystal=crystal, shape=shape)
    found = measure_occupancy(micrograph, framework=crystal)
    distance, which = cKDTree(axes).query(found.points)
    assert distance.max() < 2
    truth = filled[which]
    assert truth.any()
    assert not truth.all()
    assert np.mean(found.state[truth] == "filled") >= 0.9
    assert not np.any(found.state[~truth] == "filled")
    # Poses in wide channels show more or less of the mean of all poses, and few are drawn.
    assert np.mean(found.content[truth]) - np.mean(found.content[~truth]) == pytest.approx(1, abs=0.4)


@pytest.mark.slow
def test_a_framework_from_a_cif(film, mordenite):
    check(film, mordenite)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bea", "cha", "fau"])
def test_frameworks_that_are_built_in(film, name):
    check(film, ChannelCrystal.named(name, ("benzene",)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mor", "bea", "cha", "fau"])
def test_nothing_is_found_in_empty_films(film, name):
    crystal = ChannelCrystal.named(name, ("benzene",))
    micrograph, *_ = film(0.0, 1.0, seed=5, crystal=crystal)
    assert measure_occupancy(micrograph, framework=crystal).count("filled") == 0
