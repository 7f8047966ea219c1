"""Which of several structures an image shows."""

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from stemforge import Micrograph
from stemforge.__main__ import main
from stemforge.errors import InputError
from stemforge.infer import Framework, draw_conformation, find_lattice, identify_conformation
from stemforge.infer.conformation.analysis import Comparison
from stemforge.infer.conformation.candidates import NONE, Candidate
from stemforge.infer.conformation.files import doubts
from stemforge.micrograph.writers import write_tiff
from stemforge.simulate import Degradation, Microscope, Scan, degrade, idpc_image, segmented_signal
from stemforge.structures.tags import Tag
from tests.infer.conformation.conftest import one_guest, write_cif

NOISE = 2.0


@pytest.fixture(scope="module")
def shown(candidates, draw):
    return draw(candidates[1], NOISE)


@pytest.fixture(scope="module")
def single(candidates, shown):
    return identify_conformation(shown, candidates, cells=1)


@pytest.mark.slow
@pytest.mark.parametrize(("which", "signs"), [(0, (1, 1)), (2, (1, -1))])
def test_the_average_of_all_cells_is_known(candidates, draw, which, signs):
    found = identify_conformation(draw(candidates[which], NOISE, seed=which, signs=signs), candidates)
    assert found.best == [candidates[which].name]
    assert found.probability[0, which] > 0.99
    assert found.explained > 0.9


@pytest.mark.slow
def test_single_cells_are_known_as_often_as_foretold(single):
    right = np.array(single.best) == "b"
    assert len(right) == single.whole_cells
    expected = single.prospects.confusion[1, 1]
    assert right.mean() == pytest.approx(expected, abs=0.2)
    assert right.mean() == pytest.approx(single.probability.max(1).mean(), abs=0.2)


@pytest.mark.slow
def test_noise_lowers_the_odds(candidates, draw, single):
    noisy = identify_conformation(draw(candidates[1], 4 * NOISE), candidates, cells=1)
    assert noisy.prospects.right < single.prospects.right
    assert noisy.probability.max(1).mean() < single.probability.max(1).mean()
    assert noisy.prospects.factor == pytest.approx(16 * single.prospects.factor, rel=0.5)
    assert any("cells averaged will do at this dose" in line for line in doubts(noisy))


@pytest.mark.slow
def test_blocks_are_surer_than_cells(candidates, shown, single):
    found = identify_conformation(shown, candidates, cells=2)
    assert found.averaged == 4
    assert found.prospects.right >= single.prospects.right


@pytest.mark.slow
@pytest.mark.parametrize("molecule", ["thiophene", None])
def test_another_structure_is_none_of_the_candidates(candidates, bare, draw, molecule):
    other = bare if molecule is None else Candidate.from_atoms("other", one_guest(5, molecule, (0.0, 6.7)))
    found = identify_conformation(draw(other, NOISE / 4, seed=8), candidates)
    assert found.best == [NONE]


@pytest.mark.parametrize(
    "shown", ["empty", *(pytest.param(one, marks=pytest.mark.slow) for one in ("b", "other"))]
)
def test_the_empty_framework_is_a_candidate_like_another(candidates, bare, draw, shown):
    other = Candidate.from_atoms("other", one_guest(5, "thiophene", (0.0, 6.7)))
    film = draw({"empty": bare, "b": candidates[1], "other": other}[shown], NOISE / 4, seed=8)
    found = identify_conformation(film, [*candidates, bare])
    assert found.best == [NONE if shown == "other" else shown]
    assert found.probability.max() > 0.99


