"""What is kept and what is not: idle sessions, a share of the disk, and servers that are killed between two files."""

import os
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from stemforge.app import create_app
from stemforge.app.sessions import keeping
from stemforge.app.sessions.keeping import drop_idle
from stemforge.app.sessions.store import Store
from stemforge.app.working import detections
from stemforge.app.working.detections import keep_detection
from stemforge.app.working.dispatch import Dispatcher

ADDRESS = "http://127.0.0.1:8642"


def store_of(browser):
    return browser.app.app.state.context.store


def session_of(browser):
    context = browser.app.app.state.context
    return context.store.find(browser.cookies.get(context.settings.session_cookie))


def test_sessions_that_hold_nothing_are_dropped_after_a_day(browse):
    empty, full, watching, young = browse(), browse(), browse(), browse()
    full.image()
    watched = session_of(watching)
    watched.live.active = True
    gone = [session_of(empty), session_of(full), watched]
    for session in gone:
        session.used -= 2 * keeping.DAY
    assert drop_idle(store_of(empty)) == 1
    assert empty.get("/api/images/0").status_code == 401
    assert [one.get("/api/jobs").status_code for one in (full, watching, young)] == [200] * 3
    assert empty.get("/api/session").status_code == 200
    assert empty.image()


def test_what_was_deleted_leaves_nothing_on_disk(browser, settings):
    image = browser.image()
    browser.delete(f"/api/images/{image['id']}")
    (folder,) = (settings.folder / "sessions").iterdir()
    old = time.time() - 2 * keeping.DAY
    os.utime(folder, (old, old))
    store = Store(settings.folder)
    assert drop_idle(store) == 1
    assert not folder.exists()
    assert list(store) == []


def test_a_session_in_use_is_not_dropped(browser):
    session = session_of(browser)
    session.used -= 2 * keeping.DAY
    end = session.listen(lambda _: None)
    assert drop_idle(store_of(browser)) == 0
    end()
    assert browser.get("/api/jobs").status_code == 200  # it was asked for in this moment
    assert drop_idle(store_of(browser)) == 0


def test_results_are_kept_without_images(browser, settings):
    browser.image()
    session = session_of(browser)
    (session.folder / "jobs" / "0").mkdir(parents=True)
    (session.folder / "jobs" / "0" / "file0.zip").write_bytes(b"x")
    session.delete(next(iter(session.images.values())))
    session.used -= 2 * keeping.DAY
    assert drop_idle(store_of(browser)) == 0


def test_an_upload_beyond_the_share_of_the_disk_is_refused_and_not_kept(settings, browser, tiff):
    small = type(browser)(create_app(replace(settings, session_bytes=60_000)), base_url=ADDRESS)
    small.get("/api/session")
    assert small.send_file(tiff((64, 64))).status_code == 201
    before = keeping.bytes_of(settings.folder)
    refused = small.send_file(tiff((128, 128)))
    assert refused.status_code == 507
    assert "a session keeps at most 0.06 MB" in refused.json()["error"]
    assert keeping.bytes_of(settings.folder) == before
    assert small.post("/api/jobs", json={"kind": "zip"}).status_code == 201
    (image,) = small.get("/api/session").json()["images"]
    small.delete(f"/api/images/{image['id']}")
    assert small.send_file(tiff((64, 64))).status_code == 201


class Killed(BaseException):
    """The server is killed here."""


TABLE = np.array([[70.0, 50.0, 0.8], [10.2, 20.1, 0.7], [30.0, 40.0, 0.6]])


@pytest.mark.parametrize("last", ["atoms.npy", "edits.json", "atoms.json"])
def test_corrections_survive_a_kill_between_two_files(browser, detected, reread, monkeypatch, last):
    """Candidate 0 was taken out; looked for again, it has another number."""
    image = detected(browser, browser.image())
    edits = {"threshold": 0.5, "removed": [0], "added": [[5, 5]]}
    browser.put(f"/api/images/{image['id']}/edits", json=edits, headers={"If-Match": str(image["version"])})
    session = session_of(browser)
    one = session.images[image["id"]]
    session.change(one, status="working")
    found = {
        "table": TABLE,
        "columns": ["x", "y", "score"],
        "lowest": 0.02,
        "facts": {},
        "threshold": 0.5,
        "expected_f1": 0.8,
        "remarks": [],
        "sampling": 0.293,
        "estimated": False,
        "card": None,
    }
    with monkeypatch.context() as patched:
        for name in ("write_whole", "write_json", "write_edits"):
            patched.setattr(detections, name, killing(getattr(detections, name), last))
        with pytest.raises(Killed):
            keep_detection(session, one, found)
    (again,) = reread()
    image = again.images[image["id"]]
    assert image.status == "waiting"
    assert again.edits(image).removed == [1]
    keep_detection(again, image, found)
    assert again.edits(image).removed == [1]
    assert again.edits(image).added == [(5.0, 5.0)]
    assert image.count == 3


def killing(write, last):
    def writing(path, *arguments):
        write(path, *arguments)
        name = "edits.json" if write.__name__ == "write_edits" else path.name
        if name == last:
            raise Killed

    return writing


def test_numbers_alone_would_have_meant_another_atom(browser, detected):
    """The control: with new candidates number 0 is one that was not taken out."""
    image = detected(browser, browser.image())
    old = session_of(browser).candidates(session_of(browser).images[image["id"]])[0]
    assert np.hypot(*(TABLE[0, :2] - old[0])) > 10
    assert np.hypot(*(TABLE[1, :2] - old[0])) < 3


def test_a_job_that_is_stopped_in_the_instant_it_begins_is_not_done(browser, detected):
    """The queue has chosen it, and has not begun."""
    detected(browser, browser.image())
    job = browser.post("/api/jobs", json={"kind": "zip"}).json()
    done, chosen, go_on = [], threading.Event(), threading.Event()
    kinds = {"zip": lambda *_: done.append(1)}
    dispatcher = Dispatcher(store_of(browser), kinds, lambda _, detector: detector)
    following = dispatcher._next_job

    def choose():
        found = following()
        if found is not None:
            chosen.set()
            go_on.wait(10)
        return found

    dispatcher._next_job = choose
    thread = threading.Thread(target=dispatcher._job_loop, daemon=True)
    thread.start()
    try:
        assert chosen.wait(10)
        assert browser.delete(f"/api/jobs/{job['id']}").status_code == 204
        go_on.set()
        time.sleep(0.3)
    finally:
        dispatcher.end()
        thread.join(5)
    assert done == []
    assert browser.get(f"/api/jobs/{job['id']}").json()["status"] == "stopped"


def test_a_job_that_is_stopped_when_it_has_begun_ends(browser, detected):
    detected(browser, browser.image())
    job = browser.post("/api/jobs", json={"kind": "zip"}).json()
    context = browser.app.app.state.context
    stopped = threading.Event()

    def work(_session, _job, _worker, stop):
        browser.delete(f"/api/jobs/{job['id']}")  # the first thing that happens
        stopped.set() if stop.is_set() else None
        raise detections.StoppedError

    dispatcher = context.dispatcher
    dispatcher.kinds = {"zip": work}
    session, one = dispatcher._next_job()
    dispatcher._do(session, one)
    assert stopped.is_set()
    assert browser.get(f"/api/jobs/{job['id']}").json()["status"] == "stopped"
