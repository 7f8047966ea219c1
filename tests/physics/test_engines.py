"""The engines against one another: kernels and PRISM against multislice."""

import numpy as np
import pytest
from ase import Atoms

from stemforge.simulate import Microscope, Scan, abtem_signal, kernel_signal
from stemforge.structures import Tag, amorphous_carbon

pytestmark = pytest.mark.physics

SIDE = 16.0
MICROSCOPE = Microscope(preset="nion-ultrastem-100", detectors={"HAADF": (90, 185)})


def raster(n, side=SIDE):
    return Scan.model_construct(shape=(n, n), sampling=side / n, margin=0.0)


@pytest.fixture(scope="module")
def cube():
    rng = np.random.default_rng(1)
    atoms = amorphous_carbon((SIDE, SIDE, SIDE), density=2.0, nitrogen_fraction=0.05, rng=rng)
    # On a probe position of the 16 × 16 raster; no carbon atom within a bond's length of it.
    place = np.array([8.0, 8.0, atoms.positions[:, 2].max() + 1.0])
    atoms += Atoms("Pt", positions=[place], tags=[int(Tag.SINGLE_ATOM)])
    atoms.cell[2, 2] = max(atoms.cell[2, 2], place[2] + 1)
    return atoms


def multislice(atoms, focus, scan, **options):
    options = {"frozen_phonons": 4, "slice_thickness": 2.0, **options}
    return abtem_signal(atoms, MICROSCOPE, scan, focus, rng=np.random.default_rng(3), **options)[0]


@pytest.fixture(scope="module")
def images(cube):
    focus = float(cube.positions[-1, 2])
    scan = raster(16)
    return kernel_signal(cube, MICROSCOPE, scan, focus)[0], multislice(cube, focus, scan)


def test_kernels_give_multislice_s_mean(images):
    fast, slow = images
    assert fast.mean() == pytest.approx(slow.mean(), rel=0.03)


def test_kernels_give_multislice_s_picture(images):
    fast, slow = images
    assert np.corrcoef(fast.ravel(), slow.ravel())[0, 1] >= 0.95
    carbon = np.ones_like(fast, dtype=bool)
    carbon[6:11, 6:11] = False
    # The support's texture too, not the one bright atom alone.
    assert np.corrcoef(fast[carbon], slow[carbon])[0, 1] >= 0.9


def test_kernels_give_the_platinum_peak(images):
    fast, slow = images
    assert (
        np.unravel_index(fast.argmax(), fast.shape) == np.unravel_index(slow.argmax(), slow.shape) == (8, 8)
    )
    assert fast.max() - fast.mean() == pytest.approx(slow.max() - slow.mean(), rel=0.10)


def test_prism_without_interpolation_is_multislice():
    rng = np.random.default_rng(2)
    atoms = amorphous_carbon((10.0, 8.0, 8.0), density=2.0, rng=rng)
    atoms += Atoms("Pt", positions=[[5, 4, 2]])
    scan = Scan.model_construct(shape=(8, 10), sampling=1.0, margin=0.0)
    options = {"frozen_phonons": 2, "slice_thickness": 2.0}
    prism, slow = (
        abtem_signal(
            atoms, MICROSCOPE, scan, 2.0, algorithm=name, rng=np.random.default_rng(3), **options
        ).astype(float)
        for name in ("prism", "multislice")
    )
    assert np.abs(prism - slow).max() <= 1e-4 * slow.max()


ABERRATIONS = {
    "in focus": {},
    "defocused": {"defocus": 40.0},
    "overfocused": {"defocus": -40.0},
    "A1": {"A1": 40.0, "A1_angle": 0.6},
    "B2": {"B2": 400.0, "B2_angle": 1.1},
    "C3": {"C3": 6e4},
    "all": {"defocus": 20.0, "A1": 20.0, "A1_angle": 0.6, "B2": 300.0, "B2_angle": 1.1, "C3": 2e4},
    "focal spread": {"defocus": 10.0, "focal_spread": 30.0},
}


@pytest.mark.parametrize("name", ABERRATIONS)
def test_an_aberrated_atom(name):
    """One still atom: nothing but the probe and the object function can differ."""
    settings = dict(ABERRATIONS[name])
    defocus = settings.pop("defocus", 0.0)
    microscope = MICROSCOPE.model_copy(update=settings)
    side = 18.0
    # Neither in the middle nor symmetric; abTEM puts it on a point of its potential's grid, 0.04 Å away at most.
    atoms = Atoms("Pt", positions=[[9.0, 9.0, 0.5]], cell=[side, side, 1.0])
    scan = Scan.model_construct(shape=(36, 36), sampling=side / 36, margin=0.0)
    slow = abtem_signal(atoms, microscope, scan, -defocus, frozen_phonons=0, slice_thickness=1.0)[0]
    # abTEM projects the whole slice into its entrance plane, z = 0: that is where the atom is.
    atoms.positions[:, 2] = 0.0
    fast = kernel_signal(atoms, microscope, scan, -defocus, thermal_sigma=0.0)[0]
    assert fast.sum() == pytest.approx(slow.sum(), rel=0.03)
    assert np.corrcoef(fast.ravel(), slow.ravel())[0, 1] >= 0.995
