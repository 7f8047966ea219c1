"""The engines against one another: kernels and PRISM against multislice."""

import numpy as np
import pytest
from ase import Atoms

from stemforge.simulate import Kernels, Microscope, Multislice, Prism, Scan
from stemforge.simulate.engines.prism import largest_interpolation
from stemforge.structures import Tag, amorphous_carbon

pytestmark = pytest.mark.physics

SIDE = 16.0
MICROSCOPE = Microscope(preset="nion-ultrastem-100", detectors={"rings": {"HAADF": (90, 185)}})


def raster(n, side=SIDE):
    return Scan.of_any_size((n, n), side / n)


@pytest.fixture(scope="module")
def cube():
    rng = np.random.default_rng(1)
    atoms = amorphous_carbon((SIDE, SIDE, SIDE), density=2.0, nitrogen_fraction=0.05, rng=rng)
    # On a probe position of the 16 × 16 raster; no carbon atom within a bond's length of it.
    place = np.array([8.0, 8.0, atoms.positions[:, 2].max() + 1.0])
    atoms += Atoms("Pt", positions=[place], tags=[int(Tag.SINGLE_ATOM)])
    atoms.cell[2, 2] = max(atoms.cell[2, 2], place[2] + 1)
    return atoms


def multislice(atoms, focus, scan):
    return Multislice(frozen_phonons=4).image(atoms, MICROSCOPE, scan, focus, np.random.default_rng(3))[0]


@pytest.fixture(scope="module")
def images(cube):
    focus = float(cube.positions[-1, 2])
    scan = raster(16)
    return Kernels().image(cube, MICROSCOPE, scan, focus)[0], multislice(cube, focus, scan)


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
    scan = Scan.of_any_size((8, 10), 1.0)
    prism, slow = (
        engine(frozen_phonons=2).image(atoms, MICROSCOPE, scan, 2.0, np.random.default_rng(3)).astype(float)
        for engine in (Prism, Multislice)
    )
    assert np.abs(prism - slow).max() <= 1e-4 * slow.max()


@pytest.mark.parametrize(
    ("depth", "share"), [(10.0, 1.03), (20.0, 0.99), (30.0, 0.68), (40.0, 0.29), (60.0, 0.07)]
)
def test_prism_loses_what_leaves_its_window(depth, share):
    """An atom on top: what it scatters travels sideways below it. The table of docs/physics.md."""
    microscope = Microscope(energy=200e3, semiangle_cutoff=25, detectors={"rings": {"HAADF": (70, 170)}})
    atoms = Atoms("Pt", positions=[[6, 6, 1]], cell=[12, 12, depth])
    scan = Scan.of_any_size((3, 3), 0.42)
    prism, slow = (
        engine.image(atoms, microscope, scan, 1.0).mean()
        for engine in (Prism(frozen_phonons=0, interpolation=2), Multislice(frozen_phonons=0))
    )
    assert prism / slow == pytest.approx(share, abs=0.02)
    # What loses more than 4 % is refused; the bound is on the safe side.
    assert largest_interpolation(microscope, 12.0, depth) < 2 or abs(share - 1) < 0.04


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
    microscope = MICROSCOPE.replace(**settings)
    side = 18.0
    # Neither in the middle nor symmetric; abTEM puts it on a point of its potential's grid, 0.04 Å away at most.
    atoms = Atoms("Pt", positions=[[9.0, 9.0, 0.5]], cell=[side, side, 1.0])
    scan = Scan.of_any_size((36, 36), side / 36)
    slow = Multislice(frozen_phonons=0, slice_thickness=1.0).image(atoms, microscope, scan, -defocus)[0]
    # abTEM projects the whole slice into its entrance plane, z = 0: that is where the atom is.
    atoms.positions[:, 2] = 0.0
    fast = Kernels(thermal_sigma=0.0).image(atoms, microscope, scan, -defocus)[0]
    assert fast.sum() == pytest.approx(slow.sum(), rel=0.03)
    assert np.corrcoef(fast.ravel(), slow.ravel())[0, 1] >= 0.995
