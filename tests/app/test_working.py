"""The server with its workers: results are those of the commands, and a stop in the middle loses nothing."""

import csv
import io
import json
import subprocess
import sys
import threading
import time
import zipfile

import httpx
import numpy as np
import psutil
import pytest
from fastapi.testclient import TestClient

from stemforge import read_micrograph
from stemforge.__main__ import main
from stemforge.app import AppSettings, create_app
from stemforge.app.working.process import StoppedError, Worker, WorkerError
from stemforge.corpus.ingest import ingest_images
from stemforge.errors import InputError
from stemforge.micrograph.writers import write_tiff

ADDRESS = "http://127.0.0.1:8642"


def command(*words):
    return main([str(word) for word in words])


def finished(get, seconds=120):
    """Wait for an image or a job."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = get()
        if found["status"] not in ("waiting", "working"):
            return found
        time.sleep(0.05)
    raise AssertionError(found)


@pytest.fixture(scope="module")
def field(tmp_path_factory, blobs):
    """An image of fifteen atoms on a noisy level, as a file."""
    x, y = np.meshgrid(np.arange(20, 240, 45), np.arange(20, 160, 50))
    jitter = np.random.default_rng(4).uniform(-6, 6, (2, *x.shape))
    points = np.stack([x + jitter[0], y + jitter[1]], -1).reshape(-1, 2)
    image = blobs(points, (160, 256), sigma=3.7, height=25, noise=6)
    path = tmp_path_factory.mktemp("field") / "=field.tif"
    write_tiff(path, image, 0.293)
    return path


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    settings = AppSettings(tmp_path_factory.mktemp("app"))
    with TestClient(create_app(settings), base_url=ADDRESS) as browser:
        browser.get("/api/session")
        yield browser


@pytest.fixture(scope="module")
def image(running, field):
    answer = running.post("/api/images", files={"file": (field.name, field.read_bytes())}).json()
    return finished(lambda: running.get(f"/api/images/{answer['id']}").json())


pytestmark = pytest.mark.slow


def test_the_table_is_that_of_infer_atoms(running, image, field, tmp_path):
    assert image["status"] == "done", image
    answer = running.get(f"/api/images/{image['id']}/atoms.csv")
    assert answer.headers["content-disposition"].startswith('attachment; filename="field.csv"')
    assert command("infer", "atoms", field, "--out", tmp_path, "--no-completeness", "--quiet") == 0
    here = list(csv.DictReader(io.StringIO(answer.text)))
    with (tmp_path / "=field.csv").open() as stream:
        wanted = list(csv.DictReader(stream))
    assert len(wanted) == image["count"] > 5
    assert [{name: row[name] for name in wanted[0]} for row in here] == wanted
    assert {row["by_hand"] for row in here} == {"0"}


def test_statistics_count_what_is_shown(running, image):
    address = f"/api/images/{image['id']}"
    before = running.get(f"{address}/statistics").json()
    values = {one["label"]: one for one in before["answers"]}
    area = 160 * 256 * 0.0293**2
    assert values["Atoms"]["value"] == image["count"]
    assert values["Specimen area"]["value"] == pytest.approx(area, rel=0.01)
    density = values["Density"]
    assert density["value"] == pytest.approx(image["count"] / area, rel=0.01)
    assert density["low"] < density["value"] < density["high"]
    assert all(one["explanation"] for one in before["answers"])
    series = before["series"]
    assert sum(series["counts"]) <= len(series["distances"]) == image["count"]
    assert sum(series["expected"]) == pytest.approx(image["count"], rel=0.02)

    half = [[-1, -1], [127.5, -1], [127.5, 161], [-1, 161]]
    edits = {**running.get(f"{address}/atoms").json()["edits"], "masks": [half]}
    changed = running.put(f"{address}/edits", json=edits, headers={"If-Match": str(image["version"])}).json()
    masked = {one["label"]: one["value"] for one in running.get(f"{address}/statistics").json()["answers"]}
    assert masked["Specimen area"] == pytest.approx(area / 2, rel=0.02)
    assert masked["Atoms"] == changed["count"] < image["count"]
    undone = running.put(
        f"{address}/edits", json={**edits, "masks": []}, headers={"If-Match": str(changed["version"])}
    ).json()
    image.update(undone)


def _job(running, kind, **options):
    job = running.post("/api/jobs", json={"kind": kind, **options}).json()
    job = finished(lambda: running.get(f"/api/jobs/{job['id']}").json(), 300)
    assert job["status"] == "done", job
    return job


def test_corrected_atoms_become_labels_that_ingest_takes(running, image, tmp_path):
    address = f"/api/images/{image['id']}"
    atoms = running.get(f"{address}/atoms").json()
    edits = {**atoms["edits"], "removed": [0], "added": [[200.0, 140.0], [60.5, 90.0]]}
    image.update(
        running.put(f"{address}/edits", json=edits, headers={"If-Match": str(image["version"])}).json()
    )
    (file,) = _job(running, "labels", images=[image["id"]])["files"]
    answer = running.get(file["url"])
    assert len(answer.content) == file["bytes"]
    zipfile.ZipFile(io.BytesIO(answer.content)).extractall(tmp_path)
    corpus = ingest_images([tmp_path / "labels/images"], [tmp_path / "labels/labels"], tmp_path / "corpus")
    (sample,) = list(corpus)
    assert len(sample.labels) == image["count"]
    assert sample.sampling == pytest.approx(0.293)
    away = np.hypot(*(sample.labels.points - [atoms["x"][0], atoms["y"][0]]).T)
    assert away.min() > 5
    for place in edits["added"]:
        assert np.hypot(*(sample.labels.points - place).T).min() < 4


def test_a_report_says_what_the_page_shows(running, image):
    page, archive = _job(running, "report")["files"]
    answer = running.get(page["url"])
    assert f"{image['count']} atoms" in answer.text
    assert answer.headers["content-disposition"].startswith("attachment")
    shown = running.get(page["url"] + "?show=true")
    assert "sandbox" in shown.headers["content-security-policy"]
    assert "content-disposition" not in shown.headers
    pack = zipfile.ZipFile(io.BytesIO(running.get(archive["url"]).content))
    assert "report/report.html" in pack.namelist()
    numbers = json.loads(pack.read("report/report.json"))
    assert numbers


def test_a_zip_holds_what_can_be_gone_on_with(running, image, tmp_path):
    (file,) = _job(running, "zip")["files"]
    content = running.get(file["url"]).content
    pack = zipfile.ZipFile(io.BytesIO(content))
    assert all(not name.startswith("/") and ".." not in name for name in pack.namelist())
    pack.extractall(tmp_path)
    assert read_micrograph(tmp_path / "stemforge/images/field.tif").sampling == pytest.approx(0.293)
    record = (tmp_path / "stemforge/atoms/run.json").read_text()
    assert "sessions" not in record
    words = ["analyse", tmp_path / "stemforge/atoms", "--images", tmp_path / "stemforge/images"]
    assert command(*words, "--out", tmp_path / "out", "--simulations", "199", "--quiet") == 0


def test_a_job_can_be_stopped(running, image):
    job = running.post("/api/jobs", json={"kind": "report"}).json()
    for _ in range(200):
        if running.get(f"/api/jobs/{job['id']}").json()["status"] == "working":
            break
        time.sleep(0.02)
    assert running.delete(f"/api/jobs/{job['id']}").status_code == 204
    assert finished(lambda: running.get(f"/api/jobs/{job['id']}").json())["status"] == "stopped"
    assert running.delete(f"/api/jobs/{job['id']}").status_code == 204
    assert running.get(f"/api/jobs/{job['id']}").status_code == 404


FUNCTIONS = """
import os, time
from stemforge.errors import InputError
def double(number): return 2 * number
def wait(seconds=60): time.sleep(seconds)
def wait_with(path, duration=60):
    open(path, "w").write(str(os.getpid()))
    wait(duration)
