"""Columns of guests: rigid molecules in average cells, with and without an order."""

import csv
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from stemforge.__main__ import main
from stemforge.errors import InputError
from stemforge.infer import draw_columns, find_columns
from stemforge.infer.columns.files import doubts
from stemforge.infer.columns.guests.columns import column_atoms
from stemforge.infer.columns.guests.result import GuestColumns
from stemforge.infer.columns.guests.rigid import NUMBER, RigidGuest
from stemforge.infer.columns.guests.search import (
    NOT_DETERMINED,
    ChannelGuest,
    GuestSearch,
    _full_channels,
    _Refinement,
)
from stemforge.infer.columns.sites import column_sites
from stemforge.infer.columns.white import Grid
from stemforge.infer.occupancy.crystal import Crystal, finest_spacing
from stemforge.micrograph.writers import write_tiff
from tests.infer.conftest import SAMPLING, WIDTH

COPIES = 25
NOISE = 0.002  # of a coefficient of the average cell, of which the framework's are up to 0.5


def in_channel(molecule, crystal, number=0):
    atoms = molecule.atoms.copy()
    atoms.positions[:, :2] += crystal.channels[number]
    return RigidGuest(molecule.name, atoms)


@pytest.fixture(scope="module")
def guest(crystal):
    """Return a molecule in a pose that no search starts from."""
    return in_channel(crystal.guests[5], crystal).moved(np.array([0.2, -0.1, 0.3, -0.2, 0.4, 0.0]))


def found_in(crystal, spectrum, noise=NOISE, seed=0):
    """Return what is found in the first channel of an average cell that shows a potential beside the framework."""
    rng = np.random.default_rng(seed)
    sites = column_sites(crystal.atoms)
    hk = crystal.indices(finest_spacing(SAMPLING))
    k, area = hk / crystal.cell, float(crystal.cell.prod())
    places = np.array([site.place for site in sites]) + rng.normal(0, 0.1, (len(sites), 2))
    shapes = np.array([site.spectrum(k) for site in sites]) * np.exp(-2j * np.pi * places @ k.T)
    shown = (shapes.sum(0) + spectrum(k)) / area * np.exp(-(k**2).sum(1) / WIDTH)
    measured = shown + noise * (rng.normal(size=len(k)) + 1j * rng.normal(size=len(k))) / np.sqrt(2)
    average = (measured, np.full(len(k), noise**2))
    cell = SimpleNamespace(k=k, sites=sites, powers=crystal.powers(hk), average=lambda: average)
    few = replace(crystal, guests=crystal.guests[::4])
    moved = (places - [site.place for site in sites]).mean(0)
    return _Refinement(cell, few).guests([0], [COPIES])[0], moved


@pytest.fixture(scope="module")
def found_guest(crystal, guest):
    """Return what is found of a molecule alike in all cells, and the mean way of the framework's columns."""
    return found_in(crystal, lambda k: guest.waves(k).sum(0))


def test_slopes_are_differences(guest):
    k = np.array([[0.1, 0.3], [0.5, -0.2], [0.0, 0.7]])
    slopes = guest.slopes(k, guest.waves(k))
    step = 1e-5
    for part in range(NUMBER):
        ends = [guest.moved(sign * step * np.eye(NUMBER)[part]) for sign in (1, -1)]
        one, other = (end.content * end.waves(k).sum(0) for end in ends)
        assert slopes[part] == pytest.approx((one - other) / (2 * step), abs=1e-4)


@pytest.mark.slow
def test_a_molecule_is_found_where_it_is(found_guest, guest):
    found, moved = found_guest
    assert found.probability > 0.99
    assert found.content == pytest.approx(1, abs=0.3)
    heavy = guest.atoms[guest.heavy]
    truth = np.array([heavy.positions[group, :2].mean(0) for group in column_atoms(guest)])
    places = np.array([column.place for column in found.columns])
    distance, which = cKDTree(truth).query(places)
    assert len(places) == len(truth) == len(set(which.tolist()))
    error = places + moved - truth[which]
    stated = np.array([np.sqrt(np.diag(column.covariance)) for column in found.columns])
    assert distance.max() < 0.3
    # Five values for all columns: some luck is allowed for.
    assert 0.2 < np.sqrt(((error / stated) ** 2).mean()) < 2.5
    assert all(0 <= column.elements_probability <= 1 for column in found.columns)


@pytest.mark.slow
def test_an_empty_channel_has_no_columns(crystal):
    found, _ = found_in(crystal, lambda k: np.zeros(len(k)))
    assert found.probability < 0.1
    assert found.columns == ()


@pytest.mark.slow
def test_molecules_in_any_pose_have_no_columns(crystal):
    rng = np.random.default_rng(3)
    drawn = rng.integers(len(crystal.guests), size=COPIES)
    every = [in_channel(crystal.guests[number], crystal) for number in drawn]
    found, _ = found_in(crystal, lambda k: np.mean([one.waves(k).sum(0) for one in every], axis=0))
    assert found.probability < 0.5
    assert found.columns == ()


@pytest.mark.slow
def test_noise_hides_a_molecule(crystal, guest):
    found, _ = found_in(crystal, lambda k: guest.waves(k).sum(0), noise=20 * NOISE)
    assert found.columns == ()


def occupancy_of(probability, ordered):
    return SimpleNamespace(probability=np.array(probability), ordered=ordered)


