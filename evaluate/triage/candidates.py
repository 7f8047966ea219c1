"""What may be atoms on an image, found fast: each pixel goes through the detector once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemforge.errors import errors_about
from stemforge.evaluate.triage.rectangle import largest_rectangle
from stemforge.infer import CANDIDATE, atom_finder, find_specimen
from stemforge.infer.atoms.detection import BESIDE
from stemforge.infer.resampling import check_sampling, file_sampling, resampled, scaled_places
from stemforge.infer.specimen.mask import Specimen
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.usable import UsableArea, usable_area
from stemforge.train.card import Card

if TYPE_CHECKING:
    import torch

_TILE = 1024  # pixels: a usual image is one tile
_LITTLE = 0.01  # share of an image whose filling does not change its noise


@dataclass(frozen=True)
class Candidates:
    """What may be atoms on an image.

    Parameters
    ----------
    points
        Places (x, y) [pixel of the micrograph], shape (n, 2), likeliest first.
    likelihoods
        Of each to be an atom, from :data:`stemforge.infer.CANDIDATE` on, calibrated where the network's are.
    usable
        What of the image shows the specimen or vacuum, and no padding, text or bars.
    specimen
        Where it shows specimen and no vacuum.
    filled
        The image with what is not usable filled smoothly.
    """

    points: NDArray[np.float64]
    likelihoods: NDArray[np.float64]
    usable: UsableArea
    specimen: Specimen
    filled: NDArray[np.float32]

    @property
    def on_specimen(self) -> NDArray[np.float64]:
        """Likelihoods of the candidates that lie on the specimen, highest first."""
        return self.likelihoods[self.specimen.inside(self.points)]

    @property
    def unfilled(self) -> NDArray[np.float32]:
        """The largest rectangle of the image of which nothing was filled: the noise in it is the recorded one.

        The whole image where little but seams is left out: they are narrow, and may part vacuum from specimen, without
        which no offset can be measured.
        """
        if self.usable.left_out - self.usable.reasons.get("seams", 0.0) < _LITTLE:
            return self.filled
        return self.filled[largest_rectangle(self.usable.mask)]


def find_candidates(
    micrograph: Micrograph, model: "torch.nn.Module", card: Card, device: "str | torch.device" = "cpu"
) -> Candidates:
    """Find what may be atoms, as :func:`stemforge.infer.detect_atoms` does, but without fitting their images.

    Parameters
    ----------
    micrograph
        The image.
    model, card
        Of a network that detects atoms, from :func:`stemforge.train.load_weights`.
    device
        Where the network runs.

    Raises
    ------
    InputError
        An image without signal, or pixels that cannot show atoms.
    """
    with errors_about(micrograph.name):
        sizes = (micrograph.sampling, card.sampling)
        check_sampling(*sizes, micrograph.shape, "atoms", file_sampling(micrograph))
        usable = usable_area(micrograph.image)
        filled = usable.fill(micrograph.image)
        image, _ = resampled(filled, *sizes, white=True)
        _, find = atom_finder(model, card, image, tile=_TILE, device=device)
    found = find(CANDIDATE)
    scale = np.array([micrograph.shape[1] / image.shape[1], micrograph.shape[0] / image.shape[0]])
    points, likelihoods = scaled_places(found.points, scale), np.asarray(found["score"], dtype=float)
    inside = usable.inside(points, BESIDE * float(scale.max()))
    return _on_image(micrograph, points[inside], likelihoods[inside], card, usable, filled)


def known_candidates(
    micrograph: Micrograph, points: ArrayLike, likelihoods: ArrayLike, card: Card
) -> Candidates:
    """Return candidates that were found before: no network runs, and PyTorch is not loaded.

    Parameters
    ----------
    micrograph
        The image.
    points, likelihoods
        What :func:`stemforge.infer.detect_atoms` finds from :data:`stemforge.infer.CANDIDATE` on without fitting:
        (x, y) [pixel], shape (n, 2), and likelihoods, shape (n,), highest first.
    card
        Of the network that found them.

    Examples
    --------
    >>> image = np.random.default_rng(0).poisson(30.0, (64, 64)).astype(np.float32)
    >>> len(known_candidates(Micrograph(image, 0.3), [[20.0, 30.0]], [0.9], Card("atom-net")).on_specimen)
    1
    """
    usable = usable_area(micrograph.image)
    places = np.asarray(points, dtype=float).reshape(-1, 2)
    filled = usable.fill(micrograph.image)
    return _on_image(micrograph, places, np.asarray(likelihoods, dtype=float), card, usable, filled)


def _on_image(
    micrograph: Micrograph,
    points: NDArray[np.float64],
    likelihoods: NDArray[np.float64],
    card: Card,
    usable: UsableArea,
    filled: NDArray[np.float32],
) -> Candidates:
    certain = points[likelihoods >= card.threshold]
    specimen = find_specimen(micrograph, usable).believed(certain, usable).certain(usable)
    return Candidates(points, likelihoods, usable, specimen, filled)
