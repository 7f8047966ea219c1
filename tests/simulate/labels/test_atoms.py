"""Labels: places, and visibility against a matched filter integrated over the atom's image."""

import numpy as np
import pytest
from ase import Atoms

from stemforge.errors import RecipeError
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate import Microscope, Scan, Texture, atom_image, label_atoms, visibility
from stemforge.simulate.microscope import FWHM
from stemforge.structures import Tag
from stemforge.structures.tags import Site

MICROSCOPE = Microscope()
SCAN = Scan(shape=(40, 60), sampling=0.25, margin=3)
THERMAL = 0.08


def one_atom(symbol="Pt", z=10.0):
    tag = int(Tag.SINGLE_ATOM)
    return Atoms(symbol, positions=[[10.5, 8.0, z]], cell=[*SCAN.cell, 40.0], tags=[tag])


def labels_of(atoms, background=0.02, focus=10.0, dose=1e4, source=1.0):
    signal = np.full((1, *SCAN.shape), background, dtype=np.float32)
    return label_atoms(
        atoms, signal, MICROSCOPE, SCAN, focus, reference_dose=dose, source_size=source, thermal_sigma=THERMAL
    )


@pytest.mark.parametrize(
    ("symbol", "defocus"),
    [
        ("Pt", 0),
        ("Fe", 0),
        ("Pt", 20),
        ("Pt", -40),
        ("Pt", 50),
        ("Pt", 75),
    ],
)
@pytest.mark.parametrize("source", [1.0, 2.0])
def test_visibility_is_that_of_a_matched_filter(symbol, defocus, source):
    dose, background = 2e4, 0.02
    labels = labels_of(one_atom(symbol), background, 10.0 - defocus, dose, source)
    assert labels["defocus_angstrom"][0] == pytest.approx(defocus)
    step = SCAN.sampling
    blur = np.hypot(THERMAL, source / FWHM)
    image = atom_image(symbol, MICROSCOPE, "HAADF", defocus, step, blur).astype(float)
    contrast = image.max() / background
    cnr = np.sqrt(dose * step**2 * (image**2).sum() / background)
    assert labels["scattering"][0] == pytest.approx(image.sum() * step**2, rel=0.01)
    assert labels["contrast"][0] == pytest.approx(contrast, rel=0.08)
    assert labels["cnr"][0] == pytest.approx(cnr, rel=0.08)


def test_visibility_scales_with_dose_and_falls_with_the_source():
    labels = labels_of(one_atom())
    contrast, cnr = visibility(labels, 1e4, 1.0)
    np.testing.assert_allclose(cnr, labels["cnr"])
    np.testing.assert_allclose(contrast, labels["contrast"])
    more = visibility(labels, 4e4, 1.0)
    assert more[1] == pytest.approx(2 * cnr)
    assert more[0] == pytest.approx(contrast)
    blurred = visibility(labels, 1e4, 3.0)
    assert blurred[0] < contrast
    assert blurred[1] < cnr


@pytest.mark.parametrize("share", [0.001, 0.4, 0.6, 2.0])
def test_contrast_is_at_most_two(share):
    """Half the atom's own peak stands in for a background that is darker."""
    width, source = 1.0, 1.0 / FWHM
    peak = 0.03 / (2 * np.pi * (width**2 + source**2))
    columns = {"scattering": 0.03, "noise_width_angstrom": width, "peak_width_angstrom": width}
    values = {name: [value] for name, value in {**columns, "background": share * peak}.items()}
    contrast, _ = visibility(Annotations([[5, 5]], columns=values), 1e4, 1.0)
    assert contrast[0] == pytest.approx(min(1 / share, 2))


def test_texture_that_is_white_counts_as_so_many_electrons_less():
    labels = labels_of(one_atom())
    # White texture of power 1/D₁ beside counts of 1/D₂: the noise of a dose of 1/(1/D₁ + 1/D₂).
    white = Texture(np.array([0.0, 2.0]), np.full(2, 1 / 3e4))
    cnr = visibility(labels, 6e4, 0.0, white)[1]
    assert cnr == pytest.approx(visibility(labels, 2e4, 0.0)[1], rel=1e-3)
    none = Texture(white.frequency, np.zeros(2))
    assert visibility(labels, 6e4, 1.5, none)[1] == pytest.approx(visibility(labels, 6e4, 1.5)[1], rel=1e-3)


