"""A server whose workers are not started, and browsers that talk to it, each with its own cookies; one in a process."""

import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from fastapi.testclient import TestClient
from numpy.fft import fftfreq, ifft2

from stemforge.app import AppSettings, create_app
from stemforge.app.sessions.store import Store
from stemforge.app.working.detections import keep_detection
from stemforge.infer.occupancy.crystal import ChannelCrystal, cell_image
from stemforge.micrograph.writers import write_tiff

ADDRESS = "http://127.0.0.1:8642"


def tiff(shape=(64, 80), sampling=0.293, seed=0):
    """Return the bytes of a TIFF of noise with its pixel size."""
    stream = io.BytesIO()
    image = np.random.default_rng(seed).normal(100, 10, shape).astype(np.float32)
    # Pixels per µm, as ImageJ writes them.
    options = {"resolution": (1e4 / sampling,) * 2, "metadata": {"unit": "um"}} if sampling else {}
    tifffile.imwrite(stream, image, imagej=bool(sampling), **options)
    return stream.getvalue()


@pytest.fixture(name="tiff")
def _tiff():
    return tiff


class Browser(TestClient):
    """A browser with a session of its own."""

    def send_file(self, content=None, name="image.tif", **options):
        return self.post(
            "/api/images", files={"file": (name, tiff() if content is None else content)}, **options
        )

    def image(self, name="image.tif", content=None):
        answer = self.send_file(content, name)
        assert answer.status_code == 201, answer.text
        return answer.json()


@pytest.fixture
def settings(tmp_path):
    return AppSettings(tmp_path / "app", upload_bytes=2**20, images=4, pixels=10**6)


@pytest.fixture
def browse(settings):
    """Function that opens a browser with a new session; all at one server, whose workers do not run."""
    app = create_app(settings)

    def opened(session=True):
        browser = Browser(app, base_url=ADDRESS, follow_redirects=False)
        if session:
            assert browser.get("/api/session").status_code == 200
        return browser

    return opened


@pytest.fixture
def browser(browse):
    return browse()


FOUND = {
    "table": np.array([[10.0, 20.0, 0.9], [30.0, 40.0, 0.6], [50.0, 20.5, 0.2], [70.0, 50.0, 0.05]]),
    "columns": ["x", "y", "score"],
    "lowest": 0.02,
    "facts": {"weights": "any-atom", "detector": "any-atom", "sampling": 0.293, "density": None},
    "threshold": 0.5,
    "expected_f1": 0.8,
    "remarks": [],
    "sampling": 0.293,
    "estimated": False,
    "focus": None,
    "card": None,
}


@pytest.fixture
def detected():
    """Function that gives an image four candidates, as if a worker had found them."""

    def give(browser, image, **changes):
        context = browser.app.app.state.context
        session = context.store.find(browser.cookies.get(context.settings.session_cookie))
        keep_detection(session, session.images[image["id"]], {**FOUND, **changes})
        return browser.get(f"/api/images/{image['id']}").json()

    return give


class Server:
    """`stemforge app` as a user starts it, in a process that ends with the block.

    Parameters
    ----------
    folder
        Where sessions are kept.
    options
        Further words of the command line.
    """

    def __init__(self, folder, *options):
        words = ["app", "--port", "0", "--no-browser", "--folder", folder, *options]
        log = Path(f"{folder}.log")
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stemforge", *map(str, words)],
                stdout=stream,
                stderr=stream,
                env={**os.environ, "COLUMNS": "300"},
            )
        self.address = self._address(log)
        """As it is printed, with the token where there is one."""

    def _address(self, log):
        for _ in range(600):
            if found := re.search(r"http://127\.0\.0\.1:\d+/\S*", log.read_text()):
                return found[0]
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.process.kill()
        pytest.fail(f"no server: {log.read_text()}")

    def cookies(self, session):
        """Return the cookie of a session, which is called after the port."""
        port = re.search(r":(\d+)/", self.address)[1]
        return {f"stemforge-session-{port}": session}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="session")
def start_server():
    """Class of a server in a process: its folder, and options of the command line."""
    return Server


@pytest.fixture
def reread(settings):
    """Function that returns the sessions as a server reads them that is started now."""
    return lambda: list(Store(settings.folder))


FILM = (216, 240)  # four times three cells of MFI
CELL = (54, 80)  # pixels of one


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """Function that writes a drawn image of MFI, some of its channels with pyridine or none, and returns its file."""
    crystal = ChannelCrystal.named("mfi", ("pyridine",))
    hk = crystal.indices(1.5)
    folder = tmp_path_factory.mktemp("films")

    def write(name="film.tif", filled=True, sampling=0.25):
        step = crystal.cell / CELL[::-1]
        k = np.stack(np.meshgrid(fftfreq(FILM[1], step[0]), fftfreq(FILM[0], step[1])), -1)
        blur = np.exp(-(k**2).sum(-1) / 0.18)
        framework = cell_image(
            crystal.coefficients(hk) * np.exp(-((hk / crystal.cell) ** 2).sum(1) / 0.18), hk, CELL
        )
        image = np.tile(framework, (4, 3))
        rng = np.random.default_rng(3)
        image = image + rng.normal(0, framework.std() / 20, FILM)
        for column, row in np.ndindex(3, 4):
            for axis in crystal.channels:
                if filled and rng.uniform() < 0.5:
                    place = axis + (column, row) * crystal.cell
                    waves = crystal.guests[7].spectrum(k) * blur * np.exp(-2j * np.pi * (k @ place))
                    image += ifft2(waves).real / step.prod()
        path = folder / name
        write_tiff(path, image.astype(np.float32), sampling)
        return path

    return write
