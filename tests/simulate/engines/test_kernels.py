"""Single-atom kernels: places, sums and frequencies against what can be computed directly."""

import numpy as np
import pytest
from ase import Atoms

from stemforge import InputError
from stemforge.simulate import Kernels, Microscope, Scan, atom_image, cross_section, object_function
from stemforge.simulate.engines.grid import Grid, TorchGrid, make_grid

HAADF = (90.0, 185.0)
MICROSCOPE = Microscope()


def raster(shape, sampling):
    return Scan.of_any_size(shape, sampling)


def kernel_signal(atoms, microscope, scan, focus, **settings):
    return Kernels(**settings).image(atoms, microscope, scan, focus)


def atom(symbol="Pt", x=8.0, y=8.0, z=2.0, cell=(16.0, 16.0)):
    return Atoms(symbol, positions=[[x, y, z]], cell=[*cell, 4.0])


def centre(image, start, sigma=3.0):
    """Place (x, y) [pixel] of a spot that is symmetric about it: the window moves along, so it adds no bias."""
    rows, columns = np.indices(image.shape)
    x, y = start
    for _ in range(60):
        weighted = image * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
        x, y = (weighted * columns).sum() / weighted.sum(), (weighted * rows).sum() / weighted.sum()
    return np.array([x, y])


@pytest.mark.parametrize("symbol", ["C", "Fe", "Pt"])
def test_object_function_at_zero_is_the_cross_section(symbol):
    frequency, amplitude = object_function(symbol, MICROSCOPE, HAADF)
    assert frequency[0] == 0
    assert amplitude[0] == cross_section(symbol, MICROSCOPE, "HAADF")
    image = kernel_signal(atom(symbol), MICROSCOPE, raster((64, 64), 0.25), 2.0)[0]
    assert image.sum() * 0.25**2 == pytest.approx(amplitude[0], rel=0.01)
    # Scattering to high angles comes from near the nucleus: the object is small, its transform falls slowly.
    assert np.all(amplitude > 0)
    assert amplitude[-1] < amplitude[0]


def test_exponent_over_atomic_number():
    """Issue 2: the exponent of the single-atom HAADF signal over Z lies within 1.5 to 2.0."""
    Z = np.array([6, 26, 78])
    signal = [cross_section(symbol, MICROSCOPE, "HAADF") for symbol in ("C", "Fe", "Pt")]
    exponent = np.polyfit(np.log(Z), np.log(signal), 1)[0]
    assert 1.5 <= exponent <= 2.0


def test_an_atom_lands_on_its_pixel_in_a_scan_that_is_not_square():
    image = kernel_signal(atom(x=5.0, y=12.0, cell=(10, 16)), MICROSCOPE, raster((64, 40), 0.25), 2.0)[0]
    assert image.shape == (64, 40)
    assert np.unravel_index(image.argmax(), image.shape) == (48, 20)


# Cells with even and odd numbers of grid points along x and y, and some that fit no grid.
@pytest.mark.parametrize("cell", [(16, 16), (15.25, 16), (16, 14.75), (15.25, 17.25), (16.3, 15.9)])
@pytest.mark.parametrize("place", [(8.0, 8.0), (7.33, 8.61), (8.1125, 7.04)])
@pytest.mark.parametrize("focus", [2.0, 42.0])
def test_sub_pixel_place(cell, place, focus):
    scan = raster((56, 56), 0.25)
    image = kernel_signal(atom(x=place[0], y=place[1], cell=cell), MICROSCOPE, scan, focus)[0].astype(float)
    expected = (np.array(place) - scan.origin(cell)) / 0.25
    assert np.abs(centre(image, np.rint(expected)) - expected).max() < 0.02


@pytest.mark.parametrize(("defocus", "sampling"), [(0.0, 0.3), (25.0, 0.3), (60.0, 0.293), (-100.0, 0.2)])
def test_atom_image_has_the_atom_in_the_middle(defocus, sampling):
    image = atom_image("Pt", MICROSCOPE, "HAADF", defocus, sampling).astype(float)
    middle = image.shape[0] // 2
    assert image.shape == (2 * middle + 1,) * 2
    # The field is symmetric about the middle pixel: the plain centroid is not biased.
    rows, columns = np.indices(image.shape)
    centroid = [(image * columns).sum() / image.sum(), (image * rows).sum() / image.sum()]
    assert centroid == pytest.approx([middle, middle], abs=0.02)
    np.testing.assert_allclose(image, image[::-1, ::-1], atol=1e-3 * image.max())


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"defocus": 30.0},
        {"A1": 30.0, "A1_angle": 0.5},
        {"B2": 200.0, "B2_angle": 1.0},
        {"C3": 5e4},
        {"focal_spread": 30.0},
        {"A1": 10.0, "B2": 100.0, "C3": -1e4, "focal_spread": 20.0},
    ],
    ids=str,
)
@pytest.mark.parametrize("depth", [0.0, -40.0, 80.0])
def test_signal_is_conserved(change, depth):
    microscope = Microscope(**change)
    image = kernel_signal(atom(x=15, y=15, cell=(30, 30)), microscope, raster((120, 120), 0.25), depth)[0]
    total = image.astype(float).sum() * 0.25**2
    assert total == pytest.approx(cross_section("Pt", MICROSCOPE, "HAADF"), rel=0.01)


def few_atoms(cell=(19.2, 16.0), n=12, seed=4):
    rng = np.random.default_rng(seed)
    positions = rng.uniform(0, 1, (n, 3)) * [*cell, 30.0]
    return Atoms("Pt2N4C6", positions=positions, cell=[*cell, 30.0])


