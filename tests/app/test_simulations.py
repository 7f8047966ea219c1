"""Simulations, as the page asks for them: what can be moved, what is kept, what is refused, and the files."""

import base64
import importlib
import json
import threading

import ase.io
import numpy as np
import pytest
import tifffile

from stemforge.app.analysis.pictures import contrast_of, grey_of
from stemforge.app.analysis.simulating.controls import CONTROLS, CRYSTALS, SUPPORTS, controls_of
from stemforge.app.analysis.simulating.images import SAMPLES, STRUCTURES, warm
from stemforge.app.analysis.simulating.recipes import MOST_ATOMS, recipe_of
from stemforge.app.analysis.simulating.structures import MOST
from stemforge.app.working.dispatch import WARM, WARM_SIMULATIONS
from stemforge.errors import InputError
from stemforge.simulate import SimulationRecipe, corpus_degradation, record, simulate_corpus
from stemforge.simulate.recording.record import recording_rng

ADDRESS = "/api/simulation"
SHEET = {"support": "graphene", "element": "Pt", "values": {"sampling": 0.01, "density": 1.0}}


class Here:
    """Calls what a worker would call, in this process."""

    def call(self, function, seconds, **arguments):
        module, _, name = function.partition(":")
        return getattr(importlib.import_module(module), name)(**arguments)

    def end(self):
        """Nothing to end."""


@pytest.fixture
def page(browser):
    browser.app.app.state.context.dispatcher.simulations = Here()
    return browser


def asked(page, values=None, **changes):
    answer = page.post(ADDRESS, json={**SHEET, "values": {**SHEET["values"], **(values or {})}, **changes})
    assert answer.status_code == 200, answer.text
    return answer.json()


def grey(answer):
    return np.frombuffer(base64.b64decode(answer["grey"]["bytes"]), np.uint8).reshape(answer["grey"]["shape"])


def test_controls_say_what_they_are(page):
    known = page.get(ADDRESS).json()
    assert {one["name"] for one in known["supports"]} == set(SUPPORTS)
    assert "simulate" in page.get("/api/session").json()["features"]
    for one in known["controls"]:
        assert one["low"] <= one["default"] <= one["high"]
        assert len(one["explanation"]) > 8
        assert "[" not in one["explanation"]
        assert not one["choices"] or one["default"] in one["choices"]
    units = {one["name"]: one["unit"] for one in known["controls"]}
    assert [units[name] for name in ("energy", "semiangle", "dose", "thickness", "density")] == [
        "keV",
        "mrad",
        "e/Å²",
        "nm",
        "nm⁻²",
    ]


@pytest.mark.parametrize("support", SUPPORTS)
def test_every_control_changes_the_recipe_up_to_both_ends(support):
    # A crystal's image must hold what the crystal scatters.
    base = {"size": 80.0} if support in CRYSTALS else {"sampling": 0.01}
    usual = recipe_of(support, "Pt", base)
    assert not usual.distributions
    for control in controls_of(support):
        shown = control.public()
        for end in {shown["low"], shown["high"]} - {shown["default"]}:
            if base.get(control.name) != end:
                assert recipe_of(support, "Pt", {**base, control.name: end}) != usual
    assert recipe_of(support, None, {}).single_atoms == ()


def test_a_value_arrives_in_the_settings_units():
    recipe = recipe_of(
        "carbon",
        "Ir",
        {"energy": 80, "microscope.C3": 2, "inner": 60, "thickness": 8, "source_size": 0.2, "seed": 7},
    )
    assert (recipe.microscope.energy, recipe.microscope.C3) == (80e3, 2e4)
    assert recipe.microscope.detectors.angles["HAADF"] == (60, 185)
    assert (recipe.support.thickness, recipe.degradation.source_size, recipe.seed) == (80, 2, 7)
    assert recipe.single_atoms[0].element == "Ir"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"support": "gold:001"}, "must be one of carbon"),
        ({"support": "/etc/passwd"}, "must be one of carbon"),
        ({"element": "Xx"}, "The element must be one of"),
        ({"values": {"seeds": 1}}, "must be one of"),
        ({"values": {"support.path": 1}}, "must be one of"),
        ({"values": {"layers": 2}}, "must be one of"),
        ({"values": {"thickness": 600}}, "Thickness must be 2 to 60 nm, not 600"),
        ({"values": {"thickness": -1}}, "Thickness must be 2 to 60 nm"),
        ({"values": {"energy": 75}}, "Energy must be one of 30, 60, 80"),
        ({"values": {"size": 8192}}, "Size must be one of 256, 512 pixel"),
        ({"values": {"inner": 120, "outer": 100}}, "inner angle must be smaller"),
        ({"values": {"thickness": 60, "size": 512, "sampling": 0.05}}, "million atoms"),
        ({"values": {"dose": "much"}}, "values.dose must be a number, not much"),
        ({"values": {"dose": None}}, "values.dose must be a number, not null"),
        ({"values": 3}, "values must be an object"),
        ({"image": "x"}, "it is not known"),
    ],
)
def test_nonsense_is_refused_with_a_sentence_before_work(page, wanted, words):
    before = (SAMPLES.made, STRUCTURES.made)
    for path in ("", "/structure", "/image"):
        answer = page.post(ADDRESS + path, json=wanted)
        assert answer.status_code == 422, path
        assert words in answer.json()["error"]
    download = page.get(f"{ADDRESS}/files/yaml", params={"wanted": json.dumps(wanted)})
    assert download.status_code == 422
    assert (SAMPLES.made, STRUCTURES.made) == before


