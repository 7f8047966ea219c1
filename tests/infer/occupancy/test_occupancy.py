"""Channels of ZSM-5, filled and empty."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from stemforge import Micrograph
from stemforge.__main__ import main
from stemforge.errors import InputError
from stemforge.infer import draw_occupancy, measure_occupancy
from stemforge.infer.occupancy.files import doubts
from stemforge.micrograph.writers import write_tiff
from stemforge.simulate import Degradation, SimulationRecipe, degrade, idpc_image, simulate_sample


@pytest.fixture(scope="module")
def half(film):
    micrograph, _, axes, filled = film(0.5, 1.0, seed=4)
    return micrograph, axes, filled


@pytest.fixture(scope="module")
def found(half):
    return measure_occupancy(half[0], guests=("pyridine",))


@pytest.mark.slow
def test_filled_channels_are_told_from_empty_ones(half, found):
    _, axes, filled = half
    distance, which = cKDTree(axes).query(found.points)
    assert distance.max() < 2
    truth = filled[which]
    assert np.mean(found.state[truth] == "filled") > 0.95
    assert np.mean(found.state[~truth] == "empty") >= 0.95
    assert found.share[0] <= truth.mean() <= found.share[1]
    assert np.mean(found.content[truth]) == pytest.approx(1.0, abs=0.2)
    assert np.mean(found.content[~truth]) == pytest.approx(0.0, abs=0.2)


@pytest.mark.slow
def test_nothing_is_found_in_an_empty_film(film):
    micrograph, *_ = film(0.0, 1.0, seed=5)
    found = measure_occupancy(micrograph, guests=("pyridine",))
    assert found.count("filled") == 0


@pytest.mark.slow
def test_columns_in_one_channel_of_every_cell_are_found_more_often_than_others(film, crystal):
    ordered, _, axes, filled = film(0.0, 5.0, seed=10, column=crystal.guests[7])
    found = measure_occupancy(ordered, framework=crystal)
    truth = filled[cKDTree(axes).query(found.points)[1]]
    assert not np.any(found.state[~truth] == "filled")
    assert found.ordered > 0.99
    single, _, axes, filled = film(0.5, 5.0, seed=10)
    alone = measure_occupancy(single, framework=crystal)
    assert alone.ordered < 0.01
    others = filled[cKDTree(axes).query(alone.points)[1]]
    recall = [np.mean(one.state[where] == "filled") for one, where in ((found, truth), (alone, others))]
    assert recall[0] > recall[1] + 0.15


@pytest.mark.slow
def test_errors_are_those_of_the_noise(film):
    micrograph, *_ = film(0.0, 2.0, seed=6)
    found = measure_occupancy(micrograph, guests=("pyridine",))
    assert found.content.std() == pytest.approx(found.content_error[0], rel=0.35)
    assert found.spread[0] == pytest.approx(1, abs=0.5)
    assert found.count("filled") == 0


@pytest.mark.slow
def test_a_shifted_image_has_the_same_answer(film, found):
    micrograph, _, axes, filled = film(0.5, 1.0, seed=4, shift=(5.0, -3.0))
    again = measure_occupancy(micrograph, guests=("pyridine",))
    _, which = cKDTree(axes).query(again.points)
    assert np.mean((again.state == "filled") == filled[which]) > 0.95


@pytest.mark.slow
def test_domains_have_their_own_channels(film):
    shape = (300, 420)
    one, lattice, axes, filled = film(0.5, 1.0, seed=8, shape=shape)
    half = lattice.matrix @ [0.5, 0.5]
    other, _, other_axes, other_filled = film(0.5, 1.0, seed=9, shape=shape, shift=tuple(half))
    x = np.arange(shape[1])
    image = np.where(x < 220, one.image, other.image)
    found = measure_occupancy(Micrograph(image), guests=("pyridine",))
    assert len(found.domains.displacements) == 2
    truth = []
    for points, known, part in ((axes, filled, x[:220]), (other_axes, other_filled, x[220:])):
        inside = (found.points[:, 0] > part[0]) & (found.points[:, 0] < part[-1])
        distance, which = cKDTree(points).query(found.points[inside])
        drawn = distance < 2  # those moved in from beyond the edge are not
        assert drawn.sum() >= 10
        assert drawn.mean() > 0.7
        truth.append(((found.state[inside] == "filled") == known[which])[drawn])
    assert np.mean(np.concatenate(truth)) > 0.93
    assert any("2 domains" in line for line in doubts(found))


@pytest.mark.slow
@pytest.mark.parametrize(("ordered", "says"), [(None, False), (0.3, False), (0.98, True)])
def test_probabilities_that_rest_on_an_order_are_said_to(found, ordered, says):
    other = replace(found, ordered=ordered)
    assert ("ordered crystal (0.98)" in str(other)) == says
    assert json.loads(json.dumps(other.to_dict()))["ordered"] == ordered


@pytest.mark.slow
@pytest.mark.parametrize(("alike", "says"), [(None, False), (0.3, False), (0.98, True)])
def test_probabilities_that_rest_on_molecules_alike_are_said_to(found, alike, says):
    other = replace(found, ordered=0.01, alike=alike)
    assert ("molecules lie alike in copies of a channel (0.98)" in str(other)) == says
    assert json.loads(json.dumps(other.to_dict()))["alike"] == alike


@pytest.mark.slow
def test_channels_differ_by_more_than_noise_where_some_are_filled_and_places_between_them_do_not(found):
    assert found.spread[0] > 2
    assert found.spread[1] == pytest.approx(1, abs=0.4)


@pytest.mark.slow
def test_what_is_drawn(found, tmp_path):
    figure = draw_occupancy(found, tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 10_000
    left = figure.axes[0]
    assert [text.get_text() for text in left.get_legend().get_texts()] == [
        f"{state}: {found.count(state)}" for state in ("filled", "open", "empty")
    ]


@pytest.mark.slow
def test_noise_without_a_crystal_is_refused():
    noise = np.random.default_rng(0).normal(size=(200, 200)).astype("float32")
    with pytest.raises(InputError, match="no lattice"):
        measure_occupancy(Micrograph(noise, name="noise"))


@pytest.mark.slow
def test_what_an_image_does_not_tell_is_said(film):
    micrograph, *_ = film(0.3, 4.0, seed=7)
    found = measure_occupancy(micrograph, guests=("pyridine",))
    assert any("take a higher dose" in line for line in doubts(found))


@pytest.mark.slow
def test_command(half, found, tmp_path, capsys):
    write_tiff(tmp_path / "film.tif", half[0].image, None)
    words = ["infer", "occupancy", str(tmp_path / "film.tif"), "--out", str(tmp_path / "out"), "--quiet"]
    assert main([*words, "--guest", "pyridine"]) == 0
    with (tmp_path / "out" / "film_occupancy.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["state"] for row in rows] == found.state.tolist()
    assert {row["guest"] for row in rows} == {"pyridine"}
    facts = json.loads((tmp_path / "out" / "run.json").read_text())["infer occupancy"]["film"]
    assert facts["filled"] == found.count("filled")
    assert (tmp_path / "out" / "film_occupancy.png").is_file()
    assert "channels filled" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"), [(["--framework", "xyz"], "CIF"), (["--guest", "unobtainium"], "unobtainium")]
)
def test_command_refuses_before_it_reads(tmp_path, capsys, words, says):
    out = tmp_path / "out"
    assert main(["infer", "occupancy", str(tmp_path / "none.tif"), "--out", str(out), *words]) == 2
    assert says in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.physics
@pytest.mark.parametrize("occupancy", [0.0, 0.5])
def test_multislice_films(occupancy):
    recipe = SimulationRecipe.load("zsm5-columns").replace(seed=9)
    values = recipe.model_dump(mode="json")
    values["support"] |= {"thickness": 4, "occupancy": occupancy, "variants": 3}
    sample = simulate_sample(SimulationRecipe.from_mapping(values), 0)
    settings = Degradation(dose=1e4, source_size=0.9)
    counted = degrade(sample.signal, settings, sample.sampling, np.random.default_rng(0)).image
    found = measure_occupancy(Micrograph(idpc_image(counted, sample.sampling), name="film"))
    truth = np.zeros(len(found.points), dtype=bool)
    if len(sample.labels):
        truth = cKDTree(sample.labels.points).query(found.points)[0] * sample.sampling < 2.5
    assert not np.any(found.state[~truth] == "filled")
    assert np.mean(found.state[truth] == "filled") > 0.95 if truth.any() else occupancy == 0
