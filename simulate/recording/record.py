"""A sample as an instrument would have recorded it: what training, exports and contact sheets show alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.errors import CorpusError
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate.detectors import SEGMENTS
from stemforge.simulate.labels.visibility import Texture, visibility
from stemforge.simulate.recording.degrade import Degradation, degrade
from stemforge.simulate.recording.idpc import idpc_image
from stemforge.simulate.stages import Stage, random_stream
from stemforge.simulate.version import refuse_older

IDPC = "iDPC"
"""Name of the channel that four segments are integrated to."""


@dataclass(frozen=True)
class Recording:
    """An image with labels where it shows them.

    Parameters
    ----------
    image
        Detector units, or fractions of incident electrons without degradation; iDPC images have mean 0. Shape
        (channels, height, width), float32.
    channels
        Name of each channel; ``("iDPC",)`` where the sample holds four segments.
    labels
        Moved with the scan's distortion, without those that drifted off the image. Columns ``contrast`` and
        ``cnr`` hold for this recording's dose and source, ``cnr`` against the support's texture too.
    settings
        The degradation as it was drawn; None without.
    dose
        Incident electrons per area [e/Å²]; None without degradation.
    texture
        That of the noise-free image, by which ``cnr`` was found; None where labels do not say how atoms scatter.

    Examples
    --------
    >>> sample = Sample(0, np.full((1, 32, 32), 0.05, "float32"), 0.3, ("HAADF",), Annotations([[10, 12]]))
    >>> recording = record(sample, Degradation(dose=1e4), np.random.default_rng(0))
    >>> recording.dose, recording.channels, round(float(recording.image.mean()))
    (10000.0, ('HAADF',), 45)
    """

    image: NDArray[np.float32]
    channels: tuple[str, ...]
    labels: Annotations
    settings: Degradation | None = None
    dose: float | None = None
    texture: Texture | None = None


def record(
    sample: Sample, degradation: Degradation | None = None, rng: np.random.Generator | None = None
) -> Recording:
    """Record a sample: degrade it, integrate segments, move its labels.

    Parameters
    ----------
    sample
        Simulated or measured.
    degradation
        What to do to the noise-free signal; None leaves it clean, as measured images must be left.
    rng
        Source of the degradation's random numbers.

    Raises
    ------
    CorpusError
        Something is to be degraded, or segments integrated, without a pixel size.

    Examples
    --------
    >>> from stemforge.simulate import SimulationRecipe, simulate_sample
    >>> recipe = SimulationRecipe.load("fe-c3n4", {"scan.shape": [32, 32]})
    >>> recording = record(simulate_sample(recipe, 0), recipe.degradation, np.random.default_rng(0))
    >>> recording.image.shape, recording.channels
    ((1, 32, 32), ('HAADF',))
    """
    segmented = sample.channels == SEGMENTS
    if sample.sampling is None and (segmented or degradation is not None):
        raise CorpusError(f"sample {sample.index}: a simulated sample must have a pixel size")
    channels = (IDPC,) if segmented else sample.channels
    if degradation is None or sample.sampling is None:
        return Recording(_integrated(sample.signal, sample), channels, sample.labels)
    rng = np.random.default_rng() if rng is None else rng
    degraded = degrade(sample.signal, degradation, sample.sampling, rng)
    dose = degraded.settings.electrons_per_pixel(sample.sampling) / sample.sampling**2
    boxes, columns, texture = sample.labels.boxes, dict(sample.labels.columns), None
    if {"scattering", "background", "peak_width_angstrom", "noise_width_angstrom"} <= set(columns):
        texture = Texture.of(sample.signal[0], sample.sampling, sample.labels)
        source_size = degraded.settings.source_size
        columns["contrast"], columns["cnr"] = visibility(sample.labels, dose, source_size, texture)
    moved = Annotations(
        degraded.move(sample.labels.points), None if boxes is None else degraded.move_boxes(boxes), columns
    )
    moved = moved.where(moved.inside(sample.signal.shape[1:]))
    return Recording(_integrated(degraded.image, sample), channels, moved, degraded.settings, dose, texture)


def _integrated(signal: NDArray[np.float32], sample: Sample) -> NDArray[np.float32]:
    if sample.channels != SEGMENTS or sample.sampling is None:
        return np.asarray(signal, dtype=np.float32)
    return idpc_image(signal, sample.sampling)[None]


def corpus_degradation(corpus: Corpus) -> Degradation | None:
    """Return the degradation that a simulated corpus' recipe asks for; None for measured images.

    Raises
    ------
    CorpusError
        The corpus was made from a recipe of an older layout.

    Examples
    --------
    >>> from stemforge import CorpusWriter
    >>> writer = CorpusWriter("corpus", {"name": "demo", "degradation": {"dose": 2e4}}, "0" * 64)
    >>> _ = writer.write(0, [Sample(0, np.ones((1, 8, 8), "float32"), 0.3, ("HAADF",), Annotations([]))])
    >>> corpus_degradation(Corpus("corpus")).dose
    20000.0
    """
    if corpus.kind == "measured":
        return None
    refuse_older(corpus.recipe, corpus.folder)
    return Degradation.from_mapping(
        corpus.recipe.get("degradation", {}), source=str(corpus.folder / "recipe.yaml")
    )


def recording_rng(recipe: Mapping[str, Any], index: int, seed: int | None = None) -> np.random.Generator:
    """Return the random numbers with which a sample is recorded once and for all: for export and for looking.

    Parameters
    ----------
    recipe
        The corpus' recipe, whose seed is used by default.
    index
        Number of the sample.
    seed
        Replaces the recipe's.
    """
    root = int(recipe.get("seed", 0)) if seed is None else seed
    return random_stream(root, index, Stage.DEGRADATION)
