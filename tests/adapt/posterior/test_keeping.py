"""A calibration that was kept in a folder is the one that was found, and makes the same figures."""

import dataclasses
import json

import numpy as np
import pytest

from stemforge import InputError
from stemforge.adapt import draw_patches, draw_posterior
from stemforge.adapt.posterior.keeping import keep_calibration, kept_calibration
from stemforge.adapt.posterior.result import Calibration, Estimate
from stemforge.settings import Choice, LogUniform, Quantiles, Uniform
from stemforge.simulate import SimulationRecipe

DOSE, THICKNESS = "degradation.dose", "support.mean_thickness"


def found(sampling=0.3):
    """One parameter that is determined and runs into its prior's end, one that is not, one that leaves no trace."""
    priors = {
        DOSE: LogUniform(loguniform=(1e5, 4e5)),
        THICKNESS: Uniform(uniform=(30, 90)),
        "support.vacuum_fraction": Choice(choice=(0, 0, 0.2)),
    }
    new = Quantiles(quantiles=(2.1e5, 3.3e5, 4e5))
    heights = tuple((np.r_[np.zeros(12), np.arange(12)] / 66).tolist())
    recipe = SimulationRecipe.from_mapping(
        {
            "name": "tiny",
            "support": {
                "kind": "carbon_particle",
                "mean_thickness": {"uniform": [30, 90]},
                "vacuum_fraction": {"choice": [0.1]},
            },
            "scan": {"shape": [128, 128], "sampling": 0.3},
            "degradation": {"dose": new.model_dump()},
        }
    )
    estimates = (
        Estimate(DOSE, priors[DOSE], (1 / 3 * 1e6, 3.5e5, 4e5), heights, True, 0.7, 0.91, new),
        Estimate(THICKNESS, priors[THICKNESS], (33.0, 60.0, 87.0), (0.5,) * 2, False, 0.05, 0.88, None),
        Estimate(
            "support.vacuum_fraction",
            priors["support.vacuum_fraction"],
            (0.0, 0.0, 0.2),
            None,
            False,
            np.nan,
            0.9,
            None,
        ),
    )
    patches = np.random.default_rng(0).poisson(40, (2, 6, 32, 32)).astype(np.float16)
    vacuum = {"support.vacuum_fraction": Choice(choice=(0.1,))}
    return Calibration(
        recipe=recipe,
        images=("größe", "b"),
        estimates=estimates,
        changes={DOSE: new, **vacuum},
        unlike={"level p50": 0.4},
        hidden=64,
        real=patches[0],
        simulated=patches[1],
        sampling=sampling,
    )


def pixels(figure):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


@pytest.mark.parametrize("sampling", [0.3, None])
def test_what_was_kept_is_what_was_found(tmp_path, sampling):
    before = found(sampling)
    keep_calibration(before, tmp_path)
    after = kept_calibration(tmp_path)
    for field in dataclasses.fields(Calibration):
        # repr, for the value that is no number
        np.testing.assert_array_equal(*(repr(getattr(one, field.name)) for one in (after, before)))
    np.testing.assert_array_equal(after.real, before.real)
    assert after.real.dtype == before.real.dtype
    assert after.lines() == before.lines()


def test_the_figures_are_the_same(tmp_path):
    before = found()
    keep_calibration(before, tmp_path)
    after = kept_calibration(tmp_path)
    for draw in (draw_posterior, draw_patches):
        np.testing.assert_array_equal(pixels(draw(after)), pixels(draw(before)))
    # The control: another calibration is drawn otherwise.
    other = dataclasses.replace(before, real=before.simulated)
    assert (pixels(draw_patches(other)) != pixels(draw_patches(before))).any()


def test_a_folder_of_an_older_version_has_none(tmp_path):
    keep_calibration(found(), tmp_path)
    (tmp_path / "posterior-patches.npz").unlink()
    assert kept_calibration(tmp_path) is None


def damaged_json(folder):
    (folder / "posterior.json").write_text("{")


def other_json(folder):
    content = json.loads((folder / "posterior.json").read_text())
    content["parameters"][DOSE]["prior"] = 5
    (folder / "posterior.json").write_text(json.dumps(content))


def cut_patches(folder):
    content = (folder / "posterior-patches.npz").read_bytes()
    (folder / "posterior-patches.npz").write_bytes(content[: len(content) // 2])


def another_recipe(folder):
    recipe = SimulationRecipe.load(folder / "recipe.yaml")
    (folder / "recipe.yaml").write_text(recipe.with_distributions({DOSE: 1e5}).to_yaml())


@pytest.mark.parametrize("damage", [damaged_json, other_json, cut_patches, another_recipe])
def test_damaged_files_are_named_with_a_mend(tmp_path, damage):
    keep_calibration(found(), tmp_path)
    damage(tmp_path)
    with pytest.raises(InputError, match=r"is damaged .*remove recipe\.yaml"):
        kept_calibration(tmp_path)
