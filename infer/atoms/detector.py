"""A trained detector of single atoms and its card in one object: from an array to atoms in three lines."""

from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Self

import torch
from numpy.typing import ArrayLike

from stemforge.errors import InputError
from stemforge.infer.atoms.detection import Detection, detect_atoms
from stemforge.infer.weights import load_finder
from stemforge.micrograph.image import Micrograph
from stemforge.train.card import Card


@dataclass(frozen=True)
class Detector:
    """A network that finds single atoms, with the card that says how it is used.

    Parameters
    ----------
    model
        The network, in evaluation mode.
    card
        What it is for.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.random.default_rng(0).poisson(100.0, (64, 64))
    >>> detector = Detector.from_pretrained("atom-net")
    >>> found = detector.predict(image, sampling=0.293)
    >>> found.atoms.points.shape[1], found.likelihood.shape
    (2, (64, 64))
    """

    model: torch.nn.Module
    card: Card

    @classmethod
    def from_pretrained(cls, weights: str | Path = "any-atom") -> Self:
        """Read a detector of atoms.

        Parameters
        ----------
        weights
            Name of weights that come with stemforge: any-atom, for any specimen; atom-net or sac-cnn, for Pt on thick
            carbon at 60 kV. Or a weights file.

        Raises
        ------
        InputError
            Neither such a name nor a weights file, which lists the names; or weights that find no atoms.
        """
        return cls(*load_finder(weights, "atoms"))

    def predict(
        self,
        image: ArrayLike | Micrograph,
        sampling: float | None = None,
        *,
        threshold: float | None = None,
        augment: bool = False,
        device: str | torch.device = "cpu",
    ) -> Detection:
        """Find the atoms on an image.

        Parameters
        ----------
        image
            As recorded, shape (height, width), any unit; or a micrograph, which knows its pixel size.
        sampling
            Side of a pixel [Å]. It must be known: an array does not say it, and the result depends on it.
        threshold, augment, device
            As for :func:`stemforge.infer.detect_atoms`.

        Returns
        -------
        Detection
            ``atoms.points`` (x, y) [pixel], shape (n, 2), ``atoms["score"]``, their likelihoods, ``likelihood``, the
            map, ``number`` and ``density``.

        Raises
        ------
        InputError
            Pixel size missing or none at which atoms can be found; an image that is none, or without signal.
        """
        micrograph = image if isinstance(image, Micrograph) else Micrograph(image, name="image")  # type: ignore[arg-type]
        size = micrograph.sampling if sampling is None else sampling
        if size is None:
            raise InputError(
                f"{micrograph.name}: sampling is missing; give the side of a pixel in Å (sampling=0.293), or "
                "estimate it (estimate_sampling)"
            )
        if isinstance(size, bool) or not isinstance(size, Real):
            raise InputError(f"{micrograph.name}: sampling must be the side of a pixel in Å, not {size!r}")
        micrograph = replace(micrograph, sampling=float(size))
        return detect_atoms(
            micrograph, self.model, self.card, threshold=threshold, augment=augment, device=device
        )
