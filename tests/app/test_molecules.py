"""Images of zeolites: to which place they belong, what is refused, and that results are those of the commands."""

import csv
import io
import json
import threading
import time
import zipfile

import httpx
import numpy as np
import pytest
import tifffile
from ase.build import bulk
from ase.io import write
from fastapi.testclient import TestClient

from stemforge.__main__ import main
from stemforge.app import AppSettings, create_app
from stemforge.app.analysis.molecules import analyse
from stemforge.app.analysis.samples import write_molecules
from stemforge.app.server.frameworks import BUILT_IN
from stemforge.app.working.molecules import Pace, find_molecules, share_done
from stemforge.app.working.process import StoppedError
from stemforge.errors import InputError
from stemforge.structures.zeolites.frameworks import FRAMEWORKS

ADDRESS = "http://127.0.0.1:8642"
FOUND = {"count": 13, "sampling": 0.25, "estimated": False, "remarks": ["Thin."], "threshold": 0.6}


def add(browser, place="molecules", name="image.tif", **options):
    return browser.send_file(name=name, params={"place": place}, **options)


@pytest.fixture
def zeolite(browser):
    """An image in the place of molecules."""
    return add(browser).json()


@pytest.fixture
def parts(browser, zeolite):
    """Session and image as the server has them."""
    context = browser.app.app.state.context
    session = context.store.find(browser.cookies.get(context.settings.session_cookie))
    return session, session.images[zeolite["id"]]


class Answering:
    """A worker that gives an answer, and before that does something to the image."""

    def __init__(self, answer, before=lambda: None):
        self.answer, self.before = answer, before

    def call(self, function, seconds, stop, tick, **arguments):
        self.arguments = arguments
        self.before()
        tick()
        if stop.is_set():
            raise StoppedError
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def work(parts, worker, ended=None):
    find_molecules(*parts, worker, ended or threading.Event(), Pace())
    return parts[1]


def test_an_image_belongs_to_the_place_where_it_was_dropped(browser):
    session = browser.get("/api/session").json()
    assert "molecules" in session["features"]
    assert add(browser).json()["place"] == "molecules"
    assert browser.image()["place"] == "atoms"
    assert add(browser, "elsewhere").status_code == 422


def test_it_can_be_moved_to_the_other_place(browser, detected):
    image = detected(browser, browser.image(), remarks=["Of atoms."])
    address = f"/api/images/{image['id']}"
    assert browser.get(f"{address}/molecules").status_code == 409
    moved = browser.patch(address, json={"place": "molecules"}).json()
    assert (moved["place"], moved["status"], moved["count"], moved["remarks"]) == (
        "molecules",
        "waiting",
        0,
        [],
    )
    refused = browser.get(f"{address}/statistics")
    assert refused.status_code == 409
    assert "move it to Atoms" in refused.json()["error"]
    back = browser.patch(address, json={"place": "atoms"}).json()
    assert (back["place"], back["status"]) == ("atoms", "waiting")


def test_jobs_of_atoms_leave_it_alone(browser, zeolite):
    refused = browser.post("/api/jobs", json={"kind": "report"})
    assert refused.status_code == 409
    atoms = browser.image()
    assert browser.post("/api/jobs", json={"kind": "report"}).json()["images"] == [atoms["id"]]


def test_what_was_found_is_kept(parts):
    worker = Answering(FOUND)
    image = work(parts, worker)
    assert (image.status, image.count, image.remarks, image.progress) == ("done", 13, ["Thin."], None)
    assert worker.arguments["framework"] == "mfi"


def test_an_image_that_is_changed_meanwhile_is_looked_at_again(browser, parts):
    image = parts[1]
    change = lambda: browser.patch(f"/api/images/{image.id}", json={"framework": "fau"})  # noqa: E731
    work(parts, Answering(FOUND, change))
    assert (image.status, image.count, image.framework) == ("waiting", 0, "fau")


def test_what_is_worked_on_waits_for_the_next_start(parts, reread):
    ended = threading.Event()
    work(parts, Answering(FOUND, ended.set), ended)
    assert parts[1].status == "working"
    (again,) = [one for session in reread() for one in session.images.values()]
    assert (again.status, again.place) == ("waiting", "molecules")


def test_a_refusal_is_the_library_s_sentence_without_paths(parts, settings):
    session, image = parts
    path = session.image_folder(image.id) / "image.tif"
    image = work(parts, Answering(InputError(f"{path}: no lattice of the framework 'mfi' found")))
    assert (image.status, image.error) == ("failed", "image.tif: no lattice of the framework 'mfi' found")


