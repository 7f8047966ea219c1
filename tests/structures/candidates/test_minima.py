"""Which candidates are one minimum, and what share of the molecules each has."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

from stemforge.structures import CandidateSearch, zeolite_cell
from stemforge.structures.candidates.building import Relaxer
from stemforge.structures.candidates.minima import Shares, boltzmann_weights, first_of_each
from stemforge.structures.candidates.search import docked_starts

MFI = zeolite_cell()
SEARCH = CandidateSearch(t_sites=(12,), oxygens="best", orientations=2)
ONE, TURNED = (
    Relaxer(MFI, None, SEARCH).candidate(start) for start in docked_starts(MFI, "pyridine", SEARCH)[0]
)


def moved(by, energy=-1.0, order=None):
    """Return the first candidate with its guest (11 atoms) moved [Å], in another order of its atoms."""
    atoms = ONE.atoms.copy()
    atoms.positions[-11:] += by
    if order is not None:
        atoms.positions[-11:] = atoms.positions[-11:][order]
    return replace(ONE, atoms=atoms, energy=energy)


def at_another_aluminium():
    other = moved(0.0)
    other.atoms.info["acid"] = {**other.atoms.info["acid"], "aluminium": 0}
    return other


def mirrored_order():
    """Return the order of pyridine's atoms after half a turn about its axis."""
    molecule = Atoms(ONE.atoms.numbers[-11:], ONE.atoms.positions[-11:])
    nitrogen, places = molecule.positions[0], molecule.positions
    assert molecule.numbers[0] == 7
    axis = places.mean(axis=0) - nitrogen
    axis /= np.linalg.norm(axis)
    turned = nitrogen + 2 * ((places - nitrogen) @ axis)[:, None] * axis - (places - nitrogen)
    lengths = np.linalg.norm(turned[:, None] - places, axis=2)
    assert lengths.min(axis=1).max() < 0.05
    order = lengths.argmin(axis=1)
    assert (order != np.arange(11)).any()
    return order


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (moved(0.0), True),
        (moved(0.05), True),
        (moved(0.0, order=mirrored_order()), True),
        (moved(ONE.atoms.cell[1]), True),
        (moved(0.6), False),
        (moved(0.0, energy=-1.05), False),
        (at_another_aluminium(), False),
        (replace(TURNED, energy=-1.0), False),
    ],
    ids=["same", "near", "half a turn", "other cell", "away", "other energy", "other site", "other pose"],
)
def test_two_are_one_minimum_where_energy_and_surroundings_are_alike(other, same):
    assert first_of_each([moved(0.0), other]) == ([0, 0] if same else [0, 1])


def test_a_minimum_found_twice_weighs_once():
    candidates = [moved(0.0), replace(TURNED, energy=-1.0), moved(0.02, energy=-1.001)]
    shares = Shares.of(candidates, 298.0)
    assert shares.first == (2, 1, 2)
    assert shares.weights[0] == 0.0
    assert shares.weights[[2, 1]] == pytest.approx(boltzmann_weights(np.array([-1.001, -1.0]), 298.0))
    assert Shares.of([ONE, *candidates], 298.0) is None
    assert Shares.of([], 298.0) is None


def test_weights_follow_boltzmann():
    weights = boltzmann_weights(np.array([0.0, 0.0257]), 298.0)
    assert weights[0] / weights[1] == pytest.approx(np.exp(0.0257 / (8.617333e-5 * 298)), rel=1e-4)
