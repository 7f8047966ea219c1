"""What a user is told to widen."""

import numpy as np
import pytest

from stemforge.adapt import Calibration
from stemforge.evaluate.corpora.patch_statistics import statistic_names
from stemforge.simulate import RecipeRequest, compose_recipe

RECIPE = compose_recipe(RecipeRequest(support="carbon", element="Pt", sampling=0.3)).recipe


def calibration(unlike):
    nothing = np.zeros((0, 8, 8), dtype=np.float16)
    return Calibration(RECIPE, ("one",), (), {}, unlike, 64, nothing, nothing, 0.3)


@pytest.mark.parametrize("name", statistic_names())
def test_what_no_parameter_explains_says_which_priors_to_widen(name):
    (line,) = calibration({name: 0.4}).warnings()
    assert name in line
    fields = line.split("; widen ")[1].split(", or take")[0].split(", ")
    dotted = [field.split(".") for field in fields if "." in field]
    assert fields
    for room, field in dotted:
        assert field in type(getattr(RECIPE, room)).model_fields


def test_what_two_statistics_share_is_said_once():
    (line,) = calibration({"power axis 0": 0.3, "line noise over 8": 0.5}).warnings()
    assert line.count("degradation.flicker_time") == 1


def test_nothing_is_said_where_all_is_explained():
    assert calibration({}).warnings() == []
