"""What work on a large image takes of memory: a worker without a network loads none, and few copies are held."""

import json
import subprocess
import sys

import numpy as np
import pytest

from stemforge.micrograph.writers import write_tiff

SIDE = 1024  # pixels
MOST = 16  # times the bytes of the image

# VmHWM and not ru_maxrss, which a child takes over from a large parent.
CHILD = """
import json, sys
import numpy as np
from stemforge.app.analysis.quality import judge
from stemforge.train.card import Card

def most():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

small, large, copies = sys.argv[1:]
about = {"name": "image", "sampling": 0.3, "card": Card("atom-net").to_json()}
table = np.random.default_rng(0).uniform(20, 100, (40, 3)) / [1, 1, 101]
judge(path=small, table=table, **about)
before = most()
held = np.ones((int(copies), 1024, 1024), dtype=np.float32)  # of the large image
judge(path=large, table=table, **about)
print(json.dumps({"bytes": most() - before, "torch": "torch" in sys.modules, "abtem": "abtem" in sys.modules}))
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A small image and a large one, both of noise, as files."""
    folder, rng = tmp_path_factory.mktemp("memory"), np.random.default_rng(0)
    paths = [folder / "small.tif", folder / "large.tif"]
    for path, side in zip(paths, (128, SIDE), strict=True):
        write_tiff(path, rng.poisson(60.0, (side, side)).astype(np.float32), 0.3)
    return paths


def judged(images, copies=0):
    words = [sys.executable, "-c", CHILD, *map(str, images), str(copies)]
    found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return found["bytes"] / (4 * SIDE**2), found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_judging_holds_few_copies_of_an_image(images):
    times, found = judged(images)
    assert 2 < times < MOST
    assert not found["torch"]
    assert not found["abtem"]
    # The measure shows copies that are held.
    assert judged(images, copies=MOST)[0] > MOST


LOADED = "import importlib, json, sys; importlib.import_module(sys.argv[1]); print(json.dumps(sorted(sys.modules)))"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "network"), [("quality", False), ("statistics", False), ("tables", False), ("detection", True)]
)
def test_only_what_runs_a_network_loads_one(module, network):
    words = [sys.executable, "-c", LOADED, f"stemforge.app.analysis.{module}"]
    loaded = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    assert ("torch" in loaded) == network
    assert "abtem" not in loaded