def crash(): os.abort()
def refuse(): raise InputError("no")
def stumble(): return [][1]
def process(): return os.getpid()
"""


@pytest.fixture
def worker(tmp_path, monkeypatch):
    (tmp_path / "functions_for_worker.py").write_text(FUNCTIONS)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    made = Worker()
    yield made
    made.end()


def test_a_worker_is_ended_and_started_again(worker):
    name = "functions_for_worker"
    assert worker.call(f"{name}:double", 10, number=4) == 8
    with pytest.raises(WorkerError, match="longer than 1 s"):
        worker.call(f"{name}:wait", 1)
    with pytest.raises(WorkerError, match="ended"):
        worker.call(f"{name}:crash", 10)
    with pytest.raises(InputError, match="no"):
        worker.call(f"{name}:refuse", 10)
    with pytest.raises(WorkerError, match="IndexError"):
        worker.call(f"{name}:stumble", 10)
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(StoppedError):
        worker.call(f"{name}:wait", 10, stop)
    assert worker.call(f"{name}:double", 10, number=5) == 10


def test_a_worker_that_is_not_used_gives_its_memory_back(worker):
    name = "functions_for_worker:process"
    first = worker.call(name, 10)
    worker.end_unused(60)
    assert worker.call(name, 10) == first
    worker.end_unused(0)
    assert not psutil.pid_exists(first)
    assert worker.call(name, 10) != first


def test_a_worker_is_not_ended_in_the_midst_of_work(worker, tmp_path):
    answers = []
    path = tmp_path / "process"
    arguments = {"path": str(path), "duration": 2}
    thread = threading.Thread(
        target=lambda: answers.append(worker.call("functions_for_worker:wait_with", 30, **arguments))
    )
    thread.start()
    while thread.is_alive() and not path.exists():
        worker.end_unused(0)
        time.sleep(0.02)
    worker.end_unused(0)
    thread.join()
    assert answers == [None]


PARENT = """
import sys
sys.path.append({folder!r})
from stemforge.app.working.process import Worker
Worker().call("functions_for_worker:wait_with", 60, path={path!r})
"""


def test_a_worker_ends_with_a_server_that_is_killed(tmp_path):
    (tmp_path / "functions_for_worker.py").write_text(FUNCTIONS)
    path = tmp_path / "process"
    server = subprocess.Popen([sys.executable, "-c", PARENT.format(folder=str(tmp_path), path=str(path))])
    for _ in range(600):
        if path.exists() and path.read_text():
            break
        time.sleep(0.05)
    worker = psutil.Process(int(path.read_text()))
    server.kill()
    server.wait()
    worker.wait(10)


@pytest.mark.parametrize("how", ["kill", pytest.param("terminate", marks=pytest.mark.long)])
def test_a_server_that_is_stopped_in_the_middle_goes_on(start_server, tmp_path, field, how):
    with (
        start_server(tmp_path / "app") as server,
        httpx.Client(base_url=server.address, timeout=60) as browser,
    ):
        browser.get("/api/session")
        (session,) = dict(browser.cookies.items()).values()
        names = []
        for number in range(8):
            answer = browser.post("/api/images", files={"file": (f"{number}.tif", field.read_bytes())})
            names.append(answer.json()["id"])
        job = browser.post("/api/jobs", json={"kind": "labels"}).json()
        finished(lambda: browser.get(f"/api/images/{names[0]}").json())
        getattr(server.process, how)()
        server.process.wait(20)
    kept = [json.loads(path.read_text()) for path in (tmp_path / "app").rglob("image.json")]
    assert len(kept) == 8
    assert any(one["status"] != "done" for one in kept)
    with start_server(tmp_path / "app") as server:
        cookies = server.cookies(session)
        with httpx.Client(base_url=server.address, timeout=60, cookies=cookies) as browser:
            for name in names:
                found = finished(lambda name=name: browser.get(f"/api/images/{name}").json())
                assert found["status"] == "done"
                assert found["count"] > 5
            job = finished(lambda: browser.get(f"/api/jobs/{job['id']}").json())
            assert job["status"] == "done"
            assert browser.get(job["files"][0]["url"]).status_code == 200


def test_changes_are_told_as_they_happen(start_server, tmp_path, field):
    with start_server(tmp_path / "app") as server:
        address = server.address
        with httpx.Client(base_url=address, timeout=60) as browser, httpx.Client(base_url=address) as other:
            browser.get("/api/session")
            other.get("/api/session")
            heard, stranger = [], []

            def listen(client, into):
                try:
                    with client.stream("GET", "/api/events", timeout=30) as answer:
                        for line in answer.iter_lines():
                            if line.startswith("data: "):
                                into.append(json.loads(line[6:]))
                except httpx.HTTPError:
                    pass

            threads = [
                threading.Thread(target=listen, args=pair, daemon=True)
                for pair in ((browser, heard), (other, stranger))
            ]
            for thread in threads:
                thread.start()
            time.sleep(0.5)
            with httpx.Client(base_url=address, cookies=browser.cookies, timeout=60) as tab:
                image = tab.post("/api/images", files={"file": ("a.tif", field.read_bytes())}).json()
                done = finished(lambda: tab.get(f"/api/images/{image['id']}").json())
            time.sleep(0.5)
        assert {one["kind"] for one in heard} == {"image"}
        assert [one["version"] for one in heard] == list(range(1, done["version"] + 1))
        assert stranger == []
    # A page that listens does not keep the server from stopping.
    assert server.process.returncode is not None
