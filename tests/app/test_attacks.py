"""What must be refused, with a sentence, while the server lives and nothing leaves its session."""

import io
import json
import tracemalloc

import h5py
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from stemforge.app import AppSettings, create_app


def endless_hdf5():
    """An HDF5 file that HDF5 reads for ever: its heap's next entry is the first (as tests/fuzz/hostile.py has it)."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.attrs["version_major"] = "0"
    content = bytearray(stream.getvalue())
    heap = content.index(b"GCOL")
    content[heap + 16 : heap + 32] = bytes(16)
    return bytes(content)


def png(side):
    stream = io.BytesIO()
    Image.new("L", (side, side)).save(stream, format="PNG")
    return stream.getvalue()


def left_behind(settings):
    return [path for path in settings.folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("name", "content", "status", "words"),
    [
        ("a.tif", b"no image at all", 422, "cannot be read as TIF"),
        ("a.tif", b"", 422, "is empty (0 bytes)"),
        ("a.exe", b"MZ", 415, "is no image file"),
        ("a", b"x", 415, "is no image file"),
        (".tif", b"x", 415, "is no image file"),
        ("a.pkl", b"\x80\x04cos\nsystem\n", 415, "is no image file"),
        ("even.png", png(64), 422, "every pixel has the same value"),
    ],
)
def test_files_that_are_no_images(browser, settings, name, content, status, words):
    answer = browser.send_file(content, name)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert str(settings.folder) not in answer.text
    assert "original" not in answer.text
    assert left_behind(settings) == []
    assert browser.image()["status"] == "waiting"


def test_a_file_that_says_it_is_too_large_is_refused_before_it_comes(browser, settings):
    answer = browser.post(
        "/api/images",
        content=b"",
        headers={"content-length": str(2 * 2**30), "content-type": "multipart/form-data; boundary=x"},
    )
    assert answer.status_code == 413
    assert "at most 1 MB" in answer.json()["error"]
    assert left_behind(settings) == []


def test_a_file_that_does_not_say_how_large_it_is_is_cut_off(browser, settings):
    sent = 0

    def parts():
        nonlocal sent
        yield b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.tif"\r\n\r\n'
        for _ in range(100):
            sent += 2**16
            yield bytes(2**16)

    answer = browser.post(
        "/api/images", content=parts(), headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code == 413
    assert left_behind(settings) == []


def test_a_small_file_with_a_huge_image(browser, settings):
    content = png(9000)
    assert len(content) < 2**20
    answer = browser.send_file(content, "bomb.png")
    assert answer.status_code in (413, 422)
    assert left_behind(settings) == []
    # A picture that is no even plane reaches the limit of pixels.
    stream = io.BytesIO()
    pixels = np.zeros((2000, 2000), dtype=np.uint8)
    pixels[0, 0] = 255
    Image.fromarray(pixels).save(stream, format="PNG")
    answer = browser.send_file(stream.getvalue(), "large.png")
    assert answer.status_code == 413
    assert "2000 × 2000 pixels" in answer.json()["error"]


@pytest.mark.slow
def test_a_crafted_hdf5_that_hangs(browser):
    answer = browser.send_file(endless_hdf5(), "endless.emd")
    assert answer.status_code == 422
    assert "takes more than" in answer.json()["error"]
    assert browser.image()["status"] == "waiting"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x\r\n\r\nno headers\r\n--x--",
        b'--x\r\ncontent-disposition: form-data; name="other"\r\n\r\n1\r\n--x--\r\n',
        b"\xff\xfe\x00",
    ],
)
def test_forms_that_are_damaged(browser, body):
    answer = browser.post(
        "/api/images", content=body, headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert browser.post("/api/images", content=body).status_code == 415


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../../etc/cron.d/x.tif", "x.tif"),
        ("C:\\Windows\\x.tif", "x.tif"),
        ("/etc/x.tif", "x.tif"),
        ("<script>alert(1)<%2Fscript>.tif", None),
        ("=HYPERLINK(1).tif", "=HYPERLINK(1).tif"),
        ("a\u202egnp.tif", "a gnp.tif"),
        (f"{'long' * 100}.tif", None),
        ("😀 日本.tif", "😀 日本.tif"),
    ],
)
def test_names_are_shown_and_never_paths(browser, settings, name, shown):
    image = browser.image(name)
    assert shown in (None, image["name"])
    assert len(image["name"]) <= 120
    names = {path.name for path in settings.folder.rglob("*") if path.is_file()}
    assert names == {"image.json", "image.tif"}
    # What the page gets is JSON, which a browser never takes for a page.
    answer = browser.get("/api/session")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_requests_of_other_origins_are_refused(browser):
    image = browser.image()
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
    ):
        assert browser.delete(f"/api/images/{image['id']}", headers=headers).status_code == 403
        assert browser.send_file(headers=headers).status_code == 403
    assert browser.get("/api/session", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert len(browser.get("/api/session").json()["images"]) == 1
    same = {"Origin": "http://127.0.0.1:8642", "Sec-Fetch-Site": "same-origin"}
    assert browser.delete(f"/api/images/{image['id']}", headers=same).status_code == 204


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8642", "127.0.0.1.evil.example", "169.254.169.254", ""]
)
def test_other_names_of_this_machine_are_refused(browser, host):
    answer = browser.get("/api/session", headers={"Host": host})
    assert answer.status_code == 403
    assert "127.0.0.1" in answer.json()["error"]


@pytest.mark.parametrize("host", ["localhost:8642", "127.0.0.1:9000", "[::1]:8642"])
def test_names_of_this_machine_alone_are_answered(browser, host):
    assert browser.get("/api/session", headers={"Host": host}).status_code == 200


def test_sessions_do_not_see_each_other(browse, detected):
    one, other = browse(), browse()
    image = detected(one, one.image())
    job = one.post("/api/jobs", json={"kind": "zip"}).json()
    assert other.get("/api/session").json()["images"] == []
    assert other.get("/api/jobs").json() == []
    address = f"/api/images/{image['id']}"
    for path in ("", "/picture", "/thumbnail", "/atoms", "/statistics", "/atoms.csv", "/overlay.png"):
        assert other.get(address + path).status_code == 404
    assert other.delete(address).status_code == 404
    assert other.patch(address, json={"name": "mine"}).status_code == 404
    assert (
        other.put(f"{address}/edits", json={"threshold": 0.1}, headers={"If-Match": "2"}).status_code == 404
    )
    assert other.get(f"/api/jobs/{job['id']}").status_code == 404
    assert other.get(f"/api/jobs/{job['id']}/files/0").status_code == 404
    assert other.delete(f"/api/jobs/{job['id']}").status_code == 404
    assert other.post("/api/jobs", json={"kind": "zip", "images": [image["id"]]}).status_code == 404
    assert one.get(address).json() == image


def test_guessed_sessions_are_none(browse, settings):
    browser = browse(session=False)
    assert browser.get("/api/jobs").status_code == 401
    for guess in ("0" * 32, "..", "../sessions", "", "a" * 5000):
        browser.cookies.set(settings.session_cookie, guess)
        assert browser.get("/api/jobs").status_code == 401
        assert browser.send_file().status_code == 401
    cookie = browse(session=False).get("/api/session").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    name = cookie.split(";")[0].split("=")[1]
    assert len(name) == 32


@pytest.mark.parametrize(
    "path",
    [
        "/static/../__init__.py",
        "/static/..%2f__init__.py",
        "/static/%2e%2e/command.py",
        "/static//etc/passwd",
        "/api/images/..%2f..%2f..%2fetc%2fpasswd",
        "/api/images/%2e%2e/picture",
        "/api/jobs/../../session.json",
        "/docs",
        "/openapi.json",
    ],
)
def test_paths_that_lead_elsewhere(browser, path):
    answer = browser.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]


def test_files_of_a_job_have_numbers_and_no_names(browser, detected):
    detected(browser, browser.image())
    job = browser.post("/api/jobs", json={"kind": "zip"}).json()
    for number in ("0", "-1", "999999", "../job.json", "..%2fjob.json", "job.json"):
        assert browser.get(f"/api/jobs/{job['id']}/files/{number}").status_code in (404, 422)


def test_every_answer_says_what_it_may_do(browser):
    for answer in (
        browser.get("/api/session"),
        browser.get("/nothing"),
        browser.get("/", headers={"Host": "evil"}),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_elsewhere_only_with_the_token(tmp_path):
    settings = AppSettings(tmp_path, host="192.0.2.1", token="secret-token")
    browser = TestClient(create_app(settings), base_url="http://192.0.2.1:8642", follow_redirects=False)
    for path in ("/", "/api/session", "/static/app.js", "/?token=wrong", "/?token="):
        answer = browser.get(path)
        assert answer.status_code == 401
        assert "token" in answer.json()["error"]
    answer = browser.get("/?token=secret-token")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert browser.get("/api/session").status_code == 200
    browser.cookies.clear()
    assert browser.get("/api/session").status_code == 401


def test_unknown_jobs_and_images_of_nobody(browser):
    assert browser.post("/api/jobs", json={"kind": "zip"}).status_code == 409
    assert browser.post("/api/jobs", json={"kind": "__import__('os')"}).status_code == 422
    assert (
        browser.post("/api/jobs", content=b"{", headers={"content-type": "application/json"}).status_code
        == 422
    )
    deep = json.dumps({"kind": "zip", "images": [["x"] * 3]})
    assert (
        browser.post("/api/jobs", content=deep, headers={"content-type": "application/json"}).status_code
        == 422
    )


@pytest.mark.parametrize("host", ["[", "[::1", "[evil]:8642", "]"])
def test_hosts_that_are_none_are_refused(browser, host):
    assert browser.get("/api/session", headers={"Host": host}).status_code == 403
    assert browser.post("/api/samples", headers={"Origin": f"http://{host}"}).status_code == 403


@pytest.mark.parametrize("stated", [True, False])
def test_what_is_no_file_is_cut_off(browser, detected, stated):
    image = detected(browser, browser.image())
    sent = 0

    def parts():
        nonlocal sent
        for _ in range(64):
            sent += 2**20
            yield b" " * 2**20

    body = b" " * (20 * 2**20) if stated else parts()
    answer = browser.put(
        f"/api/images/{image['id']}/edits",
        content=body,
        headers={"If-Match": str(image["version"]), "content-type": "application/json"},
    )
    assert answer.status_code == 413
    assert "at most 16 MB" in answer.json()["error"]
    assert browser.get(f"/api/images/{image['id']}").json() == image


@pytest.mark.parametrize(
    "body",
    [
        b'{"threshold": NaN}',
        b'{"added": [[Infinity, 1]]}',
        b'{"added": [[1e999, 1]]}',
        b'{"removed": [' + b"9" * 5000 + b"]}",
        b'{"masks": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"\xff",
        b'{"masks": [' + b",".join([b"[" + b"[1,1]," * 1999 + b"[1,2]]"] * 30) + b"]}",
    ],
)
def test_json_that_is_none_of_edits(browser, detected, body):
    image = detected(browser, browser.image())
    answer = browser.put(
        f"/api/images/{image['id']}/edits",
        content=body,
        headers={"If-Match": str(image["version"]), "content-type": "application/json"},
    )
    assert answer.status_code in (400, 422)
    assert len(answer.json()["error"]) < 400
    assert browser.get(f"/api/images/{image['id']}").json() == image


def test_an_image_of_few_rows_needs_no_more_memory_than_it_has(browser):
    """Padded to squares of 2^12 pixels it would have 65 million."""
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (16, 60_000)).astype(np.uint8)
    Image.fromarray(pixels).save(stream, format="PNG")
    image = browser.image("long.png", stream.getvalue())
    tracemalloc.start()
    answer = browser.get(f"/api/images/{image['id']}/thumbnail")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert Image.open(io.BytesIO(answer.content)).size == (235, 1)
    assert most < 30e6


def test_an_image_is_in_a_job_once(browser, detected):
    image = detected(browser, browser.image())
    job = browser.post("/api/jobs", json={"kind": "zip", "images": [image["id"]] * 1000}).json()
    assert job["images"] == [image["id"]]


@pytest.mark.parametrize("frame", ["9" * 40, "-1", "1.5", "x"])
def test_frames_that_are_none(browser, frame):
    assert browser.send_file(params={"frame": frame}).status_code == 422
