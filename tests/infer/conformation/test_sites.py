"""At which T site the acid is: from the probabilities of candidates at these sites, and from images."""

import csv
import json

import numpy as np
import pytest

from stemforge import Micrograph
from stemforge.__main__ import main
from stemforge.errors import InputError
from stemforge.infer import (
    CandidateFolder,
    draw_acid_site,
    identify_conformation,
    locate_acid_site,
    read_candidate_folder,
)
from stemforge.infer.conformation.candidates import NONE
from stemforge.infer.conformation.result import Conformation
from stemforge.micrograph.writers import write_tiff
from stemforge.structures.candidates.table import TableRow
from tests.infer.conformation.conftest import one_guest, write_cif

HEADER = "name,t_site,oxygen_site,energy_eV,weight,same_as,converged,file"


def row(name, t_site, energy=-1.0, weight=0.5, same_as="", converged=True):
    return TableRow(name, t_site, 1, energy, weight, same_as, converged, f"{name}.cif")


def folder_of(candidates, rows, failed=()):
    return CandidateFolder("made", tuple(candidates[: len(rows)]), tuple(rows), failed)


def found_of(likelihoods, none):
    """Return what an image would have shown of candidates a, b, c, with likelihoods of each block."""
    likelihoods = np.atleast_2d(likelihoods).astype(float)
    blocks, number = likelihoods.shape
    blank = [None] * 4
    with np.errstate(divide="ignore"):
        logs, none = np.log(likelihoods), np.log(np.broadcast_to(float(none), blocks))
    every = np.column_stack([likelihoods, np.exp(none)])
    return Conformation(
        Micrograph(np.eye(4, dtype="float32"), name="film"), None, None, tuple("abc"[:number]),
        np.zeros((blocks, 2)), 9, 1, logs, none, every / every.sum(1, keepdims=True), *blank, 1.0,
    )  # fmt: skip


SITES = [row("a", 2, weight=0.7), row("b", 2, weight=0.1), row("c", 12, weight=0.2)]


@pytest.mark.parametrize(
    ("prior", "likelihoods", "expected"),
    [
        ("flat", (1, 1, 1), (0.5, 0.5)),  # two minima of one site share what the site has
        ("flat", (1, 0, 1), (1 / 3, 2 / 3)),
        ("flat", (4, 0, 1), (2 / 3, 1 / 3)),
        ("flat", (0, 0, 1), (0, 1)),
        ("energy", (1, 1, 1), (0.8, 0.2)),
        ("energy", (1, 0, 4), (7 / 15, 8 / 15)),
        ("energy", (0, 8, 4), (0.5, 0.5)),
    ],
)
def test_a_site_has_its_candidates_probabilities(candidates, prior, likelihoods, expected):
    sites = locate_acid_site(found_of(likelihoods, 0.001), folder_of(candidates, SITES), prior)
    assert sites.names == ["T2", "T12"]
    assert sites.probability[0] == pytest.approx(expected)
    before = (0.5, 0.5) if prior == "flat" else (0.8, 0.2)
    assert sites.prior == pytest.approx(before)
    kept = [p for p in expected if p]
    bits = sum(p * np.log2(p / q) for p, q in zip(expected, before, strict=True) if p)
    assert sites.information[0] == pytest.approx(bits, abs=1e-12)
    assert sites.smallest_sets().sum() == (1 if max(kept) >= 0.9 else 2)


def test_none_of_the_candidates_is_as_without_a_prior(candidates):
    rows = [row("a", 1), row("b", 2), row("c", 3)]
    found = found_of((1, 2, 5), 3)
    sites = locate_acid_site(found, folder_of(candidates, rows))
    assert sites.none[0] == pytest.approx(found.probability[0, -1])
    assert sites.probability[0] * (1 - sites.none[0]) == pytest.approx(found.probability[0, :-1])
    # Where nothing fits, sites are no answer, however sure one of them is beside the others.
    lost = locate_acid_site(found_of((1, 0, 0), 1e300), folder_of(candidates, rows))
    assert lost.none[0] == pytest.approx(1.0)
    assert lost.probability[0] == pytest.approx((1, 0, 0))
    assert "no candidate fits" in lost.remarks()[0]


def test_candidates_of_one_minimum_count_once(candidates):
    rows = [row("a", 1), row("b", 1, same_as="a", weight=0.0), row("c", 2)]
    folder = folder_of(candidates, rows)
    assert folder.flat_prior() == pytest.approx((0.5, 0, 0.5))
    assert folder.energy_prior() == pytest.approx((0.5, 0, 0.5))


