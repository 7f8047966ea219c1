"""Patches: cut from micrographs, and simulated with parameters that are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stemforge.adapt.posterior.parameters import Parameters
from stemforge.console import progress
from stemforge.corpus.reader import Corpus
from stemforge.errors import InputError
from stemforge.evaluate.corpora.patch_statistics import patch_statistics
from stemforge.infer import find_specimen
from stemforge.infer.specimen.dim import dim_parts
from stemforge.micrograph.image import Micrograph
from stemforge.simulate import SimulationRecipe, degrade
from stemforge.simulate.recording.response import detector_response, noise_variance

SIDE = 192
"""Side of a patch [pixel]."""

_STEP = 160  # from one patch of an image to the next [pixel]
_MOST_PATCHES = 16  # of one image
_MOST_DIM = 0.4  # of a patch
# How well the detector's response is known; simulated patches are read with errors as large.
_GAIN_ERROR = 0.04  # relative
_OFFSET_ERROR = 0.02, 0.3  # of the mean, and electrons
_FAINT = 1e-3  # electrons a pixel


@dataclass(frozen=True)
class Patches:
    """Patches and what was measured of them.

    Parameters
    ----------
    counts
        Electrons a pixel, shape (n, side, side), float16; of simulated patches one for each signal.
    statistics
        Shape (n, statistics), float32.
    source
        Number of the image, or of the simulated signal, that each row of ``statistics`` is of, shape (n,).
    shares
        Parameters of simulated patches, shape (n, parameters); None of real ones.
    """

    counts: NDArray[np.float16]
    statistics: NDArray[np.float32]
    source: NDArray[np.int64]
    shares: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Originals:
    """What is to be known of the real images before patches are read.

    Parameters
    ----------
    frame
        Height and width, of which patches are a part [pixel].
    offset_known
        Whether each image shows what its detector writes at no electron. Where one is too even for that, all are taken
        as zero at no electron, and simulated patches as well.
    """

    frame: tuple[int, int]
    offset_known: bool = True

    @classmethod
    def of(cls, micrographs: Sequence[Micrograph]) -> Self:
        """Measure them."""
        height, width = (int(length) for length in np.median([m.shape for m in micrographs], axis=0))
        # An offset of exactly zero stands for one that cannot be measured.
        offsets = [detector_response(micrograph.image.astype(np.float64))[1] for micrograph in micrographs]
        return cls((height, width), all(offset != 0 for offset in offsets))


def cut_patches(micrographs: Sequence[Micrograph], side: int, *, offset_known: bool = True) -> Patches:
    """Cut patches with specimen on them, evenly over each image, and bring them to electrons.

    Raises
    ------
    InputError
        An image on which no patch shows enough of the specimen.
    """
    counts, source = [], []
    for number, micrograph in enumerate(micrographs):
        image = electrons(micrograph, offset_known)
        dim = dim_parts(image)
        places = [
            (row, column)
            for row in _starts(image.shape[0], side)
            for column in _starts(image.shape[1], side)
            if dim[row : row + side, column : column + side].mean() <= _MOST_DIM
        ]
        if not places:
            raise InputError(f"{micrograph.name}: shows hardly any specimen; leave this image out")
        kept = np.unique(np.linspace(0, len(places) - 1, _MOST_PATCHES).round().astype(int))
        counts += [image[r : r + side, c : c + side] for r, c in (places[k] for k in kept)]
        source += [number] * len(kept)
    statistics = np.stack([patch_statistics(patch) for patch in counts])
    return Patches(np.array(counts, dtype=np.float16), statistics, np.array(source))


def electrons(micrograph: Micrograph, offset_known: bool = True) -> NDArray[np.float64]:
    """Return an image in electrons a pixel, by its own noise; without an offset where none is known."""
    image = micrograph.image.astype(np.float64)
    if not offset_known:
        return image * float(image.mean() / noise_variance(image).mean())
    gain, offset = detector_response(image)
    return (image - offset) / gain


def vacuum_share(micrograph: Micrograph) -> float:
    """Return the share of an image that shows no specimen."""
    return 1 - find_specimen(micrograph).share


def _starts(length: int, side: int) -> list[int]:
    number = max(1 + (length - side) // _STEP, 1)
    return (
        np.linspace(0, length - side, number).round().astype(int).tolist()
        if number > 1
        else [(length - side) // 2]
    )


def record_patches(
    corpus: Corpus,
    recipe: SimulationRecipe,
    parameters: Parameters,
    originals: Originals,
    *,
    recordings: int = 4,
    seed: int = 0,
    quiet: bool = False,
) -> Patches:
    """Record each simulated signal several times, and read it as a real patch is read.

    Parameters
    ----------
    corpus
        Noise-free patches.
    recipe
        Says how they are recorded; each recording draws its own dose, source and so on.
    parameters
        Those to note.
    originals
        The real images whose patches these are to be like.
    recordings
        How often each signal is recorded: that takes milliseconds, the signal a good part of a second.
    seed
        Root of the randomness.
    quiet
        Show no progress.
    """
    counts, statistics, shares, source = [], [], [], []
    with progress("record patches", len(corpus), "patches", quiet) as advance:
        for number in range(len(corpus)):
            sample = corpus[number]
            size = float(sample.sampling or 0)
            for repeat in range(recordings):
                rng = np.random.default_rng((seed, number, repeat))
                recorded = degrade(sample.signal[:1], recipe.degradation, size, rng, frame=originals.frame)
                drawn = {
                    **sample.metadata["drawn"],
                    "scan": {"sampling": size},
                    "degradation": recorded.settings.model_dump(),
                }
                patch = _read(recorded.image[0], recorded.settings.read_noise, originals.offset_known, rng)
                statistics.append(patch_statistics(patch))
                shares.append(parameters.shares(drawn, rng))
                source.append(number)
                if not repeat:
                    counts.append(patch.astype(np.float16))
            advance(1)
    return Patches(np.array(counts), np.array(statistics), np.array(source), np.array(shares))


def _read(
    image: NDArray[np.float32], read_noise: float, offset_known: bool, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return a simulated patch as :func:`electrons` would: by a response that is not quite known."""
    error = np.exp(rng.normal(0, _GAIN_ERROR))
    level = float(image.mean())
    # The response is measured by noise: that of the detector passes for counts.
    if not offset_known:
        return (image * error * max(level, _FAINT) / (max(level, _FAINT) + read_noise**2)).astype(np.float32)
    relative, electrons_off = _OFFSET_ERROR
    offset = read_noise**2 + rng.normal(0, relative * abs(level) + electrons_off)
    return ((image + offset) * error).astype(np.float32)
