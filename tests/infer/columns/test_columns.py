"""Columns of ZSM-5: places, intensities, classes."""

import csv
import json

import numpy as np
import pytest
from ase.spacegroup import crystal as crystal_of
from scipy import ndimage
from scipy.spatial import cKDTree

from stemforge import Micrograph
from stemforge.__main__ import main
from stemforge.errors import InputError
from stemforge.infer import draw_columns, find_columns, find_domains
from stemforge.infer.columns.analysis import _Search
from stemforge.infer.columns.averaging import average_cells
from stemforge.infer.columns.files import doubts
from stemforge.infer.columns.sites import column_sites
from stemforge.infer.occupancy.crystal import ChannelCrystal, Crystal
from stemforge.infer.occupancy.registration import border_distance
from stemforge.micrograph.writers import write_tiff
from stemforge.simulate import Degradation, SimulationRecipe, degrade, idpc_image, simulate_sample
from tests.infer.conftest import SAMPLING, WIDTH

SMALL = (104, 152)
"""Some five cells, where the lattice need not be found."""


@pytest.mark.slow
def test_columns_are_where_they_are_and_as_sure_as_they_say(small_film, found):
    _, _, points, numbers = small_film
    distance, which = cKDTree(points).query(found.points)
    near = distance * SAMPLING < 0.7
    assert near.mean() > 0.99
    assert np.array_equal(numbers[which[near]], found.site[near])
    error = (found.points - points[which])[near] * SAMPLING
    error = error - error.mean(0)  # coma and a shift of all columns look alike
    pulls = error / (found.errors[near] * SAMPLING)
    assert error.std() < 0.05
    # Copies are off alike, so that one film says this of 120 places on an axis only.
    assert pulls.std() == pytest.approx(1.0, abs=0.2)
    assert found.way == pytest.approx(0.1, abs=0.03)
    assert found.spread < 0.03


@pytest.mark.slow
def test_intensities_are_as_sure_as_they_say(found, crystal):
    strength = np.array([site.strength for site in column_sites(crystal.atoms)])[found.site]
    pulls = (found.intensity - strength) / found.intensity_error
    assert pulls.std() == pytest.approx(1.0, abs=0.35)


@pytest.mark.slow
def test_columns_have_the_classes_of_the_framework(found, crystal):
    kinds = np.array([site.kind for site in column_sites(crystal.atoms)])
    assert np.mean(found.kind == kinds[found.site]) > 0.97


@pytest.mark.slow
def test_copies_that_differ_are_placed_each_by_itself(moved_film, crystal):
    film, lattice, points, _ = moved_film(0.2, seed=4, scatter=0.08)
    found = find_columns(film, framework=crystal, lattice=lattice)
    error = (found.points - points[cKDTree(points).query(found.points)[1]]) * SAMPLING
    error = error - error.mean(0)
    assert found.spread == pytest.approx(0.08, abs=0.02)
    assert error.std() < 0.06
    assert (error / (found.errors * SAMPLING)).std() == pytest.approx(1.0, abs=0.2)


@pytest.mark.slow
def test_a_column_that_is_missing_is_not_called_what_the_lattice_has(moved_film, crystal):
    sites = column_sites(crystal.atoms)
    missing = next(number for number, site in enumerate(sites) if site.kind == "T")
    film, lattice, *_ = moved_film(0.4, seed=6, missing=missing, shape=SMALL)
    found = find_columns(film, framework=crystal, lattice=lattice)
    at = found.site == missing
    assert at.sum() >= 4
    assert not np.any(found.kind[at] == "T")
    kinds = np.array([site.kind for site in sites])
    assert np.mean(found.kind[~at] == kinds[found.site[~at]]) > 0.95


@pytest.mark.long
@pytest.mark.slow
def test_averaged_cells_are_known_better(moved_film, crystal):
    film, *_ = moved_film(8.0, seed=7, shape=(340, 480), turn=0.05)
    single, averaged = (find_columns(film, framework=crystal, cells=n) for n in (1, 2))
    assert np.median(averaged.intensity_error) < 0.65 * np.median(single.intensity_error)
    # Places of copies that are alike rest on all cells, averaged before or not.
    assert np.median(averaged.errors) < 1.3 * np.median(single.errors)


