"""The reference engine: orientation, order, repetition."""

import numpy as np
import pytest
from ase import Atoms

from stemforge import InputError
from stemforge.simulate import Microscope, Multislice, Prism, Scan

# Low angles need few grid points.
MICROSCOPE = Microscope(semiangle_cutoff=25, detectors={"rings": {"low": (30, 60), "high": (60, 100)}})
SCAN = Scan.of_any_size((12, 20), 0.5)
ENGINES = [{"engine": Multislice}, {"engine": Prism}]


def atoms(x=7.5, y=2.0, symbol="Pt"):
    return Atoms(symbol, positions=[[x, y, 1.0]], cell=[10.0, 6.0, 2.0])


def image(structure, seed=0, microscope=MICROSCOPE, scan=SCAN, engine=Multislice, **settings):
    engine = engine(**{"frozen_phonons": 0, **settings})
    return engine.image(structure, microscope, scan, 1.0, np.random.default_rng(seed))


@pytest.mark.parametrize("options", ENGINES, ids=str)
def test_x_is_the_column_and_detectors_keep_their_order(options):
    low, high = image(atoms(), **options)
    assert low.shape == high.shape == (12, 20)
    for channel in (low, high):
        assert np.unravel_index(channel.argmax(), channel.shape) == (4, 15)
    swapped = Microscope(semiangle_cutoff=25, detectors={"rings": {"high": (60, 100), "low": (30, 60)}})
    np.testing.assert_array_equal(image(atoms(), microscope=swapped, **options)[0], high)
    assert low.sum() > high.sum()  # an atom scatters more to lower angles
    assert low.dtype == np.float32


@pytest.mark.parametrize("options", ENGINES, ids=str)
def test_an_atom_in_the_middle_gives_a_symmetric_image(options):
    scan = Scan.of_any_size((13, 13), 0.4)
    centred = Atoms("Pt", positions=[[4.0, 4.0, 1.0]], cell=[8.0, 8.0, 2.0])
    # The field of 5.2 Å begins at 1.4 Å: the atom lies at pixel 6.5.
    result = image(centred, scan=scan, sampling=0.1, **options)[1].astype(float)
    rows, columns = np.indices(result.shape)
    peak = result[6:8, 6:8]
    assert peak.min() > 0.95 * peak.max()
    assert peak.min() > 0.99 * result.max()
    part, x, y = result[1:, 1:], columns[1:, 1:], rows[1:, 1:]
    assert (part * x).sum() / part.sum() == pytest.approx(6.5, abs=0.05)
    assert (part * y).sum() / part.sum() == pytest.approx(6.5, abs=0.05)


