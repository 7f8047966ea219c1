"""What several folders' tests need: a tiny simulated corpus, made corpora of bright blobs, and weights."""

import os
import shutil
import signal
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch

from stemforge.corpus.sample import Sample
from stemforge.corpus.writer import CorpusWriter
from stemforge.micrograph.annotations import Annotations
from stemforge.train import SACCNN, Card, Inputs, save_weights

# A shell starts what runs in its background with SIGINT ignored, and children inherit that. Tests of Ctrl-C must not
# depend on how pytest was started.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_setupnodes(specs):
    """Give each worker its share of the cores: threads of several that wait for each other take as long again."""
    threads = max(1, (os.cpu_count() or 1) // len(specs))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))


SAMPLING = 0.293
# Atoms as published with SAC-CNN: regions of likelihood.
REGIONS = Inputs(spots="regions")

# Few, small and thin: seconds to make. Every atom is in focus and bright.
TINY = {
    "num_samples": 4,
    "shard_size": 2,
    "scan.shape": [64, 64],
    "support.mean_thickness": 40,
    "support.vacuum_fraction": 0,
    "single_atoms": [{"element": "Pt", "areal_density": 1.0}],
    "microscope.A1": 0,
    "microscope.focal_spread": 0,
    "focus": 0.5,
    "degradation.dose": 4e4,
    "degradation.source_size": 1.0,
}


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Keep the tests away from the user's cache of object functions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEMFORGE_CACHE_DIR", str(tmp_path_factory.mktemp("object-cache")))
        yield


IMAGEJ = Path("/usr/share/java/ij.jar")
"""Where Debian's package imagej has it."""


@pytest.fixture
def imagej(tmp_path):
    """Return what runs lines of macro language in ImageJ, on a screen that nobody sees, and returns what it prints."""
    if not IMAGEJ.exists() or not all(map(shutil.which, ("java", "xvfb-run"))):
        pytest.skip("no ImageJ, Java or Xvfb here")

    def run(*lines):
        script = tmp_path / "script.ijm"
        script.write_text("\n".join(lines), encoding="utf-8")
        # A home of its own, where ImageJ keeps its preferences; macros that the menu shows are in `plugins` below it.
        properties = (f"-D{name}={tmp_path}" for name in ("user.home", "java.io.tmpdir", "plugins.dir"))
        command = [
            "xvfb-run",
            "-a",
            "java",
            *properties,
            "-cp",
            str(IMAGEJ),
            "ij.ImageJ",
            "-batch",
            str(script),
        ]
        names = {**os.environ, "LC_ALL": "C.UTF-8"}  # Java takes file names for ASCII without
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False, env=names)
        return done.stdout

    return run


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the reference data; tests that need it skip without."""
    folder = os.environ.get("STEMFORGE_DATA_DIR")
    if not folder or not Path(folder, "pt-nc").is_dir():
        pytest.skip("STEMFORGE_DATA_DIR names no folder with the reference data (pt-nc)")
    return Path(folder)


@pytest.fixture(scope="session")
def tiny_overrides() -> dict:
    """Fields of the quickstart recipe that make it tiny."""
    return dict(TINY)


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory) -> Path:
    """A simulated corpus of 4 images of 64 × 64 pixels; read only."""
    from stemforge.simulate import SimulationRecipe, simulate_corpus

    folder = tmp_path_factory.mktemp("tiny") / "corpus"
    simulate_corpus(SimulationRecipe.load("quickstart", TINY), folder, workers=1, quiet=True)
    return folder


def _blobs(points, shape, sigma=2.0, height=60.0, noise=1.0, seed=0):
    """Bright Gaussian spots on a noisy level."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.random.default_rng(seed).normal(100, noise, shape) if noise else np.full(shape, 100.0)
    for px, py in np.asarray(points, dtype=float).reshape(-1, 2):
        image += height * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2))
    return image.astype(np.float32)


@pytest.fixture(scope="session")
def blobs():
    """Function that draws an image of Gaussian spots: (points, shape, sigma, height, noise, seed)."""
    return _blobs