@pytest.mark.parametrize("wanted", ["{", "[" * 5000, '{"values": {"dose": Infinity}}', "null"])
def test_what_is_no_request_gets_no_file(page, wanted):
    assert page.get(f"{ADDRESS}/files/yaml", params={"wanted": wanted}).status_code == 422
    assert page.get(f"{ADDRESS}/files/py", params={"wanted": "{}"}).status_code == 422


def test_without_a_session_nothing_is_simulated(browse):
    stranger = browse(session=False)
    assert stranger.get(ADDRESS).status_code == 401
    assert stranger.post(ADDRESS, json=SHEET).status_code == 401
    assert stranger.get(f"{ADDRESS}/files/tif").status_code == 401


@pytest.mark.slow
def test_only_what_a_slider_changes_is_made_again(page):
    first = asked(page, {"seed": 41})
    made = (SAMPLES.made, STRUCTURES.made)
    for name, value in (("dose", 5e5), ("source_size", 0.2), ("degradation.line_jitter", 0.05)):
        answer = asked(page, {"seed": 41, name: value})
        assert not answer["simulated"]
        assert (grey(answer) != grey(first)).mean() > 0.3, name
    assert (SAMPLES.made, STRUCTURES.made) == made
    assert asked(page, {"seed": 41, "microscope.defocus": 8})["simulated"]
    assert (SAMPLES.made, STRUCTURES.made) == (made[0] + 1, made[1])
    other = asked(page, {"seed": 42})
    assert (SAMPLES.made, STRUCTURES.made) == (made[0] + 2, made[1] + 1)
    assert other["x"] != first["x"]
    assert np.array_equal(grey(asked(page, {"seed": 41})), grey(first))  # the noise, too


def test_true_atoms_stand_where_the_image_is_bright(page):
    answer = asked(page, {"dose": 1e6, "source_size": 0.05})
    image = grey(answer).astype(float)
    x, y = np.rint(answer["x"]).astype(int), np.rint(answer["y"]).astype(int)
    inside = (x > 3) & (y > 3) & (x < 252) & (y < 252)
    assert inside.sum() >= 3
    at_atoms = [image[r - 2 : r + 3, c - 2 : c + 3].mean() for c, r in zip(x[inside], y[inside], strict=True)]
    assert min(at_atoms) > 2 * image.mean()
    assert set(answer["elements"]) == {"Pt"}
    assert asked(page, element=None)["x"] == []


def test_the_recipe_makes_the_same_image_at_the_command_line(page, tmp_path):
    """The image that the page shows is that of a corpus made of the downloaded recipe, to the last bit."""
    params = {"wanted": json.dumps(SHEET)}
    recipe = page.get(f"{ADDRESS}/files/yaml", params=params)
    assert 'filename="pt-graphene-0.yaml"' in recipe.headers["content-disposition"]
    path = tmp_path / "recipe.yaml"
    path.write_bytes(recipe.content)
    loaded = SimulationRecipe.load(path)
    assert loaded == recipe_of(SHEET["support"], SHEET["element"], SHEET["values"])
    corpus = simulate_corpus(loaded, tmp_path / "corpus", workers=1, quiet=True)
    made = record(corpus[0], corpus_degradation(corpus), recording_rng(corpus.recipe, 0)).image[0]
    (tmp_path / "image.tif").write_bytes(page.get(f"{ADDRESS}/files/tif", params=params).content)
    assert np.array_equal(tifffile.imread(tmp_path / "image.tif"), made)
    assert np.array_equal(grey(asked(page)), grey_of(made, contrast_of(made)))
    # Control: another seed is another image.
    other = loaded.replace(seed=1)
    assert not np.array_equal(other.build(0)[1].positions, loaded.build(0)[1].positions)


