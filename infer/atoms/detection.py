"""Single atoms in micrographs: a network's maps, and the atoms in them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from stemforge.errors import InputError, WeightsError
from stemforge.infer.atoms.decision import CANDIDATE, Decision, calibrated, decide, log_odds
from stemforge.infer.atoms.peaks import find_atoms, find_peaks, find_spots
from stemforge.infer.resampling import resampled
from stemforge.infer.tiles import tiles
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph
from stemforge.train.atom_net.model import AtomNet
from stemforge.train.preprocess import prepare_image, standardise_image
from stemforge.train.sac_cnn.model import CROP, SACCNN
from stemforge.train.weights import Card

TILE = 512
"""Side of a tile [pixel]; the largest intermediate result takes about 0.5 kB a pixel."""

ATOM_SIGMA, SPOT_SIGMA = 1.0, 2.0
"""Standard deviations of the smoothing of AtomNet's and SAC-CNN's log odds, before their peaks are taken [pixel].

What neighbouring pixels say of an atom is nearly the same; smoothing takes what they differ in by chance.
"""

Maps = NDArray[np.float32]

_CONTEXT = 6  # of its deepest level's pixels AtomNet sees to each side


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
    number
        Visible atoms on the image, and the ends of an interval that holds 95 in 100, from the likelihoods of all
        candidates, whatever the threshold; None where these are not calibrated. Visible is what counts as an atom in
        training; further ones may be out of focus or too faint.
    expected_f1
        F1 to be expected of the best threshold by the likelihoods alone; None where these are not calibrated.
    """

    micrograph: Micrograph
    atoms: Annotations
    likelihood: NDArray[np.float32]
    sampling: float | None
    threshold: float
    number: tuple[float, float, float] | None = None
    expected_f1: float | None = None

    @property
    def density(self) -> tuple[float, float, float] | None:
        """Visible atoms per area of the image [1/nm²], and the ends of an interval that holds 95 in 100.

        None without pixel size, and for networks whose likelihoods are not calibrated.
        """
        if self.number is None or self.micrograph.sampling is None:
            return None
        expected, low, high = self.number
        area = self.likelihood.size * ((self.sampling or self.micrograph.sampling) / 10) ** 2
        return expected / area, low / area, high / area


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


