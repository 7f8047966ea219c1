"""What is an atom, and what is visible: images with the atoms that an expert would mark."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.errors import CorpusError, MicrographError
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate import SEGMENTS, Degradation
from stemforge.simulate.recording.record import record
from stemforge.train.recipe import Visible

DOUBTFUL = "doubtful"
"""Column of measured labels: 1 where a label is better left alone, neither atom nor background."""


@dataclass(frozen=True)
class LabelledImage:
    """A prepared image, the atoms an expert would mark on it, and those that are better left alone.

    Parameters
    ----------
    image
        Shape (height, width).
    atoms, doubtful
        Points (x, y) [pixel], shape (n, 2).

    Examples
    --------
    >>> sample = Sample(0, np.ones((1, 32, 32), "float32"), 0.3, ("HAADF",), Annotations([[10, 12], [20, 5]]))
    >>> shown = labelled_image(sample, Visible(), None, np.random.default_rng(0), prepare=np.asarray)
    >>> shown.image.shape, shown.atoms.tolist(), len(shown.doubtful)
    ((32, 32), [[10.0, 12.0], [20.0, 5.0]], 0)
    """

    image: NDArray[np.float32]
    atoms: NDArray[np.float64]
    doubtful: NDArray[np.float64]


def require_atoms(corpora: Sequence[Corpus]) -> None:
    """Refuse simulated corpora that are no images of single atoms.

    Their first samples are looked at.

    Raises
    ------
    CorpusError
        Segment signals, or labels from which no visibility follows.
    """
    for corpus in corpora:
        if corpus.kind != "simulated":
            continue
        sample = corpus[0]
        if set(sample.channels) & set(SEGMENTS):
            raise CorpusError(
                f"{corpus.folder}: holds the signals of detector segments ({', '.join(sample.channels)}); "
                "finding atoms takes images of an annular detector, as the recipe pt-nc makes"
            )
        if len(sample.labels) and "noise_width_angstrom" not in sample.labels.columns:
            raise CorpusError(
                f"{corpus.folder}: its labels do not say how visible atoms are; simulate it anew"
            )


def require_signal(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an image as it is; an image that shows nothing is refused.

    Raises
    ------
    MicrographError
        A uniform image.
    """
    if float(np.ptp(image)) == 0:
        raise MicrographError("the image is uniform; it holds no signal")
    return image


def labelled_image(
    sample: Sample,
    visible: Visible,
    degradation: Degradation | None,
    rng: np.random.Generator,
    prepare: Callable[[NDArray[np.float32]], NDArray[np.float32]] = require_signal,
) -> LabelledImage:
    """Make what the network is trained on from one sample of a corpus.

    Parameters
    ----------
    sample
        Simulated or measured.
    visible
        Which atoms count.
    degradation
        Applied to simulated signals; None for measured images.
    rng
        Source of the degradation's random numbers.
    prepare
        Makes of the image what a network wants to see; by default it is left as recorded.

    Returns
    -------
    LabelledImage
        Image of shape (height, width) and points (x, y) [pixel].

    Examples
    --------
    >>> columns = {"cnr": [9.0, 3.5, 1.0], "contrast": [0.5, 0.2, 0.1]}
    >>> labels = Annotations([[10, 12], [20, 5], [8, 8]], columns=columns)
    >>> sample = Sample(0, np.full((1, 32, 32), 0.05, "float32"), 0.3, ("HAADF",), labels)
    >>> degraded = labelled_image(sample, Visible(), Degradation(dose=1e4), np.random.default_rng(0))
    >>> degraded.atoms.tolist(), degraded.doubtful.tolist(), round(float(degraded.image.mean()))
    ([[10.0, 12.0]], [[20.0, 5.0]], 45)
    """
    if degradation is None:
        points, marked = sample.labels.points, sample.labels.columns.get(DOUBTFUL)
        left_alone = np.zeros(len(points), dtype=bool) if marked is None else marked.astype(bool)
        return LabelledImage(prepare(sample.signal[0]), points[~left_alone], points[left_alone])
    if sample.sampling is None:
        raise CorpusError(f"sample {sample.index}: a simulated sample must have a pixel size")
    first = replace(sample, signal=sample.signal[:1], channels=sample.channels[:1])
    recording = record(first, degradation, rng)
    counted, doubtful = visible_atoms(recording.labels, visible)
    points = recording.labels.points
    return LabelledImage(prepare(recording.image[0]), points[counted], points[doubtful])


def visible_atoms(labels: Annotations, visible: Visible) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell visible atoms from doubtful ones by the contrast-to-noise of their recording, column ``cnr``.

    Examples
    --------
    >>> labels = Annotations(np.zeros((3, 2)), columns={"cnr": [2.0, 3.5, 6.0]})
    >>> counted, doubtful = visible_atoms(labels, Visible(min_cnr=4.0, ignore_cnr=3.0))
    >>> counted.tolist(), doubtful.tolist()
    ([False, False, True], [False, True, False])
    """
    counted = labels["cnr"] >= visible.min_cnr
    return counted, ~counted & (labels["cnr"] >= visible.ignore_cnr)


def open_labelled(paths: Sequence[str | Path]) -> list[Corpus]:
    """Open corpora of atoms; refuse them where not one is labelled.

    Raises
    ------
    CorpusError
        No corpus there, one that is no image of single atoms, or no labelled atom on any image.
    """
    corpora = [Corpus(folder) for folder in paths]
    if not any(len(sample.labels) for corpus in corpora for sample in corpus.labels_only()):
        raise CorpusError(
            f"{', '.join(str(c.folder) for c in corpora)}: no labelled atom on any image; there is nothing to learn"
        )
    require_atoms(corpora)
    return corpora