@pytest.mark.slow
def test_guests_may_lie_beside_where_candidates_have_them(candidates, bare, draw):
    atoms = candidates[1].crystal.atoms.copy()
    atoms.positions[atoms.get_tags() == Tag.GUEST, :2] += (0.25, -0.2)
    moved = Candidate.from_atoms("moved", atoms)
    loose = tuple(replace(one, displacement=0.3) for one in candidates)
    gains = []
    for shown in (moved, candidates[1], bare):
        film = draw(shown, NOISE / 2, seed=3)
        lattice = find_lattice(film, framework=candidates[0].bare.framework)
        exact, found = (Comparison(film, known, lattice).result(None) for known in (candidates, loose))
        gains.append(found.log_likelihood[0, 1] - exact.log_likelihood[0, 1])
        assert found.prospects.right <= exact.prospects.right
        # Control: what is no candidate does not become one.
        assert found.best == [NONE if shown is bare else "b"]
    assert gains[0] > 5
    # Where the guest is where the file has it, what is lost is that it might have been elsewhere.
    assert -4 < gains[1] < 1


@pytest.mark.slow
@pytest.mark.parametrize("displacement", [(0.25, 0.3), pytest.param((0.5, 0.0), marks=pytest.mark.slow)])
def test_displaced_domains_have_the_answer_of_one_crystal(candidates, draw, displacement):
    film = draw(candidates[1], NOISE, shape=(270, 380), displacement=displacement)
    lattice = find_lattice(film, framework=candidates[0].bare.framework)
    comparison = Comparison(film, candidates, lattice)
    found = comparison.result(None)
    assert found.best == ["b"]
    assert found.probability[0, 1] > 0.99
    assert found.explained > 0.97
    assert "2 domains" in doubts(found)[0]
    assert len(found.to_dict()["domains"]) == 2
    # Cells lie on both sides of the boundary, and none on it.
    blocks = comparison.result(1)
    domain = found.domains.at(blocks.points)
    assert set(domain.tolist()) == {0, 1}
    likely = np.array(blocks.names)[blocks.log_likelihood.argmax(1)]
    for one in (0, 1):
        assert np.mean(likely[domain == one] == "b") > 0.5


def test_what_shows_no_crystal_is_left_out(candidates, draw):
    film = draw(candidates[1], NOISE, shape=(270, 380))
    image = film.image.copy()
    image[:, 270:] = np.random.default_rng(1).normal(image.mean(), NOISE, (270, 110))
    found = identify_conformation(Micrograph(image, name="end"), candidates, cells=1)
    assert found.points[:, 0].max() < 270
    assert found.explained > 0.97
    assert any("does not show the framework" in line for line in doubts(found))


def test_noise_without_a_crystal_is_refused(candidates):
    noise = np.random.default_rng(0).normal(size=(200, 240)).astype("float32")
    with pytest.raises(InputError, match="no lattice"):
        identify_conformation(Micrograph(noise, name="noise"), candidates)


def test_candidates_of_another_framework_than_the_image_shows_are_refused(candidates):
    framework = Framework.named("fau")
    cell = framework.image(tuple(round(side / 0.3) for side in reversed(framework.cell)))
    picture = np.tile(cell / cell.std(), (6, 6))[:260, :260]
    picture = picture + np.random.default_rng(0).normal(size=picture.shape)
    with pytest.raises(InputError, match="image shows 'fau'"):
        identify_conformation(Micrograph(picture.astype("float32"), name="film"), candidates)


def test_what_is_drawn(single, tmp_path):
    figure = draw_conformation(single, tmp_path / "drawn.png")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[0] == f"film: average of {single.whole_cells} cells"
    assert "candidate b" in titles
    labels = [text.get_text() for text in figure.axes[-1].get_yticklabels()]
    assert labels[0] == "b"
    assert labels[-1] == NONE
    assert (tmp_path / "drawn.png").stat().st_size > 10_000


