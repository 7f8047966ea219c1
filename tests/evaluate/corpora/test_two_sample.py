"""The two-sample test: like images are not distinguished, unlike ones are, and it is said by what."""

import numpy as np
import pytest

from stemforge import InputError
from stemforge.evaluate.corpora import two_sample
from stemforge.evaluate.corpora.discriminant import describe_images, linear_accuracy, separating
from stemforge.evaluate.corpora.two_sample import two_sample_test
from stemforge.simulate import Degradation, degrade

SIDE = 128


def flat_images(number, seed, **settings):
    """Even films under one degradation: all that differs is the noise."""
    degradation = Degradation(**{"source_size": 0.0, "dose": 3e4, **settings})
    signal = np.full((1, SIDE, SIDE), 0.02, "float32")
    rngs = (np.random.default_rng((seed, index)) for index in range(number))
    return [degrade(signal, degradation, 0.3, rng).image[0] for rng in rngs]


def test_images_of_one_kind_are_not_distinguished():
    """The control: of many pairs of like sets half of the patches are classified correctly."""
    shares = []
    for seed in range(6):
        kinds = [describe_images(flat_images(12, seed + 100 * kind), 96) for kind in range(2)]
        shares.append(np.mean(linear_accuracy(*kinds, 4, seed)[0]))
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)


def test_a_decay_that_the_network_hardly_notices_is_told_by_its_statistic():
    kinds = [
        describe_images(flat_images(12, kind, decay_time=decay), 96) for kind, decay in enumerate((0.0, 0.1))
    ]
    folds, images = linear_accuracy(*kinds, 4, 0)
    assert np.mean(folds) > 0.8
    assert images > 0.9
    first = separating(*kinds)[0]
    assert first.statistic == "noise correlation at lag 1"
    assert first.share > 0.9
    assert first.simulated > first.real + 0.03


@pytest.mark.slow
def test_the_better_classifier_counts(monkeypatch):
    monkeypatch.setattr(two_sample, "_STEPS", 25)
    unlike = two_sample_test(
        flat_images(8, 0), flat_images(8, 1, source_size=0.0, decay_time=1.0), folds=2, quiet=True
    )
    assert unlike.accuracy > 0.95
    assert unlike.accuracy == max(unlike.network.accuracy, unlike.statistics.accuracy)
    assert len(unlike.network.folds) == len(unlike.statistics.folds) == 2
    text = "\n".join(unlike.lines())
    assert "linear on statistics" in text
    assert unlike.separating[0].statistic in text
    with pytest.raises(InputError, match="at least 4 real"):
        two_sample_test(flat_images(3, 0), flat_images(8, 1))
    with pytest.raises(InputError, match="96 × 96"):
        two_sample_test(flat_images(4, 0), [np.zeros((64, 64), "float32")] * 4)