def test_sites_whose_molecules_lie_alike_share_the_probability(candidates):
    rows = [row("a", 1), row("b", 2), row("c", 3)]
    sites = locate_acid_site(found_of((5, 5, 0.01), 0.01), folder_of(candidates, rows))
    assert sites.probability[0, 0] == sites.probability[0, 1] == pytest.approx(0.5, abs=0.001)
    assert sites.smallest_sets().tolist() == [[True, True, False]]
    assert "90 % hold T1, T2" in str(sites)


def test_the_smallest_set_holds_what_is_asked(candidates):
    rows = [row("a", 1), row("b", 2), row("c", 3)]
    sites = locate_acid_site(found_of((0.5, 0.06, 0.44), 0), folder_of(candidates, rows))
    assert sites.smallest_sets().tolist() == [[True, False, True]]
    assert sites.smallest_sets(0.4).tolist() == [[True, False, False]]
    assert sites.smallest_sets(0.99).tolist() == [[True, True, True]]
    with pytest.raises(InputError, match="between 0 and 1"):
        sites.smallest_sets(1.0)


@pytest.mark.parametrize(
    ("prior", "likelihoods", "says"),
    [
        ("flat", (1, 1, 1), "does not tell the acid site: 3 of 3"),
        ("flat", (100, 1, 1), None),
        ("energy", (1, 1, 1), "what the energies say"),
        ("energy", (1, 1, 2000), None),
    ],
)
def test_it_is_said_where_the_image_does_not_tell(candidates, prior, likelihoods, says):
    rows = [row("a", 1, weight=0.98), row("b", 2, weight=0.01), row("c", 3, weight=0.01)]
    remarks = locate_acid_site(found_of(likelihoods, 0.01), folder_of(candidates, rows), prior).remarks()
    assert ("; ".join(remarks) == "") if says is None else (says in remarks[0])


def test_what_the_folder_lacks_is_named(candidates):
    rows = [row("a", 1, weight=0.9), row("b", 4, weight=0.1, converged=False)]
    folder = folder_of(candidates, rows, failed=("T2-O3-1", "T7-O1-1"))
    assert folder.without == (2, 3, 7)
    found = found_of((9, 1), 0.01)
    assert "T2, T3, T7" in locate_acid_site(found, folder).remarks()[0]
    assert any("not come to rest" in line for line in locate_acid_site(found, folder, "energy").remarks())
    assert not any("rest" in line for line in locate_acid_site(found, folder).remarks())


def test_what_cannot_be_asked_is_refused(candidates):
    docked = folder_of(candidates, [row("a", 1, None, None), row("b", 2, None, None)])
    found = found_of((1, 1), 1)
    assert locate_acid_site(found, docked).prior == pytest.approx((0.5, 0.5))
    with pytest.raises(InputError, match="no energies"):
        locate_acid_site(found, docked, "energy")
    with pytest.raises(InputError, match="flat or energy"):
        locate_acid_site(found, docked, "guess")
    with pytest.raises(InputError, match="not those of"):
        locate_acid_site(found_of((1, 1, 1), 1), docked)


@pytest.fixture(scope="module")
def made(candidates, tmp_path_factory):
    """Return a folder with three candidates at two T sites."""
    path = tmp_path_factory.mktemp("candidates")
    lines = [HEADER]
    for one, t_site, weight in zip(candidates, (2, 2, 12), (0.7, 0.1, 0.2), strict=True):
        write_cif(one.crystal.atoms, path / f"{one.name}.cif")
        lines.append(f"{one.name},{t_site},1,-1.0,{weight},,1,{one.name}.cif")
    (path / "candidates.csv").write_text("\n".join(lines) + "\n")
    entries = {"T5-O1-1": {"failed": "the guest left its channel"}, "a": {"results": ["a.cif"]}}
    (path / "run.json").write_text(json.dumps({"structures candidates": entries}))
    return path


