"""What a weights file says of itself: what it is for, how its network is read, and what its likelihoods mean."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from stemforge.errors import WeightsError
from stemforge.files import plain
from stemforge.simulate.labels.boxes import SPHERES, BoxDefinition
from stemforge.train.recipe import TrainingRecipe, Visible

CARD_KEY = "stemforge"
"""Where a safetensors file and a checkpoint of a run keep their card."""

LEAST = 1e-6
"""Likelihoods nearer to 0 and 1 than this count as this: beyond, single precision says 0 or 1."""


def log_odds(likelihood: ArrayLike) -> NDArray[np.float64]:
    """Return the logarithm of the odds, finite also where a likelihood is 0 or 1.

    Examples
    --------
    >>> log_odds([0.5, 0.9]).round(2).tolist(), bool(np.isfinite(log_odds([0.0, 1.0])).all())
    ([0.0, 2.2], True)
    """
    return np.asarray(logit(np.clip(np.asarray(likelihood, dtype=float), LEAST, 1 - LEAST)))


@dataclass(frozen=True)
class Calibration:
    """From a detector's log odds to likelihoods that mean what they say (Platt 1999).

    Parameters
    ----------
    scale, shift
        The likelihood is σ(scale · odds + shift).
    channel
        Of a detector of molecules: weight of the log odds that the channel is filled, which are added.

    Examples
    --------
    >>> Calibration(2.0, -1.0).likelihood([0.0, 1.0]).round(3).tolist()
    [0.269, 0.731]
    >>> Calibration(2.0, -1.0, channel=0.5).likelihood(0.0, 2.0).round(3).tolist()
    0.5
    """

    scale: float = 1.0
    shift: float = 0.0
    channel: float = 0.0

    def likelihood(self, odds: ArrayLike, channel: ArrayLike = 0.0) -> NDArray[np.float64]:
        """Return the likelihoods that log odds of a detector, and perhaps of its channel, stand for."""
        both = self.scale * np.asarray(odds, dtype=float) + self.channel * np.asarray(channel, dtype=float)
        return np.asarray(expit(both + self.shift))


@dataclass(frozen=True)
class Counting:
    """From likelihoods of candidates to the number of atoms, with its error.

    The number n on an image goes with Σp by a factor: log (n + ½)/(Σp + ½) has the mean log ``scale``, and the variance
    (``spread``)² for what candidates of an image have in common, beside Σp(1 − p)/(Σp + ½)² as if they were
    independent. A factor, since detectors find too few on some images and too many on others, by as much as two.

    Parameters
    ----------
    scale
        Atoms for each expected one, in the median: above 1 where some atoms give no candidate.
    spread
        Standard deviation of the factor's logarithm.

    Examples
    --------
    >>> Counting(scale=1.0, spread=0.0).number([1.0, 1.0, 0.0])
    (2.0, 2.0, 2.0)
    >>> [round(n, 1) for n in Counting(scale=1.2, spread=0.3).number([0.9] * 20 + [0.1] * 20)]
    [24.1, 12.8, 45.0]
    """

    scale: float
    spread: float

    def number(self, likelihoods: ArrayLike) -> tuple[float, float, float]:
        """Return the number of atoms on an image and the ends of an interval that holds 95 in 100."""
        p = np.asarray(likelihoods, dtype=float)
        centre = p.sum() + 0.5
        error = 1.96 * np.hypot(self.spread, np.sqrt((p * (1 - p)).sum()) / centre)
        number, low, high = (
            max(0.0, float(self.scale * centre * np.exp(e) - 0.5)) for e in (0, -error, error)
        )
        return number, low, high


@dataclass(frozen=True)
class Sizing:
    """What a detector says of images around their right pixel size, to find that of others.

    Of simulated images of known pixel size, see :func:`stemforge.infer.estimate_sampling`: expected F1, then the
    logarithm of the density, each at :data:`stemforge.infer.atoms.sampling.OFFSETS`.

    Parameters
    ----------
    mean, covariance
        Of these numbers over the images; shapes (n,) and (n, n). The covariance is widened so that errors are honest.
    bias
        Of the estimate's logarithm, to be taken away.

    Examples
    --------
    >>> from stemforge.train import load_weights
    >>> sizing = load_weights("atom-net")[1].sizing
    >>> len(sizing.mean), len(sizing.covariance) == len(sizing.mean)
    (12, True)
    """

    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    bias: float = 0.0


@dataclass(frozen=True)
class RestorerFile:
    """The weights that restored a detector's training images: file name and SHA-256.

    Examples
    --------
    >>> used = {"file": "unet.safetensors", "sha256": "0" * 64}
    >>> Inputs.from_mapping({"restorer": used}, "faster-rcnn").restorer == RestorerFile(**used)
    True
    >>> Inputs.from_mapping({"restorer": {"file": "unet.safetensors"}}, "faster-rcnn")
    Traceback (most recent call last):
        ...
    stemforge.errors.WeightsError: the card's restorer must have file and sha256
    """

    file: str
    sha256: str


@dataclass(frozen=True)
class Inputs:
    """What a network wants to see beyond the pixel size, and how its maps are read.

    Parameters
    ----------
    high_pass
        Of networks for iDPC: spatial frequency below which images are damped [1/Å].
    zoom
        Of a detector of molecules: pixels shown along a pixel of the card's ``sampling``.
    restorer
        Of a detector of molecules: what restored its training images; None where it learnt from images as they are.
    boxes
        Of a detector of molecules: what a box is; of older cards, van der Waals.
    spots
        Of a detector of atoms: atoms are the ``peaks`` of its smoothed likelihood, or ``regions`` above the threshold,
        as published with SAC-CNN.
    framework
        Of a detector of molecules: the framework in whose channels all of them were, where it is known by name.

    Examples
    --------
    >>> Inputs.from_mapping({"high_pass": 0.02, "boxes": {"margin": 0.5}}, "faster-rcnn").boxes.margin
    0.5
    >>> [Inputs.from_mapping({}, name).spots for name in ("sac-cnn", "atom-net")]
    ['regions', 'peaks']
    """

    high_pass: float = 0.0
    zoom: int = 1
    restorer: RestorerFile | None = None
    boxes: BoxDefinition = SPHERES
    spots: Literal["peaks", "regions"] = "peaks"
    framework: str | None = None

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], architecture: str) -> Self:
        """Read plain values; SAC-CNNs whose cards say nothing of spots are older than peaks.

        Raises
        ------
        WeightsError
            ``boxes`` or ``restorer`` are of another form.
        """
        restorer, boxes = (_entries(values, name) for name in ("restorer", "boxes"))
        if restorer and not {"file", "sha256"} <= set(restorer):
            raise WeightsError("the card's restorer must have file and sha256")
        spots = values.get("spots") or ("regions" if architecture == "sac-cnn" else "peaks")
        return cls(
            high_pass=float(values.get("high_pass") or 0.0),
            zoom=int(values.get("zoom") or 1),
            restorer=None if not restorer else RestorerFile(str(restorer["file"]), str(restorer["sha256"])),
            boxes=BoxDefinition.parse(boxes.get("margin")),
            spots="regions" if spots == "regions" else "peaks",
            framework=str(values["framework"]) if values.get("framework") else None,
        )


def _entries(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a mapping within a card; an empty one where there is none."""
    entries = values.get(name)
    if entries is None:
        return {}
    if not isinstance(entries, Mapping):
        raise WeightsError(f"the card's {name} must be a mapping, not {str(entries)[:60]!r}")
    return entries