def test_visibility_against_texture_is_that_of_a_linear_observer():
    """The prewhitening filter, run on images with and without the atom, has the contrast-to-noise that is claimed."""
    labels, dose, step = labels_of(one_atom()), 1e5, 0.25
    width, source = float(labels["noise_width_angstrom"][0]), 1.2
    rng = np.random.default_rng(1)
    background, side = float(labels["background"][0]), 160
    frequency = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(side, step)]))
    blur = np.exp(-2 * np.pi**2 * (source / FWHM) ** 2 * frequency**2)

    def support(number):
        """Grains of 2 Å, each a Poisson number of electrons: the clean support."""
        grains = rng.poisson(40, (number, side, side)) / 40 * background
        return np.fft.ifft2(np.fft.fft2(grains) * np.exp(-((np.pi * frequency) ** 2))).real

    one = [Texture.of(image, step) for image in support(8)]
    texture = Texture(one[0].frequency, np.mean([t.power for t in one], axis=0))
    atom = np.exp(-2 * np.pi**2 * width**2 * frequency**2) * blur * float(labels["scattering"][0])
    power = background * (1 / dose + np.interp(frequency, texture.frequency, texture.power) * blur**2)
    images = np.fft.ifft2(np.fft.fft2(support(200)) * blur).real
    images = rng.poisson(images * dose * step**2) / (dose * step**2)
    cell = 1 / (side * step) ** 2
    response = (np.conj(np.fft.fft2(images) * step**2) * atom / power).real.copy()
    response[:, 0, 0] = 0  # the mean itself tells nothing
    noise = (response.sum((1, 2)) * cell).std()
    signal = (atom**2 / power).sum() * cell
    assert visibility(labels, dose, source, texture)[1][0] == pytest.approx(signal / noise, rel=0.15)


def test_without_an_electron_nothing_is_visible():
    white = Texture(np.array([0.0, 2.0]), np.full(2, 1e-4))
    contrast, cnr = visibility(labels_of(one_atom()), 0.0, 1.0, white)
    assert (contrast.tolist(), cnr.tolist()) == ([0], [0])