def test_a_folder_is_read(made, candidates):
    folder = read_candidate_folder(made)
    assert [one.name for one in folder.candidates] == ["a", "b", "c"]
    assert folder.t_sites == (2, 12)
    assert folder.site_of.tolist() == [0, 0, 1]
    assert folder.failed == ("T5-O1-1",)
    assert folder.without == (1, 3, 4, 5, 6, 7, 8, 9, 10, 11)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (None, "holds no candidates.csv"),
        ("name,file\na,a.cif\n", "has no column"),
        (f"{HEADER}\na,one,1,,,,1,a.cif\n", "line 2"),
        (f"{HEADER}\na,1,1,,,,1,a.cif\na,2,1,,,,1,a.cif\n", "twice"),
        (f"{HEADER}\na,1,1,-1,1,b,1,a.cif\n", "the table has not"),
        (f"{HEADER}\na,1,1,-1,1,,1,a.cif\nb,2,1,-1,0,a,1,b.cif\n", "at another T site, T1"),
        (f"{HEADER}\na,1,1,-1,0.7,,1,a.cif\nb,2,1,-1,0.7,,1,a.cif\n", "add up to 1"),
        (f"{HEADER}\na,1,1,,,,1,a.cif\nb,2,1,,,,1,b.cif\n", "a.cif"),  # no such files
    ],
)
def test_other_folders_are_refused(table, says, tmp_path):
    if table is not None:
        (tmp_path / "candidates.csv").write_text(table)
    with pytest.raises(InputError, match=says):
        read_candidate_folder(tmp_path)


def test_what_is_drawn(candidates, tmp_path):
    rows = [row("a", 1), row("b", 2), row("c", 3)]
    likelihoods = [(0.5, 0.06, 0.44), (0.96, 0.02, 0.02)]
    sites = locate_acid_site(found_of(likelihoods, 0.1), folder_of(candidates, rows))
    figure = draw_acid_site(sites, tmp_path / "sites.png")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["T1", "T2", "T3", "no\ncandidate"]
    heights = [bar.get_height() for bar in axes.patches]
    assert heights[:3] == pytest.approx([1 / 3] * 3)
    assert heights[3:6] == pytest.approx(sites.probability.mean(0))
    assert (tmp_path / "sites.png").stat().st_size > 5_000


@pytest.mark.slow
def test_command(candidates, made, draw, tmp_path, capsys):
    film = draw(candidates[2], 1.0)
    write_tiff(tmp_path / "film.tif", film.image, None)
    words = ["infer", "conformation", str(tmp_path / "film.tif"), "--quiet", "--candidates", str(made)]
    for prior in ("flat", "energy"):
        assert main([*words, "--prior", prior, "--out", str(tmp_path / prior)]) == 0
        with (tmp_path / prior / "film_sites.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        assert [one["t_site"] for one in rows] == ["T2", "T12"]
        assert float(rows[1]["prior"]) == (0.5 if prior == "flat" else 0.2)
        assert float(rows[1]["probability"]) > 0.99
        assert rows[1]["best_candidate"] == "c"
        facts = json.loads((tmp_path / prior / "run.json").read_text())["infer conformation"]["film"]
        assert facts["acid_site"]["prior"] == facts["prior"] == prior
        assert facts["acid_site"]["best"] == {"T12": 1}
        assert (tmp_path / prior / "film_sites.png").is_file()
    text = " ".join(capsys.readouterr().err.split())
    assert "acid site T12" in text
    assert "there is no candidate at T1" in text


def test_an_empty_framework_has_no_acid_site(made, bare, draw):
    """Control: nothing is in the channels."""
    folder = read_candidate_folder(made)
    found = identify_conformation(draw(bare, 0.5, seed=8), folder.candidates)
    sites = locate_acid_site(found, folder)
    assert found.best == [NONE]
    assert sites.none[0] > 0.9
    assert any("no candidate fits" in line for line in sites.remarks())


def test_command_refuses_before_it_reads(made, tmp_path, capsys):
    words = ["infer", "conformation", str(tmp_path / "none.tif"), "--out", str(tmp_path / "out")]
    files = [str(made / "a.cif"), str(made / "b.cif")]
    for further, says in (
        (["--candidates", *files, "--prior", "flat"], "is for a folder"),
        (["--candidates", str(made), files[0]], "one folder alone"),
        (["--candidates", str(tmp_path)], "holds no candidates.csv"),
    ):
        assert main([*words, *further]) == 2
        assert says in " ".join(capsys.readouterr().err.split())


def test_files_alone_have_no_sites(candidates, draw, tmp_path):
    write_tiff(tmp_path / "film.tif", draw(candidates[0], 1.0).image, None)
    files = [str(write_cif(one_guest(seed), tmp_path / f"{seed}.cif")) for seed in (0, 1)]
    words = ["infer", "conformation", str(tmp_path / "film.tif"), "--candidates", *files, "--quiet"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.suffix != ".json") == [
        "film_conformation.csv",
        "film_conformation.png",
    ]
