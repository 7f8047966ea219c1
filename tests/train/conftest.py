"""Small corpora of segment signals, made without simulating."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stemforge.corpus.sample import Sample, Structure
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate import SEGMENTS

SAMPLING = 0.25


def segments_of(points, shape, sigma=3.0, strength=0.02):
    """Segment signals whose iDPC image has a Gaussian at each point (x, y) [pixel]."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    dx, dy = np.zeros(shape), np.zeros(shape)
    for px, py in points:
        blob = strength * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2))
        dx -= (x - px) * blob / sigma
        dy -= (y - py) * blob / sigma
    return (0.1 + np.stack([dx, dy, -dx, -dy])).astype(np.float32)


def idpc_sample(index=0, size=96, points=None, molecules=("pyridine", "thiophene")):
    """A sample with an Si atom, and a molecule around it, at each point [pixel]."""
    if points is None:
        points = np.random.default_rng(index).uniform(14, size - 15, (4, 2))
    points = np.asarray(points, float).reshape(-1, 2)
    positions = np.column_stack([points * SAMPLING, np.full(len(points), 5.0)])
    structure = Structure(
        np.full(len(points), 14, np.uint8),
        positions.astype(np.float32),
        np.zeros(len(points), np.uint8),
        np.diag([size * SAMPLING, size * SAMPLING, 10.0]),
    )
    half = np.array([10.0, 7.0])
    labels = Annotations(
        points,
        np.hstack([points - half, points + half]),
        {"species": np.arange(len(points)) % len(molecules), "angle_degrees": np.zeros(len(points))},
    )
    signal = segments_of(points, (size, size))
    return Sample(index, signal, SAMPLING, SEGMENTS, labels, {"molecules": list(molecules)}, structure)


class FakeCorpus(list):
    """What the data sets use of a corpus, in memory."""

    def __init__(self, samples, degradation=None, kind="simulated"):
        super().__init__(samples)
        self.folder = Path("corpora/fake")
        self.kind = kind
        self.recipe = {"name": "fake", "degradation": degradation or {"dose": 1000.0}}
        self.recipe_hash = "0" * 64
        self.structures = np.arange(len(samples), dtype=np.uint64)


@pytest.fixture(scope="session")
def make_sample():
    """Make a sample of segment signals."""
    return idpc_sample


@pytest.fixture(scope="session")
def fake_corpus():
    """Make a corpus of samples."""
    return FakeCorpus


@pytest.fixture
def idpc_corpus():
    return FakeCorpus([idpc_sample(i) for i in range(3)])


@pytest.fixture
def corpus_by_name(monkeypatch, idpc_corpus):
    """Let the training functions open the fake corpus, whatever folder they are given."""
    for module in ("data.restoration", "faster_rcnn.network"):
        monkeypatch.setattr(f"stemforge.train.{module}.Corpus", lambda folder: idpc_corpus)
    return idpc_corpus


def png(array):
    stream = io.BytesIO()
    Image.fromarray(np.asarray(array, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def write_pairs(path, names, side=128, files=None):
    """Write a zip file of pairs; a pair's target is bright at its centre, its noisy image is noise."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            folder, file = name.split("/")
            target = np.zeros((side, side))
            target[side // 2 - 8 : side // 2 + 8, side // 2 - 8 : side // 2 + 8] = 200 + number
            archive.writestr(f"{folder}/HR/{file}", png(target))
            noise = rng.integers(0, 256, (side, side))
            archive.writestr(f"{folder}/LR_original/{file}", png((target + noise) / 2))
        for file, content in (files or {}).items():
            archive.writestr(file, content)
    return path


PAIRS = [f"training/molecule_{i}_r{r}.png" for i in range(3) for r in (0, 30)]
PAIRS += [f"validation/molecule_{i}_r60.png" for i in range(2)]


@pytest.fixture
def make_zip(tmp_path):
    """Write a zip file of pairs."""
    return lambda name="pairs.zip", names=PAIRS, **options: write_pairs(tmp_path / name, names, **options)


@pytest.fixture
def pairs_zip(make_zip):
    return make_zip()