def test_names_are_no_formulas(single, tmp_path):
    named = replace(single, names=("a$b_{$", "$", "none"))
    draw_conformation(named, tmp_path / "drawn.png")
    named.to_csv(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open() as stream:
        header = next(csv.reader(stream))
    assert len(set(header)) == len(header)


def test_blocks_that_no_image_holds_are_refused_at_once(candidates, shown, monkeypatch):
    monkeypatch.setattr(
        "stemforge.infer.conformation.analysis.fit_candidate", None
    )  # nothing is fitted before
    with pytest.raises(InputError, match="cells must be smaller than 100000"):
        identify_conformation(shown, candidates, cells=100_000)


@pytest.mark.slow
def test_command(candidates, shown, tmp_path, capsys):
    write_tiff(tmp_path / "film.tif", shown.image, None)
    files = [str(write_cif(one.crystal.atoms, tmp_path / f"{one.name}.cif")) for one in candidates]
    words = ["infer", "conformation", str(tmp_path / "film.tif"), "--candidates", *files, "--cells", "2"]
    assert main([*words, "--out", str(tmp_path / "out"), "--quiet"]) == 0
    with (tmp_path / "out" / "film_conformation.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    facts = json.loads((tmp_path / "out" / "run.json").read_text())["infer conformation"]["film"]
    assert len(rows) == facts["blocks"]
    assert facts["cells_averaged"] == 4
    assert facts["prior"] is None  # of a folder of candidates alone
    assert {row["best"] for row in rows} == set(facts["best"])
    for row in rows:
        probabilities = [
            float(row[name]) for name in ("none_probability", *(f"probability_{name}" for name in "abc"))
        ]
        assert sum(probabilities) == pytest.approx(1.0, abs=1e-3)
        assert float(row["probability"]) == pytest.approx(max(probabilities), abs=1e-4)
    assert facts["mean_probability"]["b"] > 0.8
    assert (tmp_path / "out" / "film_conformation.png").is_file()
    assert "film: " in capsys.readouterr().err


def test_command_refuses_before_it_reads(candidates, tmp_path, capsys):
    one = str(write_cif(candidates[0].crystal.atoms, tmp_path / "a.cif"))
    out = tmp_path / "out"
    words = ["infer", "conformation", str(tmp_path / "none.tif"), "--out", str(out), "--candidates"]
    for files, says in (([one], "at least 2"), ([one, str(tmp_path / "b.cif")], "b.cif")):
        assert main([*words, *files]) == 2
        assert says in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.physics
def test_multislice_image_with_a_defocus_that_nobody_knows(candidates):
    atoms = candidates[2].crystal.atoms.copy()
    atoms.info = {"tiles": (1, 1)}
    microscope = Microscope(preset="low-dose-idpc", defocus=40.0)
    step = float(atoms.cell[0, 0]) / 80
    signal = np.tile(segmented_signal(atoms, microscope, Scan.of_any_size((53, 80), step), 0.0), (1, 5, 5))
    settings = Degradation(dose=3000, source_size=0.8)
    counted = degrade(signal.astype("float32"), settings, step, np.random.default_rng(3)).image
    found = identify_conformation(Micrograph(idpc_image(counted, step), name="film"), candidates)
    assert found.best == ["c"]


@pytest.mark.slow
@pytest.mark.skipif("STEMFORGE_DATA_DIR" not in os.environ, reason="STEMFORGE_DATA_DIR is not set")
@pytest.mark.parametrize(("number", "dose"), [(2, 1500), (4, 500)])
def test_published_images(number, dose):
    folder = Path(os.environ["STEMFORGE_DATA_DIR"]) / "zsm5-idpc" / "pyridine"
    image = tifffile.imread(folder / f"{number}_dose_{dose}.tiff").astype("float32").T[::-1]
    files = [folder / f"{i}.cif" for i in range(1, 6)]
    micrograph = Micrograph(np.ascontiguousarray(image), name="published")
    assert identify_conformation(micrograph, files).best == [str(number)]
    single = identify_conformation(micrograph, files, cells=1)
    likely = np.array(single.names)[single.log_likelihood.argmax(1)] == str(number)
    plain = np.array(single.names)[single.likeness.correlation.argmax(1)] == str(number)
    assert likely.mean() > plain.mean()
