"""What is known of an image's completeness, and how it is summed up."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from stemforge.infer.atoms.detection import Detection
from stemforge.infer.completeness.brightness import TypicalAtom
from stemforge.infer.completeness.density import Density
from stemforge.infer.completeness.injection import Grafts
from stemforge.infer.completeness.neighbours import SpotList
from stemforge.infer.completeness.pairs import PairRecall
from stemforge.infer.completeness.purity import FalseAtoms
from stemforge.infer.completeness.recall import Bin, RecallCurve, recall_bins
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate.grafting.host import Host
from stemforge.simulate.labels.limits import bandwidth, ideal_recall, localisation_bound


@dataclass(frozen=True)
class Completeness:
    """How much of an image's atoms was found, and how much of what was found is atoms.

    Parameters
    ----------
    detection
        What was found.
    host
        The image as grafts see it.
    atom
        The typical atom found, which grafts resemble.
    grafts, curve
        What became of grafts that stand free, and recall over contrast-to-noise.
    beside
        What became of grafts 1 to 3 Å beside an atom found; None where there is none to be beside.
    spots
        The atoms found on the specimen with what stands right beside them.
    false
        Estimates of the false atoms.
    density
        Atoms from a contrast-to-noise on, corrected.
    measured
        Contrast-to-noise that the ideal observer measures of each atom found.

    Examples
    --------
    >>> from stemforge import Micrograph
    >>> from stemforge.infer import measure_completeness
    >>> from stemforge.train import load_weights
    >>> noise = np.random.default_rng(0).poisson(100, (72, 72))
    >>> network, rng = load_weights("atom-net"), np.random.default_rng(0)
    >>> result = measure_completeness(Micrograph(noise, 0.293), *network, rng, number=6)
    >>> sum(one.grafts for one in result.bins()), result.pair_recall is None  # no atom found, so none beside another
    (6, True)
    """

    detection: Detection
    host: Host
    atom: TypicalAtom
    grafts: Grafts
    curve: RecallCurve
    beside: Grafts | None
    false: FalseAtoms
    spots: SpotList
    density: Density
    measured: NDArray[np.float64]

    @property
    def brightest(self) -> float:
        """Contrast-to-noise up to which grafts went."""
        return float(np.ceil(self.grafts.cnr.max()))

    @property
    def share_beside(self) -> float:
        """Share found of two atoms 1 to 3 Å from each other, over that of free ones; NaN where it was not measured.

        Two that become one are one found of two, whichever of them is nearer to it.
        """
        if self.beside is None:
            return float("nan")
        pairs = self.beside
        return float((pairs.found.sum() + pairs.kept.sum()) / (self.curve(pairs.cnr).sum() + len(pairs.kept)))

    def pairs(self) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
        """Return of each graft beside an atom its distance to it [Å], whether both were found, and its recall if free.

        What :meth:`PairRecall.fit` takes, of several images one after the other.
        """
        near = self.beside
        if near is None:
            return np.empty(0), np.empty(0, dtype=bool), np.empty(0)
        distance = cKDTree(self.detection.atoms.points).query(near.atoms.points)[0] * self.host.sampling
        return np.asarray(distance), near.found & near.kept, self.curve(near.cnr)

    @cached_property
    def pair_recall(self) -> PairRecall | None:
        """From which distance on two atoms are found as two; None where too few grafts stood beside atoms."""
        return PairRecall.fit(*self.pairs())

    def bins(self) -> list[Bin]:
        """Return recall in bins of contrast-to-noise."""
        step = 1.0 if self.brightest <= 14 else 2.0
        return recall_bins(self.grafts.cnr, self.grafts.found, np.arange(1, self.brightest + step, step))

    def brightness_bins(self) -> list[Bin]:
        """Return recall in bins of brightness: electrons over those of the typical atom."""
        share = self.grafts.atoms["electrons"] / self.atom.electrons
        return recall_bins(share, self.grafts.found, [0, 0.25, 0.5, 0.8, 1.25, 2, 4, np.inf])

    def ideal(self, cnr: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the ideal linear observer's recall at the expected number of false atoms, half of one at least."""
        number = max(self.false.expected()[0], 0.5)
        beta = bandwidth(self._one(), self.host.dose, 0.0, self.host.texture)
        return ideal_recall(cnr, number, np.full(len(cnr), beta[0]), self.density.area * 100)

    def localisation(self) -> list[dict[str, float]]:
        """Return the root mean square error of a coordinate [Å] in bins of contrast-to-noise, beside the bound."""
        rows: list[dict[str, float]] = []
        found = self.grafts.atoms.where(self.grafts.found)
        error = (self.grafts.error[self.grafts.found] ** 2).mean(1)
        if not len(found):
            return rows
        bound = localisation_bound(found, self.host.dose, 0.0, self.host.texture) ** 2
        for one in self.bins():
            inside = (found["cnr"] >= one.low) & (found["cnr"] < one.high)
            if inside.sum() >= 3:
                root = {"error": np.sqrt(error[inside].mean()), "bound": np.sqrt(bound[inside].mean())}
                rows.append({"low": one.low, "high": one.high, "number": int(inside.sum()), **_floats(root)})
        return rows

    def summary(self) -> dict[str, Any]:
        """Return everything as plain values: what is written as JSON and, shortened, in ``run.json``."""
        number, low, high = self.false.expected()
        too_small = self.density.too_small
        per_area = dict(zip(("expected", "low", "high"), self.density.per_area, strict=True))
        scores = np.unique(np.append(np.linspace(0, 0.9, 10), self.detection.threshold))
        by_score = [
            dict(
                zip(
                    ("from_score", "expected", "low", "high"),
                    (float(s), *self.false.expected(s)),
                    strict=True,
                )
            )
            for s in scores[scores >= self.detection.threshold]
        ]
        return {
            "atoms": len(self.detection.atoms),
            "threshold": self.detection.threshold,
            "area_nm2": self.density.area,
            "typical_atom": {
                "width_angstrom": self.atom.width,
                "electrons": self.atom.electrons,
                "from_atoms": self.atom.atoms,
            },
            "counting_noise": self.host.counted,
            "grafts": {"number": len(self.grafts.found), "rounds": self.grafts.rounds},
            "half_found_at_cnr": self.curve.half,
            "lost_however_bright": self.curve.lost,
            "beside_another": None
            if self.beside is None
            else {
                "grafts": len(self.beside.found),
                "found": int(self.beside.found.sum()),
                "others_found_again": int(self.beside.kept.sum()),
                "over_free": self.share_beside,
                "resolved_from_angstrom": None if self.pair_recall is None else vars(self.pair_recall),
            },
            "recall_by_cnr": [vars(one) for one in self.bins()],
            "recall_by_brightness": [vars(one) for one in self.brightness_bins()],
            "localisation_angstrom": self.localisation(),
            "false_atoms": {
                "expected": number,
                "low": low,
                "high": high,
                "by_likelihoods": self.false.likelihood,
                "on_negative": len(self.false.negative),
                "on_surrogates": self.false.surrogate,
                "by_score": by_score,
            },
            "companions": self.spots.companions,
            "corrected": {
                "from_cnr": self.density.cnr,
                "atoms_per_nm2": None if too_small else per_area,
                "too_small": too_small,
            },
        }

    def _one(self) -> Annotations:
        return self.host.visibility(np.zeros((1, 2)), self.atom.electrons, self.atom.width, self.atom.width)


def _floats(values: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}
