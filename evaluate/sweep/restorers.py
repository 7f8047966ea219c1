"""A restorer at rising dose: image quality, beside the raw image and classical baselines."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from stemforge.corpus.sample import Sample
from stemforge.evaluate.images.baselines import Baseline, tune_baselines
from stemforge.evaluate.images.differences import Comparison, Image
from stemforge.evaluate.images.quality import Scaling, image_quality
from stemforge.evaluate.pairing import sample_name
from stemforge.evaluate.sweep.job import Job, Scorer
from stemforge.evaluate.sweep.result import Row
from stemforge.train.data.exposures import Exposure
from stemforge.train.data.idpc import shrink
from stemforge.train.networks import Restorer

_TUNING = 2
"""Training images on which the baselines are tuned at each dose."""


def restoring(
    job: Job, training: Sequence[int], names: Sequence[str], scaling: Scaling, settings: dict[str, Any]
) -> Scorer:
    """Return what scores a restorer.

    Parameters
    ----------
    job
        Model and corpus; a comparison of the first image is added at each dose.
    training
        Numbers of the images on which baselines are tuned.
    names
        Of the baselines.
    scaling
        How images are fitted to their target.
    settings
        The baselines' parameters are added.
    """
    net = Restorer.named(job.card.architecture)
    net.require(job.card, [job.corpus])

    def tuned(dose: float) -> dict[str, Baseline]:
        if not names:
            return {}
        pairs = []
        for index in training[-_TUNING:]:
            sample, exposure = job.expose(index, dose)
            wanted = net.target(job.card, sample, exposure)
            pairs.append((exposure.noisy, shrink(wanted, len(wanted) // len(exposure.noisy))))
        chosen = tune_baselines(pairs, names)
        settings["baselines"][f"{dose:g}"] = [baseline.to_dict() for baseline in chosen.values()]
        return chosen

    def score(dose: float, indices: Sequence[int]) -> Iterator[Row]:
        methods: dict[str, Callable[[Any], Any]] = {"raw": lambda image: image, **tuned(dose)}
        for index in indices:
            sample, exposure = job.expose(index, dose)
            wanted = net.target(job.card, sample, exposure)
            restored = net.restore(job.model, exposure.noisy)
            images = {name: method(exposure.noisy) for name, method in methods.items()}
            if index == indices[0]:
                job.comparisons.append(_compared(job, sample, exposure, wanted, images, restored.image))
            for name, image in (images | {job.name: restored.image}).items():
                figures = image_quality(image, wanted, scaling=scaling).to_dict()
                if name == job.name and restored.low is not None and restored.high is not None:
                    figures["held"] = float(np.mean((restored.low <= wanted) & (wanted <= restored.high)))
                yield Row(dose, name, sample_name(sample), figures)

    return score


def _compared(
    job: Job,
    sample: Sample,
    exposure: Exposure,
    truth: Image,
    images: Mapping[str, Image],
    restored: Image,
) -> Comparison:
    shown = {job.name: restored} | {k: v for k, v in images.items() if k != "raw"}
    fine = None if sample.sampling is None else sample.sampling * len(exposure.noisy) / len(truth)
    return Comparison(sample_name(sample), exposure.noisy, truth, shown, fine, exposure.dose)
