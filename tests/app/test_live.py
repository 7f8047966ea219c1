"""Watched folders: each new file becomes an image once, bad ones are named, and nobody else sees any of it."""

import os
import time
from dataclasses import replace

import httpx
import pytest

from stemforge import read_micrograph
from stemforge.app import create_app
from stemforge.app.sessions.live import LiveItem, LiveRecord
from stemforge.app.working import live as watching


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "microscope"
    made.mkdir()
    return made


@pytest.fixture
def settings(settings, folder, monkeypatch):
    monkeypatch.setattr(watching, "EVERY", 0.03)
    monkeypatch.setattr(watching, "SETTLE", 0.15)
    monkeypatch.setattr(watching, "PATIENCE", 2.5)
    monkeypatch.setattr(watching, "_AGAIN", 0.1)
    return replace(settings, watch=(folder,))


def context_of(browser):
    return browser.app.app.state.context


@pytest.fixture
def looking(browser, tmp_path, tiff):
    """The thread that looks, without workers."""
    (tmp_path / "first.tif").write_bytes(tiff())
    read_micrograph(tmp_path / "first.tif")  # starts the sandbox, for which no file's patience should end
    watcher = context_of(browser).watcher
    watcher.start()
    yield watcher
    watcher.end()


def state(browser):
    return browser.get("/api/live").json()


def until(browser, holds):
    """Wait until what is known of the folder is as it should be."""
    end = time.monotonic() + 20
    while not holds(found := state(browser)):
        assert time.monotonic() < end, found
        time.sleep(0.03)
    return found


def names(found):
    return [item["file"] for item in found["items"]]


def begin(browser, **options):
    answer = browser.post("/api/live", json={"folder": 0, **options})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_new_files_become_images_once(browser, looking, folder, tiff, reread):
    (folder / "old.tif").write_bytes(tiff())
    assert begin(browser)["active"]
    (folder / "new.tif").write_bytes(tiff(seed=1))
    found = until(browser, lambda one: names(one) == ["new.tif"])
    image = found["items"][0]["image"]
    assert image["sampling"] == pytest.approx(0.293)
    assert browser.get("/api/session").json()["images"] == [image]
    time.sleep(0.5)
    assert names(state(browser)) == ["new.tif"]
    (session,) = reread()
    assert session.live.active
    assert list(session.images) == [image["id"]]


def test_files_that_are_there_are_taken_when_wished(browser, looking, folder, tiff):
    (folder / "old.tif").write_bytes(tiff())
    begin(browser, existing=True)
    until(browser, lambda one: names(one) == ["old.tif"])


