"""Segmented signals of crystals, tile by tile."""

import numpy as np
import pytest
from ase import Atoms

from stemforge.errors import InputError
from stemforge.simulate import Auto, Microscope, Multislice, Scan, idpc_image, segmented_signal
from stemforge.simulate.planning.deviation import Piece
from stemforge.structures import GUEST, mfi, place_guest

MICROSCOPE = Microscope(preset="low-dose-idpc")


def raster(shape, sampling, **options):
    return Scan.of_any_size(shape, sampling, **options)


def single(symbol="Si", at=(5.0, 6.0), cell=(10.0, 12.0)):
    return Atoms(symbol, positions=[[*at, 1.0]], cell=[*cell, 2.0])


def few():
    rng = np.random.default_rng(4)
    atoms = Atoms("Si2O3N", positions=rng.uniform(0, 1, (6, 3)) * [9, 8, 3.8], cell=[9, 8, 4])
    atoms.set_array("thermal_sigma", np.zeros(6))
    return atoms


def laid_out(atoms, across, down):
    """Repeat a cell into tiles."""
    repeated = atoms.repeat((across, down, 1))
    column, row = np.floor(repeated.positions[:, :2] / np.diag(atoms.cell)[:2] + 1e-9).astype(int).T
    repeated.set_array("tile", row * across + column)
    repeated.info = {"tiles": (across, down), "tile_size": tuple(np.diag(atoms.cell)[:2])}
    return repeated


def test_vacuum_passes_every_electron():
    faint = single("H", cell=(10.0, 10.0))
    signal = segmented_signal(
        faint, Microscope(preset="low-dose-idpc", detectors={"segments": (0, 30)}), raster((20, 20), 0.5), 1.0
    )
    np.testing.assert_allclose(signal.sum(0), 1, atol=1e-3)
    np.testing.assert_allclose(signal.mean((1, 2)), 0.25, atol=0.01)


@pytest.mark.slow
def test_is_plain_multislice():
    """The same cell by abTEM's own multislice, probe and detector."""
    atoms, scan = few(), raster((16, 18), 0.5)
    fast = segmented_signal(atoms, MICROSCOPE, scan, 2.0, sampling=0.1, slice_thickness=1.0)
    plain = Multislice(frozen_phonons=0, sampling=0.03, slice_thickness=1.0)
    slow = plain.image(atoms, MICROSCOPE, scan, 2.0)
    difference = [a - b for a, b in zip(idpc_image(fast, 0.5), idpc_image(slow, 0.5), strict=True)]
    assert np.std(difference) < 0.02 * np.std(idpc_image(slow, 0.5))
    for channel in range(4):
        assert np.corrcoef(fast[channel].ravel(), slow[channel].ravel())[0, 1] > 0.999


@pytest.mark.parametrize("defocus", [-40.0, 0.0, 40.0])
def test_single_atom_is_bright_and_centred(defocus):
    step = 0.1
    image = idpc_image(
        segmented_signal(single(at=(5.03, 6.02)), MICROSCOPE, raster((120, 100), step), 1.0 + defocus),
        step,
        periodic=True,
    )
    y, x = np.unravel_index(image.argmax(), image.shape)

    # The middle of a parabola through the neighbours.
    def vertex(a, b, c):
        return 0.5 * (a - c) / (a - 2 * b + c)

    dx, dy = vertex(*image[y, x - 1 : x + 2]), vertex(*image[y - 1 : y + 2, x])
    assert np.hypot((x + dx) * step - 5.03, (y + dy) * step - 6.02) < 0.05
    assert image.max() > 5 * abs(image.min())


def test_signal_rises_about_linearly_with_the_atomic_number():
    """The phase of a projected potential: its integral goes with the mean inner potential, not with Z²."""
    heights = []
    for symbol in ("C", "O", "Si"):
        signal = segmented_signal(single(symbol), MICROSCOPE, raster((60, 50), 0.2), 1.0)
        heights.append(np.ptp(idpc_image(signal, 0.2, periodic=True)))
    assert heights[0] < heights[1] < heights[2]
    assert 0.4 < np.log(heights[2] / heights[0]) / np.log(14 / 6) < 1.3


def test_tiles_are_imaged_as_the_crystal():
    atoms = few()
    one = segmented_signal(atoms, MICROSCOPE, raster((16, 18), 0.5), 2.0)
    many = segmented_signal(laid_out(atoms, 2, 3), MICROSCOPE, raster((48, 36), 0.5), 2.0)
    np.testing.assert_allclose(many, np.tile(one, (1, 3, 2)), atol=1e-6)