def test_files_are_refused_until_they_are_there(browser, parts, zeolite):
    address = f"/api/images/{zeolite['id']}"
    for path in ("molecules", "restored", "molecules/channels.csv", "molecules/all.zip"):
        assert browser.get(f"{address}/{path}").status_code == 409
    folder = parts[0].image_folder(zeolite["id"]) / "molecules"
    work(parts, Answering(FOUND))
    folder.mkdir()
    (folder / "answers.json").write_text(
        json.dumps({"restored": None, "groups": [], "channels": None, "boxes": None})
    )
    assert browser.get(f"{address}/molecules").json()["channels"] is None
    for path in ("restored", "molecules/channels.csv", "molecules/boxes.csv", "molecules/image.json"):
        assert browser.get(f"{address}/{path}").status_code == 404
    for path in ("molecules/..%2Fimage.json", "molecules/..%2F..%2Fimage.json"):
        assert browser.get(f"{address}/{path}").status_code == 404
    assert browser.get(f"{address}/molecules/boxes.csv?threshold=2").status_code == 422


def test_nobody_else_reaches_it(browse, zeolite, browser):
    stranger = browse()
    for path in ("", "/molecules", "/restored", "/molecules/channels.csv"):
        assert stranger.get(f"/api/images/{zeolite['id']}{path}").status_code == 404
    assert (
        stranger.post(f"/api/images/{zeolite['id']}/framework", files={"file": ("a.cif", b"")}).status_code
        == 404
    )


def test_frameworks_are_those_of_the_library(browser, zeolite):
    assert set(BUILT_IN) == set(FRAMEWORKS)
    address = f"/api/images/{zeolite['id']}"
    assert browser.patch(address, json={"framework": "mor"}).json()["framework"] == "mor"
    for name in ("xyz", "cif", "../../etc/passwd", "/etc/passwd.cif"):
        refused = browser.patch(address, json={"framework": name})
        assert refused.status_code == 422
        assert "not known" in refused.json()["error"]


def rock_salt():
    stream = io.BytesIO()
    write(stream, bulk("NaCl", "rocksalt", a=5.64, cubic=True), format="cif")
    return stream.getvalue()


NO_FRAMEWORKS = [
    ("a.cif", b"", 422, "a.cif'. It is empty"),
    ("a.cif", bytes(range(256)) * 50, 422, "a readable CIF, got 'a.cif'"),
    ("a.cif", b"data_x\n_cell_length_a 5\n", 422, "a cell and atoms, got 'a.cif'"),
    ("a.cif", rock_salt(), 422, "framework a.cif: has no channels"),
    ("a.cif", b"data_x\nloop_\n_atom_site_label\n" + b"Si\n" * 500_000, 422, "a.cif"),
    ("a.cif", b"x" * (2**21 + 2**17), 413, "at most 2 MB"),
    ("a.xyz", b"1\n\nSi 0 0 0\n", 415, "is no CIF file"),
    ("../../../../tmp/=b.cif", b"", 422, "=b.cif'"),
    ("a.cif\x00.png", b"", 415, "is no CIF file"),
]


@pytest.mark.slow
def test_files_that_are_no_frameworks(browser, settings, zeolite):
    """One after the other, as the worker that reads them takes seconds to start."""
    address = f"/api/images/{zeolite['id']}"
    before = sorted(settings.folder.rglob("*"))
    for name, content, status, words in NO_FRAMEWORKS:
        answer = browser.post(f"{address}/framework", files={"file": (name, content)})
        assert answer.status_code == status, answer.text
        assert words in answer.json()["error"]
        assert str(settings.folder) not in answer.text
        assert len(answer.json()["error"]) < 1500
        assert sorted(settings.folder.rglob("*")) == before
        kept = browser.get(address).json()
        assert (kept["framework"], kept["framework_name"], kept["version"]) == (
            "mfi",
            None,
            zeolite["version"],
        )


@pytest.mark.parametrize("stage", ["restore", "boxes", "channels"])
def test_progress_grows_and_the_rest_shrinks(stage):
    pace = Pace()
    expected = pace.expected(256 * 256)
    words = [share_done(expected, stage, seconds) for seconds in np.linspace(0, 200, 400)]
    shares, left = np.transpose(words)
    assert np.all(np.diff(shares) >= 0)
    assert np.all(np.diff(left) <= 1e-9)
    assert shares.max() < 1
    pace.learn(256 * 256, 3 * sum(expected.values()))
    assert sum(pace.expected(256 * 256).values()) == pytest.approx(3 * sum(expected.values()))