def test_coarse_pixels_are_samples_of_the_fine_image():
    fine = kernel_signal(few_atoms(), MICROSCOPE, raster((80, 96), 0.2), 10.0)[0]
    coarse = kernel_signal(few_atoms(), MICROSCOPE, raster((20, 24), 0.8), 10.0)[0]
    np.testing.assert_allclose(coarse, fine[::4, ::4], atol=0.01 * fine.max())


def test_splines_give_the_points_own_transform():
    """Cubic splines divided by their window against the sum of phases, up to the probe's limit 2α/λ."""
    atoms = few_atoms()
    grid = Grid(atoms, MICROSCOPE, raster((80, 96), 0.2))
    assert grid.shape == (80, 96)
    qy, qx = grid.qy[:, None, None], grid.qx[None, :, None]
    x, y = (atoms.positions[:, :2] - grid.origin).T
    direct = np.exp(-2j * np.pi * (qx * x + qy * y)).sum(-1)
    limit = 2 * MICROSCOPE.semiangle_cutoff * 1e-3 / MICROSCOPE.wavelength
    inside = grid.q2 < limit**2
    assert inside.sum() > 300
    density = grid.density(atoms.positions, np.ones(len(atoms), dtype=np.float32)) * grid.sharpened(0.0)
    error = np.abs(density - direct)[inside]
    assert np.sqrt((error**2).mean()) < 0.01 * np.sqrt((np.abs(direct[inside]) ** 2).mean())
    # Near the limit the probe passes next to nothing; below half of it images are made.
    low = grid.q2 < (limit / 2) ** 2
    assert np.abs(density - direct)[low].max() < 0.01


def test_a_smaller_field_is_cut_out_of_a_larger_one():
    atoms = few_atoms()
    large = kernel_signal(atoms, MICROSCOPE, raster((80, 96), 0.2), 10.0)[0]
    small = kernel_signal(atoms, MICROSCOPE, raster((60, 56), 0.2), 10.0)[0]
    np.testing.assert_allclose(small, large[10:70, 20:76], atol=1e-5 * large.max())


@pytest.mark.parametrize("focus", [0.0, 10.0, 40.0])
def test_images_add_up_wherever_the_others_lie(focus):
    # The probe is interpolated between planes, which depend on all the atoms.
    atoms = few_atoms()
    options = {"broadening": False}
    scan = raster((80, 96), 0.2)
    together = kernel_signal(atoms, MICROSCOPE, scan, focus, **options)
    separate = sum(kernel_signal(atoms[[i]], MICROSCOPE, scan, focus, **options) for i in range(len(atoms)))
    np.testing.assert_allclose(together, separate, atol=0.01 * together.max())


def test_broadening_keeps_the_sum_and_lowers_the_peaks_below():
    rng = np.random.default_rng(0)
    n = 2000
    cell = [16.0, 16.0, 200.0]
    atoms = Atoms(f"C{n}", positions=rng.uniform(0, 1, (n, 3)) * cell, cell=cell)
    atoms += Atoms("Pt", positions=[[8, 8, 199.9]])
    scan = raster((64, 64), 0.25)
    sharp, spread = (
        kernel_signal(atoms, MICROSCOPE, scan, 199.9, broadening=on)[0].astype(float) for on in (False, True)
    )
    assert spread.sum() == pytest.approx(sharp.sum(), rel=1e-3)
    assert spread[32, 32] - spread.mean() < 0.95 * (sharp[32, 32] - sharp.mean())


def test_detectors_stack_in_order_and_empty_structures_give_nothing():
    both = Microscope(detectors={"rings": {"MAADF": (55, 85), "HAADF": HAADF}})
    scan = raster((32, 32), 0.25)
    images = kernel_signal(atom(x=4, y=4, cell=(8, 8)), both, scan, 2.0)
    assert images.shape == (2, 32, 32)
    for image, name in zip(images, ("MAADF", "HAADF"), strict=True):
        assert image.sum() * 0.25**2 == pytest.approx(cross_section("Pt", both, name), rel=0.01)
    assert not kernel_signal(Atoms(cell=[8, 8, 4]), both, scan, 2.0).any()


def crowd(seed=3):
    """Carbon with a few Pt atoms, through 60 Å."""
    rng = np.random.default_rng(seed)
    positions = rng.uniform(0, (18, 15, 60), (400, 3))
    numbers = np.where(rng.random(400) < 0.02, 78, 6)
    return Atoms(numbers, positions=positions, cell=[18, 15, 60])


def test_the_sum_on_a_torch_device_is_the_same_image():
    two = Microscope(detectors={"rings": {"HAADF": HAADF, "MAADF": (55.0, 85.0)}}, focal_spread=20.0)
    scan = Scan(shape=(48, 40), sampling=0.3, margin=0)
    expected = kernel_signal(crowd(), two, scan, 25.0)
    grid = TorchGrid(crowd(), two, scan, "cpu")
    found = Kernels().image_on(grid, crowd(), 25.0)
    assert np.abs(found - expected).max() < 1e-5 * expected.mean()


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="take cpu"):
        make_grid(crowd(), MICROSCOPE, raster((16, 16), 0.3), "no-such-device")


@pytest.mark.gpu
def test_the_gpu_gives_the_cpu_s_image():
    scan = Scan(shape=(48, 40), sampling=0.3, margin=0)
    one, other = (kernel_signal(crowd(), MICROSCOPE, scan, 25.0, device=name) for name in ("cpu", "gpu"))
    assert np.abs(one - other).max() < 1e-3 * one.mean()
