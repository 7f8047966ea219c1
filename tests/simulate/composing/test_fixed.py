"""Recipes of one image, in which everything is a number."""

import numpy as np
import pytest

from stemforge.errors import RecipeError
from stemforge.simulate import RecipeRequest, SimulationRecipe, compose_recipe, fixed_recipe, simulate_sample

REQUEST = RecipeRequest(
    support="graphene", element="Pt", energy=60e3, semiangle=32, detector=(90, 185), shape=(48, 48)
)


def test_what_is_not_stated_lies_in_the_middle_of_its_prior():
    priors = compose_recipe(REQUEST).recipe.distributions
    recipe = fixed_recipe(REQUEST, {"degradation.dose": 5e4})
    assert recipe.distributions == {}
    assert recipe.degradation.dose == 5e4
    assert recipe.microscope.A1 == np.mean(priors["microscope.A1"].bounds) == 20
    assert SimulationRecipe.from_mapping(recipe.model_dump(mode="json")) == recipe


def test_values_that_no_recipe_has_are_refused():
    with pytest.raises(RecipeError, match=r"unknown key 'microscope\.C7'"):
        fixed_recipe(REQUEST, {"microscope.C7": 1.0})
    with pytest.raises(RecipeError, match="at most 1"):
        fixed_recipe(REQUEST, {"focus": 2.0})


def test_a_structure_built_before_gives_the_same_sample():
    recipe = fixed_recipe(REQUEST, {})
    atoms = recipe.build(0)[1]
    whole, parts = simulate_sample(recipe, 0), simulate_sample(recipe, 0, atoms=atoms)
    assert np.array_equal(whole.signal, parts.signal)
    assert np.array_equal(whole.labels.points, parts.labels.points)
    assert whole.metadata == parts.metadata
    other = simulate_sample(recipe, 0, atoms=recipe.replace(seed=5).build(0)[1])  # the control
    assert not np.array_equal(whole.signal, other.signal)