def rows(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


@pytest.mark.slow
def test_a_film_has_the_command_s_answers(film, tmp_path):
    """Digit for digit, through the server and its worker."""
    source = film()
    for what in ("restore", "occupancy", "molecules"):
        assert main(["infer", what, str(source), "--out", str(tmp_path / what), "--quiet"]) == 0
    app = create_app(AppSettings(tmp_path / "app"))
    with TestClient(app, base_url=ADDRESS) as browser:
        browser.get("/api/session")
        files = {"file": (source.name, source.read_bytes())}
        image = browser.post("/api/images?place=molecules", files=files).json()
        address = f"/api/images/{image['id']}"
        shares, end = [], time.monotonic() + 200
        while image["status"] in ("waiting", "working"):
            assert time.monotonic() < end
            time.sleep(0.1)
            image = browser.get(address).json()
            shares.append(image["progress"])
        assert image["status"] == "done", image["error"]
        assert {one for one in shares if one} != set()

        def get(name):
            answer = browser.get(f"{address}/molecules/{name}")
            assert answer.status_code == 200, answer.text
            return answer.content

        table = (tmp_path / "occupancy" / "film_occupancy.csv").read_bytes()
        assert get("channels.csv") == table
        assert get("boxes.csv") == (tmp_path / "molecules" / "film.csv").read_bytes()
        restored = tifffile.imread(tmp_path / "restore" / "film_restored.tif")
        assert np.array_equal(tifffile.imread(io.BytesIO(get("restored.tif"))), restored)
        page = browser.get(f"{address}/molecules").json()
        states = [one["state"] for one in csv.DictReader(io.StringIO(table.decode()))]
        assert page["channels"]["state"] == states
        assert image["count"] == states.count("filled") > 0
        every = get("boxes.csv?threshold=0").count(b"\n")
        assert every - 1 == len(page["boxes"]["likelihood"])
        assert get("boxes.csv?threshold=1").count(b"\n") <= 1 + len(page["boxes"]["likelihood"])
        assert get("boxes.png")[:4] == get("channels.png")[:4] == b"\x89PNG"
        with zipfile.ZipFile(io.BytesIO(get("all.zip"))) as pack:
            assert pack.read("film/film_occupancy.csv") == table
            record = json.loads(pack.read("film/run.json"))["infer occupancy"]["film"]
        written = json.loads((tmp_path / "occupancy" / "run.json").read_text())["infer occupancy"]["film"]
        assert {key: written[key] for key in record} == record
        picture = browser.get(f"{address}/restored?level=0")
        assert picture.headers["content-type"] == "image/png"
        assert not list((tmp_path / "app").rglob("answer-*"))


def until(get, ready, seconds=240):
    """Ask for an image until it is ready."""
    end = time.monotonic() + seconds
    while not ready(found := get()):
        assert time.monotonic() < end, found
        time.sleep(0.1)
    return found


@pytest.mark.long
@pytest.mark.slow
def test_a_killed_server_goes_on_with_it(start_server, film, tmp_path):
    with (
        start_server(tmp_path / "app") as server,
        httpx.Client(base_url=server.address, timeout=60) as browser,
    ):
        browser.get("/api/session")
        (session,) = dict(browser.cookies.items()).values()
        files = {"file": ("film.tif", film().read_bytes())}
        place = f"/api/images/{browser.post('/api/images?place=molecules', files=files).json()['id']}"
        until(lambda: browser.get(place).json(), lambda one: one["status"] == "working" and one["progress"])
        server.process.kill()
        server.process.wait(20)
    with start_server(tmp_path / "app") as server:
        cookies = server.cookies(session)
        with httpx.Client(base_url=server.address, timeout=60, cookies=cookies) as browser:
            image = until(lambda: browser.get(place).json(), lambda one: one["status"] in ("done", "failed"))
            assert image["status"] == "done"
            assert image["count"] > 3
            assert browser.get(f"{place}/molecules/channels.csv").status_code == 200


@pytest.mark.slow
def test_a_simulated_film_without_molecules_shows_none(tmp_path):
    """The control, beside the same film with pyridine in half of its channels: the samples of the page."""
    counts = []
    for number, name in enumerate(("with", "without")):
        path = tmp_path / f"{name}.tif"
        write_molecules(number, str(path))
        found = analyse(str(path), path.name, 0.25, 0.25, "mfi", str(tmp_path / name))
        counts.append(found["count"])
        boxes = json.loads((tmp_path / name / "answers.json").read_text())["boxes"]
        shown = [one for one in boxes["likelihood"] if one >= boxes["threshold"]]
        assert (len(shown) > 5) == (number == 0)
    assert counts[0] > 5
    assert counts[1] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampling", "shape", "words"),
    [
        (None, (160, 160), "no lattice of the framework 'mfi' found"),
        (2.0, (160, 160), "pixels of 2 Å are too coarse"),
        (0.25, (40, 40), "restoring needs at least 64 × 64"),
    ],
)
def test_what_cannot_be_used_is_refused_in_the_library_s_words(tmp_path, sampling, shape, words):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.random.default_rng(0).normal(size=shape).astype(np.float32))
    with pytest.raises(InputError, match=words):
        analyse(str(path), "image.tif", sampling, sampling, "mfi", str(tmp_path / "out"))


@pytest.mark.slow
def test_noise_is_restored_but_has_no_channels(tmp_path):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.random.default_rng(0).normal(size=(160, 160)).astype(np.float32))
    found = analyse(str(path), "image.tif", 0.25, 0.25, "mfi", str(tmp_path / "out"))
    assert found["count"] is None
    assert len(found["remarks"]) == 1
    assert "no lattice of the framework 'mfi' found" in found["remarks"][0]
    content = json.loads((tmp_path / "out" / "answers.json").read_text())
    assert content["channels"] is content["boxes"] is None
    assert content["restored"]["shape"] == [320, 320]