def test_the_structure_is_that_of_the_file(page, tmp_path):
    path = tmp_path / "structure.xyz"
    path.write_bytes(page.get(f"{ADDRESS}/files/xyz", params={"wanted": json.dumps(SHEET)}).content)
    atoms = ase.io.read(path)
    answer = page.post(f"{ADDRESS}/structure", json=SHEET).json()
    assert answer["atoms"] == answer["drawn"] == len(atoms) == sum(answer["counts"])
    places = np.frombuffer(base64.b64decode(answer["places"]["bytes"]), "<i2").reshape(-1, 3) / 100
    spread = np.ptp(atoms.positions, axis=0)
    assert np.ptp(places, axis=0) == pytest.approx(spread, abs=0.02)
    assert answer["names"] == ["Pt (single)", "C"]
    assert answer["counts"][0] == int((atoms.numbers == 78).sum())


def test_of_a_large_structure_all_single_atoms_are_drawn(page):
    wanted = {"support": "carbon", "element": "Pt", "values": {"thickness": 20, "density": 3}}
    answer = page.post(f"{ADDRESS}/structure", json=wanted).json()
    kinds = np.frombuffer(base64.b64decode(answer["kinds"]["bytes"]), np.uint8)
    assert answer["drawn"] == len(kinds) == MOST < answer["atoms"] < MOST_ATOMS
    assert (kinds == 0).sum() == answer["counts"][0] > 50


def test_a_simulated_image_becomes_one_of_the_session(page, settings):
    answer = page.post(f"{ADDRESS}/image", json=SHEET)
    assert answer.status_code == 201
    image = answer.json()
    assert (image["name"], image["shape"]) == ("simulated-pt-graphene-0.tif", [256, 256])
    assert image["sampling"] == pytest.approx(0.1)
    assert image["sampling_source"] == "file"
    assert page.get("/api/session").json()["images"] == [image]
    assert not list((settings.folder / "simulations").iterdir())


def test_a_crystal_that_scatters_over_more_than_its_image_is_refused():
    with pytest.raises(
        InputError, match=r"MgO \(001\) of 2\.1 nm scatters to 250 mrad over more than .* take it thinner"
    ):
        recipe_of("mgo:001", "Pt", {"thickness": 2.1, "outer": 250})


def test_crystals_are_made_by_an_engine_that_may_image_them():
    for support in CRYSTALS:
        recipe = recipe_of(support, "Pt", {})
        assert recipe.engine.name == "prism"
        assert max(recipe.scan.shape) <= 80


def test_a_control_refuses_a_value_that_its_settings_refuse():
    """Ranges on the page are cut to what the settings allow."""
    for control in CONTROLS:
        low, high = control.bounds
        assert control.described.low <= low < high <= control.described.high
        with pytest.raises(InputError, match=r"must be"):
            control.read(2 * control.public()["high"] + 1)


def test_a_server_that_starts_makes_ready_what_is_simulated_first(browse):
    dispatcher = browse(session=False).app.app.state.context.dispatcher
    called, ready = [], threading.Event()

    class Noted(Here):
        def call(self, function, seconds, *_, **__):
            called.append(function)
            if function == WARM_SIMULATIONS:
                ready.set()

    dispatcher._detector = dispatcher.simulations = Noted()
    dispatcher.start()
    try:
        assert ready.wait(30)
    finally:
        dispatcher.end()
    # The search for atoms comes first.
    assert called == [WARM, WARM_SIMULATIONS]
    module, _, name = WARM_SIMULATIONS.partition(":")
    assert getattr(importlib.import_module(module), name) is warm


@pytest.mark.slow
def test_the_place_opens_with_an_image_that_is_ready(page):
    warm()
    shown = {one.name: one.public()["default"] for one in controls_of("carbon")}
    answer = asked(page, support="carbon", element="Pt", values=shown)
    assert not answer["simulated"]
    # Control: another specimen is not.
    assert asked(page, support="carbon", element="Pt", values={**shown, "seed": 3})["simulated"]
