import numpy as np
import pytest
from ase import Atoms
from scipy import ndimage

from stemforge.evaluate import FocalSeries
from stemforge.simulate import Degradation, Microscope, degrade
from stemforge.simulate.engines.kernels import Kernels
from stemforge.simulate.scan import Scan

SIDE, SAMPLING, SOURCE, LEVEL, ROOM = 136, 0.25, 1.0, 0.0025, 12
MICROSCOPE = Microscope(preset="nion-ultrastem-100")
PLACES = np.array([[8.3, 9.1], [21.2, 7.8], [13.6, 21.4], [25.7, 25.1]])
DEPTHS = np.array([-22.0, 5.0, 14.0, 31.0])
FOCI = np.linspace(-60, 60, 7)


@pytest.fixture(scope="session")
def make_focal():
    """Function that makes a focal series of Pt atoms on a flat background, and says how it drifts [pixel]."""

    def make(dose=5e4, places=PLACES, depths=DEPTHS, foci=FOCI, drift=0.5, seed=0):
        rng = np.random.default_rng(seed)
        whole = SIDE + 2 * ROOM
        length = whole * SAMPLING
        atoms = Atoms(cell=[length, length, 1.0])
        if len(places):
            atoms += Atoms(f"Pt{len(places)}", np.column_stack([places + ROOM * SAMPLING, depths]))
        scan = Scan.of_any_size((whole, whole), SAMPLING)
        moved = np.cumsum(rng.normal(0, drift, (len(foci), 2)), 0)
        moved -= moved.mean(0)
        frames = []
        for focus, shift in zip(foci, moved, strict=True):
            image = np.zeros((whole, whole))
            if len(places):
                image += Kernels(broadening=False).image(atoms, MICROSCOPE, scan, float(focus))[0]
            image = LEVEL + ndimage.shift(image, shift[::-1] / SAMPLING, order=5, mode="nearest")
            clean = image[None, ROOM:-ROOM, ROOM:-ROOM].astype(np.float32)
            frames.append(degrade(clean, Degradation(dose=dose, source_size=SOURCE), SAMPLING, rng).image[0])
        return FocalSeries(np.array(frames), foci, SAMPLING, "film"), moved / SAMPLING

    return make


@pytest.fixture(scope="session")
def focal(make_focal):
    """A series of four atoms whose depths are :data:`DEPTHS`, and its drift."""
    return make_focal()
