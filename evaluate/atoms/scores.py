"""Scores: precision, recall, F1 and localisation error, for one image and for many.

Where a ratio is 0/0 one convention holds throughout: an image without atoms on which nothing was predicted is
a perfect result (precision = recall = F1 = 1); in every other case 0/0 counts as 0, so that neither silence
nor an invented atom on an empty image is rewarded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemforge.errors import InputError
from stemforge.evaluate.atoms.matching import Matcher, match_boxes
from stemforge.micrograph.annotations import Annotations

_MEASURES = ("precision", "recall", "f1", "rmse_px", "rmse_angstrom")


@dataclass(frozen=True)
class AtomScore:
    """How well the atoms of one image, or of several pooled, were found.

    Parameters
    ----------
    true_positives, false_positives, false_negatives
        Numbers of matched pairs, of predictions without an atom, of atoms without a prediction.
    rmse_px
        Root mean square distance of the matched pairs [px]; None where nothing matched.
    rmse_angstrom
        The same [Å]; None where nothing matched or the pixel size is not known.

    Examples
    --------
    >>> score = AtomScore(true_positives=30, false_positives=10, false_negatives=20)
    >>> score.precision, score.recall, round(score.f1, 3)
    (0.75, 0.6, 0.667)
    """

    true_positives: int
    false_positives: int
    false_negatives: int
    rmse_px: float | None = None
    rmse_angstrom: float | None = None

    @property
    def predicted(self) -> int:
        """Number of predicted atoms."""
        return self.true_positives + self.false_positives

    @property
    def truth(self) -> int:
        """Number of true atoms."""
        return self.true_positives + self.false_negatives

    @property
    def precision(self) -> float:
        """Share of the predictions that are atoms; without predictions 0, or 1 if there are no atoms."""
        return self.true_positives / self.predicted if self.predicted else float(not self.truth)

    @property
    def recall(self) -> float:
        """Share of the atoms that were found; without atoms 0, or 1 if nothing was predicted."""
        return self.true_positives / self.truth if self.truth else float(not self.predicted)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 if there are neither atoms nor predictions."""
        total = self.predicted + self.truth
        return 2 * self.true_positives / total if total else 1.0

    def to_dict(self) -> dict[str, float | int | None]:
        """Return counts and measures as plain values, ready for JSON."""
        names = ("predicted", "truth", "true_positives", "false_positives", "false_negatives", *_MEASURES)
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class ImageEvaluation:
    """Scores of one image.

    Parameters
    ----------
    name, truth
        Names of the predicted image and of its truth.
    sampling
        Pixel size [Å], or None where it is not known.
    scores
        Score by name of the criterion; None where a criterion in Å meets an image without calibration.
    distances
        Distances of the pairs matched by the published criterion [px], shape (m,).

    Examples
    --------
    >>> one = ImageEvaluation("a", "a", 0.29, {"published": AtomScore(30, 10, 20)}, np.array([0.5, 1.5]))
    >>> one.scores["published"].recall, float(one.distances.mean())
    (0.6, 1.0)
    """

    name: str
    truth: str
    sampling: float | None
    scores: Mapping[str, AtomScore | None]
    distances: NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """Scores of several images.

    Parameters
    ----------
    images
        Number of images.
    mean, sd
        Mean and standard deviation over images of ``precision``, ``recall``, ``f1``, ``rmse_px`` and
        ``rmse_angstrom``. The deviation is the sample's (ddof = 1) and None below two images; images
        without a localisation error are left out of its mean.
    pooled
        Score of all images' counts added up: every atom weighs the same, whichever image it is on.

    Examples
    --------
    >>> whole = summarise([AtomScore(8, 2, 2), AtomScore(90, 10, 90)])
    >>> whole.images, round(whole.mean["recall"], 3), round(whole.pooled.recall, 3)  # a mean of images, and of atoms
    (2, 0.65, 0.516)
    """

    images: int
    mean: Mapping[str, float | None]
    sd: Mapping[str, float | None]
    pooled: AtomScore

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain values, ready for JSON."""
        return vars(self) | {"pooled": self.pooled.to_dict()}


def format_score(mean: float | None, sd: float | None = None) -> str:
    """Write a score, or a mean ± its standard deviation; a dash where it is not known.

    Examples
    --------
    >>> format_score(0.5), format_score(0.5, 0.25), format_score(None)
    ('0.500', '0.500 ± 0.250', '–')
    """
    text = "–" if mean is None else f"{mean:.3f}"
    return text if sd is None else f"{text} ± {sd:.3f}"


def score_atoms(
    predicted: ArrayLike, truth: ArrayLike, match: Matcher = match_boxes, sampling: float | None = None
) -> AtomScore:
    """Score the predicted atoms of one image.

    Parameters
    ----------
    predicted, truth
        (x, y) [px], shapes (n, 2) and (m, 2); zero points are allowed.
    match
        Criterion; :func:`~stemforge.evaluate.match_boxes` with its defaults is the published one. Other
        settings come by ``functools.partial(match_distance, tolerance=3.0)``.
    sampling
        Pixel size [Å], for the localisation error in Å; None where it is not known.

    Returns
    -------
    AtomScore
        Counts, precision, recall, F1, localisation error.

    Examples
    --------
    >>> score = score_atoms([[10, 10], [90, 90]], [[13, 14], [50, 50]], sampling=0.3)
    >>> score.f1, score.rmse_px, score.rmse_angstrom
    (0.5, 5.0, 1.5)
    """
    matched = match(Annotations(predicted).points, Annotations(truth).points)
    rmse = float(np.sqrt(np.mean(matched.distances**2))) if matched.true_positives else None
    return AtomScore(
        matched.true_positives,
        matched.false_positives,
        matched.false_negatives,
        rmse,
        None if rmse is None or sampling is None else rmse * sampling,
    )


def summarise(scores: Sequence[AtomScore]) -> Summary:
    """Summarise the scores of several images: mean ± standard deviation, and pooled.

    Parameters
    ----------
    scores
        One score an image, at least one.

    Returns
    -------
    Summary
        Mean, standard deviation and pooled score.

    Examples
    --------
    >>> summary = summarise([AtomScore(3, 1, 1), AtomScore(1, 1, 1)])
    >>> summary.mean["f1"], round(summary.sd["f1"], 3), round(summary.pooled.f1, 3)
    (0.625, 0.177, 0.667)
    """
    if not scores:
        raise InputError("scores must hold the score of at least one image")
    mean: dict[str, float | None] = {}
    sd: dict[str, float | None] = {}
    for name in _MEASURES:
        values = [getattr(score, name) for score in scores if getattr(score, name) is not None]
        mean[name] = float(np.mean(values)) if values else None
        sd[name] = float(np.std(values, ddof=1)) if len(values) > 1 else None
    pooled = AtomScore(
        sum(score.true_positives for score in scores),
        sum(score.false_positives for score in scores),
        sum(score.false_negatives for score in scores),
        _pool([(score.true_positives, score.rmse_px) for score in scores]),
        _pool([(score.true_positives, score.rmse_angstrom) for score in scores]),
    )
    return Summary(len(scores), mean, sd, pooled)


def _pool(errors: Sequence[tuple[int, float | None]]) -> float | None:
    """Pool root mean squares by their counts; None where nothing matched or one of them is not known."""
    known = [(n, rmse) for n, rmse in errors if n]
    squares = [n * rmse**2 for n, rmse in known if rmse is not None]
    if not known or len(squares) < len(known):
        return None
    return float(np.sqrt(sum(squares) / sum(n for n, _ in known)))
