"""Restoration of noisy micrographs: overlapping patches, blended; what is sure of the result, and what is not."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from stemforge.errors import InputError, errors_about
from stemforge.infer.crystals.lattice import Lattice
from stemforge.infer.resampling import check_sampling, file_sampling, resampled, scaled_places
from stemforge.micrograph.image import Micrograph
from stemforge.train.card import Card
from stemforge.train.data.idpc import prepare_idpc
from stemforge.train.networks import Finds, Restorer

OVERLAP = 16
"""By how much neighbouring patches overlap at least [pixel]."""
_AROUND, _PIXEL = (
    2.0,
    0.125,
)  # within which a feature is compared with its surroundings, and a usual pixel [Å]


@dataclass(frozen=True)
class Restoration:
    """A restored micrograph.

    Parameters
    ----------
    micrograph
        What was restored.
    image
        Shape (scale × height, scale × width) of the micrograph at the network's pixel size; the weights that ship have
        twice as many pixels along a side. Between 0 and 1 with networks that
        set the grey scale themselves, such as DIVAESR; the U-Net keeps that of the micrograph, whose darkest and
        brightest pixels are 0 and 1.
    sampling
        Pixel size of ``image`` [Å], or None where the micrograph's is not known.
    low, high
        Between them lie 90 % of the true values; None where the network does not say.
    recorded
        The micrograph as the network was given it: at its pixel size, from 0 to 1.

    Examples
    --------
    >>> raw = Micrograph(np.eye(40), sampling=0.25, name="field")
    >>> restored = Restoration(raw, np.eye(80, dtype=np.float32), 0.125)
    >>> restored.scale.tolist(), restored.to_original([[39.5, 39.5]]).tolist()  # twice as many pixels along a side
    ([0.5, 0.5], [[19.5, 19.5]])
    """

    micrograph: Micrograph
    image: NDArray[np.float32]
    sampling: float | None
    low: NDArray[np.float32] | None = None
    high: NDArray[np.float32] | None = None
    recorded: NDArray[np.float32] | None = None

    @property
    def scale(self) -> NDArray[np.float64]:
        """Pixels of the micrograph along one pixel of ``image``, (x, y)."""
        height, width = self.micrograph.shape
        return np.array([width / self.image.shape[1], height / self.image.shape[0]])

    def to_original(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return where points (x, y) of the restored image lie on the micrograph [pixel], shape (n, 2)."""
        return scaled_places(np.reshape(points, (-1, 2)), self.scale)

    @property
    def doubtful(self) -> NDArray[np.bool_] | None:
        """Where the image shows something that could as well be nothing, shape of ``image``; None without interval.

        Something is what differs from the mean within 2 Å by more than half its standard deviation; it could be nothing
        where that mean lies in the interval.
        """
        if self.low is None or self.high is None:
            return None
        mean = ndimage.gaussian_filter(self.image, _AROUND / (self.sampling or _PIXEL), mode="reflect")
        detail = np.abs(self.image - mean)
        return (detail > 0.5 * detail.std()) & (self.low <= mean) & (mean <= self.high)

    def as_micrograph(self) -> Micrograph:
        """Return the restored image as a micrograph with its own pixel size."""
        return Micrograph(self.image, self.sampling, self.micrograph.modality, self.micrograph.name)


def restore_micrograph(
    micrograph: Micrograph,
    model: torch.nn.Module,
    card: Card,
    *,
    lattice: Lattice | None = None,
    overlap: int = OVERLAP,
    device: str | torch.device = "cpu",
) -> Restoration:
    """Restore a micrograph with a trained DIVAESR or U-Net.

    The image is resampled to the pixel size that the network was trained at where its own is known, brought to
    0 … 1 as a whole, as in training, and restored in overlapping patches at twice as many pixels along each
    side.

    Parameters
    ----------
    micrograph
        The noisy image.
    model, card
        From :func:`stemforge.train.load_weights`.
    lattice
        Gives the pixel size of an uncalibrated image of a crystal, from
        :func:`stemforge.infer.find_lattice`; the file's own calibration has precedence.
    overlap
        By how much neighbouring patches overlap at least, 0 to 63 [pixel]. More is smoother and slower: the
        number of patches grows as 1 / (side − overlap)², of sides of 64 pixels (DIVAESR) or 256.
    device
        Where the network runs.

    Returns
    -------
    Restoration
        The image at half the network's pixel size, and that pixel size.

    Raises
    ------
    InputError
        Image smaller than a patch at the network's pixel size, or without contrast.
    WeightsError
        Weights of another architecture.

    Examples
    --------
    >>> from stemforge.train import DIVAESR, DIVAESRSettings
    >>> network = DIVAESR(DIVAESRSettings(channels=(4, 8), latent=4, blocks=1, features=4)).eval()
    >>> noisy = Micrograph(np.random.default_rng(0).random((80, 100)), sampling=0.25)
    >>> restoration = restore_micrograph(noisy, network, Card("divaesr", 0.25))
    >>> restoration.image.shape, restoration.sampling
    ((160, 200), 0.125)
    """
    network = Restorer.named(card.architecture)
    if not 0 <= overlap < network.patch:
        raise InputError(f"overlap must lie between 0 and {network.patch - 1} pixels, not {overlap}")
    image, sampling = prepared(micrograph, card, lattice, smallest=network.patch)
    restored = network.restore(model.to(device), image, overlap=overlap)
    scale = restored.image.shape[0] / image.shape[0]
    return Restoration(
        micrograph,
        restored.image,
        None if sampling is None else sampling / scale,
        restored.low,
        restored.high,
        image,
    )


def prepared(
    micrograph: Micrograph,
    card: Card,
    lattice: Lattice | None = None,
    *,
    smallest: int = 1,
    finds: Finds = "images",
) -> tuple[NDArray[np.float32], float | None]:
    """Make of a micrograph what a network was trained on: its pixel size, its high-pass, 0 … 1.

    Parameters
    ----------
    micrograph
        The image; without a pixel size it is taken to have the network's.
    card
        Of the network.
    lattice
        Gives the pixel size where the micrograph has none.
    smallest
        Refuse images that then have a side of fewer pixels.
    finds
        What is looked for: decides which pixel sizes can show it.

    Returns
    -------
    image, sampling
        Between 0 and 1, and its pixel size [Å]; None where it is not known.
    """
    sampling = micrograph.sampling or (lattice.sampling if lattice else None)
    with errors_about(micrograph.name):
        check_sampling(sampling, card.sampling, micrograph.shape, finds, file_sampling(micrograph))
        image, sampling = resampled(micrograph.image, sampling, card.sampling)
        if min(image.shape) < smallest:
            raise InputError(
                f"the image has {image.shape[1]} × {image.shape[0]} pixels at the network's pixel size; restoring "
                f"needs at least {smallest} × {smallest}, one patch"
            )
        return prepare_idpc(image, sampling or card.sampling, card.inputs.high_pass), sampling