@dataclass(frozen=True)
class Card:
    """What a weights file is for and where it comes from; it travels inside the file.

    Parameters
    ----------
    architecture
        Name in :data:`stemforge.train.networks.NETWORKS`.
    sampling
        Pixel size of the training images [Å]; inference resamples to it.
    threshold
        Likelihood from which a detection counts; see ``min_expected_f1``.
    recipe
        Settings of the training run.
    data
        What it was trained on.
    metrics
        Figures measured on held-out data.
    command, date
        How and when it was made.
    settings
        What the network is built from: sizes, modes, names of classes.
    inputs
        What the network wants to see, and how its maps are read.
    counting, calibration
        Of a detector with calibrated likelihoods, fitted by :func:`stemforge.evaluate.calibrate_threshold`;
        ``counting`` of atoms alone.
    channel_calibration
        Of a detector of molecules, where the image as recorded says how probable it is that a box's channel is filled.
    min_expected_f1
        Of such a detector: images whose likelihoods promise at least this F1 get a threshold of their own
        (:func:`stemforge.infer.decide`), all others ``threshold``; None gives ``threshold`` to all.
    sizing
        Of a detector of atoms that can tell pixel sizes, fitted by ``benchmarks/pixel_size.py``.

    Examples
    --------
    >>> card = Card("atom-net", sampling=0.293, threshold=0.4, data=("pt-nc (320 images)",))
    >>> Card.from_json(card.to_json()) == card, card.visible.min_cnr
    (True, 4.0)
    """

    architecture: str
    sampling: float | None = None
    threshold: float = 0.5
    recipe: Mapping[str, Any] = field(default_factory=dict)
    data: tuple[str, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    date: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Inputs = Inputs()
    counting: Counting | None = None
    calibration: Calibration | None = None
    channel_calibration: Calibration | None = None
    min_expected_f1: float | None = None
    sizing: Sizing | None = None

    @property
    def validation(self) -> float:
        """Share of the structures that training kept for validation."""
        return float(self.recipe.get("validation", TrainingRecipe.model_fields["validation"].default))

    @property
    def visible(self) -> Visible:
        """Which simulated atoms count; cards once kept it among the crops."""
        values = self.recipe.get("visible", self.recipe.get("crops", {}))
        kept = {name: values[name] for name in Visible.model_fields if name in values}
        return Visible.from_mapping(kept, source=f"card of {self.architecture}")

    def box_likelihood(self, scores: ArrayLike, channels: ArrayLike) -> NDArray[np.float64]:
        """Return how probable it is that boxes of molecules are right.

        Parameters
        ----------
        scores
            Of the detector, shape (n,).
        channels
            Log odds that their channels are filled, shape (n,); not a number where no channel was measured: then the
            score alone says it.
        """
        odds, filled = log_odds(scores), np.asarray(channels, dtype=float)
        likelihood = (self.calibration or Calibration()).likelihood(odds)
        if self.channel_calibration is None:
            return likelihood
        both = self.channel_calibration.likelihood(odds, np.nan_to_num(filled))
        return np.where(np.isnan(filled), likelihood, both)

    def to_json(self) -> str:
        """Return the card as JSON."""
        return json.dumps(plain(self), indent=2, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a card, also one that an older stemforge wrote.

        Raises
        ------
        AttributeError, KeyError, TypeError, ValueError
            The text is no card.
        """
        values = json.loads(text)
        values["data"] = tuple(values["data"])
        values["inputs"] = Inputs.from_mapping(values.get("inputs") or {}, values["architecture"])
        calibrations = {"calibration": Calibration, "channel_calibration": Calibration}
        for name, kind in {"counting": Counting, **calibrations, "sizing": Sizing}.items():
            # Once an empty mapping stood for none.
            values[name] = kind(**values[name]) if values.get(name) else None
        unknown = set(values) - {one.name for one in fields(cls)}
        if unknown:
            raise ValueError(f"unknown entries {', '.join(sorted(unknown))}")
        return cls(**values)
