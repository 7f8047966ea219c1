"""Images of ZSM-5 drawn from its projected potential: no multislice, so that they take no time."""

import numpy as np
import pytest
from scipy import ndimage

from stemforge import Micrograph
from stemforge.infer.crystals.lattice import Lattice
from stemforge.infer.occupancy.crystal import ChannelCrystal, cell_image

SAMPLING = 0.3
WIDTH = 0.18  # 1/Å², of a transfer that falls off as a Gaussian


def lattice_of(shape, turn=0.2, sampling=SAMPLING, cell=(20.11351, 13.40977)):
    """Return a lattice, turned about the middle of an image."""
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    a, b = (rotation * (np.array(cell) / sampling)).T
    middle = ((shape[1] - 1) / 2 + 1.3, (shape[0] - 1) / 2 - 2.1)
    return Lattice(middle, tuple(a), tuple(b), sampling, float(np.degrees(turn)), 0.0, 1.0, "mfi", cell)


@pytest.fixture(scope="session")
def crystal():
    return ChannelCrystal.named("mfi", ("pyridine",))


@pytest.fixture(scope="session")
def film(crystal):
    """Return what draws a film: image, lattice, channels' axes and which of them are filled."""

    mfi = crystal

    def draw(
        occupancy, noise, seed=0, shape=(256, 256), shift=(0.0, 0.0), turn=0.2, column=None, crystal=mfi
    ):
        rng = np.random.default_rng(seed)
        lattice = lattice_of(shape, turn, cell=tuple(crystal.cell))
        hk = crystal.indices(1.1)
        fade = np.exp(-((hk / crystal.cell) ** 2).sum(1) / WIDTH)
        size = tuple(np.round(crystal.cell[::-1] * 10).astype(int))
        cell = cell_image(crystal.coefficients(hk) * fade, hk, size)
        y, x = np.indices(shape)
        points = np.column_stack([x.ravel() - shift[0], y.ravel() - shift[1]])
        where = (lattice.to_fractional(points) % 1) * size[::-1]
        image = ndimage.map_coordinates(cell, where.T[::-1], order=3, mode="grid-wrap").reshape(shape)
        axes = lattice.sites(crystal.channels / crystal.cell, shape)
        filled = rng.random(len(axes)) < occupancy
        if column is not None:  # in the first channel of every cell
            beside = lattice.to_fractional(axes) - crystal.channels[0] / crystal.cell
            filled = np.abs(beside - np.round(beside)).max(1) < 0.1
        k = np.stack(np.meshgrid(*[np.fft.fftfreq(n, SAMPLING) for n in shape[::-1]]), -1)
        cosine, sine = np.cos(turn), np.sin(turn)
        inside = k @ np.array([[cosine, -sine], [sine, cosine]])
        spectrum = np.zeros(shape, dtype=complex)
        for axis in axes[filled]:
            guest = crystal.guests[rng.integers(len(crystal.guests))] if column is None else column
            spectrum += guest.spectrum(inside) * np.exp(-2j * np.pi * (k @ (axis + shift)) * SAMPLING)
        spectrum *= np.exp(-(k**2).sum(-1) / WIDTH)
        image = image + np.fft.ifft2(spectrum).real / SAMPLING**2
        image = image + rng.normal(0, noise, shape)
        return Micrograph(image.astype("float32"), name="film"), lattice, axes + shift, filled

    return draw
