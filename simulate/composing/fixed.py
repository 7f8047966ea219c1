"""A recipe of one image: what is known, and one number for everything else."""

from collections.abc import Mapping

import numpy as np

from stemforge.settings import Distribution
from stemforge.simulate.composing.compose import compose_recipe
from stemforge.simulate.composing.preview import preview_recipe
from stemforge.simulate.composing.request import RecipeRequest
from stemforge.simulate.recipe import SimulationRecipe


def fixed_recipe(request: RecipeRequest, values: Mapping[str, float]) -> SimulationRecipe:
    """Compose a recipe that draws nothing: the same seed and values give the same image.

    Parameters
    ----------
    request
        What is known of specimen and microscope.
    values
        Further fields of the recipe by dotted name.

    Returns
    -------
    SimulationRecipe
        Of one sample. Priors that neither `request` nor `values` state are replaced by the middle of their range. Of
        a crystal the engine and the field of view are such as take less than minutes, as in
        :func:`stemforge.simulate.draw_preview`.

    Raises
    ------
    RecipeError
        A support that is not known, or values that do not go together.

    Examples
    --------
    >>> request = RecipeRequest(support="carbon", element="Pt", thickness=150, dose=4e4)
    >>> recipe = fixed_recipe(request, {"microscope.defocus": 20.0})
    >>> recipe.microscope.defocus, recipe.degradation.dose, recipe.distributions
    (20.0, 40000.0, {})
    """
    composed = compose_recipe(request).recipe.model_dump(mode="json")
    known = {**values, "num_samples": 1}
    recipe = SimulationRecipe.from_mapping(composed, known, source="the recipe of these values")
    drawn = recipe.with_distributions({name: _middle(one) for name, one in recipe.distributions.items()})
    return drawn if drawn.engine.name == "kernels" else preview_recipe(drawn)


def _middle(distribution: Distribution) -> float:
    return float(np.mean(distribution.bounds))
