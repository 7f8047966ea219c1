"""What a conformation stands on: candidates, cells, covariance, fits, confusion."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from stemforge.errors import InputError
from stemforge.infer.conformation.candidates import (
    NONE,
    Candidate,
    check_candidates,
    framework_correlation,
    names_of,
    read_candidates,
)
from stemforge.infer.conformation.confusion import WANTED, confusion_of, needed_block, needed_factor
from stemforge.infer.conformation.covariance import (
    Autocorrelation,
    covariance_of_average,
    covariance_of_spots,
    stacked,
)
from stemforge.infer.conformation.fitting import Reflections, fit_candidate
from stemforge.infer.conformation.poses import places_beside
from stemforge.infer.crystals.cells import Cells, coefficients
from stemforge.infer.crystals.lattice import Lattice
from stemforge.infer.occupancy.noise import Noise
from stemforge.infer.occupancy.registration import Registration
from stemforge.structures import mfi
from tests.infer.conformation.conftest import SAMPLING, WIDTH, write_cif

CELL = (20.11351, 13.40977)


def lattice_of(turn=0.0, origin=(40.0, 50.0)):
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    a, b = (rotation * (np.array(CELL) / SAMPLING)).T
    return Lattice(origin, tuple(a), tuple(b), SAMPLING, 0.0, 0.0, 1.0, "mfi", CELL)


def test_candidates_are_read_from_files(candidates, tmp_path):
    files = [write_cif(one.crystal.atoms, tmp_path / f"{one.name}.cif") for one in candidates[:2]]
    read = read_candidates(files)
    assert [one.name for one in read] == ["a", "b"]
    for one, known in zip(read, candidates, strict=False):
        assert len(one.guest_positions) == len(known.guest_positions) == 11
        hk = known.crystal.indices(2.0)
        # Displacements of the framework's atoms are not in these files, so that contrast differs by a little.
        assert np.abs(np.vdot(one.crystal.coefficients(hk), known.crystal.coefficients(hk))) == pytest.approx(
            np.linalg.norm(one.crystal.coefficients(hk)) * np.linalg.norm(known.crystal.coefficients(hk)),
            rel=0.01,
        )


def test_files_of_one_name_are_told_by_their_folders(candidates, tmp_path):
    files = []
    for one in candidates[:2]:
        (tmp_path / one.name).mkdir()
        files.append(write_cif(one.crystal.atoms, tmp_path / one.name / "relaxed.cif"))
    assert [one.name for one in read_candidates(files)] == ["a/relaxed", "b/relaxed"]
    (tmp_path / "link.cif").symlink_to(files[0])
    for twice in ([files[0], files[0]], [files[0], tmp_path / "link.cif"]):
        with pytest.raises(InputError, match="given twice"):
            read_candidates(twice)


def test_files_are_named_by_as_many_folders_as_it_takes(tmp_path):
    files = [
        tmp_path / folder / "x" / name for folder, name in (("a", "1.cif"), ("b", "1.cif"), ("b", "2.cif"))
    ]
    assert names_of(files) == ["a/x/1", "b/x/1", "b/x/2"]
    assert names_of([tmp_path / "1.cif", tmp_path / "1.res"]) == [
        str(tmp_path / "1.cif"),
        str(tmp_path / "1.res"),
    ]


def test_what_cannot_be_compared_is_refused(candidates, tmp_path):
    with pytest.raises(InputError, match="at least 2"):
        check_candidates(candidates[:1])
    with pytest.raises(InputError, match=r"none\.cif"):
        read_candidates([tmp_path / "none.cif", tmp_path / "other.cif"])
    wide = candidates[1].crystal.atoms.copy()
    wide.set_cell(wide.cell * [[1.03], [1], [1]], scale_atoms=True)
    with pytest.raises(InputError, match=r"the cell of 'wide' \(20\.72"):
        check_candidates([candidates[0], Candidate.from_atoms("wide", wide)])
    shuffled = mfi()
    shuffled.positions[:, :2] = np.random.default_rng(0).uniform(0, 1, (len(shuffled), 2)) * CELL
    with pytest.raises(InputError, match="different frameworks"):
        check_candidates([candidates[0], Candidate.from_atoms("shuffled", shuffled)])
    with pytest.raises(InputError, match="what is said where no candidate fits"):
        check_candidates([candidates[0], replace(candidates[1], name=NONE)])
    with pytest.raises(InputError, match="'one' and 'other' hold no molecule"):
        check_candidates([Candidate.from_atoms(name, mfi()) for name in ("one", "other")])


def test_a_mirrored_framework_at_another_origin_is_the_same_one(candidates):
    atoms = candidates[1].crystal.atoms.copy()
    atoms.positions[:, 0] = 7.3 - atoms.positions[:, 0]
    # The origin is looked for in steps of 0.3 Å.
    assert framework_correlation(candidates[0], Candidate.from_atoms("mirrored", atoms)) > 0.97


def test_as_many_cells_as_the_image_shows():
    shape = (round(4 * CELL[1] / SAMPLING) + 3, round(5 * CELL[0] / SAMPLING) + 3)
    cells = Cells.of(lattice_of(), shape)
    assert len(cells.places) == 20
    points = cells.lattice.to_pixel((cells.places[:, None] + cells.fractions).reshape(-1, 2))
    assert points.min() >= -0.5
    assert np.all(points.max(0) <= np.array(shape[::-1]) - 0.5)


def test_too_few_cells_are_refused():
    with pytest.raises(InputError, match="shows 4 whole cells; at least 9"):
        Cells.of(lattice_of(), (95, 140))


def test_blocks_are_whole_and_share_no_cell():
    cells = Cells.of(lattice_of(0.2), (300, 420))
    blocks = cells.blocks(2)
    assert len(blocks) > 1
    assert len(np.unique(np.concatenate(blocks))) == 4 * len(blocks)
    assert all(np.ptp(cells.places[block], axis=0).tolist() == [1, 1] for block in blocks)
    assert len(cells.blocks(None)[0]) == len(cells.places)
    with pytest.raises(InputError, match="cells must be smaller than 9"):
        cells.blocks(9)
    with pytest.raises(InputError, match="1 or more"):
        cells.blocks(0)
    with pytest.raises(InputError, match="smaller than 1000000"):
        cells.blocks(1_000_000)  # at once


def test_cells_that_are_drawn_are_cut_again(candidates):
    cells = Cells.of(lattice_of(0.2), (300, 420))
    hk = candidates[0].crystal.indices(1.3)
    rng = np.random.default_rng(0)
    values = rng.normal(size=len(hk)) + 1j * rng.normal(size=len(hk))
    cell = np.fft.ifft2(_plane(values, hk, cells.grid)).real * np.prod(cells.grid)
    again = coefficients(cells.cut(Registration.none((300, 420)).drawn(cell, cells.lattice)), hk)
    assert np.sqrt((np.abs(again - values) ** 2).mean()) < 0.03


def _plane(values, hk, grid):
    plane = np.zeros(grid, dtype=complex)
    plane[hk[:, 1], hk[:, 0]] = values
    plane[-hk[:, 1], -hk[:, 0]] = values.conj()
    return plane


@pytest.mark.parametrize("averaged", [1, 4])
def test_covariance_is_that_of_drawn_noise(candidates, averaged):
    """Noise of iDPC, stronger the slower, low-passed as published images are."""
    shape = (250, 330)
    cells = Cells.of(lattice_of(0.1), shape)
    hk = candidates[0].crystal.indices(2.0)
    y, x = (np.fft.fftfreq(n, SAMPLING) for n in shape)
    radius = np.hypot(y[:, None], x)
    density = np.where(radius < 1 / 1.1, 1 / (0.05 + radius) ** 2, 0.0)
    rings = np.linspace(0, 1 / SAMPLING, 2000)
    noise = Noise(rings, 1 / (0.05 + rings) ** 2)
    block = cells.blocks(2)[0][:averaged]
    expected = covariance_of_average(cells, block, hk, Autocorrelation.of(noise, 1.1, cells.extent))
    found = []
    for seed in range(40):
        white = np.fft.fft2(np.random.default_rng(seed).normal(size=shape))
        image = np.fft.ifft2(white * np.sqrt(density)).real / SAMPLING
        values = coefficients(cells.cut(image), hk)
        blocks = [block] if averaged > 1 else [np.array([i]) for i in range(len(cells.places))]
        found += [stacked(values[one].mean(0)) for one in blocks]
    factor = np.linalg.cholesky(expected)
    white = np.linalg.solve(factor, np.array(found).T)
    assert (white**2).mean() == pytest.approx(1.0, abs=0.06)
    # Slow noise spreads over a cell's frequencies: taking them for independent would not make it white.
    alone = np.array(found).T / np.sqrt(np.diag(expected))[:, None]
    near = np.abs(np.corrcoef(alone) - np.eye(len(alone))).max()
    assert near > 0.2


def test_a_candidate_is_registered_in_any_sense(candidates):
    candidate = candidates[0]
    hk = candidate.crystal.indices(1.1)
    signs, origin = (1, -1), np.array([0.31, 0.77])
    fade = np.exp(-((hk / candidate.cell) ** 2).sum(1) / WIDTH)
    values = candidate.crystal.coefficients(hk * np.array(signs)) * fade * np.exp(-2j * np.pi * hk @ origin)
    scale = np.abs(values).max()
    found = fit_candidate(candidate, Reflections(hk, values, np.full(len(hk), (1e-3 * scale) ** 2)))
    assert found.signs == signs
    beside = found.origin - origin
    assert np.abs(beside - np.round(beside)).max() < 0.006  # the transfer knows a shift, too
    assert np.abs(found.coefficients - values).max() < 0.01 * scale


def test_confusion_of_two_is_known():
    distance = 2.0
    found = confusion_of(np.array([[0.0, 0.0, 0.0], [distance, 0.0, 0.0]]))
    right = norm.cdf(distance / 2)
    assert found == pytest.approx(np.array([[right, 1 - right], [1 - right, right]]), abs=0.03)
    # Candidates in all directions, far from each other, are always told.
    assert np.diag(confusion_of(np.eye(4) * 20)) == pytest.approx(1.0)


class _Distant:
    """Two candidates whose difference lies along one axis of unit length."""

    @staticmethod
    def whitened(noise):
        return np.array([[0.0], [1 / np.sqrt(noise[0, 0])]])


def test_blocks_are_asked_for_the_noise_they_have():
    """Cells that share half of their noise need more of each other than cells with noise of their own."""
    alone = np.array([[0.6]])
    factor = needed_factor(_Distant, alone)
    independent = needed_block(_Distant, lambda size: alone / size**2, factor)
    assert independent == int(np.ceil(np.sqrt(factor)))
    shared = needed_block(_Distant, lambda size: alone * (0.05 + 0.95 / size**2), factor)
    assert shared > independent
    right = [
        np.diag(confusion_of(_Distant.whitened(alone * (0.05 + 0.95 / n**2)))).mean()
        for n in (shared - 1, shared)
    ]
    assert right[0] < WANTED <= right[1]
    assert needed_block(_Distant, lambda size: alone * (0.5 + 0.5 / size**2), factor) is None
    # Slow noise that cells' edges spread is less in a block than cells of their own would have.
    fewer = needed_block(_Distant, lambda size: alone / size**4, factor)
    assert fewer < independent


def test_covariance_of_what_is_everywhere_is_its_power(candidates):
    cells = Cells.of(lattice_of(), (200, 270))
    hk = candidates[0].crystal.indices(2.0)
    power = np.random.default_rng(0).uniform(1, 2, len(hk))
    everywhere = covariance_of_spots(cells, np.ones(cells.grid), hk, power)
    # Real and imaginary part have half of the power each.
    assert everywhere == pytest.approx(np.diag(np.tile(power / 2, 2)) / np.prod(cells.grid), abs=1e-12)
    window = np.random.default_rng(1).uniform(0, 1, cells.grid)
    spots = covariance_of_spots(cells, window, hk, power)
    assert np.linalg.eigvalsh(spots).min() > -1e-9 * np.trace(spots)


@pytest.mark.parametrize("displacement", [0.02, 0.07, 0.1, 0.25, 0.3, 0.35, 0.6, 1.0, 2.0])
def test_places_beside_are_as_far_as_was_said(displacement):
    places, probability = places_beside(displacement)
    assert 20 < len(places) <= 200
    assert probability.sum() == pytest.approx(1)
    assert probability @ places == pytest.approx((0, 0), abs=1e-12)
    assert np.sqrt(probability @ (places**2).sum(1)) == pytest.approx(displacement, rel=0.05)


@pytest.mark.parametrize("displacement", [-0.1, 3.0, float("nan")])
def test_a_displacement_that_means_another_conformer_is_refused(candidates, displacement):
    with pytest.raises(InputError, match="displacement must be 0 to 2"):
        replace(candidates[0], displacement=displacement)
