"""Every field of every recipe that ships is explained, from the settings themselves; examples can be used."""

import re
import shlex

import pytest

from stemforge import RecipeError
from stemforge.files import plain
from stemforge.options import parse_overrides
from stemforge.settings import Settings, fields_of, value_at
from stemforge.simulate.recipe_set import RecipeSet
from stemforge.train.catalogue.explanation import drawn_about, explained
from stemforge.train.catalogue.shipped import find_recipe, kinds, shipped

RECIPES = {one.name: one for one in shipped()}


def lines(*words):
    return [line for line in explained(*words) if isinstance(line, str)]


@pytest.mark.parametrize("kind", kinds())
def test_every_field_has_a_meaning(kind):
    for field in fields_of(kinds()[kind]):
        found = field.description
        assert len(found.text) > 2, field
        assert not re.search("[`:]\\w+:|`", found.full), field
        assert field.kind, field


def test_no_two_fields_share_their_words():
    """Of `A1, A1_angle: astigmatism [Å] and azimuth [rad]` each would get the other's unit."""
    for settings in {field.settings for kind in kinds().values() for field in fields_of(kind)}:
        for base in settings.__mro__:
            if issubclass(base, Settings):
                shared = re.findall(
                    r"^ *(\w+, \w[\w, ]*)$", (base.__doc__ or "").partition("Examples")[0], re.M
                )
                assert not [names for names in shared if set(names.split(", ")) <= set(settings.model_fields)]


@pytest.mark.parametrize("name", RECIPES)
def test_what_a_recipe_holds_can_be_set_as_shown(name):
    recipe = RECIPES[name].load()
    if isinstance(recipe, RecipeSet):
        recipe = next(iter(recipe.members().values()))
    words, count = [], 0
    for field in fields_of(type(recipe)):
        try:
            holder, value = value_at(recipe, field.name)
        except KeyError:
            continue
        if holder is field.settings and not field.members:
            words += shlex.split(field.option(plain(value)))
            count += 1
    assert count > 10
    assert type(recipe).from_mapping(recipe.model_dump(mode="json"), parse_overrides(words)) == recipe


def test_every_number_that_may_be_drawn_can_be_drawn_as_shown():
    recipe = RECIPES["quickstart"].load()
    values, count = recipe.model_dump(mode="json"), 0
    for field in fields_of(type(recipe)):
        try:
            holder, value = value_at(recipe, field.name)
        except KeyError:
            continue
        if field.distributions and holder is field.settings and isinstance(value, int | float):
            words = shlex.split(field.option(drawn_about(value, field)))
            type(recipe).from_mapping(values, parse_overrides(words))
            count += 1
    assert count > 20


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (
            ["pt-nc", "single_atoms.1.element"],
            ["here     Zn (pt-nc)", "set      --single_atoms.1.element Zn"],
        ),
        (
            ["pt-nc", "degradation.dose"],
            ["unit     e/Å²", "at least 0", "here     {loguniform: [17000, 80000]}"],
        ),
        (["pt-nc", "support.pore_radius"], ["of carbon_particle", "unit     Å", "greater than 0"]),
        (["pt-nc", "support.stacking"], ["of carbon_nitride", "of layers", "one of AB, AA, random"]),
        (["simulate", "areal_density"], []),
        (["simulate", "pore_radius"], ["set      --support.pore_radius"]),
        (["any-atom", "focus"], ["here     {uniform: [0, 1]} (any-atom, pt-carbon)"]),
        (["any-atom", "ni-carbon.support.thickness"], ["here     {uniform: [10, 80]} (any-atom, ni-carbon)"]),
        (
            ["ir-mgo", "microscope.detectors.rings.HAADF"],
            [
                "microscope.detectors.rings",
                "mapping of names to: list of 2",
                "here     {HAADF: [70, 170]} (ir-mgo)",
            ],
        ),
        (["zsm5-idpc", "guests.pyridine"], ["support.guests of zeolite", "mapping of names to: number"]),
        (["atom-net", "visible.min_cnr"], ["default  4", "set      --visible.min_cnr 4"]),
        (
            ["epochs"],
            ["in recipes for sac-cnn, atom-net, divaesr, unet, faster-rcnn:", "whole number; at least 1"],
        ),
        (["crop"], ["in recipes for atom-net:", "in recipes for faster-rcnn:"]),
    ],
)
def test_explained(words, parts):
    if not parts:
        with pytest.raises(
            RecipeError, match=r"several fields end so: particles\.0\.areal_density, defects\.0"
        ):
            lines(*words)
        return
    printed = "\n".join(lines(*words))
    for part in parts:
        assert part in printed, printed


def test_of_a_union_the_member_that_the_recipe_has_is_explained():
    assert [line for line in lines("pt-nc", "support.density") if line.startswith("support")] == [
        "support.density of carbon_particle"
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["pt-nc", "singel_atoms.0.elment"], "pt-nc has no such field; did you mean single_atoms.0.element"),
        (["pt-nc", "scan.shape.HAADF"], "pt-nc has no such field"),
        (["pt-nc", "zzz"], "stemforge recipe show NAME --full lists every field"),
        (["pt-nk", "seed"], "no such recipe file, and no shipped recipe of that name .*pt-nc"),
        (["epoch"], "any recipe has no such field; did you mean epochs"),
    ],
)
def test_what_is_not_there_is_refused(words, says):
    with pytest.raises(RecipeError, match=says):
        lines(*words)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_what_it_is_for_and_keeps_its_comments(name):
    one = RECIPES[name]
    assert 15 < len(one.summary) < 180
    assert one.load().to_yaml(like=one.text) == one.text
    assert "Am" not in one.summary.split()[-1:]


def test_files_of_users_are_recognised(tmp_path):
    for name in ("pt-nc", "any-atom", "sac-cnn", "vae"):
        (tmp_path / "mine.yaml").write_text(RECIPES[name].text, encoding="utf-8")
        assert find_recipe(str(tmp_path / "mine.yaml")).settings is RECIPES[name].settings
    (tmp_path / "mine.yaml").write_text("- 1")
    with pytest.raises(RecipeError, match=r"mine\.yaml: a recipe is a YAML mapping .* this is \[1\]"):
        find_recipe(str(tmp_path / "mine.yaml"))


def test_every_recipe_file_is_listed():
    folders = {one.path.parent for one in shipped()}
    assert {path for folder in folders for path in folder.glob("*.yaml")} == {one.path for one in shipped()}
    assert len(folders) == 3