@pytest.mark.slow
def test_a_molecule_on_the_edge_between_two_tiles_stays_whole():
    """MFI's channels lie on the edges of its cell; neighbours hold different guests."""
    rng = np.random.default_rng(2)
    film = place_guest(mfi(repeat=(2, 2)), {"pyridine": 1}, occupancy=0.5, rng=rng)
    assert 0 < len(film.info["molecules"]) < 8
    options = {"sampling": 0.25, "slice_thickness": 8.0}
    scan = raster((70, 106), 0.379)
    with_guests, without = (
        idpc_image(segmented_signal(atoms, MICROSCOPE, scan, 10.0, **options), 0.379, periodic=True)
        for atoms in (film, film[film.get_tags() != GUEST])
    )
    difference = with_guests - without
    cell = tuple(np.diag(film.cell)[:2])
    near = np.zeros(scan.shape, dtype=bool)
    owner = film.arrays["molecule"]
    for number in range(len(film.info["molecules"])):
        places = film.positions[owner == number, :2]
        away = scan.positions(cell) - places.mean(0)
        away -= np.round(away / cell) * cell
        inside = np.hypot(*np.moveaxis(away, -1, 0)) < 4.5
        assert difference[inside].max() > 3 * np.abs(difference).mean()
        near |= inside
    # What the guests add lies where they are labelled, and nowhere else.
    assert (difference[near] ** 2).sum() > 0.85 * (difference**2).sum()


def test_a_turned_scan_shows_the_turned_crystal():
    """Scanned along +y and −x about the middle pixel (12, 12): image, and so detector, turned by 90°."""
    atoms = laid_out(few(), 3, 3)
    straight, turned = (
        segmented_signal(atoms, MICROSCOPE, raster((24, 24), 0.5, rotation=angle), 2.0)
        for angle in (0.0, np.pi / 2)
    )
    # Pixel (row, column) of the turned scan lies at (24 − row, column) of the straight one: (x, y) → (y, 24 − x).
    expected = idpc_image(straight, 0.5).T[::-1]
    a, b = idpc_image(turned, 0.5)[1:], expected[:-1]
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.98
    for k in range(4):  # segment k of the turned detector is segment k + 1 of the straight one
        c, d = turned[k][1:], straight[(k + 1) % 4].T[::-1][:-1]
        np.testing.assert_allclose(c, d, atol=0.002)


@pytest.mark.parametrize("angle", [0.3, np.pi / 2, 2.0])
def test_positions_and_pixels_are_inverse(angle):
    scan = raster((10, 14), 0.3, rotation=angle, shift=(1.0, -2.0))
    places = scan.positions((30.0, 40.0))
    rows, columns = np.indices((10, 14))
    found = scan.pixels(places.reshape(-1, 2), (30.0, 40.0))
    np.testing.assert_allclose(found, np.column_stack([columns.ravel(), rows.ravel()]), atol=1e-9)


def test_thermal_motion_blurs():
    still, moving = single(), single()
    still.set_array("thermal_sigma", np.zeros(1))
    moving.set_array("thermal_sigma", np.full(1, 0.3))
    peaks = [
        np.ptp(idpc_image(segmented_signal(a, MICROSCOPE, raster((60, 50), 0.2), 1.0), 0.2, periodic=True))
        for a in (still, moving)
    ]
    assert peaks[1] < 0.85 * peaks[0]


def test_bad_input():
    with pytest.raises(InputError, match=r"microscope\.detectors: must be a detector of four segments"):
        segmented_signal(single(), Microscope(), raster((16, 16), 0.5), 1.0)
    with pytest.raises(InputError, match="antialias"):
        segmented_signal(single(), MICROSCOPE, raster((16, 16), 0.5), 1.0, sampling=0.4)


def test_auto_keeps_its_error_and_spends_more_for_a_smaller_one():
    piece = Piece.of_crystal(few(), MICROSCOPE, 2.0)
    loose, tight = (piece.cheapest(Auto(max_error=bound)) for bound in (0.05, 0.005))
    assert loose[1][-1].error <= 0.05
    assert tight[1][-1].error <= 0.005
    assert len(tight[1]) > len(loose[1])
    assert tight[0].name == loose[0].name == "prism"
    assert tight[0].sampling * tight[0].slice_thickness < loose[0].sampling * loose[0].slice_thickness
    with pytest.raises(InputError, match="max_error: 1e-09 is out of reach"):
        piece.cheapest(Auto(max_error=1e-9))
