"""A crystal's image through our engines against abTEM called directly."""

import abtem
import numpy as np
import pytest

from stemforge.simulate import Microscope, Multislice, Prism, Scan
from stemforge.structures import crystal_slab

pytestmark = pytest.mark.physics

MICROSCOPE = Microscope(energy=80e3, semiangle_cutoff=25, detectors={"rings": {"HAADF": (60, 120)}})


@pytest.fixture(scope="module")
def slab():
    """An MgO slab of 3 × 3 cells, twelve layers thick."""
    return crystal_slab("mgo", (12.5, 12.5), face=(0, 0, 1), thickness=25, rng=np.random.default_rng(0))


@pytest.fixture(scope="module")
def alone(slab):
    """abTEM's image of the slab's middle, its atoms moved to grid points as our engines do; the rest is abTEM's."""
    steps = np.diag(slab.cell)[:2] / 144
    moved = slab.copy()
    moved.positions[:, :2] = np.rint(moved.positions[:, :2] / steps) * steps
    potential = abtem.Potential(moved, gpts=144, slice_thickness=2.0, projection="infinite")
    probe = abtem.Probe(energy=80e3, semiangle_cutoff=25, defocus=12.0)
    probe.grid.match(potential)
    x0, y0 = (np.diag(slab.cell)[:2] - 12 * 0.35) / 2
    scan = abtem.GridScan((x0, y0), (x0 + 12 * 0.35, y0 + 12 * 0.35), gpts=12, endpoint=False)
    image = probe.scan(potential, scan=scan, detectors=abtem.AnnularDetector(60, 120))
    return np.asarray(image.compute().array).T


@pytest.mark.parametrize("kind", [Multislice, Prism])
def test_a_slab_s_image_is_abtem_s(slab, alone, kind):
    engine = kind(frozen_phonons=0, sampling=float(slab.cell[0, 0]) / 144)
    image = engine.image(slab, MICROSCOPE, Scan.of_any_size((12, 12), 0.35), 12.0)[0]
    assert alone.std() > 0.1 * alone.mean(), "columns are resolved"
    assert np.abs(image / alone - 1).max() < 0.01
