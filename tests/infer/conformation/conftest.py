"""Candidates for ZSM-5 with pyridine, and images drawn from their projected potentials: no multislice, no time."""

import numpy as np
import pytest
from ase import Atoms
from scipy import ndimage

from stemforge import Micrograph
from stemforge.infer.conformation.candidates import Candidate
from stemforge.infer.occupancy.crystal import cell_image
from stemforge.structures import mfi, place_guest
from stemforge.structures.tags import Tag

SAMPLING = 0.3
WIDTH = 0.18  # 1/Å², of a transfer that falls off as a Gaussian
SIZE = (134, 201)  # of a cell that is drawn


def one_guest(seed, molecule="pyridine", channel=(10.06, 0.0)):
    """Return one cell with a molecule in one of its two channels."""
    film = place_guest(mfi(), molecule, rng=np.random.default_rng(seed))
    size = np.array(film.info["tile_size"])
    numbers = film.arrays["molecule"]
    beside = [film.positions[numbers == n, :2].mean(0) - channel for n in (0, 1)]
    near = int(np.argmin([np.hypot(*(b - size * np.round(b / size))) for b in beside]))
    return film[(numbers < 0) | (numbers == near)]


def write_cif(film, path):
    """Write a film of one cell as the crystal that it was cut from: the beam along b."""
    margin = film.info["vacuum"]
    x, y, z = film.positions.T
    width, height, depth = film.cell.lengths()
    atoms = Atoms(
        film.numbers,
        np.column_stack([x, z - margin, -y]),
        cell=[width, depth - 2 * margin, height],
        pbc=True,
    )
    atoms.wrap()
    atoms.write(path, format="cif")
    return path


@pytest.fixture(scope="session")
def candidates():
    return tuple(Candidate.from_atoms(name, one_guest(seed)) for seed, name in enumerate("abc"))


@pytest.fixture(scope="session")
def bare(candidates):
    atoms = candidates[0].crystal.atoms
    return Candidate.from_atoms("empty", atoms[atoms.get_tags() != Tag.GUEST])


@pytest.fixture(scope="session")
def draw():
    """Return what draws an image of a candidate's crystal, cells turned, shifted and with noise.

    Its right part may be displaced by shares of the axes.
    """

    def image(candidate, noise, seed=0, shape=(240, 310), turn=0.1, signs=(1, 1), displacement=(0, 0)):
        rng = np.random.default_rng(seed)
        hk = candidate.crystal.indices(1.1)
        fade = np.exp(-((hk / candidate.cell) ** 2).sum(1) / WIDTH)
        cell = cell_image(candidate.crystal.coefficients(hk * np.array(signs)) * fade, hk, SIZE)
        y, x = np.indices(shape)
        cosine, sine = np.cos(turn), np.sin(turn)
        points = np.column_stack([x.ravel() + 3.7, y.ravel() - 5.2]) @ np.array(
            [[cosine, -sine], [sine, cosine]]
        )
        right = (x + 0.3 * y).ravel() > 0.7 * shape[1]
        fractional = points * SAMPLING / candidate.cell - right[:, None] * np.array(displacement)
        where = (fractional % 1) * SIZE[::-1]
        values = ndimage.map_coordinates(cell, where.T[::-1], order=3, mode="grid-wrap").reshape(shape)
        return Micrograph((values + rng.normal(0, noise, shape)).astype("float32"), name="film")

    return image
