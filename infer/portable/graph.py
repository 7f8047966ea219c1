"""A detector of atoms as one graph: from an image as recorded to calibrated likelihoods and the peaks among them."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemforge.errors import WeightsError
from stemforge.infer.atoms.peaks import DISC
from stemforge.infer.decision import CANDIDATE
from stemforge.train.card import LEAST, Calibration, Card
from stemforge.train.data.tensors import gaussian_mean
from stemforge.train.networks import AtomDetector

OUTPUTS = ("likelihood", "peak", "offset", "sigma")
"""What the graph returns."""


class DetectorGraph(nn.Module):
    """Preparation, network, smoothing, calibration and search for peaks in one module.

    It is what :func:`stemforge.infer.atom_finder` does to a whole image, in operations that leave Python.

    Parameters
    ----------
    model, card
        From :func:`stemforge.train.load_weights`; of a network that maps likelihood, offset and deviation.

    Raises
    ------
    WeightsError
        A network that detects no atoms, or whose preparation has no form outside Python.

    Examples
    --------
    >>> from stemforge.train import load_weights
    >>> graph = DetectorGraph(*load_weights("atom-net"))
    >>> maps = graph(torch.rand(1, 1, 40, 56))
    >>> [tuple(found.shape) for found in maps]
    [(1, 1, 40, 56), (1, 1, 40, 56), (1, 2, 40, 56), (1, 1, 40, 56)]
    """

    def __init__(self, model: nn.Module, card: Card) -> None:
        super().__init__()
        self.network = AtomDetector.named(card.architecture)
        if card.inputs.spots != "peaks":
            raise WeightsError(
                "weights whose atoms are regions, as published with SAC-CNN, cannot be exported"
            )
        self.preparation = self.network.preparation()
        self.model = model
        self.calibration = card.calibration or Calibration()

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Map an image as recorded, at the network's pixel size, shape (1, 1, height, width), float32.

        Returns
        -------
        likelihood
            Calibrated probability of an atom at every pixel, shape (1, 1, height, width).
        peak
            1 where a candidate for an atom is, 0 elsewhere, shape (1, 1, height, width).
        offset
            From the pixel to the atom's centre, (x, y) [pixel], shape (1, 2, height, width).
        sigma
            Standard deviation of each coordinate of it [pixel], shape (1, 1, height, width).
        """
        maps = self.network.maps(self.model, self.preparation(image))[None]
        # As in stemforge, likelihoods are single, log odds double precision: near 1 they would be coarse.
        odds = torch.logit(maps[:, :1].double(), LEAST).float()
        smooth = gaussian_mean(odds, self.network.smoothing, "nearest")
        likelihood = torch.sigmoid(self.calibration.scale * smooth + self.calibration.shift)
        # A graph cannot refuse a uniform image; it holds no atom.
        likelihood = torch.where((image != image[..., :1, :1]).any(), likelihood, 0.0)
        peak = (likelihood == highest_around(likelihood)) & (likelihood >= CANDIDATE)
        return likelihood, peak.float(), maps[:, 1:3], maps[:, 3:]


def highest_around(likelihood: Tensor) -> Tensor:
    """Return the highest likelihood in a disc around every pixel, (1, 1, height, width), as in search for peaks.

    The disc's rows are intervals of different lengths: one maximum over an interval for each, moved to its row.
    """
    height = likelihood.shape[2]
    reach = len(DISC) // 2
    rows = functional.pad(likelihood, [0, 0, reach, reach])
    highest = likelihood
    for row, width in enumerate(DISC.sum(axis=1).tolist()):
        along = functional.max_pool2d(rows, (1, width), stride=1, padding=(0, width // 2))
        highest = torch.maximum(highest, along[:, :, row : row + height])
    return highest
