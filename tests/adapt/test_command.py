"""``stemforge calibrate`` from image files to a recipe, its record and its pictures."""

import json

import numpy as np
import pytest
import yaml

from stemforge import InputError
from stemforge.adapt.command import calibrate
from stemforge.micrograph.writers import write_tiff
from stemforge.options import Progress, Workers
from stemforge.settings import Uniform
from stemforge.simulate import SimulationRecipe, degrade, simulate_sample

QUIET = Progress(True)


@pytest.fixture(scope="module")
def wide():
    """A recipe whose signals take milliseconds; dose and thickness are open."""
    return SimulationRecipe.from_mapping(
        {
            "name": "wide",
            "seed": 1,
            "support": {"kind": "amorphous_carbon", "thickness": {"uniform": [10, 40]}},
            "microscope": {"preset": "nion-ultrastem-100", "detectors": {"rings": {"HAADF": [90, 185]}}},
            "scan": {"shape": [128, 128], "sampling": 0.3, "margin": 3},
            "degradation": {
                "dose": {"loguniform": [1e5, 1e7]},
                "source_size": 1.0,
                "gain": {"uniform": [1, 9]},
            },
        }
    )


@pytest.fixture(scope="module")
def images(wide, tmp_path_factory):
    """Three images of a narrow part of that recipe, of which one corner is vacuum: gain and offset can be measured."""
    folder = tmp_path_factory.mktemp("images")
    truth = wide.replace(seed=7).with_distributions({"degradation.dose": 3e6, "degradation.gain": 5.0})
    paths = []
    for index in range(3):
        sample = simulate_sample(truth, index)
        signal = sample.signal.copy()
        signal[:, :40, :60] *= 0.02
        recorded = degrade(signal, truth.degradation, 0.3, np.random.default_rng(index)).image[0]
        paths.append(folder / f"image-{index}.tif")
        write_tiff(paths[-1], recorded + 1000, 0.3)
    return paths


@pytest.mark.slow
def test_recipe_record_and_pictures_are_written_and_the_work_is_kept(wide, images, tmp_path, capsys):
    (tmp_path / "wide.yaml").write_text(wide.to_yaml())
    out, options = (
        tmp_path / "fitted.yaml",
        {"recipe": str(tmp_path / "wide.yaml"), "num": 160, "processes": Workers(1)},
    )
    calibrate(images, out=out, work=tmp_path / "work", progress=QUIET, **options)
    new = SimulationRecipe.load(out)
    assert new.degradation.gain == Uniform(uniform=(1, 9))  # of no image's business
    record = json.loads(out.with_suffix(".json").read_text())
    assert record["images"] == ["image-0", "image-1", "image-2"]
    assert set(record["parameters"]) == {"support.thickness", "degradation.dose"}
    dose = record["parameters"]["degradation.dose"]
    assert dose["determined"]
    assert dose["p5"] < 3e6 < dose["p95"]
    assert yaml.safe_load(out.read_text())["degradation"]["dose"] == dose["distribution"]
    for name in ("fitted.png", "fitted-patches.png"):
        assert (tmp_path / name).stat().st_size > 10_000
    assert "hidden simulated patches" in capsys.readouterr().out
    # The patches are there: the same again gives the same bytes.
    again = tmp_path / "again.yaml"
    calibrate(images, out=again, work=tmp_path / "work", progress=QUIET, **options)
    assert again.read_bytes() == out.read_bytes()
    with pytest.raises(InputError, match=r"already holds fitted\.yaml"):
        calibrate(images, out=out, progress=QUIET, **options)


def test_bad_input_is_refused_before_anything_is_written(images, tmp_path):
    with pytest.raises(InputError, match=r"must end in \.yaml"):
        calibrate(images, out=tmp_path / "x.json")
    with pytest.raises(InputError, match="at least 3"):
        calibrate(images[:2], out=tmp_path / "x.yaml")
    assert not list(tmp_path.iterdir())
