"""A disk that is full or damaged: nothing changes that was not kept, and the server goes on."""

import errno
import json
import time

import pytest

from stemforge.app.sessions import store as store_module
from stemforge.app.working.dispatch import Dispatcher
from stemforge.errors import WriteError
from stemforge.files import write_json


@pytest.fixture
def full_disk(monkeypatch):
    """Function that fills the disk, as far as what is kept of images is concerned."""

    def write(path, content):
        error = OSError(errno.ENOSPC, "No space left on device", str(path))
        raise WriteError(f"{path}: cannot be written") from error

    return lambda: monkeypatch.setattr(store_module, "write_json", write)


def test_a_full_disk_changes_nothing_and_is_said(browser, detected, full_disk, settings):
    image = detected(browser, browser.image())
    address = f"/api/images/{image['id']}"
    full_disk()
    renamed = browser.patch(address, json={"name": "b.tif"})
    edited = browser.put(
        f"{address}/edits", json={"threshold": 0.1}, headers={"If-Match": str(image["version"])}
    )
    for answer in (renamed, edited):
        assert answer.status_code == 507
        assert "the disk is full" in answer.json()["error"]
        assert str(settings.folder) not in answer.text
    assert browser.get(address).json() == image


def test_a_full_disk_does_not_end_the_queue(browser, full_disk, monkeypatch):
    context = browser.app.app.state.context
    images = [browser.image(f"{number}.tif") for number in range(2)]
    job = browser.post("/api/jobs", json={"kind": "zip"}).json()
    full_disk()
    monkeypatch.setattr("stemforge.app.working.process.Worker.call", lambda *_, **__: {})
    dispatcher = Dispatcher(context.store, context.dispatcher.kinds, lambda _, detector: detector)
    dispatcher.start()
    try:
        for _ in range(200):
            found = [browser.get(f"/api/images/{one['id']}").json() for one in images]
            last = browser.get(f"/api/jobs/{job['id']}").json()
            if {one["status"] for one in [*found, last]} == {"failed"}:
                break
            time.sleep(0.02)
    finally:
        dispatcher.end()
    assert ["the disk is full" in one["error"] for one in found] == [True, True]
    assert last["status"] == "failed"
    assert "the disk is full" in last["message"]


def test_damaged_candidates_are_looked_for_again(browser, detected, settings):
    image = detected(browser, browser.image())
    (path,) = settings.folder.rglob("atoms.npy")
    path.write_bytes(b"\x93NUMPY damaged")
    assert browser.get(f"/api/images/{image['id']}/atoms").json()["x"] == []
    assert detected(browser, image)["count"] == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"id": 1}', b"null"])
def test_damaged_records_do_not_stop_a_server(browser, settings, reread, content):
    image = browser.image()
    browser.image()
    path = next(settings.folder.rglob(f"{image['id']}/image.json"))
    path.write_bytes(content)
    (session,) = reread()
    assert len(session.images) == 1


def test_a_record_names_no_other_folder(browser, settings, reread):
    image = browser.image()
    path = next(settings.folder.rglob("image.json"))
    write_json(path, {**json.loads(path.read_bytes()), "id": "../../other"})
    (session,) = reread()
    assert session.images == {}
    assert image["id"] == path.parent.name
