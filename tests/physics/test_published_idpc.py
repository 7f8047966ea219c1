"""iDPC against abTEM's own multislice, and against the images that Yang et al. (2024) published."""

import importlib.util
from pathlib import Path

import pytest

from stemforge.structures import zeolite

pytestmark = pytest.mark.physics

PUBLISHED = {
    500: (0.53, 0.61),
    1000: (0.69, 0.76),
    1500: (0.76, 0.82),
    3000: (0.86, 0.89),
    4500: (0.90, 0.93),
    6000: (0.92, 0.94),
}


@pytest.fixture(scope="module")
def benchmark():
    path = Path(__file__).parents[2] / "benchmarks" / "idpc.py"
    spec = importlib.util.spec_from_file_location("benchmark_idpc", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_published_images_and_their_noise(benchmark, data_dir, tmp_path):
    figure = tmp_path / "noise.png"
    clean, noise = benchmark.noise_table(data_dir / "zsm5-idpc" / "pyridine", figure)
    assert sorted(clean) == [1, 2, 3, 4, 5]
    assert min(clean.values()) >= 0.95
    for dose, (low, high) in PUBLISHED.items():
        lowest, highest = noise[dose]["simulated"]
        assert low - 0.05 <= lowest <= highest <= high + 0.05
    assert figure.stat().st_size > 10_000


def test_planned_image_is_plain_multislice(benchmark, data_dir):
    found = benchmark.planned_against_plain(zeolite(data_dir / "zsm5-idpc" / "pyridine" / "1.cif"))
    assert found["plan"]["error"] <= 0.01
    assert found["nrmse"] <= 0.01
