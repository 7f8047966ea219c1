"""Object functions: against abTEM's multislice image of one atom, and kept between runs."""

import abtem
import numpy as np
import pytest
from ase import Atoms

from stemforge.simulate import Microscope, Multislice, Scan, object_function
from stemforge.simulate.engines import scattering
from stemforge.simulate.engines.common import reproducible
from stemforge.simulate.engines.fourier import probe_grid
from stemforge.simulate.engines.scattering import measure_object_function

HAADF = (90.0, 185.0)
MICROSCOPE = Microscope()
CELL = 12.0


def by_multislice(symbol, microscope):
    """The object function as abTEM alone gives it: every probe position scanned, and its probe."""
    atom = Atoms(symbol, positions=[[0.0, 0.0, 0.5]], cell=[CELL, CELL, 1.0])
    positions = max(36, *probe_grid(microscope, (CELL, CELL)))
    still = Multislice(
        slice_thickness=1.0, frozen_phonons=0, sampling=round(microscope.potential_sampling, 4)
    )
    scan = Scan.of_any_size((positions, positions), CELL / positions)
    # The slice's entrance is the focal plane and the whole atom is projected into it: in focus exactly.
    image = still.image(atom, microscope, scan, 0.0)[0].astype(float)
    # The intensity reaches twice the wave's frequencies: built on a finer grid, then every other point.
    with reproducible():
        wave = microscope.probe(0.0, extent=CELL, gpts=2 * positions).build(lazy=False).array
    probe = np.fft.ifftshift(np.abs(wave) ** 2)[::2, ::2].astype(float)
    ratio = (np.fft.fft2(image) / np.fft.fft2(probe / probe.sum())).real * (CELL / positions) ** 2
    steps = np.fft.fftfreq(positions, 1 / positions)
    ring = np.rint(np.hypot(steps[:, None], steps)).astype(int).ravel()
    return np.bincount(ring, ratio.ravel()) / np.bincount(ring)


CASES = [
    ("Pt", 60e3, 32, (55, 85)),
    ("C", 30e3, 20, (40, 100)),
    # The detector's middle, and one that the probe's disc lies on.
    ("Pt", 60e3, 20, (0, 30)),
    ("C", 60e3, 32, (20, 60)),
]
SLOW_CASES = [("Pt", 80e3, 33, (90, 150))]


@pytest.mark.parametrize(
    ("symbol", "energy", "semiangle", "detector"),
    [*CASES, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW_CASES)],
)
def test_an_object_function_is_that_of_abtem_s_multislice(symbol, energy, semiangle, detector):
    rings = {"rings": {"detector": detector}}
    microscope = Microscope(energy=energy, semiangle_cutoff=semiangle, detectors=rings)
    sampling = round(microscope.potential_sampling, 4)
    expected = by_multislice(symbol, microscope)
    frequency, found = measure_object_function(symbol, energy, semiangle, detector, sampling)
    np.testing.assert_allclose(frequency, np.arange(len(found)) / CELL)
    np.testing.assert_allclose(found[0], expected[0], rtol=4e-6)
    # Where the probe passes little abTEM's single precision shows.
    np.testing.assert_allclose(found, expected[: len(found)], rtol=2e-5, atol=1e-8 * found[0])
    # Control: a detector whose hole is wider by one point of it is another one.
    narrower = (detector[0] + microscope.wavelength / CELL * 1e3, detector[1])
    other = measure_object_function(symbol, energy, semiangle, narrower, sampling)[1]
    assert abs(other[0] / expected[0] - 1) > 1e-3


def test_the_cache_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("STEMFORGE_CACHE_DIR", str(tmp_path))
    scattering._cached_object_function.cache_clear()
    measured = []

    def measure(*arguments):
        measured.append(arguments)
        return np.array([0.0, 1.0]), np.array([2.0, 1.0])

    monkeypatch.setattr(scattering, "measure_object_function", measure)
    try:
        first = object_function("Fe", MICROSCOPE, HAADF)
        (file,) = tmp_path.glob("object-*.npy")
        scattering._cached_object_function.cache_clear()
        np.testing.assert_array_equal(object_function("Fe", MICROSCOPE, HAADF), first)
        assert len(measured) == 1
        # Aberrations are no property of the object; energy, element and detector are.
        object_function("Fe", Microscope(C3=1e4, A1=5), HAADF)
        assert len(measured) == 1
        object_function("Fe", Microscope(energy=80e3), HAADF)
        object_function("Pt", MICROSCOPE, HAADF)
        object_function("Fe", MICROSCOPE, (80.0, 185.0))
        assert len(measured) == 4
        # A damaged file is measured anew and replaced.
        file.write_bytes(b"damaged")
        scattering._cached_object_function.cache_clear()
        object_function("Fe", MICROSCOPE, HAADF)
        assert len(measured) == 5
        assert np.load(file).shape == (2, 2)
    finally:
        scattering._cached_object_function.cache_clear()


def test_abtem_s_potential_is_planned_so_that_its_bytes_repeat(monkeypatch):
    """FFTW's MEASURE gave 4 different last bits in 5 processes: what uses it must plan with ESTIMATE."""
    plans = []
    build = abtem.Potential.build

    def noted(self, *arguments, **options):
        plans.append((abtem.config.get("fftw.planning_effort"), abtem.config.get("fftw.threads")))
        return build(self, *arguments, **options)

    monkeypatch.setattr(abtem.Potential, "build", noted)
    measure_object_function("C", 60e3, 32, (55.0, 85.0), 0.15)
    assert plans == [("FFTW_ESTIMATE", 1)]


@pytest.mark.slow
@pytest.mark.parametrize(("energy", "semiangle"), [(60e3, 20), (200e3, 33)])
def test_object_functions_are_known_up_to_the_probe_s_limit(energy, semiangle):
    microscope = Microscope(
        energy=energy, semiangle_cutoff=semiangle, detectors={"rings": {"HAADF": (70, 150)}}
    )
    frequency, amplitude = object_function("Pt", microscope, (70, 150))
    assert np.isfinite(amplitude).all()
    limit = 2 * semiangle * 1e-3 / microscope.wavelength
    assert 0.8 * limit < frequency[-1] < limit
    # Scattering to high angles is nearly incoherent: it falls slowly, and stays positive.
    assert (amplitude > 0).all()
    assert amplitude[-1] < amplitude[0]