def test_channels_are_full_in_ordered_crystals_only():
    site = np.array([0, 0, 1, 1])
    assert _full_channels(occupancy_of([0.99, 0.95, 0.02, 0.1], 0.99), site, site)[0] == [0]
    assert "probability of 0.40" in _full_channels(occupancy_of([0.9, 0.9, 0.0, 0.0], 0.4), site, site)[1]
    assert "cannot be asked" in _full_channels(occupancy_of([0.9, 0.9, 0.0, 0.0], None), site, site)[1]
    assert "some copies" in _full_channels(occupancy_of([0.9, 0.1, 0.0, 0.0], 0.99), site, site)[1]
    # Two domains, one of which has other channels filled.
    both = occupancy_of([0.99, 0.01, 0.01, 0.99], 0.99)
    assert "some copies" in _full_channels(both, np.arange(4), np.array([0, 1, 0, 1]))[1]


@pytest.fixture(scope="module")
def with_guests(found, crystal, found_guest):
    """Return columns of a film to which those of a molecule were added in all its copies but one."""
    column = found_guest[0].columns[0]
    axes = found.lattice.sites(crystal.channels[:1] / crystal.cell, found.micrograph.shape)
    none = replace(column, intensity=np.nan, intensity_error=np.nan)
    search = GuestSearch(
        (ChannelGuest(0, "pyridine", 0.99, 1.0, (column, none)),),
        (),
        (axes[1:], np.zeros(len(axes) - 1, dtype=int)),
    )
    grid = Grid.of(found.lattice, found.micrograph.shape)

    def copies(place):
        return found.lattice.sites(place[None] / crystal.cell, found.micrograph.shape)

    moved = np.zeros((60, 2))
    return replace(found, guests=GuestColumns.placed(search, crystal, moved, grid, copies)), axes


@pytest.mark.slow
def test_columns_stand_in_filled_channels(with_guests, crystal):
    columns, axes = with_guests
    guests = columns.guests
    beside = (guests.columns[0].place - crystal.channels[0]) / crystal.cell @ columns.lattice.matrix.T
    at = guests.points[guests.which == 0] - beside
    assert cKDTree(axes[1:]).query(at)[0].max() < 0.01
    assert cKDTree(axes[:1]).query(at)[0].min() > 5
    assert "of guests" in str(columns)


@pytest.mark.slow
def test_table_and_picture_have_guests(with_guests, tmp_path):
    columns, _ = with_guests
    columns.to_csv(tmp_path / "columns.csv")
    with (tmp_path / "columns.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    guests = [row for row in rows if row["class"] == "guest"]
    assert len(guests) == len(columns.guests.points)
    assert {row["intensity"] != "" for row in guests} == {True, False}
    assert guests[0]["guest_probability"] == guests[0]["probability"]
    assert all(
        row["guest_probability"] == "0.0000" and not row["elements"] for row in rows[: len(columns.points)]
    )
    assert json.dumps(columns.to_dict()).count("place_angstrom") == 2
    figure = draw_columns(columns, tmp_path / "columns.png")
    words = [text.get_text() for text in figure.axes[2].get_legend().get_texts()]
    assert f"guest: {len(guests)}" in words


def test_guests_need_channels_and_all_cells(small_film, crystal, tmp_path, capsys):
    with pytest.raises(InputError, match="ChannelCrystal"):
        find_columns(small_film[0], framework=Crystal(crystal.framework, crystal.atoms), guests=("pyridine",))
    words = ["infer", "columns", str(tmp_path / "none.tif"), "--out", str(tmp_path / "out")]
    assert main([*words, "--guest", "pyridine", "--cells", "2"]) == 2
    assert "without cells" in " ".join(capsys.readouterr().err.split())
    assert main([*words, "--guest", "phlogiston"]) == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_command_finds_ordered_guests_and_none_in_an_empty_film(film, crystal, tmp_path):
    molecule = crystal.guests[5]
    for name, noise, column, occupancy in (("ordered", 0.4, molecule, 0), ("empty", 0.4, None, 0)):
        micrograph, *_ = film(occupancy, noise, column=column, turn=0.05)
        write_tiff(tmp_path / f"{name}.tif", micrograph.image, None)
    words = ["infer", "columns", *(str(tmp_path / f"{name}.tif") for name in ("ordered", "empty"))]
    assert main([*words, "--guest", "pyridine", "--out", str(tmp_path / "out"), "--quiet"]) == 0
    facts = json.loads((tmp_path / "out" / "run.json").read_text())["infer columns"]
    assert facts["empty"]["guest"] == 0
    assert NOT_DETERMINED in facts["empty"]["guest_remarks"][0]
    (one,) = facts["ordered"]["guests_of_the_cell"]
    heavy = molecule.atoms[molecule.atoms.numbers > 1].positions[:, :2] + crystal.channels[one["channel"]]
    places = np.array([column["place_angstrom"] for column in one["columns"]])
    assert len(places) >= 4
    assert cKDTree(heavy).query(places)[0].max() < 0.4


@pytest.mark.slow
def test_what_is_not_determined_is_told(with_guests):
    columns, _ = with_guests
    nothing = replace(columns.guests, search=GuestSearch(remarks=(f"{NOT_DETERMINED}: no order",)))
    assert any("no order" in line for line in doubts(replace(columns, guests=nothing)))