def map_atoms(
    model: AtomNet, standardised: ArrayLike, *, tile: int = TILE, device: str | torch.device = "cpu"
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Run AtomNet over a standardised image.

    Parameters
    ----------
    model
        In evaluation mode.
    standardised
        From :func:`stemforge.train.standardise_image`, shape (height, width).
    tile
        Side of the tiles in which large images are worked through [pixel]; each is seen with a margin around it.
    device
        Where the network runs.

    Returns
    -------
    likelihood, offset, sigma
        Probability of an atom near every pixel, as the network says it, shape (height, width); the way (x, y) to its
        centre [pixel], shape (2, height, width); the standard deviation of each of its coordinates [pixel], shape
        (height, width).

    Examples
    --------
    >>> likelihood, offset, sigma = map_atoms(AtomNet().eval(), np.zeros((30, 40)))
    >>> likelihood.shape, offset.shape, sigma.shape
    ((30, 40), (2, 30, 40), (30, 40))
    """
    values = np.asarray(standardised, dtype=np.float32)
    height, width = values.shape
    out = np.empty((4, height, width), dtype=np.float32)
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    # More than the network sees around a pixel; tile and margin in whole strides, so that tiles do not show.
    margin, tile = model.stride * _CONTEXT, model.stride * -(-tile // model.stride)
    with torch.inference_mode():
        for rows, columns in tiles(values.shape, tile):
            top, left = max(0, rows.start - margin), max(0, columns.start - margin)
            part = values[top : rows.stop + margin, left : columns.stop + margin]
            maps = model(torch.from_numpy(np.ascontiguousarray(part))[None, None].to(device))
            stacked = torch.cat(
                [maps.logit[:, None].sigmoid(), maps.offset, maps.log_sigma[:, None].exp()], 1
            )
            inner = stacked[0, :, rows.start - top :, columns.start - left :].cpu().numpy()
            out[:, rows, columns] = inner[:, : rows.stop - rows.start, : columns.stop - columns.start]
    return out[0], out[1:3], out[3]


def _all_orientations(
    run: Callable[[NDArray[np.float32]], NDArray[np.float32]], image: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Average a network's maps over the eight orientations of an image.

    ``run`` gives maps of shape (1, …) or (4, height, width): log odds, offset (x, y), standard deviation.
    """
    every = []
    for turns in range(4):
        for mirrored in (False, True):
            seen = np.rot90(image, turns)
            maps = run(np.ascontiguousarray(seen[:, ::-1] if mirrored else seen))
            if mirrored:
                maps = maps[..., ::-1].copy()
                maps[1:2] *= -1
            maps = np.rot90(maps, -turns, axes=(1, 2))
            for _ in range(turns if len(maps) > 1 else 0):
                maps = np.stack([maps[0], -maps[2], maps[1], maps[3]])
            every.append(maps)
    mean: NDArray[np.float32] = np.mean(every, axis=0)
    return mean


def _smoothed(odds: NDArray[np.float32], sigma: float, card: Card) -> NDArray[np.float32]:
    """Smooth log odds and turn them into calibrated likelihoods."""
    return calibrated(ndimage.gaussian_filter(odds, sigma, mode="nearest"), card.calibration).astype(
        np.float32
    )


@dataclass(frozen=True)
class Choice:
    """Candidates on an image, and at which threshold they are atoms."""

    candidates: Annotations
    decision: Decision

    @property
    def atoms(self) -> Annotations:
        """Candidates that are taken for atoms."""
        return self.candidates.where(self.candidates["score"] >= self.decision.threshold)


def choose_atoms(find: Callable[[float], Annotations], card: Card) -> Choice:
    """Choose the threshold as :func:`stemforge.infer.decide` does; the card's where likelihoods are not calibrated.

    ``find`` is what :func:`atom_finder` gives.
    """
    if not card.calibration:
        return Choice(find(card.threshold), Decision(card.threshold))
    candidates = find(CANDIDATE)
    return Choice(candidates, decide(candidates["score"], card))


def atom_finder(
    model: torch.nn.Module,
    card: Card,
    image: ArrayLike,
    *,
    tile: int = TILE,
    device: str | torch.device = "cpu",
    augment: bool = False,
) -> tuple[NDArray[np.float32], Callable[[float], Annotations]]:
    """Run a network that detects atoms over an image, once for all thresholds.

    Parameters
    ----------
    model, card
        Of an AtomNet or a SAC-CNN, in evaluation mode.
    image
        As recorded, at the network's pixel size, shape (height, width).
    tile, device, augment
        As for :func:`detect_atoms`.

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
    >>> likelihood, find = atom_finder(AtomNet().eval(), Card("atom-net"), np.random.default_rng(0).random((32, 32)))
    >>> len(find(0.99))
    0
    """

    def all_maps(
        run: Callable[[NDArray[np.float32]], NDArray[np.float32]], shown: NDArray[np.float32]
    ) -> Maps:
        return _all_orientations(run, shown) if augment else run(shown)

    if isinstance(model, AtomNet):

        def atom_maps(values: NDArray[np.float32]) -> NDArray[np.float32]:
            likelihood, offset, sigma = map_atoms(model, values, tile=tile, device=device)
            return np.concatenate([log_odds(likelihood)[None], offset, sigma[None]]).astype(np.float32)

        maps = all_maps(atom_maps, standardise_image(image))
        likelihood = _smoothed(maps[0], ATOM_SIGMA, card)
        return likelihood, partial(find_peaks, likelihood, maps[1:3], maps[3])
    if isinstance(model, SACCNN):
        peaks = card.inputs.get("spots") == "peaks"

        def spot_map(values: NDArray[np.float32]) -> NDArray[np.float32]:
            likelihood = likelihood_map(model, values, tile=tile, device=device)
            return (log_odds(likelihood).astype(np.float32) if peaks else likelihood)[None]

        (said,) = all_maps(spot_map, prepare_image(image))
        if not peaks:
            return said, partial(find_atoms, said)
        likelihood = _smoothed(said, SPOT_SIGMA, card)
        return likelihood, partial(find_spots, likelihood)
    raise WeightsError(
        f"detecting atoms needs an atom-net or a sac-cnn, these weights are of a {type(model).__name__}"
    )


def detect_atoms(
    micrograph: Micrograph,
    model: torch.nn.Module,
    card: Card,
    *,
    threshold: float | None = None,
    tile: int = TILE,
    device: str | torch.device = "cpu",
    augment: bool = False,
) -> Detection:
    """Find single atoms on a micrograph with a trained AtomNet or SAC-CNN.

    A calibrated image is resampled to the pixel size that the network was trained at, and the atoms found are
    given in the image's own pixels; an uncalibrated one is taken as it is.

    Parameters
    ----------
    micrograph
        The image.
    model, card
        From :func:`stemforge.train.load_weights`.
    threshold
        Likelihood from which a candidate is an atom; by default what :func:`stemforge.infer.decide` chooses for the
        image, or the card's where likelihoods are not calibrated.
    tile, device
        As for :func:`likelihood_map`.
    augment
        Average over the image's eight orientations: eight times the work.

    Returns
    -------
    Detection
        Atoms, sorted by score, and the likelihood map.

    Raises
    ------
    InputError
        Threshold not between 0 and 1, or an image without signal.
    """
    if threshold is not None and not 0 < threshold < 1:
        raise InputError(f"threshold must lie between 0 and 1, not {threshold}")
    if not isinstance(model, AtomNet | SACCNN):
        raise WeightsError(
            f"detecting atoms needs an atom-net or a sac-cnn, these weights are of a {card.architecture}"
        )
    image, sampling = resampled(micrograph.image, micrograph.sampling, card.sampling)
    try:
        likelihood, find = atom_finder(model, card, image, tile=tile, device=device, augment=augment)
    except InputError as error:
        raise InputError(f"{micrograph.name}: {error}") from error
    choice = choose_atoms(find, card)
    atoms, decision = choice.atoms, choice.decision
    if threshold is not None:
        atoms, decision = find(threshold), replace(decision, threshold=threshold)
    number = _number(choice.candidates["score"], card.counting) if card.counting else None
    # A resampled pixel's centre lies at ((i + ½) / zoom − ½) of the original.
    scale = np.array([micrograph.shape[1] / image.shape[1], micrograph.shape[0] / image.shape[0]])
    columns = dict(atoms.columns)
    if "sigma_px" in columns:
        columns["sigma_px"] = columns["sigma_px"] * np.sqrt(scale.prod())
    atoms = Annotations((atoms.points + 0.5) * scale - 0.5, columns=columns)
    return Detection(
        micrograph, atoms, likelihood, sampling, decision.threshold, number, decision.expected_f1
    )


def _number(scores: ArrayLike, counting: Mapping[str, float]) -> tuple[float, float, float]:
    """Return the number of atoms and its interval's ends, as Counting says."""
    said = np.asarray(scores, dtype=float)
    centre = said.sum() + 0.5
    error = 1.96 * np.hypot(counting["spread"], np.sqrt((said * (1 - said)).sum()) / centre)
    number, low, high = (
        max(0.0, float(counting["scale"] * centre * np.exp(e) - 0.5)) for e in (0, -error, error)
    )
    return number, low, high
