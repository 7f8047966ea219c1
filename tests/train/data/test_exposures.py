import dataclasses

import numpy as np
import pytest

from stemforge.errors import CorpusError
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate import Degradation, idpc_image
from stemforge.train.data.exposures import (
    draw_dose,
    drawn_atoms,
    enlarge,
    expose,
    require_segments,
    without_order,
)

POINTS = [[30.0, 40.0], [60.0, 25.0], [55.0, 70.0]]
STILL = Degradation(source_size=0)


def _correlation(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


def test_noise_fades_with_dose(make_sample):
    sample = make_sample(points=POINTS)
    likeness = []
    for dose in (1e2, 1e3, 1e4, 1e6, None):
        shown = expose(sample, STILL, dose, np.random.default_rng(0))
        assert shown.dose == dose
        for image in (shown.noisy, shown.clean):
            assert image.dtype == np.float32
            assert (image.min(), image.max()) == (0, 1)
        likeness.append(_correlation(shown.noisy, shown.clean))
    assert np.all(np.diff(likeness) > 0)
    assert likeness[0] < 0.5
    assert likeness[-1] > 0.9999


def test_what_is_drawn_lies_where_the_image_is_bright(make_sample):
    sample = make_sample(points=POINTS)
    shown = expose(sample, STILL, None, np.random.default_rng(0))
    for x, y in np.array(POINTS, int):
        around = np.s_[y - 8 : y + 9, x - 8 : x + 9]
        assert shown.noisy[around][8, 8] > 0.97 * shown.noisy[around].max()
        assert shown.noisy[around][8, 8] > 3 * shown.noisy[around][0, 0]
    target = drawn_atoms(sample, shown, 2)
    assert target.shape == (192, 192)
    rows, columns = np.nonzero(target[:, :] > 0.5)
    for x, y in POINTS:
        near = np.hypot(columns - (2 * x + 0.5), rows - (2 * y + 0.5)) < 12
        np.testing.assert_allclose(
            [columns[near].mean(), rows[near].mean()], [2 * x + 0.5, 2 * y + 0.5], atol=0.3
        )


def test_drift_moves_noisy_clean_and_drawn_alike(make_sample):
    sample = make_sample(points=POINTS)
    drifting = Degradation(source_size=0, tear=2.0, tear_position=0.0)  # 8 pixels to the right, everywhere
    shown = expose(sample, drifting, None, np.random.default_rng(0))
    moved = shown.degraded.move(np.array(POINTS))
    np.testing.assert_allclose(moved[:, 0], np.array(POINTS)[:, 0] + 8, atol=1e-6)
    inner = np.s_[12:-12, 12:-12]
    assert _correlation(shown.noisy[inner], shown.clean[inner]) > 0.99
    for x, y in np.rint(moved).astype(int):
        for image in (shown.clean, drawn_atoms(sample, shown, 1)):
            around = image[y - 5 : y + 6, x - 5 : x + 6]
            assert around[5, 5] == pytest.approx(around.max(), abs=0.02)


def test_jitter_of_lines_is_not_followed(make_sample):
    sample = make_sample(points=POINTS)
    shown = expose(sample, Degradation(source_size=0, line_jitter=0.3), None, np.random.default_rng(0))
    assert (
        np.abs(np.diff(shown.degraded.displacement[:, 0])).max() < 0.5
    )  # of a standard deviation of 1.2 pixels
    assert np.abs(shown.degraded.move(np.array(POINTS)) - POINTS).max() < 1


def test_the_same_numbers_give_the_same_bytes(make_sample):
    sample = make_sample()
    first, second, other = (
        expose(sample, STILL, 500.0, np.random.default_rng(seed)).noisy.tobytes() for seed in (0, 0, 1)
    )
    assert first == second != other


def test_the_recipes_own_dose_is_replaced(make_sample):
    sample = make_sample()
    current = Degradation(beam_current=1.0, dwell_time=1.0, source_size=0)
    shown = expose(sample, current, 700.0, np.random.default_rng(0))
    assert shown.degraded.settings.electrons_per_pixel(1.0) == 700


def test_doses_are_drawn_log_uniformly():
    rng = np.random.default_rng(0)
    doses = [draw_dose((100.0, 1e4), 0.2, rng) for _ in range(4000)]
    kept = np.array([d for d in doses if d is not None])
    assert 1 - len(kept) / len(doses) == pytest.approx(0.2, abs=0.03)
    assert (kept.min() >= 100, kept.max() <= 1e4) == (True, True)
    assert np.median(kept) == pytest.approx(1000, rel=0.15)


@pytest.mark.parametrize("shape", [(16, 16), (15, 20)])
@pytest.mark.parametrize("zoom", [1, 2, 3])
def test_enlarging_keeps_places_and_means(shape, zoom):
    y, x = np.indices(shape)
    image = np.cos(2 * np.pi * (x / shape[1] + 2 * y / shape[0])).astype(np.float32)
    fine = enlarge(image, zoom)
    y, x = ((i + 0.5) / zoom - 0.5 for i in np.indices([n * zoom for n in shape]))
    np.testing.assert_allclose(fine, np.cos(2 * np.pi * (x / shape[1] + 2 * y / shape[0])), atol=1e-5)
    blocks = fine.reshape(shape[0], zoom, shape[1], zoom).mean((1, 3))
    assert np.corrcoef(blocks.ravel(), image.ravel())[0, 1] > 0.999


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": ("HAADF",)}, "segment signals DPC_0, DPC_1, DPC_2, DPC_3 .it has HAADF"),
        ({"sampling": None}, "pixel size"),
        ({"structure": None}, "store_structures"),
        ({"labels": Annotations([[1, 1]])}, "molecule boxes"),
        ({"metadata": {}}, "molecule names"),
    ],
)
def test_a_corpus_that_lacks_something_is_refused_by_its_name(make_sample, fake_corpus, changes, message):
    corpus = fake_corpus([dataclasses.replace(make_sample(i), **changes) for i in range(2)])
    with pytest.raises(CorpusError, match=f"fake: lacks .*{message}"):
        require_segments([corpus], 64, structure=True, boxes=True)


