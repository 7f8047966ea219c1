"""What the page says of a recording is what triage says, each number with its unit and a sentence."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from stemforge.app.analysis.detection import detect, find_likely
from stemforge.app.analysis.quality import judge
from stemforge.evaluate.triage.measuring import triage_micrograph
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.writers import write_tiff
from stemforge.train import load_weights
from stemforge.train.weights import save_weights


@pytest.fixture(scope="module")
def images(tmp_path_factory, blobs):
    """A sharp image of atoms on a rough support, and the same blurred before its noise, as files."""
    rng = np.random.default_rng(3)
    points = rng.uniform(15, 241, (40, 2))
    support = 40 * ndimage.gaussian_filter(rng.normal(size=(256, 256)), 3)
    atoms = np.asarray(blobs(points, (256, 256), sigma=3.2, height=60, noise=0)) + support
    folder = tmp_path_factory.mktemp("quality")
    found = {}
    for name, sigma in (("sharp", 0), ("blurred", 6)):
        image = np.clip(ndimage.gaussian_filter(atoms, sigma) if sigma else atoms, 1, None)
        found[name] = folder / f"{name}.tif"
        write_tiff(found[name], rng.poisson(image).astype(np.float32), 0.25)
    return found


def values(found):
    return {one["label"]: one for one in found["answers"]}


def judged(path, sampling=0.25, weights="any-atom"):
    """Judge as the server does: by what was found, or by what any-atom finds."""
    about = {"path": str(path), "name": "image", "sampling": sampling}
    found = detect(detector=weights, weights=weights, sampling_in_file=None, **about)
    known = found if found["card"] is not None else find_likely(**about)
    return judge(table=known["table"][:, :3], card=known["card"], **about)


def test_it_says_what_triage_says(images):
    from stemforge import read_micrograph

    found = judged(images["sharp"])
    image = read_micrograph(images["sharp"]).image
    wanted = triage_micrograph(Micrograph(image, 0.25, name="image"), *load_weights("any-atom"))
    shown = values(found)
    assert (found["verdict"], found["focus"]) == (wanted.verdict, pytest.approx(wanted.focus))
    assert shown["Electrons"]["value"] == pytest.approx(wanted.electrons_per_angstrom2)
    assert (shown["Electrons"]["unit"], shown["Finest detail"]["unit"]) == ("per Å²", "Å")
    assert shown["Lines jitter by"]["value"] == pytest.approx(wanted.line_jitter_angstrom)
    assert all(one["explanation"].endswith(".") for one in found["answers"])


def test_a_blurred_image_is_out_of_focus(images):
    sharp, blurred = judged(images["sharp"]), judged(images["blurred"])
    assert blurred["focus"] is None or blurred["focus"] < 0.6 * sharp["focus"]


@pytest.mark.slow
def test_without_a_pixel_size_lengths_are_in_pixels_and_it_says_why(images):
    shown = values(judged(images["sharp"], sampling=None))
    assert shown["Finest detail"]["unit"] == "pixel"
    assert shown["Electrons"]["unit"] == "per pixel"
    assert shown["Focus"]["value"] is None
    assert "pixel size is not known" in shown["Focus"]["explanation"]


def test_a_detector_that_is_not_calibrated_leaves_it_to_another(images, tmp_path):
    model, card = load_weights("atom-net")
    plain, calibrated = tmp_path / "plain.safetensors", tmp_path / "calibrated.safetensors"
    save_weights(calibrated, model, card)
    save_weights(plain, model, replace(card, calibration=None, counting=None))
    assert judged(images["sharp"], weights=str(plain)) == judged(images["sharp"])
    assert judged(images["sharp"], weights=str(calibrated)) != judged(images["sharp"])