@pytest.mark.parametrize("options", ENGINES, ids=str)
def test_the_same_generator_gives_the_same_bytes(options):
    first, second, other = (image(atoms(), seed, frozen_phonons=2, **options) for seed in (1, 1, 2))
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != other.tobytes()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("interpolation", [2, 4])
def test_grids_fit_the_interpolation(interpolation):
    """135 points, which 2 and 4 do not divide: abTEM would warn of them."""
    structure, sampling = Atoms("Pt", positions=[[10, 10, 1]], cell=[20.0, 20.0, 2.0]), 20 / 134.5
    plain, prism = (Prism(interpolation=one, sampling=sampling) for one in (1, interpolation))
    assert plain._gpts(structure, MICROSCOPE) == (135, 135)
    assert all(points % interpolation == 0 for points in prism._gpts(structure, MICROSCOPE))
    wanted = image(structure, engine=Prism, sampling=sampling)
    found = image(structure, engine=Prism, sampling=sampling, interpolation=interpolation)
    np.testing.assert_allclose(found.mean((1, 2)), wanted.mean((1, 2)), rtol=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("options", ENGINES, ids=str)
def test_pixels_finer_than_the_image_needs_lie_on_its_fourier_series(options, monkeypatch):
    from stemforge.simulate.engines import multislice

    microscope, scan = (
        MICROSCOPE.replace(A1=15.0, B2=60.0, focal_spread=30.0),
        Scan.of_any_size((40, 64), 0.13),
    )
    grid = multislice.probe_grid(microscope, (10.0, 6.0))
    assert np.prod(grid) < 0.6 * np.prod(scan.shape)
    between = image(atoms(), microscope=microscope, scan=scan, frozen_phonons=2, **options)
    monkeypatch.setattr(multislice, "probe_grid", lambda *_: (10**6, 10**6))
    every_pixel = image(atoms(), microscope=microscope, scan=scan, frozen_phonons=2, **options)
    assert abs(between - every_pixel).max() < 1e-4 * every_pixel.std()
    # Half as many positions would not do.
    monkeypatch.setattr(multislice, "probe_grid", lambda *_: (grid[0] // 2, grid[1] // 2))
    too_few = image(atoms(), microscope=microscope, scan=scan, frozen_phonons=2, **options)
    assert abs(too_few - every_pixel).max() > 1e-2 * every_pixel.std()


@pytest.mark.parametrize("options", ENGINES, ids=str)
def test_a_turned_and_shifted_raster_shows_an_atom_where_it_lies(options):
    scan = Scan.of_any_size((24, 24), 0.25, rotation=0.7, shift=(0.5, -0.3))
    result = image(atoms(x=6.0, y=3.5), scan=scan, **options)[1]
    (x, y) = scan.pixels(np.array([[6.0, 3.5]]), (10.0, 6.0))[0]
    row, column = np.unravel_index(result.argmax(), result.shape)
    assert (column, row) == pytest.approx((x, y), abs=0.71)
    straight = image(atoms(x=6.0, y=3.5), scan=Scan.of_any_size((24, 24), 0.25), **options)[1]
    assert result.max() == pytest.approx(straight.max(), rel=0.05)


def test_batches_of_probe_positions_make_no_difference(monkeypatch):
    from stemforge.simulate.engines import multislice

    whole = image(atoms())
    monkeypatch.setattr(multislice, "_BATCH_BYTES", 8 * 64 * 64 * 7)
    np.testing.assert_allclose(image(atoms()), whole, rtol=1e-4, atol=1e-9)


def test_focal_spread_is_an_average_over_defoci():
    microscope = MICROSCOPE.replace(focal_spread=60.0)
    sharp, spread = image(atoms())[1], image(atoms(), microscope=microscope)[1]
    assert spread.max() < 0.95 * sharp.max()
    assert spread.sum() == pytest.approx(sharp.sum(), rel=0.02)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sampling": 0.2}, r"detectors: outer angle 100 mrad of high .* antialias limit"),
        (
            {"scan": Scan.of_any_size((16, 20), 0.5)},
            "structure is 10.0 × 6.0 Å",
        ),
    ],
)
def test_bad_input(options, says):
    with pytest.raises(InputError, match=says):
        image(atoms(), **options)


@pytest.mark.parametrize("phonons", [1, 2, 6])
def test_few_phonons_leave_atoms_beside_their_places(phonons):
    """As far as docs/physics.md says: √2 thermal_sigma / √frozen_phonons in root mean square."""
    places = np.random.default_rng(0).uniform(2, 38, (2000, 3))
    still = Atoms("Ir2000", positions=places, cell=[40, 40, 40])
    engine = Multislice(frozen_phonons=phonons, sampling=0.03)  # of the grid that atoms are put on
    moved = engine.configurations(still, MICROSCOPE, np.random.default_rng(1))
    offsets = np.mean([one.positions[:, :2] for one in moved], axis=0) - places[:, :2]
    assert len(moved) == phonons
    rms = np.sqrt((offsets**2).sum(axis=1).mean())
    assert rms == pytest.approx(0.08 * np.sqrt(2 / phonons), rel=0.05)


def test_frozen_phonons_need_a_generator():
    with pytest.raises(InputError, match="rng="):
        Multislice(frozen_phonons=1).image(atoms(), MICROSCOPE, SCAN, 0.0)
