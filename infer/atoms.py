"""Single atoms in micrographs: the likelihood at every pixel, and the atoms in it."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from stemforge.annotations import Annotations
from stemforge.errors import InputError, WeightsError
from stemforge.infer.resampling import resampled
from stemforge.infer.tiles import tiles
from stemforge.micrograph import Micrograph
from stemforge.train.models.sac_cnn import CROP, SACCNN
from stemforge.train.preprocess import prepare_image
from stemforge.train.weights import Card

TILE = 512
"""Side of a tile [pixel]; the largest intermediate result takes about 0.5 kB a pixel."""


@dataclass(frozen=True)
class Detection:
    """The atoms found on a micrograph.

    Parameters
    ----------
    micrograph
        What was looked at.
    atoms
        Points (x, y) [pixel of the micrograph] with column ``score``, the likelihood at the peak.
    likelihood
        Probability of an atom at every pixel, at ``sampling``; shape as the micrograph's unless resampled.
    sampling
        Pixel size of the likelihood [Å], or None.
    threshold
        Likelihood from which a pixel counted.
    """

    micrograph: Micrograph
    atoms: Annotations
    likelihood: NDArray[np.float32]
    sampling: float | None
    threshold: float


def likelihood_map(
    model: SACCNN, prepared: ArrayLike, *, tile: int = TILE, device: str | torch.device = "cpu"
) -> NDArray[np.float32]:
    """Probability of an atom in the 21 × 21 crop around every pixel of a prepared image.

    Parameters
    ----------
    model
        In evaluation mode.
    prepared
        From :func:`stemforge.train.prepare_image`, shape (height, width). Beyond its border lie zeros.
    tile
        Side of the tiles in which large images are worked through [pixel]; it bounds the memory and does not
        change the result.
    device
        Where the network runs.

    Returns
    -------
    ndarray
        Shape (height, width), float32.

    Examples
    --------
    >>> likelihood_map(SACCNN().eval(), np.zeros((30, 40))).shape
    (30, 40)
    """
    half = CROP // 2
    padded = np.pad(np.asarray(prepared, dtype=np.float32), half)
    height, width = padded.shape[0] - 2 * half, padded.shape[1] - 2 * half
    out = np.empty((height, width), dtype=np.float32)
    # Channels last: oneDNN's convolutions are nearly twice as fast that way.
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.inference_mode():
        for rows, columns in tiles((height, width), tile):
            part = padded[rows.start : rows.stop + 2 * half, columns.start : columns.stop + 2 * half]
            logits = model.dense(torch.from_numpy(np.ascontiguousarray(part))[None, None].to(device))
            out[rows, columns] = logits.softmax(1)[0, 1].cpu().numpy()
    return out


def find_atoms(likelihood: NDArray[np.float32], threshold: float) -> Annotations:
    """Find atoms in a likelihood map: connected regions above a threshold, their centroids.

    Parameters
    ----------
    likelihood
        Shape (height, width).
    threshold
        Pixels from this likelihood on belong to an atom.

    Returns
    -------
    Annotations
        Centroids weighted by likelihood, (x, y) [pixel], with column ``score``: the region's maximum. Highest
        score first.
    """
    regions, count = ndimage.label(likelihood >= threshold)
    if not count:
        return Annotations([], columns={"score": np.empty(0)})
    index = np.arange(1, count + 1)
    # Weights above the threshold's complement: a saturated plateau has its middle as centroid.
    centres = np.array(ndimage.center_of_mass(likelihood, regions, index))
    score = ndimage.maximum(likelihood, regions, index)
    order = np.argsort(-score, kind="stable")
    return Annotations(centres[order, ::-1], columns={"score": score[order]})


def detect_atoms(
    micrograph: Micrograph,
    model: SACCNN,
    card: Card,
    *,
    threshold: float | None = None,
    tile: int = TILE,
    device: str | torch.device = "cpu",
) -> Detection:
    """Find single atoms on a micrograph with a trained SAC-CNN.

    A calibrated image is resampled to the pixel size that the network was trained at, and the atoms found are
    given in the image's own pixels; an uncalibrated one is taken as it is.

    Parameters
    ----------
    micrograph
        The image.
    model, card
        From :func:`stemforge.train.load_weights`.
    threshold
        Likelihood from which a pixel counts; by default the card's.
    tile, device
        As for :func:`likelihood_map`.

    Returns
    -------
    Detection
        Atoms, sorted by score, and the likelihood map.

    Raises
    ------
    InputError
        Threshold not between 0 and 1, or an image without signal.
    """
    threshold = card.threshold if threshold is None else threshold
    if not 0 < threshold < 1:
        raise InputError(f"threshold must lie between 0 and 1, not {threshold}")
    if not isinstance(model, SACCNN):
        raise WeightsError(f"detecting atoms needs a sac-cnn, these weights are of a {card.architecture}")
    image, sampling = resampled(micrograph.image, micrograph.sampling, card.sampling)
    try:
        prepared = prepare_image(image)
    except InputError as error:
        raise InputError(f"{micrograph.name}: {error}") from error
    likelihood = likelihood_map(model, prepared, tile=tile, device=device)
    atoms = find_atoms(likelihood, threshold)
    # A resampled pixel's centre lies at ((i + ½) / zoom − ½) of the original.
    scale = np.array([micrograph.shape[1] / image.shape[1], micrograph.shape[0] / image.shape[0]])
    atoms = Annotations((atoms.points + 0.5) * scale - 0.5, columns=atoms.columns)
    return Detection(micrograph, atoms, likelihood, sampling, threshold)
