"""A recipe whose samples take milliseconds, for tests of how a corpus is made."""

import pytest

from stemforge.simulate import SimulationRecipe, simulate_corpus

QUICK = {
    "name": "quick",
    "seed": 3,
    "num_samples": 12,
    "shard_size": 2,
    "support": {"kind": "amorphous_carbon", "thickness": {"uniform": [8, 14]}},
    "microscope": {"preset": "nion-ultrastem-100", "detectors": {"rings": {"HAADF": [90, 185]}}},
    "scan": {"shape": [24, 32], "sampling": 0.4, "margin": 3},
    "degradation": {"dose": 1e4},
}


def _quick(**overrides):
    return SimulationRecipe.from_mapping(QUICK, overrides)


def _files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="session")
def quick():
    """Function that returns a recipe of 12 small images in 6 shards, with fields overridden."""
    return _quick


@pytest.fixture(scope="session")
def files():
    """Function that returns the bytes of every file in a folder, by name."""
    return _files


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """Files of the quick corpus, made in one go."""
    folder = tmp_path_factory.mktemp("whole")
    simulate_corpus(_quick(), folder, workers=1, quiet=True)
    return _files(folder)
