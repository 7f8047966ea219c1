"""How an adaptation goes about its work."""

from dataclasses import dataclass
from pathlib import Path

STARTS = ("atom-net", "any-atom")
"""Weights that come with stemforge and that training may start from: one specimen's, and many specimens'."""


@dataclass(frozen=True)
class AdaptOptions:
    """How an adaptation goes about its work.

    Parameters
    ----------
    minutes
        Time for everything; a few more may pass.
    start
        Weights of an AtomNet to start from: a file, or the name of weights that come with stemforge; by default those
        of ``STARTS`` that are best on simulated images of the specimen.
    posterior
        Calibrate the recipe on the images first; without, its priors stand.
    grafts
        Learn from atoms grafted into the images, too.
    seed
        Root of the randomness.
    workers
        Processes that simulate; by default one for each core.
    device
        On which atoms are found.
    quiet
        Show no progress.

    Examples
    --------
    >>> options = AdaptOptions(minutes=60, start="any-atom", posterior=False)
    >>> options.posterior, options.grafts  # the recipe's priors stand; grafts are learnt from all the same
    (False, True)
    """

    minutes: float = 30.0
    start: str | Path | None = None
    posterior: bool = True
    grafts: bool = True
    seed: int = 0
    workers: int | None = None
    device: str = "cpu"
    quiet: bool = False