@pytest.fixture(scope="session")
def write_blobs():
    """Function that writes a measured corpus of bright spots on a jittered grid; returns its folder."""

    def write(folder, images=4, size=72, seed=0, sampling=SAMPLING, points=None, name="blobs"):
        recipe = {"name": name, "seed": seed, "size": size, "images": images}
        writer = CorpusWriter(folder, recipe, f"{seed:064d}", kind="measured")
        for index in range(images):
            rng = np.random.default_rng([seed, index])
            grid = np.stack(np.meshgrid(*[np.arange(12, size - 8, 24)] * 2), -1).reshape(-1, 2)
            atoms = grid + rng.uniform(-4, 4, grid.shape) if points is None else np.asarray(points, float)
            image = _blobs(atoms, (size, size), seed=seed * 1000 + index)
            name_ = {"name": f"{name}-{index:03d}"}
            sample = Sample(index, image[None], sampling, ("HAADF",), Annotations(atoms), name_)
            writer.write(index, [sample])
        return Path(folder)

    return write


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory) -> Path:
    """A weights file with untrained weights; copy it before changing it."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_weights(path, SACCNN(), Card("sac-cnn", SAMPLING, 0.5, inputs=REGIONS))
    return path


def _matched_filter() -> SACCNN:
    """SAC-CNN with weights set by hand: the mean of a crop's middle 5 × 5 pixels against those around."""
    model = SACCNN()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for i in (0, 3, 6):
            model.features[i].weight[0, 0, 1, 1] = 1.0
            model.features[i + 1].weight.fill_(1.0)
        model.fc_layers[0].weight[0, :9] = torch.tensor([-1.0, -1, -1, -1, 8, -1, -1, -1, -1]) / 8
        model.fc_layers[2].weight[0, 0] = 1.0
        model.fc3.weight[:, 0] = torch.tensor([-20.0, 20.0])
        model.fc3.bias[:] = torch.tensor([6.0, -6.0])
    return model.eval()


@pytest.fixture(scope="session")
def matched_filter() -> SACCNN:
    """A SAC-CNN that finds bright spots without having been trained."""
    return _matched_filter()


@pytest.fixture(scope="session")
def spot_weights(tmp_path_factory) -> Path:
    """The weights file of a network that finds bright spots; copy it before changing it."""
    path = tmp_path_factory.mktemp("weights") / "spots.safetensors"
    save_weights(path, _matched_filter(), Card("sac-cnn", SAMPLING, 0.5, inputs=REGIONS))
    return path


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text without scripts and styles."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.text, self.scripts = [], "", []
        self._within = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._within = tag if tag in {"script", "style"} else self._within
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._within = "" if tag == self._within else self._within

    def handle_data(self, data):
        if self._within == "script":
            self.scripts[-1] += data
        elif not self._within:
            self.text += data

    def attributes(self, name):
        return [attrs[name] for _, attrs in self.tags if name in attrs]

    def addresses(self):
        """Everything a browser could ask for, with the tag that names it; what lies in the page itself left out."""
        named = [
            (tag, attrs[key])
            for tag, attrs in self.tags
            for key in ("src", "href", "srcset", "action")
            if key in attrs
        ]
        return [(tag, one) for tag, one in named if not one.startswith(("#", "data:image/"))]


@pytest.fixture
def read_page():
    """Function that parses a page, and holds that it asks no other machine for anything and runs its one script."""

    def read(html):
        page = Page(html)
        policy = next(attrs["content"] for _, attrs in page.tags if attrs.get("http-equiv"))
        assert policy.startswith(
            "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
        )
        for tag, address in page.addresses():
            assert tag == "a", (tag, address)  # a reader must press it
            assert address.startswith("https://doi.org/10.") or ":" not in address, address
        assert "url(" not in html.replace("url(#", "")
        assert "@import" not in html
        assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
        assert [attrs.get("type") for tag, attrs in page.tags if tag == "script"] == [
            "application/json",
            None,
        ]
        assert not {"iframe", "object", "embed", "link", "base", "form"} & {tag for tag, _ in page.tags}
        return page

    return read