@pytest.mark.slow
def test_it_is_said_where_fine_detail_is_lost(small_film, found, crystal):
    """As by a thick film out of focus, where places are off by more than is stated."""
    film, lattice, *_ = small_film
    assert found.fine_detail == pytest.approx(np.exp(-(0.5**2 - 0.2**2) / WIDTH), abs=0.07)
    assert not any("out of focus" in line for line in doubts(found))
    blurred = ndimage.gaussian_filter(film.image, 0.5 / SAMPLING)
    blurred += np.random.default_rng(0).normal(0, 0.1, blurred.shape).astype("float32")
    lost = find_columns(Micrograph(blurred, name="film"), framework=crystal, lattice=lattice)
    assert lost.fine_detail < 0.18
    assert any("out of focus" in line for line in doubts(lost))


@pytest.mark.slow
def test_what_is_drawn(found, tmp_path):
    figure = draw_columns(found, tmp_path / "columns.png")
    assert (tmp_path / "columns.png").stat().st_size > 10_000
    words = [text.get_text() for text in figure.axes[2].get_legend().get_texts()]
    assert f"with T atoms: {found.count('T')}" in words


def test_noise_without_a_crystal_is_refused(crystal):
    noise = np.random.default_rng(0).normal(size=(200, 200)).astype("float32")
    with pytest.raises(InputError, match="no lattice"):
        find_columns(Micrograph(noise, name="noise"), framework=crystal)


def test_too_few_cells_to_average_are_refused(small_film, crystal):
    with pytest.raises(InputError, match="shows 5 whole cells; at least 9"):
        find_columns(small_film[0], framework=crystal, lattice=small_film[1], cells=3)


def test_averaged_cells_lie_where_they_are_told(crystal, film):
    micrograph, lattice, *_ = film(0.0, 0.1, shape=(380, 460), turn=0.1)
    domains = find_domains(micrograph, lattice, framework=crystal.framework)
    averaged = average_cells(micrograph, domains, 2)
    rows, columns = averaged.middles.shape[:2]
    assert min(rows, columns) >= 3
    assert rows * columns <= (380 * 460) / (4 * np.prod(crystal.cell) / SAMPLING**2)
    # Each block shows what the image has around its middle: the lattice leads from the one to the other.
    height, width = np.array(averaged.micrograph.shape) / (rows, columns)
    for row, column in ((0, 0), (rows - 1, 0), (0, columns - 1)):
        middle = averaged.middles[row, column]
        beside = averaged.lattice.to_fractional(np.array([[(column + 0.5) * width, (row + 0.5) * height]]))
        between = beside - domains.lattice.to_fractional(middle[None])
        # The middle of a block of two cells is a corner of its cells.
        assert np.abs(between - np.round(between)).max() == pytest.approx(0.5, abs=0.03)
        assert averaged.block_of(np.array([[column * width + 3, row * height + 3]]))[0] == pytest.approx(
            middle
        )
    with pytest.raises(InputError, match="blocks of 3 × 3; 9 are needed"):
        average_cells(micrograph, domains, 3)
    with pytest.raises(InputError, match="smaller than 100000"):
        average_cells(micrograph, domains, 100_000)


@pytest.mark.slow
def test_columns_are_expected_where_each_domain_has_them(moved_film, crystal):
    film, lattice, points, numbers = moved_film(0.8, way=0.0, seed=4, displacement=(0.5, 0.2))
    height, width = film.shape
    search = _Search(film, crystal, find_domains(film, lattice, framework=crystal.framework))
    assert len(search.domains.displacements) == 2
    places = search._registered()
    assert np.all(np.diff(places.site) >= 0)
    inside = np.minimum(points, [width - 1, height - 1] - points).min(1) > 0
    points, numbers = points[inside], numbers[inside]
    shown = search._at(border_distance(search.labels), points) * SAMPLING > 4
    distance, which = cKDTree(places.points).query(points[shown])
    assert shown.sum() > 300
    assert np.array_equal(places.site[which], numbers[shown])
    assert distance.max() * SAMPLING < 0.3


