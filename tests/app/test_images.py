"""Images and their edits, as the page asks for them."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from stemforge.app.analysis.statistics import measure
from stemforge.app.analysis.tables import write_overlay, write_table
from stemforge.errors import InputError


def test_an_uploaded_image_is_described(browser):
    image = browser.image("field one.tif")
    assert image["name"] == "field one.tif"
    assert image["shape"] == [64, 80]
    assert image["sampling"] == pytest.approx(0.293)
    assert (image["sampling_source"], image["status"], image["version"]) == ("file", "waiting", 1)
    assert browser.get(f"/api/images/{image['id']}").json() == image
    session = browser.get("/api/session").json()
    assert session["images"] == [image]
    assert {"edits", "report", "labels"} <= set(session["features"])
    assert "any-atom" in {one["name"] for one in session["detectors"]}


def test_pictures_have_the_image_s_pixels(browser, tiff):
    image = browser.image(content=tiff((300, 500)))
    answer = browser.get(f"/api/images/{image['id']}/picture")
    assert answer.headers["content-type"] == "image/png"
    picture = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert picture.shape == (300, 500)
    assert picture.dtype == np.uint8
    assert picture.min() == 0
    assert picture.max() == 255
    binned = Image.open(io.BytesIO(browser.get(f"/api/images/{image['id']}/picture?level=1").content))
    assert binned.size == (250, 150)
    means = picture.astype(float).reshape(150, 2, 250, 2).mean(axis=(1, 3))
    assert np.abs(np.asarray(binned, float) - means).mean() < 2
    small = Image.open(io.BytesIO(browser.get(f"/api/images/{image['id']}/thumbnail").content))
    assert max(small.size) <= 256


def test_edits_are_replaced_and_counted(browser, detected):
    image = detected(browser, browser.image())
    address = f"/api/images/{image['id']}"
    assert (image["status"], image["count"], image["threshold"]) == ("done", 2, 0.5)
    atoms = browser.get(f"{address}/atoms").json()
    assert atoms["likelihood"] == [0.9, 0.6, 0.2, 0.05]
    assert atoms["edits"] == {"threshold": 0.5, "removed": [], "added": [], "masks": []}
    edits = {
        "threshold": 0.1,
        "removed": [0],
        "added": [[5, 5], [31, 41]],
        "masks": [[[25, 35], [35, 35], [35, 45], [25, 45]]],
    }
    answer = browser.put(f"{address}/edits", json=edits, headers={"If-Match": str(image["version"])})
    # Of four candidates one is below, one taken out, one masked; of two added ones one is masked.
    assert answer.json()["count"] == 2
    assert [answer.json()[name] for name in ("added", "removed", "masks")] == [2, 1, 1]
    assert answer.json()["version"] == image["version"] + 1
    after = browser.get(f"{address}/atoms").json()
    assert after["edits"] == edits
    assert after["threshold"] == 0.5  # what the detector chose


def test_a_recording_that_is_judged_meanwhile_takes_no_correction_away(browser, detected):
    """The page learns of it a moment later, and has sent its correction by then."""
    image = detected(browser, browser.image())
    context = browser.app.app.state.context
    session = context.store.find(browser.cookies.get(context.settings.session_cookie))
    record = session.images[image["id"]]
    session.change(record, judged=record.generation, verdict="doubtful", reasons=["few electrons"])
    assert record.version > image["version"]
    address, known = f"/api/images/{image['id']}/edits", {"If-Match": str(image["version"])}
    kept = browser.put(address, json={"threshold": 0.5, "added": [[3, 4]]}, headers=known)
    assert kept.status_code == 200
    assert browser.get(f"/api/images/{image['id']}/atoms").json()["edits"]["added"] == [[3, 4]]
    # The control: what another window corrected is not replaced; nor does a correction fit atoms found anew.
    assert browser.put(address, json={"threshold": 0.9}, headers=known).status_code == 409
    newest = {"If-Match": str(kept.json()["version"])}
    detected(browser, image)
    assert browser.put(address, json={"threshold": 0.9}, headers=newest).status_code == 409


def test_edits_of_an_older_version_are_refused(browser, detected):
    image = detected(browser, browser.image())
    address = f"/api/images/{image['id']}/edits"
    edits = {"threshold": 0.3}
    assert browser.put(address, json=edits, headers={"If-Match": str(image["version"])}).status_code == 200
    stale = browser.put(address, json={"threshold": 0.9}, headers={"If-Match": str(image["version"])})
    assert stale.status_code == 409
    assert "another tab" in stale.json()["error"]
    assert browser.put(address, json=edits).status_code == 428
    assert browser.get(address.replace("edits", "atoms")).json()["edits"]["threshold"] == 0.3


@pytest.mark.parametrize(
    "edits",
    [
        {"threshold": 2},
        {"removed": [-1]},
        {"added": [[1]]},
        {"added": [["x", 1]]},
        {"masks": [[[0, 0], [1, 1]]]},
        {"path": "/etc/passwd"},
        {"threshold": None},
    ],
)
def test_edits_that_are_none_are_refused(browser, detected, edits):
    image = detected(browser, browser.image())
    answer = browser.put(
        f"/api/images/{image['id']}/edits", json=edits, headers={"If-Match": str(image["version"])}
    )
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("The request cannot be used: ")


def test_another_pixel_size_looks_again_and_keeps_what_was_done_by_hand(browser, detected):
    image = detected(browser, browser.image())
    address = f"/api/images/{image['id']}"
    edits = {"threshold": 0.1, "removed": [1], "added": [[5, 5]], "masks": []}
    image = browser.put(f"{address}/edits", json=edits, headers={"If-Match": str(image["version"])}).json()
    changed = browser.patch(address, json={"sampling": 0.4}).json()
    assert (changed["sampling"], changed["sampling_source"], changed["status"]) == (0.4, "user", "waiting")
    # Candidates come in another order and a little elsewhere; what was taken out stays out.
    table = np.array([[30.8, 40.2, 0.95], [11.0, 20.0, 0.7]])
    detected(browser, image, table=table, threshold=0.6, sampling=0.4)
    atoms = browser.get(f"{address}/atoms").json()
    assert atoms["edits"] == {"threshold": 0.6, "removed": [0], "added": [[5, 5]], "masks": []}
    back = browser.patch(address, json={"sampling": None}).json()
    assert back["sampling"] == pytest.approx(0.293)
    assert back["sampling_source"] == "file"


@pytest.mark.parametrize("change", [{"sampling": -1}, {"sampling": "x"}, {"detector": "../x"}, {"id": "x"}])
def test_changes_that_cannot_be_are_refused(browser, change):
    image = browser.image()
    assert browser.patch(f"/api/images/{image['id']}", json=change).status_code == 422
    assert browser.get(f"/api/images/{image['id']}").json() == image


def test_the_page_can_count_what_is_shown(browser, detected):
    likelihood = np.random.default_rng(3).uniform(0.02, 1, 200).astype(np.float32)
    table = np.column_stack([np.random.default_rng(4).uniform(0, 60, (200, 2)), likelihood])
    image = detected(browser, browser.image(), table=table, threshold=float(likelihood[7]))
    atoms = browser.get(f"/api/images/{image['id']}/atoms").json()
    assert sum(one >= atoms["edits"]["threshold"] for one in atoms["likelihood"]) == image["count"]


def test_of_a_stack_a_frame_is_chosen(browser):
    stream = io.BytesIO()
    tifffile.imwrite(
        stream, np.random.default_rng(0).normal(100, 10, (3, 40, 50)).astype(np.float32), imagej=True
    )
    refused = browser.send_file(stream.getvalue())
    assert refused.status_code == 422
    assert refused.json()["frames"] == 3
    assert (
        browser.post("/api/images?frame=2", files={"file": ("s.tif", stream.getvalue())}).status_code == 201
    )
    assert (
        browser.post("/api/images?frame=3", files={"file": ("s.tif", stream.getvalue())}).status_code == 422
    )


def test_a_deleted_image_is_gone_from_the_disk(browser, settings):
    image = browser.image()
    assert list(settings.folder.rglob(image["id"]))
    assert browser.delete(f"/api/images/{image['id']}").status_code == 204
    assert not list(settings.folder.rglob(image["id"]))
    assert browser.get(f"/api/images/{image['id']}").status_code == 404


def test_a_restarted_server_has_everything(browser, detected, reread):
    done = detected(browser, browser.image("a.tif"))
    edits = {"threshold": 0.1, "removed": [0], "added": [[1, 2]], "masks": []}
    done = browser.put(
        f"/api/images/{done['id']}/edits", json=edits, headers={"If-Match": str(done["version"])}
    ).json()
    waiting = browser.image("b.tif")
    job = browser.post("/api/jobs", json={"kind": "zip"}).json()
    (session,) = reread()
    assert [one.public() for one in session.images.values()] == [done, waiting]
    assert session.edits(session.images[done["id"]]).model_dump(mode="json") == edits
    assert [one.public() for one in session.jobs.values()] == [job]


def test_what_was_being_worked_on_waits_again_after_a_restart(browser, reread):
    image = browser.image()
    context = browser.app.app.state.context
    (session,) = context.store
    session.change(session.images[image["id"]], status="working")
    assert next(iter(reread()[0].images.values())).status == "waiting"


def test_atoms_csv_waits_for_the_atoms(browser):
    image = browser.image()
    for name in ("statistics", "atoms.csv", "overlay.png"):
        answer = browser.get(f"/api/images/{image['id']}/{name}")
        assert answer.status_code == 409
        assert "still being looked for" in answer.json()["error"]


def test_no_more_images_than_allowed(browser):
    for _ in range(4):
        browser.image()
    answer = browser.send_file()
    assert answer.status_code == 409
    assert "at most 4 images" in answer.json()["error"]


@pytest.mark.parametrize("place", [[-1e5, 3], [1e6, 1e6], [80, 5], [5, 64], [-0.6, 5]])
def test_atoms_are_added_on_the_image_alone(browser, detected, place):
    image = detected(browser, browser.image())
    address, known = f"/api/images/{image['id']}/edits", {"If-Match": str(image["version"])}
    answer = browser.put(address, json={"added": [[5, 5], place]}, headers=known)
    assert answer.status_code == 422
    assert "outside the image" in answer.json()["error"]
    assert browser.put(address, json={"added": [[-0.5, 63.5], [79.5, 0]]}, headers=known).status_code == 200


def test_where_all_is_masked_there_is_no_number_and_still_a_picture(browser, detected, settings, tmp_path):
    image = detected(browser, browser.image())
    (folder,) = (path.parent for path in settings.folder.rglob("atoms.npy"))
    edits = {"masks": [[[-5, -5], [100, -5], [100, 100], [-5, 100]]]}
    with pytest.raises(InputError, match="all of the image is masked"):
        measure(str(folder), "a", 0.3, edits, None)
    write_overlay(str(folder), "a", 0.3, edits, str(tmp_path / "a.png"), None)
    assert Image.open(tmp_path / "a.png").size[0] > 80
    assert write_table(str(folder), "a", 0.3, edits, str(tmp_path / "a.csv")) == 0
    assert image["count"] == 2


def test_what_belongs_to_one_place_is_forgotten_in_the_other(browser, detected):
    image = detected(browser, browser.image(), remarks=["few atoms"], sampling=0.31, estimated=True)
    address = f"/api/images/{image['id']}"
    edits = {"threshold": 0.1, "removed": [1], "added": [[5, 5]], "masks": []}
    image = browser.put(f"{address}/edits", json=edits, headers={"If-Match": str(image["version"])}).json()
    assert (image["expected_f1"], image["sampling_source"]) == (0.8, "estimated")
    moved = browser.patch(address, json={"place": "molecules"}).json()
    assert (moved["expected_f1"], moved["threshold"], moved["count"]) == (None, 0.5, 0)
    assert (moved["remarks"], moved["verdict"], moved["status"]) == ([], None, "waiting")
    assert moved["sampling_source"] == "file"
    assert moved["sampling"] == pytest.approx(0.293)
    asked = browser.get(f"{address}/atoms")
    assert asked.status_code == 409
    assert asked.json()["error"] == "image.tif: is looked at for molecules; move it to Atoms first."
    given = browser.put(f"{address}/edits", json=edits, headers={"If-Match": str(moved["version"])})
    assert given.status_code == 409
    browser.patch(address, json={"place": "atoms"})  # work by hand is not lost on the way
    back = detected(browser, image)
    assert (back["added"], back["removed"]) == (1, 1)


def test_a_pixel_size_stays_where_the_user_typed_it(browser):
    image = browser.image()
    address = f"/api/images/{image['id']}"
    browser.patch(address, json={"sampling": 0.4})
    moved = browser.patch(address, json={"place": "molecules"}).json()
    assert (moved["sampling"], moved["sampling_source"]) == (0.4, "user")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sampling": 5000}, "The pixel size must be above 0 and at most 100 nm, not 500 nm."),
        ({"sampling": 0}, "The pixel size must be above 0 and at most 100 nm, not 0 nm."),
        ({"sampling": "wide"}, "The request cannot be used: sampling must be a number, not wide."),
        ({"colour": 1}, "The request cannot be used: colour must be left out: it is not known."),
        ({"place": "moon"}, "The request cannot be used: place must be 'atoms' or 'molecules', not moon."),
    ],
)
def test_a_change_that_is_none_says_what_is_allowed(browser, change, sentence):
    answer = browser.patch(f"/api/images/{browser.image()['id']}", json=change)
    assert answer.status_code == 422
    assert answer.json()["error"] == sentence


def test_what_a_library_says_of_a_bad_file_is_not_shown(browser):
    answer = browser.send_file(b"\0\0\0\x05" + bytes(200), "a.dm4")
    assert answer.status_code == 422
    sentence = answer.json()["error"]
    assert sentence == "a.dm4: cannot be read as DM4; the file is damaged, truncated or of another kind"
