"""How many of the atoms found are none: by likelihoods, negative images, and backgrounds of the same spectrum."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, stats

from stemforge.infer.completeness.injection import Find
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate.grafting.host import Host
from stemforge.simulate.grafting.spots import Spots

_LOCAL = 15.0  # width of the mean that a surrogate keeps [Å]
FACTOR = 2.0
"""By which the expected number of false atoms may be wrong beside chance: the support has spots of its own."""
_ROUNDS = 6  # of alternation between grey values and spectrum


@dataclass(frozen=True)
class FalseAtoms:
    """Three estimates of the false atoms among those found.

    Parameters
    ----------
    scores
        Of the atoms found.
    likelihood
        Σ(1 − p) over them; None where likelihoods are not calibrated.
    negative
        Scores of what is found on the negative image.
    surrogates
        Scores of what is found on each surrogate.
    """

    scores: NDArray[np.float64]
    likelihood: float | None
    negative: NDArray[np.float64]
    surrogates: tuple[NDArray[np.float64], ...]

    @property
    def surrogate(self) -> float:
        """Mean number on a surrogate."""
        return float(np.mean([len(one) for one in self.surrogates])) if self.surrogates else np.nan

    def expected(self, score: float = 0.0) -> tuple[float, float, float]:
        """Return the false atoms to be expected from a score on, and the ends of an interval of 95 in 100.

        The smaller one of two: what is found on a surrogate, which also has the power of atoms that were not found, and
        Σ(1 − p) by likelihoods, which takes atoms for false that are fainter than what counts as visible. Both are
        rather too large; on simulated images the smaller one came nearest. The interval is that of a Poisson number,
        wider by :data:`FACTOR` at both ends.
        """
        chosen = self.scores[self.scores >= score]
        estimates = [float(np.mean([(one >= score).sum() for one in self.surrogates]))]
        if self.likelihood is not None:
            estimates.append(float((1 - chosen).sum()))
        number = min(*estimates, float(len(chosen)))
        low, high = stats.gamma.ppf([0.025, 0.975], [number + 1e-9, number + 1])
        return number, float(np.floor(low / FACTOR)), float(min(np.ceil(high * FACTOR), len(chosen)))

    def true(self) -> NDArray[np.float64]:
        """Return each found atom's probability to be one: it grows with the score, and the expected number is false."""
        number = self.expected()[0]
        if self.likelihood is None:
            return np.full(len(self.scores), 1 - number / max(len(self.scores), 1))
        return 1 - (1 - self.scores) * min(number / max(self.likelihood, 1e-9), 1.0)


def negative_image(host: Host, known: Annotations) -> NDArray[np.float32]:
    """Return 2 · local background − image: atoms are dark on it, and what is found there is false.

    Where atoms were, noise is a little too strong, so known atoms are taken away before. Counting noise is skew, and
    the negative's is skew the other way; over an atom's image, hundreds of electrons, that is next to nothing. The
    support's texture may not be even, pores or grains: then the negative is no fair control.

    Parameters
    ----------
    host
        The image.
    known
        Atoms on it, from :meth:`IdealObserver.electrons`.
    """
    electrons = _without_atoms(host, known)
    local = ndimage.gaussian_filter(electrons, _LOCAL / host.sampling, mode="reflect")
    return _recorded(host, 2 * local - electrons)


def surrogate_image(host: Host, known: Annotations, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return an image of the same spectrum, grey values and local means, in which nothing has a shape.

    The image without the atoms that are known, less its local mean and over the root of that, has its phases drawn at
    random; grey values and spectrum are then restored in turn (Schreiber & Schmitz 1996,
    doi:10.1103/PhysRevLett.77.635).

    Parameters
    ----------
    host, known
        As for :func:`negative_image`.
    rng
        Source of the phases.
    """
    electrons = _without_atoms(host, known)
    local = ndimage.gaussian_filter(electrons, _LOCAL / host.sampling, mode="reflect")
    scale = np.sqrt(np.maximum(local, 0.02 * np.percentile(local, 95)))
    white = (electrons - local) / scale
    amplitude = np.abs(fft.rfft2(white))
    order = np.sort(white.ravel())
    values = rng.permutation(white.ravel()).reshape(white.shape).astype(np.float32)
    for _ in range(_ROUNDS):
        spectrum = fft.rfft2(values)
        spectrum *= amplitude / np.maximum(np.abs(spectrum), 1e-12)
        values = fft.irfft2(spectrum, s=white.shape)
        ranked = np.empty_like(order)
        ranked[np.argsort(values.ravel(), kind="stable")] = order
        values = ranked.reshape(white.shape)
    return _recorded(host, local + scale * values)


def false_atoms(
    host: Host,
    known: Annotations,
    find: Find,
    found: Annotations,
    rng: np.random.Generator,
    *,
    calibrated: bool,
    surrogates: int = 2,
) -> FalseAtoms:
    """Estimate how many of the atoms found are none, in three ways.

    Parameters
    ----------
    host, known
        Image, and atoms on it whose brightness is known.
    find
        The detector, with the image's threshold.
    found
        What it found on the image.
    rng
        Source of the surrogates' phases.
    calibrated
        Whether scores are probabilities.
    surrogates
        How many are made.
    """
    negative = find(negative_image(host, known))["score"]
    others = tuple(find(surrogate_image(host, known, rng))["score"] for _ in range(surrogates))
    scores = np.asarray(found["score"], dtype=float)
    return FalseAtoms(scores, float((1 - scores).sum()) if calibrated else None, negative, others)


def _without_atoms(host: Host, known: Annotations) -> NDArray[np.float32]:
    """Return the image in electrons less the atoms that are known."""
    if not len(known):
        return host.electrons
    width = max(float(known["noise_width_angstrom"][0]), 0.5 * host.sampling)
    spots = Spots.gaussian([width], host.sampling)
    shape = (host.image.shape[0], host.image.shape[1])
    kind = np.zeros(len(known), dtype=int)
    return np.asarray(
        host.electrons - spots.put(shape, known.points, kind, known["electrons"]), dtype=np.float32
    )


def _recorded(host: Host, electrons: NDArray[np.float32]) -> NDArray[np.float32]:
    image = electrons * np.float32(host.gain) + np.float32(host.offset)
    return np.asarray(np.where(host.usable.mask, image, host.image), dtype=np.float32)
