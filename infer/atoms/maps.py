"""A network's maps over a whole image, and the atoms in them at any threshold."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from stemforge.errors import InputError
from stemforge.infer.atoms.peaks import find_peaks, find_regions, find_spots
from stemforge.infer.tiles import tiles
from stemforge.micrograph.annotations import Annotations
from stemforge.train.card import Calibration, Card, log_odds
from stemforge.train.networks import AtomDetector

if TYPE_CHECKING:
    import torch

TILE = 512
"""Side of a tile [pixel]; the largest intermediate result takes about 0.5 kB a pixel."""

Maps = NDArray[np.float32]
"""Of shape (k, height, width): log odds or likelihood; with k = 4 also offset (x, y) and standard deviation [pixel]."""


def map_image(
    network: AtomDetector,
    model: "torch.nn.Module",
    prepared: ArrayLike,
    *,
    tile: int = TILE,
    device: "str | torch.device" = "cpu",
    advance: Callable[[float], None] = lambda share: None,
) -> Maps:
    """Run a network that detects atoms over a prepared image.

    Parameters
    ----------
    network
        Its row in the table of networks.
    model
        In evaluation mode.
    prepared
        From the network's ``prepare``, shape (height, width).
    tile
        Side of the tiles in which large images are worked through [pixel], which one may exceed by half; it bounds the
        memory and does not change the result.
    device
        Where the network runs.
    advance
        Called with the share of the work that was done since the last call, after each tile.

    Returns
    -------
    ndarray
        Likelihood of an atom near every pixel; of some networks also the way (x, y) to its centre and the standard
        deviation of each of its coordinates [pixel]: shape (1, height, width) or (4, height, width).

    Examples
    --------
    >>> from stemforge.train import SACCNN, network
    >>> map_image(network("sac-cnn"), SACCNN().eval(), np.zeros((30, 40))).shape
    (1, 30, 40)
    """
    import torch  # takes 500 MB, which who looks at what was found does not need

    values = np.asarray(prepared, dtype=np.float32)
    # Channels last: oneDNN's convolutions are nearly twice as fast that way.
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    # Tile and margin in whole steps of the network's grid, so that tiles do not show.
    margin, step = network.reach(model)
    out: Maps | None = None
    with torch.inference_mode():
        pieces = list(tiles(values.shape, tile, step))
        for rows, columns in pieces:
            top, left = max(0, rows.start - margin), max(0, columns.start - margin)
            part = np.ascontiguousarray(values[top : rows.stop + margin, left : columns.stop + margin])
            found = network.maps(model, torch.from_numpy(part)[None, None].to(device)).cpu().numpy()
            if out is None:
                out = np.empty((len(found), *values.shape), dtype=np.float32)
            out[:, rows, columns] = found[
                :, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]
            advance(1 / len(pieces))
    if out is None:
        raise InputError(f"an image of {values.shape[0]} × {values.shape[1]} pixels has no pixel")
    return out


def atom_finder(
    model: "torch.nn.Module",
    card: Card,
    image: ArrayLike,
    *,
    tile: int = TILE,
    device: "str | torch.device" = "cpu",
    augment: bool = False,
    advance: Callable[[float], None] = lambda share: None,
) -> tuple[NDArray[np.float32], Callable[[float], Annotations]]:
    """Run a network that detects atoms over an image, once for all thresholds.

    Parameters
    ----------
    model, card
        Of a network that detects atoms, in evaluation mode.
    image
        As recorded, at the network's pixel size, shape (height, width).
    tile, device, augment, advance
        As for :func:`stemforge.infer.detect_atoms`.

    Returns
    -------
    likelihood, find
        Likelihood of an atom at every pixel, and what returns the atoms for a threshold: points (x, y) [pixel] with
        column ``score``, highest first.

    Raises
    ------
    InputError
        An image without signal.
    WeightsError
        A network that detects no atoms.

    Examples
    --------
    >>> from stemforge.train import AtomNet
    >>> image = np.random.default_rng(0).random((32, 32))
    >>> likelihood, find = atom_finder(AtomNet().eval(), Card("atom-net"), image)
    >>> len(find(0.99))
    0
    """
    network = AtomDetector.named(card.architecture)
    regions, share = card.inputs.spots == "regions", 1 / 8 if augment else 1.0

    def run(prepared: NDArray[np.float32]) -> Maps:
        maps = map_image(
            network, model, prepared, tile=tile, device=device, advance=lambda done: advance(share * done)
        )
        # What neighbouring pixels and orientations say is averaged as log odds; published regions are of likelihoods.
        if not regions:
            _apply(log_odds, maps[0], maps[0])
        return maps

    prepared = network.prepare(image)
    maps = _all_orientations(run, prepared) if augment else run(prepared)
    if regions:
        return maps[0], partial(find_regions, maps[0])
    odds = ndimage.gaussian_filter(maps[0], network.smoothing, mode="nearest")
    likelihood = np.empty_like(odds)
    _apply((card.calibration or Calibration()).likelihood, odds, likelihood)
    if len(maps) == 1:
        return likelihood, partial(find_spots, likelihood)
    return likelihood, partial(find_peaks, likelihood, maps[1:3], maps[3])


def _all_orientations(run: Callable[[NDArray[np.float32]], Maps], image: NDArray[np.float32]) -> Maps:
    """Average a network's maps over the eight orientations of an image."""
    every = []
    for turns in range(4):
        for mirrored in (False, True):
            turned = np.rot90(image, turns)
            maps = run(np.ascontiguousarray(turned[:, ::-1] if mirrored else turned))
            if mirrored:
                maps = maps[..., ::-1].copy()
                maps[1:2] *= -1
            maps = np.rot90(maps, -turns, axes=(1, 2))
            for _ in range(turns if len(maps) > 1 else 0):
                maps = np.stack([maps[0], -maps[2], maps[1], maps[3]])
            every.append(maps)
    mean: Maps = np.mean(every, axis=0)
    return mean


def _apply(
    function: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    image: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Put a function of each pixel into ``out``, line by line: in double precision no image is held as a whole."""
    for line, result in zip(image, out, strict=True):
        result[:] = function(line)
