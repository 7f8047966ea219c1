"""Films of ZSM-5 drawn from columns that are moved: no multislice, so that they take no time."""

from dataclasses import replace

import numpy as np
import pytest

from stemforge import Micrograph
from stemforge.infer import find_columns
from stemforge.infer.columns.sites import column_sites
from tests.infer.conftest import SAMPLING, WIDTH, lattice_of

ROOM = 20
"""Pixels that are drawn beyond an image and cut off: columns just outside reach into it."""


@pytest.fixture(scope="session")
def moved_film(crystal):
    """Return what draws a film: image, lattice, places of columns, and their sites.

    Each copy of a column may be moved by its own way besides; the film's right part may be displaced by shares of the
    axes.
    """
    sites = column_sites(crystal.atoms)

    def draw(
        noise, way=0.1, seed=0, shape=(140, 208), turn=0.2, missing=None, displacement=None, scatter=0.0
    ):
        rng = np.random.default_rng(seed)
        lattice = lattice_of(shape, turn)
        inner, shape = shape, (shape[0] + 2 * ROOM, shape[1] + 2 * ROOM)
        lattice = replace(lattice, origin_px=tuple(np.array(lattice.origin_px) + ROOM))
        k = np.stack(np.meshgrid(*[np.fft.fftfreq(n, SAMPLING) for n in shape[::-1]]), -1)
        cosine, sine = np.cos(turn), np.sin(turn)
        inside = k @ np.array([[cosine, -sine], [sine, cosine]])
        spectrum = np.zeros(shape, dtype=complex)
        border = 0.55 * shape[1]
        moves = rng.normal(0, way, (len(sites), 2))
        points, numbers = [], []
        for number, (site, move) in enumerate(zip(sites, moves, strict=True)):
            fractional = (site.place + move)[None] / crystal.cell
            places = lattice.sites(fractional, shape)
            if displacement is not None:
                left, right = places, lattice.sites(fractional + displacement, shape)
                places = np.concatenate([left[left[:, 0] < border], right[right[:, 0] >= border]])
            if number == missing:
                continue
            places = places + rng.normal(0, scatter / SAMPLING, places.shape)
            waves = np.exp(-2j * np.pi * (k @ places.T) * SAMPLING).sum(-1)
            spectrum += site.spectrum(inside) * waves
            points.append(places)
            numbers.append(np.full(len(places), number))
        spectrum *= np.exp(-(k**2).sum(-1) / WIDTH) * (np.hypot(*np.moveaxis(k, -1, 0)) < 1 / 1.1)
        image = np.fft.ifft2(spectrum).real / SAMPLING**2 + rng.normal(0, noise, shape)
        image = image[ROOM : ROOM + inner[0], ROOM : ROOM + inner[1]]
        film = Micrograph(image.astype("float32"), name="film")
        lattice = replace(lattice, origin_px=tuple(np.array(lattice.origin_px) - ROOM))
        return film, lattice, np.concatenate(points) - ROOM, np.concatenate(numbers)

    return draw


@pytest.fixture(scope="session")
def small_film(moved_film):
    """One small film for all that one fit can show: image, lattice, places of columns, and their sites."""
    return moved_film(0.8, seed=4)


@pytest.fixture(scope="session")
def found(small_film, crystal):
    return find_columns(small_film[0], framework=crystal, lattice=small_film[1])
