"""Recipes composed from what a user knows."""

import re

import pytest

from stemforge.errors import RecipeError
from stemforge.files import plain_yaml
from stemforge.settings import LogUniform, Uniform
from stemforge.simulate import RecipeRequest, SimulationRecipe, check_recipe, compose_recipe, draw_preview
from stemforge.simulate.composing.preview import preview_recipe

KNOWN = {
    "energy": 80e3,
    "semiangle": 25,
    "detector": "60,200",
    "sampling": 0.12,
    "dose": 2e4,
    "source_size": 0.8,
    "density": 0.3,
    "thickness": 40,
}
SUPPORTS = [
    "carbon",
    "carbon-particle",
    "c3n4",
    "graphene",
    "hbn:2",
    "mos2",
    "ws2:3",
    "mgo:001",
    "ceo2:111",
    "Au:110",
]


def compose(**values):
    return compose_recipe(RecipeRequest.from_mapping(values))


@pytest.mark.parametrize("support", SUPPORTS)
def test_every_support_makes_a_recipe_whose_specimen_can_be_built(support):
    composed = compose(support=support, element="Pt", density=2)
    recipe = composed.recipe.replace(scan=composed.recipe.scan.replace(shape=(64, 64)))
    _, atoms = recipe.build(0)
    assert "Pt" in atoms.get_chemical_symbols()
    assert SimulationRecipe.from_mapping(plain_yaml(composed.text)) == composed.recipe


def test_what_is_known_is_taken_as_it_is():
    composed = compose(support="carbon", element="Ir", **KNOWN)
    recipe = composed.recipe
    assert composed.assumed == ()
    assert (recipe.microscope.energy, recipe.microscope.semiangle_cutoff) == (80e3, 25)
    assert recipe.microscope.detectors.angles == {"HAADF": (60, 200)}
    assert (recipe.scan.sampling, recipe.support.thickness) == (0.12, 40)
    assert (recipe.degradation.dose, recipe.degradation.source_size) == (2e4, 0.8)
    assert (recipe.single_atoms[0].element, recipe.single_atoms[0].areal_density) == ("Ir", 0.3)


def test_ranges_become_distributions():
    composed = compose(support="carbon", element="Ir", dose="1e4,5e4", thickness="20,60", density="0.1,1")
    assert composed.recipe.degradation.dose == LogUniform(loguniform=(1e4, 5e4))
    assert composed.recipe.support.thickness == Uniform(uniform=(20, 60))
    assert composed.recipe.single_atoms[0].areal_density == LogUniform(loguniform=(0.1, 1))
    assert not {"degradation.dose", "support.thickness"} & set(composed.assumed)


def test_what_is_not_known_is_wide_and_marked():
    composed = compose(support="carbon", element="Pt")
    marked = {
        "support.thickness", "single_atoms.areal_density", "microscope.energy", "microscope.semiangle_cutoff",
        "microscope.detectors", "scan.sampling", "degradation.source_size", "degradation.dose",
    }  # fmt: skip
    assert set(composed.assumed) == marked
    assert len(re.findall("not given", composed.text)) == len(marked) + 1  # the heading explains it
    low, high = composed.recipe.degradation.dose.bounds
    assert high / low >= 100


def test_without_an_element_there_are_no_labels():
    assert compose(support="carbon").recipe.single_atoms == ()


def test_particles_and_defects():
    recipe = compose(
        support="mos2", defects=["vacancy:S:0.2", "substitution:Mo>W:0.05"], particles="Au:20,60"
    ).recipe
    vacancy, substitution = recipe.defects
    assert (vacancy.kind, vacancy.element, vacancy.areal_density) == ("vacancy", "S", 0.2)
    assert (substitution.element, substitution.by) == ("Mo", "W")
    assert recipe.particles[0].diameter == Uniform(uniform=(20, 60))


REFUSED = {
    "crystals want a face": ({"support": "mgo"}, "the face that the beam enters"),
    "no face at all": ({"support": "mgo:000"}, "the face that the beam enters"),
    "no such support": ({"support": "unobtainium"}, "no material and no file called 'unobtainium'"),
    "layers have no face": ({"support": "graphene:x"}, "the number of layers"),
    "films have no face": ({"support": "carbon:001"}, "nothing can follow the colon"),
    "thickness of layers": ({"support": "mos2", "thickness": 10}, "layers are counted"),
    "no such element": ({"support": "carbon", "element": "Qt"}, "chemical symbol"),
    "density of nothing": ({"support": "carbon", "density": 1}, "give element"),
    "ends exchanged": ({"support": "carbon", "dose": "5e4,1e4"}, "lowest,highest"),
    "negative": ({"support": "carbon", "sampling": -1}, "must be positive"),
    "keV": ({"support": "carbon", "energy": 80}, "is it given in keV"),
    "no number": ({"support": "carbon", "dose": "much"}, "dose"),
    "defect": ({"support": "mos2", "defects": ["hole:S:1"]}, "vacancy:S:0.2"),
    "defect's density": ({"support": "mos2", "defects": ["vacancy:S:much"]}, "expected a number"),
}


@pytest.mark.parametrize(("values", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(values, says):
    with pytest.raises(RecipeError, match=re.escape(says)):
        compose(**values)


def test_a_preview_shows_image_labels_and_structure(tmp_path):
    recipe = compose(
        support="graphene", element="Si", **{k: v for k, v in KNOWN.items() if k != "thickness"}
    ).recipe
    recipe = recipe.replace(scan=recipe.scan.replace(shape=(64, 64)))
    figure = draw_preview(recipe, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000
    image, labels, above, side = figure.axes  # of a sheet from above, too
    assert above.get_title() == "structure from above"
    assert "from the side" in side.get_title()
    # As the image lies: to the right and downwards, and as much of it.
    assert above.get_xlim()[1] - above.get_xlim()[0] == pytest.approx(64 * recipe.scan.sampling)
    assert above.get_ylim()[0] - above.get_ylim()[1] == pytest.approx(64 * recipe.scan.sampling)
    assert image.get_ylim()[0] > image.get_ylim()[1]
    assert "atoms from contrast-to-noise" in labels.get_title() or labels.get_title() == "no labels"


def test_the_command_writes_a_recipe_and_a_picture(tmp_path, monkeypatch, capsys):
    from stemforge.__main__ import main

    monkeypatch.chdir(tmp_path)
    words = ["new", "--support", "graphene", "--element", "Si", "--energy", "60e3", "--sampling", "0.2"]
    words += ["--size", "48", "--out", "si.yaml"]
    assert main(words) == 0
    assert SimulationRecipe.load("si.yaml").name == "si-graphene"
    assert (tmp_path / "si.png").is_file()
    assert "stemforge simulate si.yaml" in capsys.readouterr().err
    assert main(words) == 2  # nothing is replaced without being asked
    assert main([*words, "--overwrite", "--no-picture"]) == 0
    assert main([*words, "--overwrite", "--energy", "80"]) == 2
    assert SimulationRecipe.load("si.yaml").microscope.energy == 60e3


@pytest.mark.parametrize(("thickness", "engine"), [(9.0, "prism (interpolation 4)"), (60.0, "kernels")])
def test_a_preview_of_a_crystal_loses_no_electrons(thickness, engine):
    recipe = compose(**{**KNOWN, "thickness": thickness, "support": "mgo:001", "element": "Ir"}).recipe
    assert recipe.engine.name == "auto"
    small = preview_recipe(recipe)
    assert small.engine.title == engine
    if engine != "kernels":
        check_recipe(small)