def test_measured_and_small_corpora_are_refused(make_sample, fake_corpus):
    with pytest.raises(CorpusError, match="simulated segment signals"):
        require_segments([fake_corpus([make_sample()], kind="measured")], 64)
    with pytest.raises(CorpusError, match="96 × 96 pixels are smaller than the patches of 128"):
        require_segments([fake_corpus([make_sample()])], 128)
    require_segments([fake_corpus([make_sample()])], 96, structure=True, boxes=True)


def test_the_signal_has_the_noisy_images_grey_scale(make_sample):
    """What noise adds has mean 0: many noisy images of one scale average to the signal."""
    sample = make_sample(0, size=128)
    whole = expose(sample, STILL, 1e9, np.random.default_rng(0))
    assert np.abs(whole.signal - whole.noisy).max() < 0.02 + max(
        0, whole.signal.max() - 1, -whole.signal.min()
    )
    faint = expose(sample, STILL, 30.0, np.random.default_rng(0))
    gain = np.polyfit(whole.signal.ravel(), faint.signal.ravel(), 1)[0]
    assert gain < 0.5  # the noise set the scale
    assert np.corrcoef(whole.signal.ravel(), faint.signal.ravel())[0, 1] > 0.999
    assert abs(faint.signal.mean() - faint.noisy.mean()) < 0.02


def test_nothing_and_a_texture_have_no_order(make_sample):
    sample = make_sample(0, size=128)
    kinds = [without_order(sample, np.random.default_rng(i)) for i in range(12)]
    flat = [kind for kind in kinds if np.ptp(kind.signal[0]) == 0]
    textured = [kind for kind in kinds if np.ptp(kind.signal[0]) > 0]
    assert len(flat) > 2
    assert len(textured) > 2
    shown = expose(flat[0], STILL, 1000.0, np.random.default_rng(0))
    assert np.ptp(shown.signal) < 1e-5
    assert shown.noisy.std() > 0.1
    before = idpc_image(sample.signal, sample.sampling).ravel()
    for kind in textured:
        image = idpc_image(kind.signal, kind.sampling)
        assert 0.05 < image.std() / before.std() < 2.5
        assert abs(np.corrcoef(image.ravel(), before)[0, 1]) < 0.3
