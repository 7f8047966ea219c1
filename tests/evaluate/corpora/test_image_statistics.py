"""Statistics of unlabelled images against what the images were made with; the two-sample test."""

import json

import numpy as np
import pytest
from scipy import ndimage

from stemforge import MicrographError
from stemforge.evaluate.corpora.command import compare
from stemforge.evaluate.corpora.image_statistics import image_statistics
from stemforge.evaluate.corpora.measurements import BANDS
from stemforge.options import Output, Progress
from stemforge.simulate import Degradation, SimulationRecipe, degrade

SAMPLING = 0.293


def wedge(shape=(512, 512)):
    """A specimen whose signal rises from vacuum at the left, as fraction of incident electrons."""
    ramp = 0.5 + 0.5 * np.tanh((np.arange(shape[1]) - 100) / 8)
    return np.broadcast_to(0.02 * ramp * (1 + 0.2 * np.linspace(-1, 1, shape[0])[:, None]), shape).astype(
        "float32"
    )


def recorded(signal, seed=0, **settings):
    degradation = Degradation(**{"source_size": 0.0, "dose": 3e4, **settings})
    return degrade(signal[None], degradation, SAMPLING, np.random.default_rng(seed)).image[0]


def test_gain_offset_and_counts_are_found():
    counts = 3e4 * SAMPLING**2 * 0.02
    found = image_statistics(recorded(wedge(), gain=230.0, offset=1.7e5), SAMPLING)
    assert found.gain == pytest.approx(230, rel=0.05)
    assert found.offset == pytest.approx(1.7e5, abs=5 * 230)
    assert found.counts == pytest.approx(counts, rel=0.08)
    assert found.noise == pytest.approx(counts**-0.5, rel=0.08)
    assert found.vacuum_fraction == pytest.approx(100 / 512, abs=0.04)
    assert found.dark < 0.05 * counts


@pytest.mark.parametrize("flicker", [0.01, 0.03])
def test_flicker_is_distinguished_from_counting_noise(flicker):
    flat = np.full((512, 512), 0.02, "float32")
    found = image_statistics(recorded(flat, flicker=flicker, flicker_time=0.5, seed=3), SAMPLING)
    assert found.flicker == pytest.approx(flicker, rel=0.35)
    steady = image_statistics(recorded(flat), SAMPLING)
    assert steady.flicker < 0.004


def test_the_detectors_decay_is_found_and_hides_no_counting_noise():
    counts = 3e4 * SAMPLING**2 * 0.02
    found = image_statistics(recorded(wedge(), decay_time=0.2), SAMPLING)
    assert found.decay_time == pytest.approx(0.2, abs=0.04)
    assert found.noise == pytest.approx(counts**-0.5, rel=0.1)


def test_texture_is_found_in_its_band():
    rng = np.random.default_rng(1)
    y, x = np.fft.fftfreq(512, SAMPLING)[:, None], np.fft.fftfreq(512, SAMPLING)[None]
    k = np.hypot(y, x)
    for band in range(len(BANDS) - 1):
        inside = (k >= 1 / BANDS[band]) & (k < 1 / BANDS[band + 1])
        waves = np.fft.ifft2(np.fft.fft2(rng.normal(size=(512, 512))) * inside).real
        signal = wedge() * (1 + 0.05 * waves / waves.std())
        found = image_statistics(recorded(signal.astype("float32")), SAMPLING).texture
        assert np.argmax(found) == band
        # The window leaks over the band's edges, and the lowest band holds but some 100 waves.
        assert found[band] == pytest.approx(0.05**2, rel=0.5)
        assert max(abs(v) for i, v in enumerate(found) if i != band) < 0.3 * found[band]


def test_blobs_are_counted_and_measured():
    rng = np.random.default_rng(2)
    spots = np.zeros((512, 512))
    places = rng.integers((30, 200), 482, (40, 2))
    spots[places[:, 0], places[:, 1]] = 1
    sigma = 1.2 / SAMPLING
    signal = wedge() * (1 + 0.4 * ndimage.gaussian_filter(spots, sigma) * 2 * np.pi * sigma**2)
    found = image_statistics(recorded(signal.astype("float32"), dose=1e5), SAMPLING)
    assert found.blobs == pytest.approx(40 / (512 * 392 * (SAMPLING / 10) ** 2), rel=0.15)
    assert found.blob_width == pytest.approx(2.3548 * 1.2, rel=0.15)
    assert found.blob_contrast[1] == pytest.approx(0.4, rel=0.3)


@pytest.mark.parametrize("bad", [np.ones((64, 64)), np.full((256, 256), np.nan), np.ones((256, 256))])
def test_images_without_information_are_refused(bad):
    with pytest.raises(MicrographError):
        image_statistics(bad, SAMPLING)


BASE = {
    "scan.shape": [128, 128],
    "support.mean_thickness": 60,
    "support.vacuum_fraction": 0,
    "store_structures": False,
}


@pytest.mark.slow
def test_the_command_writes_tables_and_pictures(tmp_path, monkeypatch):
    import tifffile

    from stemforge.evaluate.corpora import two_sample
    from stemforge.micrograph.writers import write_tiff
    from stemforge.simulate import simulate_corpus

    monkeypatch.setattr(two_sample, "_STEPS", 3)
    recipe = SimulationRecipe.load("pt-nc", {**BASE, "num_samples": 4})
    corpus = simulate_corpus(recipe, tmp_path / "corpus", workers=1, quiet=True)
    images = []
    for sample in corpus:
        image = degrade(
            sample.signal, recipe.degradation, SAMPLING, np.random.default_rng(sample.index)
        ).image[0]
        images.append(tmp_path / f"image-{sample.index}.tif")
        write_tiff(images[-1], image, SAMPLING)
    assert tifffile.imread(images[0]).shape == (128, 128)
    compare(images, corpus=tmp_path / "corpus", output=Output(tmp_path / "compared"), progress=Progress(True))
    content = json.loads((tmp_path / "compared" / "compare.json").read_text())
    test = content["two_sample_test"]
    assert test["accuracy"] == max(test[kind]["accuracy"] for kind in ("network", "statistics"))
    assert 0.5 <= test["separating"][0]["share"] <= 1
    assert len(content["statistics"]["real"]) == 4
    assert (tmp_path / "compared" / "compare.png").is_file()


def test_a_little_vacuum_in_a_corner_tells_the_response():
    # The darkest twentieth of the pixels is specimen, the darkest block is not.
    signal = np.full((512, 512), 0.02, "float32")
    signal[:64, :64] = 0.0005
    found = image_statistics(recorded(signal, gain=40.0, offset=900.0), SAMPLING)
    assert found.gain == pytest.approx(40, rel=0.05)
    assert found.offset == pytest.approx(900, abs=2 * 40)
