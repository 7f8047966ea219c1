"""Which images are looked at again: all that are new, changed, or would be found otherwise."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from stemforge.errors import InputError
from stemforge.evaluate.reports import inputs
from stemforge.evaluate.reports.inputs import Detecting, detect_missing
from stemforge.infer.batch import file_stamp
from stemforge.options import Reading
from stemforge.outputs.folder import ResultFolder

ASKED = Detecting(weights="any-atom")


@pytest.fixture
def folder(tmp_path):
    return ResultFolder(tmp_path / "out", True)


@pytest.fixture
def image(tmp_path):
    def write(name, seed=0):
        path = tmp_path / f"{name}.tif"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (32, 32), dtype=np.uint8)).save(path)
        return path

    return write


@pytest.fixture
def looked_at(monkeypatch, folder):
    """Function that asks for images; returns those on which atoms were looked for, and the tables."""
    batches = []

    def detect(batch, weights, **options):
        batches.append([path.stem for path in batch.images])
        asked = {"weights": str(weights), "threshold_asked": options.pop("threshold"), **options}
        asked["sampling_asked"] = batch.reading.sampling

        def work(micrograph, results):
            results.path(".csv").write_text("x_px,y_px\n", encoding="utf-8")
            return 0

        batch.run(inputs.COMMAND, work, "atoms", asked)

    monkeypatch.setattr(inputs, "detect_atoms_in_files", detect)

    def ask(images, detecting=ASKED):
        batches.clear()
        tables = detect_missing(images, folder, detecting, quiet=True)
        return batches[0] if batches else [], [path.stem for path in tables]

    return ask


def test_what_is_done_is_taken(looked_at, image):
    images = [image("a"), image("b")]
    assert looked_at(images) == (["a", "b"], ["a", "b"])
    assert looked_at(images) == ([], ["a", "b"])
    assert looked_at(images, replace(ASKED, tile=64)) == (["a", "b"], ["a", "b"])


def test_images_of_one_name_are_refused_though_one_is_done(looked_at, image):
    first, second = image("A/x"), image("B/x", seed=1)
    looked_at([first])
    with pytest.raises(InputError, match="images of the same name"):
        looked_at([first, second])
    with pytest.raises(InputError, match="given twice"):
        looked_at([first, first])
    assert looked_at([second]) == (["x"], ["x"])


def test_an_image_replaced_by_an_older_one_is_looked_at_again(looked_at, image):
    path = image("a")
    looked_at([path])
    os.utime(path, (1e9, 1e9))
    assert looked_at([path])[0] == ["a"]
    assert looked_at([path])[0] == []
    size, time = file_stamp(path)
    path.write_bytes(path.read_bytes() + b"0")
    os.utime(path, ns=(time, time))
    assert file_stamp(path) == [size + 1, time]
    assert looked_at([path])[0] == ["a"]


def test_results_that_say_no_stamp_are_made_again(looked_at, image, folder):
    path = image("a")
    looked_at([path])
    record = folder.path / "run.json"
    content = json.loads(record.read_text(encoding="utf-8"))
    del content[inputs.COMMAND]["a"]["stamp"]
    record.write_text(json.dumps(content), encoding="utf-8")
    assert looked_at([path])[0] == ["a"]


def test_weights_that_were_trained_since_are_applied(looked_at, image, tmp_path):
    path, weights = image("a"), tmp_path / "net.safetensors"
    weights.write_bytes(b"")
    os.utime(weights, (1e9, 1e9))
    asked = replace(ASKED, weights=weights)
    looked_at([path], asked)
    assert looked_at([path], asked)[0] == []
    os.utime(weights, (4e9, 4e9))
    assert looked_at([path], asked)[0] == ["a"]


@pytest.mark.parametrize(("sampling", "again"), [("common", ["a", "b", "c"]), ("auto", ["c"])])
def test_one_pixel_size_of_all_is_estimated_from_all(looked_at, image, sampling, again):
    asked = replace(ASKED, reading=Reading(sampling=sampling))
    images = [image("a"), image("b")]
    looked_at(images, asked)
    assert looked_at(images, asked)[0] == []
    assert looked_at([*images, image("c")], asked)[0] == again