@pytest.mark.slow
def test_displaced_domains_have_the_columns_of_one_crystal(moved_film, crystal):
    settings = {"seed": 4, "shape": (170, 280), "turn": 0.1}
    one, lattice, *_ = moved_film(0.8, **settings)
    two, _, points, numbers = moved_film(0.8, displacement=(0.5, 0.2), **settings)
    alone, found = (find_columns(film, framework=crystal, lattice=lattice) for film in (one, two))
    assert "2 domains" in doubts(found)[0]
    assert len(found.points) > 0.85 * len(alone.points)
    distance, which = cKDTree(points).query(found.points)
    assert distance.max() * SAMPLING < 0.6
    assert np.array_equal(numbers[which], found.site)
    error = (found.points - points[which]) * SAMPLING
    assert error.std() < 0.1
    assert found.way == pytest.approx(alone.way, abs=0.02)
    assert found.explained == pytest.approx(alone.explained, abs=0.01)


def test_a_framework_without_channels(tmp_path):
    """Columns are asked for in any crystal: those of cristobalite, whose rings are too narrow for a molecule."""
    path = tmp_path / "cristobalite.cif"
    atoms = crystal_of(
        ("Si", "O"),
        [(0.3, 0.3, 0.0), (0.2383, 0.1109, 0.1826)],
        spacegroup=92,
        cellpar=[4.97, 4.97, 6.93, 90, 90, 90],
    )
    atoms.write(path)
    with pytest.raises(InputError, match="channels"):
        ChannelCrystal.named(str(path))
    found = Crystal.named(str(path))
    assert len(column_sites(found.atoms)) > 4


@pytest.mark.slow
def test_command(moved_film, crystal, tmp_path, capsys):
    film, *_ = moved_film(0.8, seed=4)
    found = find_columns(film, framework=crystal)
    write_tiff(tmp_path / "film.tif", film.image, None)
    words = ["infer", "columns", str(tmp_path / "film.tif"), "--out", str(tmp_path / "out"), "--quiet"]
    assert main(words) == 0
    with (tmp_path / "out" / "film_columns.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["class"] for row in rows] == found.kind.tolist()
    each = [sum(float(row[f"{name}_probability"]) for name in ("T", "O", "none")) for row in rows]
    assert each == pytest.approx(np.ones(len(rows)), abs=3e-4)
    facts = json.loads((tmp_path / "out" / "run.json").read_text())["infer columns"]["film"]
    assert facts["none"] == found.count("none")
    assert (tmp_path / "out" / "film_columns.png").is_file()
    assert "columns with T atoms" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--framework", "xyz"], "CIF"),
        (["--cells", "0"], "cells"),
    ],
)
def test_command_refuses_before_it_reads(tmp_path, capsys, words, says):
    out = tmp_path / "out"
    assert main(["infer", "columns", str(tmp_path / "none.tif"), "--out", str(out), *words]) == 2
    assert says in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


@pytest.mark.slow
def test_another_framework_is_said(moved_film, crystal):
    film, lattice, *_ = moved_film(1.0, seed=8, shape=SMALL)
    atoms = crystal.atoms.copy()
    # As MFI, but half of the oxygen is elsewhere.
    some = np.flatnonzero(atoms.numbers == 8)[::2]
    atoms.positions[some, :2] += np.random.default_rng(0).uniform(-3, 3, (len(some), 2))
    wrong = ChannelCrystal(crystal.framework, atoms, crystal.channels, ())
    assert doubts(find_columns(film, framework=wrong, lattice=lattice))


@pytest.mark.slow
@pytest.mark.physics
def test_multislice_film(crystal):
    recipe = SimulationRecipe.load("zsm5-columns").replace(seed=9)
    values = recipe.model_dump(mode="json")
    values["support"] |= {"thickness": 2, "occupancy": 0.0, "variants": 1}
    sample = simulate_sample(SimulationRecipe.from_mapping(values), 0)
    settings = Degradation(dose=1e4, source_size=0.9)
    counted = degrade(sample.signal, settings, sample.sampling, np.random.default_rng(0)).image
    found = find_columns(Micrograph(idpc_image(counted, sample.sampling), name="film"), framework=crystal)
    kinds = np.array([site.kind for site in column_sites(crystal.atoms)])
    assert np.mean(found.kind == kinds[found.site]) > 0.95
