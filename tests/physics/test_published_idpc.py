"""iDPC against abTEM's own multislice, and against the images that Yang et al. (2024) published."""

import importlib
from pathlib import Path

import pytest
import tifffile

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
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
        yield importlib.import_module("idpc")


def test_published_images_and_their_noise(benchmark, data_dir, tmp_path):
    figure = tmp_path / "noise.png"
    clean, noise = benchmark.noise_table(data_dir / "zsm5-idpc" / "pyridine", figure)
    assert sorted(clean) == [1, 2, 3, 4, 5]
    assert min(found["blurred"] for found in clean.values()) >= 0.998
    for dose, (low, high) in PUBLISHED.items():
        lowest, highest = noise[dose]["blurred"]
        assert low - 0.05 <= lowest <= highest <= high + 0.05
    assert figure.stat().st_size > 10_000


def test_published_images_are_read_as_they_lie(benchmark, data_dir):
    path = data_dir / "zsm5-idpc" / "pyridine" / "3_dose_1000000.tiff"
    published = benchmark.published_image(path)
    segments, scan = benchmark.simulated(zeolite(path.with_name("3.cif")), published.shape)
    image = benchmark.blurred(benchmark.idpc_image(segments, scan.sampling, periodic=True), scan.sampling)

    def correlation(other):
        return benchmark.best_correlation(image, other)[0]

    assert correlation(published) >= 0.998
    transposed = tifffile.imread(path).T.astype(float)
    for mirrored in (transposed, transposed[::-1, ::-1]):
        assert correlation(mirrored) < 0.995
    assert correlation(published[::-1, ::-1]) < 0.997


@pytest.mark.long
def test_planned_image_is_plain_multislice(benchmark, data_dir):
    found = benchmark.planned_against_plain(zeolite(data_dir / "zsm5-idpc" / "pyridine" / "1.cif"))
    assert found["plan"]["error"] <= 0.01
    assert found["nrmse"] <= 0.01