def test_a_growing_file_is_waited_for(browser, looking, folder, tiff):
    begin(browser)
    content = tiff((96, 96))
    with (folder / "a.tif").open("wb") as stream:
        for part in range(0, len(content), len(content) // 8):
            stream.write(content[part : part + len(content) // 8])
            stream.flush()
            assert names(state(browser)) == []
            time.sleep(0.05)
    found = until(browser, lambda one: names(one) == ["a.tif"])
    assert found["items"][0]["image"]["shape"] == [96, 96]
    assert found["waiting"] == []


def test_a_bad_file_is_named_and_the_watch_goes_on(browser, looking, folder, tiff):
    begin(browser)
    (folder / "bad.tif").write_bytes(b"II*\0 this is none")
    found = until(browser, lambda one: any("cannot be read yet" in file["why"] for file in one["waiting"]))
    assert found["items"] == []
    (folder / "good.tif").write_bytes(tiff())
    found = until(browser, lambda one: set(names(one)) == {"bad.tif", "good.tif"})
    bad = next(item for item in found["items"] if item["file"] == "bad.tif")
    assert bad["image"] is None
    assert bad["error"]
    assert str(folder) not in str(found)


def test_a_file_written_again_takes_the_place_of_its_first_state(browser, looking, folder, tiff):
    begin(browser)
    (folder / "a.tif").write_bytes(tiff((64, 64)))
    until(browser, lambda one: names(one) == ["a.tif"])
    (folder / "a.tif").write_bytes(tiff((80, 80)))
    until(browser, lambda one: one["items"][0]["image"]["shape"] == [80, 80])
    until(browser, lambda _: len(browser.get("/api/session").json()["images"]) == 1)


def test_corrections_are_not_thrown_away_with_the_first_state(browser, looking, folder, tiff, detected):
    begin(browser)
    (folder / "a.tif").write_bytes(tiff((64, 64)))
    image = until(browser, lambda one: names(one) == ["a.tif"])["items"][0]["image"]
    image = detected(browser, image)
    edits = {"threshold": 0.5, "added": [[3, 3]]}
    browser.put(f"/api/images/{image['id']}/edits", json=edits, headers={"If-Match": str(image["version"])})
    (folder / "a.tif").write_bytes(tiff((80, 80)))
    until(browser, lambda one: one["items"][0]["image"]["shape"] == [80, 80])
    assert len(browser.get("/api/session").json()["images"]) == 2


@pytest.mark.parametrize("noted", [True, False], ids=["stopped", "killed before it was noted"])
def test_a_restart_takes_nothing_twice(browser, folder, tiff, settings, browse, noted):
    watcher = context_of(browser).watcher
    watcher.start()
    begin(browser)
    before = next(settings.folder.rglob("live.json")).read_bytes()
    (folder / "a.tif").write_bytes(tiff())
    until(browser, lambda one: names(one) == ["a.tif"])
    watcher.end()
    if not noted:
        next(settings.folder.rglob("live.json")).write_bytes(before)
    (folder / "b.tif").write_bytes(tiff(seed=2))
    again = type(browser)(create_app(settings), base_url="http://127.0.0.1:8642", cookies=browser.cookies)
    watcher = context_of(again).watcher
    watcher.start()
    try:
        found = until(again, lambda one: {"a.tif", "b.tif"} <= set(names(one)))
        time.sleep(0.4)
    finally:
        watcher.end()
    assert sorted(names(found)) == ["a.tif", "b.tif"]
    assert sorted(one["name"] for one in again.get("/api/session").json()["images"]) == ["a.tif", "b.tif"]


def test_others_see_nothing_of_it(browser, browse, looking, folder, tiff):
    other = browse()
    begin(browser)
    (folder / "a.tif").write_bytes(tiff())
    until(browser, lambda one: names(one) == ["a.tif"])
    found = state(other)
    assert (found["active"], found["items"], found["folder"]) == (False, [], None)
    assert other.get("/api/session").json()["images"] == []
    assert other.delete("/api/live").status_code == 204
    assert state(browser)["active"]
    assert browse(session=False).get("/api/live").status_code == 401


@pytest.mark.parametrize("body", [{"folder": 1}, {"folder": -1}, {"folder": "/etc"}, {"path": "/etc"}, {}])
def test_no_other_folder_can_be_named(browser, body):
    answer = browser.post("/api/live", json=body)
    assert answer.status_code == 422
    assert not state(browser)["active"]


def test_links_lead_nowhere_and_pipes_do_not_hang(browser, looking, folder, tiff, tmp_path):
    begin(browser)
    (tmp_path / "secret.tif").write_bytes(tiff())
    (folder / "link.tif").symlink_to(tmp_path / "secret.tif")
    (folder / "lost.tif").symlink_to(tmp_path / "nowhere.tif")
    os.mkfifo(folder / "pipe.tif")
    (folder / "empty.tif").touch()
    (folder / "good.tif").write_bytes(tiff())
    found = until(browser, lambda one: len(one["items"]) == 5)
    errors = {item["file"]: item["error"] for item in found["items"]}
    assert "out of the folder" in errors["link.tif"]
    assert "link to nothing" in errors["lost.tif"]
    assert "no plain file" in errors["pipe.tif"]
    assert errors["empty.tif"] == "is empty (0 bytes); copy it again."
    assert errors["good.tif"] is None


def test_a_full_session_says_so_and_goes_on(browser, looking, folder, tiff, settings):
    begin(browser)
    for number in range(settings.images + 1):
        (folder / f"{number}.tif").write_bytes(tiff(seed=number))
    found = until(browser, lambda one: one["note"])
    assert "at most 4 images" in found["note"]
    browser.delete(f"/api/images/{found['items'][0]['image']['id']}")
    until(browser, lambda one: len(one["items"]) == 5 and not one["note"])


def test_a_folder_that_is_away_is_waited_for(browser, looking, folder, tiff, tmp_path):
    begin(browser)
    folder.rename(tmp_path / "away")
    assert "cannot be reached" in until(browser, lambda one: one["note"])["note"]
    (tmp_path / "away").rename(folder)
    (folder / "a.tif").write_bytes(tiff())
    until(browser, lambda one: names(one) == ["a.tif"] and not one["note"])


def test_a_stopped_watch_takes_nothing(browser, looking, folder, tiff):
    begin(browser)
    assert browser.delete("/api/live").status_code == 204
    (folder / "a.tif").write_bytes(tiff())
    time.sleep(0.6)
    assert (state(browser)["active"], names(state(browser))) == (False, [])


def test_only_the_newest_files_are_shown():
    record = LiveRecord()
    for number in range(600):
        record.add(LiveItem(path=f"/{number}", file=f"{number}"), "1-1")
    assert (len(record.items), record.items[-1].file, len(record.stamps)) == (500, "599", 600)


def test_without_a_folder_there_is_no_such_place(settings, browser):
    other = type(browser)(create_app(replace(settings, watch=())), base_url="http://127.0.0.1:8642")
    assert "live" not in other.get("/api/session").json()["features"]
    assert other.get("/api/live").status_code == 404
    assert "live" in browser.get("/api/session").json()["features"]


@pytest.mark.slow
def test_a_server_that_watches_asks_for_its_token_and_keeps_it(start_server, tmp_path, folder):
    """Other users of the machine reach 127.0.0.1, too."""
    tokens = []
    for _ in range(2):
        with start_server(tmp_path / "kept", "--watch-folder", folder) as server:
            address, _, token = server.address.partition("?")
            assert httpx.get(f"{address}api/session").status_code == 401
            assert httpx.get(f"{address}?{token}").status_code == 303
            tokens.append(token)
    assert tokens[0] == tokens[1]
    assert (tmp_path / "kept" / "token").stat().st_mode & 0o077 == 0
