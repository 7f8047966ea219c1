from pathlib import Path

import numpy as np
import pytest
import tifffile

from stemforge import InputError, read_micrograph
from stemforge.infer.batch import Batch
from stemforge.micrograph.writers import write_tiff
from stemforge.options import Reading


@pytest.fixture
def images(tmp_path):
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.random.default_rng(0).random((8, 9), "float32"))
    return [tmp_path / "a.tif", tmp_path / "b.tif"]


def _work(batch):
    def work(micrograph):
        if micrograph.name == "b":
            raise InputError("b: is bad")
        batch.path(micrograph, ".txt").write_text("x")
        return 3

    return work


def test_what_fails_is_left_out(images, tmp_path, capsys):
    batch = Batch(images, tmp_path / "out", [".txt"], quiet=True)
    outcome = batch.run("test", _work(batch), "things", {"weights": "w"})
    assert (outcome.images, outcome.found, outcome.failed, outcome.exit_code) == (2, 3, ("b: is bad",), 1)
    printed = capsys.readouterr().err
    assert "b: is bad" in printed
    assert "3 things on 1 of 2 images" in printed
    assert (tmp_path / "out" / "run.json").read_text().count("is bad") == 1
    alone = Batch(images[1:], tmp_path / "none", [".txt"], quiet=True)
    assert alone.run("test", _work(alone), "things", {}).exit_code == 2
    assert not (tmp_path / "none").exists()


def test_a_result_must_not_replace_its_image(images, tmp_path):
    with pytest.raises(InputError, match=r"a\.tif"):
        Batch(images, tmp_path, [".tif"]).check_out()
    Batch(images, tmp_path, ["_restored.tif"]).check_out()


@pytest.mark.parametrize("stack", [True, False])
def test_existing_results_are_kept(images, tmp_path, stack):
    Path(tmp_path / ("a_003.txt" if stack else "a.txt")).write_text("x")
    reading = Reading(stack=stack)
    with pytest.raises(InputError, match="overwrite"):
        Batch(images, tmp_path, [".txt"], reading).check_out()
    Batch(images, tmp_path, [".txt"], reading, overwrite=True).check_out()


@pytest.mark.parametrize("sampling", [0.125, None])
def test_tiffs_carry_their_pixel_size(tmp_path, sampling):
    write_tiff(tmp_path / "x.tif", np.eye(5), sampling)
    found = read_micrograph(tmp_path / "x.tif").sampling
    assert found == (None if sampling is None else pytest.approx(sampling, rel=1e-4))
