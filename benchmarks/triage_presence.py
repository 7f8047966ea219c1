"""The probability of `stemforge triage` that an image shows an atom: its law fitted, and held against what is true.

    python benchmarks/triage_presence.py collect FOLDER ...           # likelihoods of all candidates; presence.json
    python benchmarks/triage_presence.py fit FOLDER ...               # the law's constants, by maximum likelihood
    python benchmarks/triage_presence.py cross FOLDER ... --figure docs/images/triage-reliability.png
    python benchmarks/triage_presence.py judge FOLDER ... --large     # the shipped law on images side by side

Folders are those of `benchmarks/triage.py make`. `cross` judges the images of each recipe by a law fitted to the other
recipes, and the law before this one (a logistic law of Σp³ less texture, without area): AUC, Brier score, logarithmic
score, a reliability diagram. Images with metal but no visible atom are neither, and left out. Areas larger than any
simulated are made of images side by side.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cyclopts import App
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from stemforge.colours import BLUE, GREY
from stemforge.console import progress, say
from stemforge.evaluate.triage.candidates import find_candidates
from stemforge.evaluate.triage.presence import LAW, PresenceLaw
from stemforge.files import write_figure, write_json
from stemforge.micrograph.readers import read_micrograph
from stemforge.train import load_weights

EDGES = np.array([0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0])  # of the diagram's bins
BOUNDS = ((0.3, 5.0), (-9.0, 6.0), (-60.0, 60.0), (0.3, 8.0))  # of the values that are varied
LARGE = 512  # side of the images that are put side by side [pixel]
LONE = 8  # most atoms on an image that is put among images without metal
DRAWS = 4000  # of what chance would give in each bin
app = App()


@dataclass(frozen=True)
class Case:
    """An image whose truth is known: likelihoods of its candidates, area of its specimen [nm²], pixels a side."""

    recipe: str
    atoms: int
    likelihoods: NDArray[np.float64]
    area: float
    side: int

    @property
    def metal(self) -> bool:
        """Whether an atom is visible."""
        return self.atoms > 0


@app.command
def collect(*folders: Path) -> None:
    """Find the candidates of every image."""
    detector = load_weights("any-atom")
    for folder in folders:
        truth = json.loads((folder / "truth.json").read_text())
        rows = {}
        with progress(folder.name, len(truth), "images") as advance:
            for name, facts in truth.items():
                micrograph = read_micrograph(folder / f"{name}.tif")
                candidates = find_candidates(micrograph, *detector)
                rows[name] = {
                    "recipe": facts["recipe"],
                    "metal": facts["metal"],
                    "visible": facts["visible"],
                    "likelihoods": candidates.on_specimen.round(5),
                    "area": candidates.specimen.area(micrograph.sampling or np.nan)[0],
                    "side": micrograph.shape[0],
                }
                advance(1)
        write_json(folder / "presence.json", rows)


def cases(folders: Sequence[Path]) -> list[Case]:
    """Return what was collected, but for images with metal and no visible atom."""
    found = []
    for folder in folders:
        for row in json.loads((folder / "presence.json").read_text()).values():
            if row["visible"] or not row["metal"]:
                likelihoods = np.asarray(row["likelihoods"], dtype=float)
                found.append(Case(row["recipe"], row["visible"], likelihoods, row["area"], row["side"]))
    return found


def mosaics(images: Sequence[Case], number: int) -> list[Case]:
    """Return what images of ``number`` times the area would give: those of one recipe side by side.

    Without metal, each image is used once; with it, one image with few atoms lies among others without.
    """
    made = []
    for recipe in sorted({one.recipe for one in images}):
        group = [one for one in images if one.recipe == recipe and one.side == LARGE]
        bare = [one for one in group if not one.atoms]
        made += [bare[start : start + number] for start in range(0, len(bare) - number + 1, number)]
        lone = [one for one in group if 0 < one.atoms <= LONE] if len(bare) >= number else []
        rng = np.random.default_rng(0)
        made += [[one, *(bare[k] for k in rng.permutation(len(bare))[: number - 1])] for one in lone]
    return [side_by_side(parts) for parts in made]


def side_by_side(parts: Sequence[Case]) -> Case:
    """Return several images as one."""
    likelihoods = np.concatenate([one.likelihoods for one in parts])
    side = round(parts[0].side * np.sqrt(len(parts)))
    return Case(
        parts[0].recipe,
        sum(one.atoms for one in parts),
        likelihoods,
        sum(one.area for one in parts),
        side,
    )


def metal(images: Sequence[Case]) -> NDArray[np.bool_]:
    """Return which images show atoms."""
    return np.array([one.metal for one in images])


def probabilities(law: PresenceLaw, images: Sequence[Case]) -> NDArray[np.float64]:
    """Return what a law says of images."""
    image = np.repeat(np.arange(len(images)), [len(one.likelihoods) for one in images])
    area = np.array([one.area for one in images])
    evidence = law.evidence(np.concatenate([one.likelihoods for one in images]), area[image])
    return law.probability(np.bincount(image, evidence, len(images)))


def earlier_probability(likelihoods: NDArray[np.float64]) -> float:
    """Return what the law before this one said: of nearly certain atoms beyond texture, whatever the area."""
    faint = likelihoods[likelihoods < 0.3].sum()
    evidence = 0.02 + max(0.0, (likelihoods**3).sum() - 0.25 * faint)
    return float(expit(1.27 + 1.02 * np.log(evidence)))


def fitted(images: Sequence[Case]) -> PresenceLaw:
    """Return the law under which the truth of images is likeliest, if half of them show atoms."""
    truth = metal(images)
    weight = np.where(truth, 0.5 / truth.mean(), 0.5 / (~truth).mean())

    def loss(values: NDArray[np.float64]) -> float:
        chance = np.clip(probabilities(law_of(values), images), 1e-6, 1 - 1e-6)
        return float(-np.average(np.log(np.where(truth, chance, 1 - chance)), weights=weight))

    starts = ([power, 1.0, 0.0, 2.0] for power in (1.0, 2.0))
    found = [minimize(loss, start, method="L-BFGS-B", bounds=BOUNDS) for start in starts]
    return law_of(min(found, key=lambda one: float(one.fun)).x)


def law_of(values: NDArray[np.float64]) -> PresenceLaw:
    """Return the law of the values that are varied; the least evidence is given by its logarithm."""
    power, least, constant, slope = map(float, values)
    return PresenceLaw(power, float(np.exp(least)), constant, slope)


def enlarged(images: Sequence[Case]) -> list[Case]:
    """Return images, and what four and sixteen of them side by side would give."""
    return [*images, *mosaics(images, 4), *mosaics(images, 16)]


@app.command
def fit(*folders: Path) -> None:
    """Fit the law."""
    images = enlarged(cases(folders))
    say(f"{len(images)} images, {metal(images).sum()} with a visible atom: {fitted(images)}")


def earlier(images: Sequence[Case]) -> NDArray[np.float64]:
    """Return what the earlier law says of images."""
    return np.array([earlier_probability(one.likelihoods) for one in images])


@app.command
def cross(*folders: Path, figure: Path | None = None) -> None:
    """Judge the images of each recipe by a law fitted to those of all others, and draw that beside the earlier law."""
    images = cases(folders)
    chance = np.zeros(len(images))
    for recipe in sorted({one.recipe for one in images}):
        of = np.array([one.recipe == recipe for one in images])
        law = fitted(enlarged([one for one, left_out in zip(images, of, strict=True) if not left_out]))
        chance[of] = probabilities(law, images)[of]
    tell_all({"before": earlier(images), "each recipe by the others": chance}, images)
    if figure is not None:
        laws = {"before": earlier(images), "now, each recipe by a law of the others": chance}
        write_figure(draw(laws, metal(images)), figure, dpi=110)


@app.command
def judge(*folders: Path, large: bool = False) -> None:
    """Score the shipped law and the one before it; ``--large`` on images side by side alone."""
    images = cases(folders)
    if large:
        images = [*mosaics(images, 4), *mosaics(images, 16)]
    tell_all({"before": earlier(images), "now": probabilities(LAW, images)}, images)


def tell_all(laws: dict[str, NDArray[np.float64]], images: Sequence[Case]) -> None:
    """Print scores of several laws, of all images and by their size."""
    truth, side = metal(images), np.array([one.side for one in images])
    for name, chance in laws.items():
        tell(f"{name}, all", truth, chance)
        for one in sorted(set(side.tolist())):
            if np.unique(truth[side == one]).size == 2:
                tell(f"{name}, {one} pixels a side", truth[side == one], chance[side == one])


def tell(title: str, truth: NDArray[np.bool_], chance: NDArray[np.float64]) -> None:
    """Print scores, and how many images of each bin show atoms beside how many should."""
    auc, brier = roc_auc_score(truth, chance), brier_score_loss(truth, chance)
    say(
        f"{title}: {len(truth)} images, {truth.sum()} with atoms; AUC {auc:.4f}, Brier score {brier:.4f}, "
        f"logarithmic score {log_loss(truth, chance):.4f}"
    )
    for low, high, inside in bins(chance):
        say(
            f"  {low:.1f} to {high:.1f}: atoms on {truth[inside].sum()} of {inside.sum()}, "
            f"{chance[inside].sum():.1f} expected"
        )


def bins(chance: NDArray[np.float64]) -> list[tuple[float, float, NDArray[np.bool_]]]:
    """Return the bins that hold images: ends, and which images."""
    number = np.clip(np.searchsorted(EDGES, chance, "right") - 1, 0, len(EDGES) - 2)
    every = [(EDGES[one], EDGES[one + 1], number == one) for one in range(len(EDGES) - 1)]
    return [(float(low), float(high), inside) for low, high, inside in every if inside.any()]


def draw(laws: dict[str, NDArray[np.float64]], truth: NDArray[np.bool_]) -> Figure:
    """Draw share against probability, with what chance would give in each bin were the probabilities right.

    The bars are those of Bröcker and Smith (2007), Weather and Forecasting 22, 651: from each image's probability
    its truth is drawn many times, and 95 in 100 of the shares lie on the bar.
    """
    figure = Figure(figsize=(9.2, 5.3), layout="constrained")
    for axes, (name, chance), colour in zip(figure.subplots(1, 2), laws.items(), (GREY, BLUE), strict=True):
        axes.plot([0, 1], [0, 1], color="0.75", lw=1, zorder=1)
        for _, _, inside in bins(chance):
            x, number = chance[inside].mean(), int(inside.sum())
            drawn = (np.random.default_rng(0).random((DRAWS, number)) < chance[inside]).mean(1)
            axes.plot([x, x], np.quantile(drawn, [0.025, 0.975]), color="0.82", lw=9, solid_capstyle="butt")
            axes.plot(x, truth[inside].mean(), "o", color=colour, ms=8, zorder=3)
            side = -1 if x > 0.6 else 1
            axes.annotate(
                f"{number}",
                (x, truth[inside].mean()),
                (10 * side, 0),
                textcoords="offset points",
                ha="left" if side > 0 else "right",
                va="center",
                fontsize=9,
            )
        brier, score = brier_score_loss(truth, chance), log_loss(truth, chance)
        axes.set_title(f"{name}\nBrier score {brier:.3f}, logarithmic score {score:.3f}", fontsize=10)
        axes.set(xlabel="probability that an atom is visible", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        axes.set(ylabel="share of images that show one", aspect="equal")
    return figure


if __name__ == "__main__":
    app()