def test_what_is_left_of_atoms_on_vacuum_is_no_texture():
    """An atom has tails that its Gaussian leaves; beside them there is nothing."""
    labels = labels_of(one_atom(), background=0.0)
    image = atom_image("Pt", MICROSCOPE, "HAADF", 0.0, SCAN.sampling, THERMAL)
    signal = np.zeros(SCAN.shape, np.float32)
    x, y = np.rint(labels.points[0]).astype(int)
    half = min(image.shape[0] // 2, y, x)
    middle = image.shape[0] // 2
    cut = slice(middle - half, middle + half)
    signal[y - half : y + half, x - half : x + half] = image[cut, cut]
    texture = Texture.of(signal, SCAN.sampling, labels)
    cnr = visibility(labels, 1e4, 1.0, texture)[1]
    assert cnr == pytest.approx(visibility(labels, 1e4, 1.0)[1], rel=0.05)


def test_vacuum_gives_finite_numbers():
    labels = labels_of(one_atom(), background=0.0)
    assert np.isfinite(labels["cnr"]).all()
    assert labels["cnr"][0] > 0


def test_points_are_x_y_pixels_and_only_scattered_atoms_are_labelled():
    tags = [Tag.SINGLE_ATOM, Tag.CLUSTER_ATOM, 0, Tag.SINGLE_ATOM]
    positions = [[3 + 5.0, 3 + 2.5, 1], [3 + 14, 3 + 9, 2], [10, 6, 3], [1.0, 6, 4]]
    atoms = Atoms("PtFeCPt", positions=positions, cell=[*SCAN.cell, 40.0], tags=[int(t) for t in tags])
    labels = labels_of(atoms)
    # The last one lies in the margin, outside the field of view.
    np.testing.assert_allclose(labels.points, [[20, 10], [56, 36]])
    np.testing.assert_array_equal(labels["element"], [78, 26])
    np.testing.assert_array_equal(labels["tag"], [int(t) for t in tags[:2]])
    np.testing.assert_allclose(labels["z_angstrom"], [1, 2])
    np.testing.assert_allclose(labels["defocus_angstrom"], [-9, -8])


def test_the_background_is_taken_at_the_atom():
    signal = np.zeros((1, *SCAN.shape), dtype=np.float32)
    signal[:, :, 30:] = 0.04
    atoms = Atoms(
        "Pt2", positions=[[4, 8, 1], [17, 8, 1]], cell=[*SCAN.cell, 4], tags=[int(Tag.SINGLE_ATOM)] * 2
    )
    labels = label_atoms(atoms, signal, MICROSCOPE, SCAN, 1.0, reference_dose=1e4)
    assert labels["background"] == pytest.approx([0, 0.04], abs=2e-3)


def test_no_atoms():
    labels = labels_of(Atoms("C", positions=[[5, 5, 1]], cell=[*SCAN.cell, 4]))
    assert len(labels) == 0
    assert {"element", "cnr", "contrast", "z_angstrom"} <= set(labels.columns)


def test_labels_say_where_an_atom_sits(quick):
    changes = {
        "support": {"kind": "crystal_slab", "crystal": "mgo", "face": [0, 0, 1], "thickness": 21},
        "scan": {"shape": [40, 40], "sampling": 0.5, "margin": 0},
        "single_atoms": [
            {"element": "Ir", "placement": "top", "areal_density": 2.0},
            {"element": "Ni", "placement": "substitutional", "replaces": "Mg", "areal_density": 1.0},
            {"element": "Rh", "areal_density": 0.5},
        ],
    }
    drawn, atoms = quick(**changes).build(0)
    signal = np.zeros((1, 40, 40), dtype=np.float32)
    labels = label_atoms(
        atoms, signal, drawn.microscope, drawn.scan, drawn.focus_depth(atoms), reference_dose=1e4
    )
    iridium, nickel, rhodium = (labels["element"] == z for z in (77, 28, 45))
    assert min(iridium.sum(), nickel.sum(), rhodium.sum()) >= 1
    assert set(labels["site"][iridium]) == {Site.TOP}
    assert set(labels["site"][nickel]) == {Site.SUBSTITUTIONAL}
    assert set(labels["site"][rhodium]) == {Site.SURFACE}
    # Ten layers, and the atom on them; a substitute stands in for one of the ten.
    assert set(labels["column_height"][iridium]) == {11}
    assert set(labels["column_height"][nickel]) <= {10, 11}
    # The beam enters at low z: atoms on that side lie 2 Å over it, on the other 2 Å below nine layers.
    depths = labels["depth_angstrom"]
    assert {round(float(depth), 2) for depth in depths[iridium]} <= {-2.0, round(9 * 2.1056 + 2, 2)}
    assert (depths[nickel] > -1e-6).all()
    assert (depths[nickel] < 9 * 2.1056 + 1e-6).all()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"placement": "top", "cluster_fraction": 0.1}, "placement top puts bare single atoms"),
        ({"placement": "step", "ligand": "OH"}, "placement step puts bare single atoms"),
        ({"placement": "substitutional"}, "and replaces, an element of the support, go together"),
        ({"placement": "top", "replaces": "Mg"}, "go together"),
        ({"placement": "substitutional", "replaces": "Qq"}, "no such element"),
        ({"depth_range": [0, 1]}, "depth_range is for placement substitutional"),
    ],
)
def test_what_a_placement_cannot_do_is_refused_when_a_recipe_is_read(quick, values, says):
    with pytest.raises(RecipeError, match=says):
        quick(single_atoms=[{"element": "Ir", **values}])
