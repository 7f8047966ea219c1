"""Fine-tuning on what was corrected by hand."""

import json
import os

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from stemforge.app.analysis import tuning
from stemforge.app.analysis.jobs import write_labels
from stemforge.app.sessions.records import Job, JobFile
from stemforge.app.working.jobs import weights_of
from stemforge.errors import InputError
from stemforge.files import write_json
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.readers import read_micrograph
from stemforge.micrograph.writers import write_tiff
from stemforge.train import load_weights


@pytest.fixture
def corrected(tmp_path, blobs):
    """Function that makes an image as the server keeps it, with added atoms alone."""

    def make(points, sampling=0.293):
        folder = tmp_path / "kept"
        folder.mkdir()
        write_tiff(folder / "image.tif", blobs(points, (96, 96), sigma=3.7, height=30, noise=6), sampling)
        np.save(folder / "atoms.npy", np.empty((0, 3)))
        write_json(folder / "atoms.json", {"columns": ["x", "y", "score"], "facts": {"sampling": sampling}})
        edits = {"threshold": 0.5, "removed": [], "added": points, "masks": []}
        return [{"folder": str(folder), "name": "a.tif", "sampling": sampling, "edits": edits}]

    return make


PLACES = [[20.0, 20.0], [60.0, 25.0], [30.0, 55.0], [70.0, 70.0], [25.0, 80.0], [50.0, 50.0]]


@pytest.mark.slow
def test_corrected_atoms_change_the_weights(corrected, tmp_path, monkeypatch):
    monkeypatch.setattr(
        tuning, "SIMULATED", {"num_samples": 8, "shard_size": 4, "scan.shape": [96, 96], "seed": 1}
    )
    monkeypatch.setattr(tuning, "CHANGES", {"epochs": 1, "crop": 64, "validation": 0.25})
    out = tmp_path / "out"
    out.mkdir()
    made = tuning.fine_tune(corrected(PLACES), str(out), "any-atom", str(tmp_path / "replay"))
    assert "6 labels on 1 images" in made["message"]
    assert json.loads((out / "progress.json").read_text())["progress"] == 0.9
    (file,) = made["files"]
    before, after = load_weights("any-atom"), load_weights(file["path"])
    assert after[1].calibration == before[1].calibration
    pairs = zip(before[0].parameters(), after[0].parameters(), strict=True)
    moved = [float((one - other).detach().abs().max()) for one, other in pairs]
    assert 0 < max(moved) < 0.5


@pytest.mark.parametrize("sampling", [0.293, 0.2, 0.45])
def test_labels_come_at_the_pixel_size_that_the_network_knows(corrected, tmp_path, sampling):
    out = tmp_path / "out"
    assert write_labels(corrected(PLACES, sampling), out, 0.293) == len(PLACES)
    image = read_micrograph(out / "images" / "a.tif")
    labels = Annotations.from_csv(out / "labels" / "a.csv", image.shape)
    assert image.sampling == pytest.approx(0.293)
    assert image.shape[0] * image.sampling == pytest.approx(96 * sampling, rel=0.02)
    truth = (np.array(PLACES) + 0.5) * image.shape[0] / 96 - 0.5
    np.testing.assert_allclose(labels.points, truth, atol=1.5)
    # Each label lies on the blob that it belongs to.
    smooth = gaussian_filter(image.image, 2)
    x, y = labels.points.round().astype(int).T
    assert smooth[y, x].min() > np.median(smooth) + 0.5 * (smooth.max() - np.median(smooth))


def test_what_cannot_be_learnt_from_is_refused(corrected, tmp_path):
    images = corrected(PLACES[:2])
    with pytest.raises(InputError, match="2 atoms to learn from, 5 are needed"):
        tuning.fine_tune(images, str(tmp_path), "any-atom", str(tmp_path / "replay"))
    with pytest.raises(InputError, match="cannot be trained further here"):
        tuning.fine_tune(images, str(tmp_path), "sac-cnn", str(tmp_path / "replay"))


def test_a_tuned_detector_can_be_chosen_in_its_session_alone(browse):
    browser, other = browse(), browse()
    image, strange = browser.image(), other.image()
    context = browser.app.app.state.context
    session = context.store.find(browser.cookies.get(context.settings.session_cookie))
    job = Job(id="ab" * 16, kind="fine-tune", images=[image["id"]], status="done")
    job.files = [JobFile(name="fine-tuned.safetensors", stored="file0.safetensors", bytes=1)]
    session.add_job(job)
    name = f"job:{job.id}"
    assert name in {one["name"] for one in browser.get("/api/session").json()["detectors"]}
    changed = browser.patch(f"/api/images/{image['id']}", json={"detector": name})
    assert (changed.status_code, changed.json()["detector"]) == (200, name)
    assert weights_of(session, name) == os.fspath(session.job_folder(job.id) / "file0.safetensors")
    assert other.patch(f"/api/images/{strange['id']}", json={"detector": name}).status_code == 422
