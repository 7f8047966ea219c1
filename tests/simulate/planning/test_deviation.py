"""Engines against multislice on a piece, the choice of the cheapest, and what a corpus will cost."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from stemforge import InputError, RecipeError, verify_corpus
from stemforge.__main__ import main
from stemforge.simulate import Kernels, Multislice, Prism, simulate_corpus, simulate_sample
from stemforge.simulate.planning import deviation as engine_check
from stemforge.simulate.planning.deviation import (
    EngineError,
    Piece,
    check_engine,
    choose_engine,
    cut_piece,
)
from stemforge.simulate.recipe import SimulationRecipe
from stemforge.simulate.running import corpus as generate, cost
from stemforge.simulate.running.audit import audit_samples, audited_samples
from stemforge.simulate.running.cost import CorpusPlan, extrapolate, plan_corpus

# Few and coarse slices, still atoms: quick, and errors of PRISM show all the same.
QUICK = {
    "engine.name": "auto",
    "engine.max_error": 0.3,
    "engine.frozen_phonons": 0,
    "engine.slice_thickness": 4.0,
    "engine.thermal_sigma": 0.0,
    "scan.shape": [32, 32],
    "microscope.detectors": {"rings": {"HAADF": [60.0, 120.0]}},
}


@pytest.fixture(autouse=True, scope="module")
def few_probes():
    """A few probe positions are enough to tell engines apart, and quick."""
    before = engine_check._POSITIONS
    engine_check._POSITIONS = 4
    yield
    engine_check._POSITIONS = before


def recipe(**changes):
    return SimulationRecipe.load("fe-c3n4", {**QUICK, **changes})


@pytest.fixture(scope="module")
def tried(few_probes):
    """So small a bound leaves out what is cheaper than PRISM without interpolation."""
    return choose_engine(recipe(**{"engine.max_error": 1e-6}))


def test_engines_are_tried_from_the_cheapest_to_the_reference(tried):
    engine, checks = tried
    assert [check.engine.title for check in checks] == ["kernels", "prism (interpolation 2)", "prism"]
    assert engine == checks[-1].engine
    # PRISM without interpolation is multislice on a periodic cell; what interpolation costs is known to be percents.
    assert checks[2].error == 0
    assert checks[2].level == 1
    assert 0.003 < checks[1].error < 0.3
    assert 0.01 < checks[0].error < 0.6
    assert all(0.7 < check.level < 1.3 for check in checks)


def test_it_says_what_it_does_before_the_first_engine_is_measured(capsys, monkeypatch):
    before = []

    def stop(self, *args):
        before.append(" ".join(capsys.readouterr().err.split()))
        raise InputError("stopped here")

    monkeypatch.setattr(Piece, "reference", stop)
    with pytest.raises(InputError, match="stopped here"):
        choose_engine(recipe(), quiet=False)
    assert re.fullmatch(
        r"building the first sample, to compare engines on a piece of it … "
        r"timing the reference, multislice, on a few probe positions … "
        r"imaging the piece with the reference, multislice: about \d+ s …",
        before[0],
    )
    with pytest.raises(InputError, match="stopped here"):
        choose_engine(recipe(), quiet=True)
    assert before[1] == ""


def test_it_says_how_many_engines_follow(capsys):
    choose_engine(recipe(**{"engine.max_error": 0.9}), quiet=False)
    assert "the reference took" in capsys.readouterr().err


def test_the_bound_decides(tried):
    _, checks = tried
    engine, found = choose_engine(recipe(**{"engine.max_error": checks[0].error * 1.01}))
    assert (engine, len(found)) == (Kernels(thermal_sigma=0.0), 1)
    reference = recipe().engine.reference(recipe().microscope)
    assert check_engine(recipe(), reference).error == 0


def test_the_piece_is_as_wide_as_the_windows_of_prism_need():
    """In the windows of a piece as narrow as others do with, PRISM would lose electrons that it keeps on the field."""
    rings = {"rings": {"HAADF": [60.0, 200.0]}}
    thick = recipe(**{"scan.shape": [256, 256], "support.num_layers": 10, "microscope.detectors": rings})
    engines = (None, Kernels(), Prism(), Prism(interpolation=2), Prism(interpolation=3))
    pieces = [Piece.of_sample(thick, 0, engine) for engine in engines]
    widths = [float(piece.atoms.cell[0, 0]) for piece in pieces]
    assert widths[0] == widths[1] == widths[2] < widths[3] < widths[4]
    # To 200 mrad through all layers, to both sides, in a window of the width over the interpolation.
    spread = 2 * 0.2 * np.ptp(pieces[0].atoms.positions[:, 2])
    assert widths[0] / 2 < spread
    for width, interpolation in zip(widths[3:], (2, 3), strict=True):
        assert width / interpolation == pytest.approx(spread, rel=0.1)


def test_the_check_is_the_same_twice_and_looks_at_the_sample_asked_for():
    still = Kernels(thermal_sigma=0.0)
    one, again, other = (check_engine(recipe(), still, index=i) for i in (0, 0, 1))
    assert (one.error, one.level) == (again.error, again.level)
    assert one.error != other.error


def test_the_noise_of_a_few_phonons_is_no_error_of_an_engine():
    """On single sheets it is several times what kernels gets wrong, which images the same phonons one by one."""
    phonons = {"name": "auto", "max_error": 0.1, "frozen_phonons": 2}
    sheet = SimulationRecipe.load(
        "si-graphene", {"scan.shape": [32, 32], "engine": phonons, "microscope.focal_spread": 0}
    )
    piece = Piece.of_sample(sheet, 0)
    reference = sheet.engine.reference(piece.microscope)
    found = piece.deviation(Kernels(), reference)
    assert found.error < 0.08
    assert found.level == pytest.approx(1, abs=0.05)
    image, _ = piece.image(reference)
    others = {
        "other phonons": dataclasses.replace(piece, phonons=piece.phonons + 1).image(reference)[0],
        "the mean of all": piece.image(Kernels())[0],
    }
    for other in others.values():
        assert np.sqrt(((other - image) ** 2).mean()) > 2 * found.error * image.std()
    # The controls: what is wrong stays wrong.
    assert piece.deviation(Kernels(thermal_sigma=0.3), reference).error > 3 * found.error
    assert piece.deviation(Kernels(thermal_sigma=0.0), reference).error > 2 * found.error


def test_a_piece_holds_the_structure_about_a_single_atom_in_focus():
    _drawn, atoms = SimulationRecipe.load(
        "pt-nc", {"scan.shape": [64, 64], "support.mean_thickness": 200}
    ).build(0)
    focus = float(atoms.positions[:, 2].mean())
    piece, inside = cut_piece(atoms, focus, 15.0)
    assert np.ptp(piece.positions[:, 2]) <= 40
    assert 0 < piece.positions[:, 2].min() <= inside < piece.cell[2, 2]
    single = piece.positions[piece.get_tags() == 1]
    assert np.linalg.norm(single[:, :2] - 7.5, axis=1).min() < 1e-6
    # The piece keeps the support's density.
    volume = {id(a): np.prod(np.diag(a.cell)) for a in (atoms, piece)}
    assert len(piece) / volume[id(piece)] == pytest.approx(len(atoms) / volume[id(atoms)], rel=0.6)


def test_auto_needs_a_bound():
    with pytest.raises(RecipeError, match="max_error"):
        SimulationRecipe.load("fe-c3n4", {"engine.name": "auto"})
    settings = SimulationRecipe.load("fe-c3n4")
    assert choose_engine(settings) == (settings.engine, [])


@pytest.mark.long
@pytest.mark.slow  # the reference is ten times finer
def test_segments_are_checked_against_finer_settings():
    small = {"support.variants": 1, "support.guests": {}, "scan.shape": [32, 32]}
    idpc = SimulationRecipe.load("zsm5-idpc", small)
    coarse, fine = (
        check_engine(idpc, idpc.engine.replace(sampling=s, slice_thickness=t))
        for s, t in ((0.24, 8.0), (0.2, 4.0))
    )
    assert fine.error < coarse.error < 0.1


@pytest.mark.slow
def test_a_plan_measures_a_sample(tmp_path):
    settings = SimulationRecipe.load("fe-c3n4", {"scan.shape": [32, 32]})
    shard = settings.shard_size
    found = plan_corpus(settings, num=10, workers=2)
    assert found.measured
    assert found.engine.name == "kernels"
    assert not found.checks
    assert 0 < found.seconds_per_sample < 60
    assert found.seconds == pytest.approx(
        found.seconds_per_sample * -(-10 // shard) * shard / 2
    )  # whole shards
    assert 1e8 < found.memory_per_worker < 3e9
    assert 10 * 1000 < found.disk < 10 * 1e6
    found.to_json(tmp_path / "plan.json")
    assert json.loads((tmp_path / "plan.json").read_text())["engine"]["name"] == "kernels"


@pytest.mark.slow
def test_what_takes_too_long_is_extrapolated():
    settings = SimulationRecipe.load("pt-nc", {"engine": {"name": "multislice"}})
    check = check_engine(recipe(), recipe().engine.reference(recipe().microscope))
    seconds, memory, disk = extrapolate(settings, check.piece, check.seconds)
    assert seconds > 86400  # half a million probes on 30 nm of carbon
    assert memory > 5e9
    assert disk >= 4 * 512 * 512
    prism = settings.replace(engine=Prism())
    assert (
        extrapolate(prism, check.piece, check.seconds)[1] > 1e11
    )  # a scattering matrix of tens of thousands of beams


def test_a_costly_engine_is_timed_without_its_reference(monkeypatch):
    """On crystals the reference takes minutes, and the plan of a named engine says nothing of its error."""
    small = {"microscope.detectors": {"rings": {"ADF": [50, 70]}}, "support.num_layers": 1}
    numerical = {"name": "multislice", "frozen_phonons": 2, "slice_thickness": 4}
    settings = SimulationRecipe.load("fe-c3n4", {**small, "engine": numerical})
    shapes, image = [], Multislice.image

    def noted(self, atoms, microscope, scan, *rest):
        shapes.append((scan.shape, self.frozen_phonons))
        return image(self, atoms, microscope, scan, *rest)

    monkeypatch.setattr(Multislice, "image", noted)
    found = plan_corpus(settings, num=10)
    assert not found.measured
    assert found.seconds_per_sample > 60
    assert shapes == [
        ((1, 1), 1),
        ((3, 3), 1),
    ]  # a hundred positions and two configurations for the whole piece


def a_plan(**changes):
    size = {"num_samples": 10, "workers": 2, "seconds_per_sample": 1.0, "seconds": 5.0}
    values = {"recipe": "r", "engine": Kernels(), "checks": (), **size}
    values |= {"memory_per_worker": 1e9, "disk": 1e6, "measured": True}
    return CorpusPlan(**{**values, **changes})


def test_what_cannot_fit_is_refused(tmp_path):
    cost._refuse_what_does_not_fit(a_plan(), tmp_path / "not" / "made" / "yet")
    with pytest.raises(InputError, match=r"GB each.*take \d+ workers?|GB each.*take a smaller scan"):
        cost._refuse_what_does_not_fit(a_plan(workers=10**6), tmp_path)
    with pytest.raises(InputError, match="PRISM with a larger interpolation"):
        cost._refuse_what_does_not_fit(a_plan(memory_per_worker=1e15), tmp_path)
    tried = (Kernels(), 0.093), (Prism(interpolation=2), 0.034)
    checks = tuple(EngineError(each, each, 0, error, 1.0, 1.0, 1.0, 9, 1.0, 1.0) for each, error in tried)
    with pytest.raises(InputError, match=r"measured were kernels 9\.3%, prism \(interpolation 2\) 3\.4%"):
        cost._refuse_what_does_not_fit(a_plan(memory_per_worker=1e15, checks=checks), tmp_path)
    with pytest.raises(InputError, match="make room"):
        cost._refuse_what_does_not_fit(a_plan(disk=1e18), Path(tmp_path))


@pytest.mark.slow
def test_an_audit_looks_again_at_a_share(tmp_path):
    settings = recipe(num_samples=40).replace(engine=Kernels(thermal_sigma=0.0))
    assert audited_samples(settings, 0.1) == audited_samples(settings, 0.1)
    assert len(audited_samples(settings, 0.1)) == 4
    assert len(audited_samples(settings, 1e-6)) == 1
    with pytest.raises(InputError, match="audit"):
        audited_samples(settings, 0.0)
    samples = [simulate_sample(settings, index) for index in range(4)]
    found = audit_samples(settings, samples, [3], quiet=True)
    assert found.checks[0] == found.worst
    assert found.worst.sample == 3
    assert found.worst.engine.name == "kernels"
    assert "1 images deviate from multislice" in str(found)
    found.to_json(tmp_path / "audit.json")
    assert json.loads((tmp_path / "audit.json").read_text())["largest_error"] == found.worst.error


def test_the_plan_is_kept_with_the_corpus_and_used_again(tmp_path, monkeypatch):
    settings = recipe(**{"num_samples": 2, "shard_size": 1, "engine.max_error": 0.5})
    corpus = simulate_corpus(settings, tmp_path / "c", workers=1, quiet=True)
    kept = json.loads((tmp_path / "c" / "plan.json").read_text())
    assert kept["engine"]["name"] == corpus[0].metadata["drawn"]["engine"]["name"] == "kernels"
    assert kept["checks"][0]["error"] <= 0.5
    monkeypatch.setattr(generate, "choose_engine", None)  # must not be asked again
    more = simulate_corpus(settings.replace(num_samples=3), tmp_path / "c", workers=1, quiet=True)
    assert len(more) == 3
    assert verify_corpus(tmp_path / "c") == []


@pytest.mark.slow
def test_the_command_says_what_it_does_and_how_the_engine_is_used(few_probes, capsys):
    overrides = [word for name, value in QUICK.items() for word in (f"--{name}", json.dumps(value))]
    assert main(["plan", "fe-c3n4", *overrides, "--max-error", "0.6", "--num", "2"]) == 0
    printed = " ".join(capsys.readouterr().err.split())
    assert "making samples to measure their time and memory" in printed
    assert "use it with --engine.name auto --engine.max_error 0.6" in printed
