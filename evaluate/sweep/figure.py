"""The command ``stemforge sweep``, and its figure."""

import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from stemforge.errors import InputError

if TYPE_CHECKING:
    from stemforge.evaluate.sweep.doses import Sweep

# Okabe and Ito's colours, told apart by every reader.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555", "#999933")
_SHOWN = {
    "atom-net": ("f1", "precision", "recall", "placement_px"),
    "sac-cnn": ("f1", "precision", "recall", "placement_px"),
    "divaesr": ("ssim", "psnr", "vif", "mse"),
    "faster-rcnn": ("ap", "ap50", "ar"),
}
_LABELS = {
    "f1": "F1",
    "ssim": "SSIM",
    "psnr": "PSNR [dB]",
    "vif": "VIF",
    "mse": "MSE (0–255 grey)",
    "ap": "AP@[.5:.95]",
    "ap50": "AP50",
    "ar": "AR",
    "placement_px": "localisation error [px]",
}
# What is physically possible, beside what was reached.
_LIMITS = {"recall": ("ideal_recall", "ideal observer"), "placement_px": ("bound_px", "Cramér–Rao bound")}
# What decides how hard an image of atoms is: key, words, unit.
_CONDITIONS = (
    ("thickness_angstrom", "thickness", "Å"),
    ("areal_density", "visible atoms", "1/nm²"),
    ("defocus_angstrom", "mean |defocus|", "Å"),
)
_UNSEEN = 1_000_003
_NAMES = {"raw": "raw", "gaussian": "Gaussian", "wiener": "Wiener", "tv": "total variation", "bm3d": "BM3D"}


def sweep(
    data: str,
    /,
    *,
    weights: Path,
    out: Path,
    doses: str = "100,300,500,1000,1500,3000,6000,1000000",
    restorer: Path | None = None,
    num: int | None = None,
    validation: float | None = None,
    baselines: str = "gaussian,wiener,tv,bm3d",
    scaling: str = "affine",
    small: float = 16.0,
    seed: int = 0,
    device: str = "cpu",
    overwrite: bool = False,
    quiet: bool = False,
) -> None:
    """Score a trained model over the electron dose: degrade, run the model, score.

    AtomNet and SAC-CNN by F1, precision, recall and localisation error, beside what is physically possible; DIVAESR by
    SSIM, PSNR, VIF and MSE beside the raw image and classical baselines; Faster R-CNN by AP, AP50 and AR. Writes
    sweep.json, sweep.csv and sweep.png, mean and standard deviation over the images; for atoms also
    sweep-conditions.png, F1 over dose and thickness, density and defocus.

    Parameters
    ----------
    data
        A corpus, or a recipe, of which a corpus is then simulated for this sweep alone, with another seed than the
        recipe's: its structures are none that a model was trained on.
    weights
        Of the model: a file, or the name of weights that come with stemforge, such as atom-net.
    out
        Folder for the results.
    doses
        Doses with commas between them [e/Å²].
    restorer
        Weights of the divaesr that restores what Faster R-CNN sees.
    num
        Number of images, where a recipe is simulated; at least two.
    validation
        Share of the corpus that is scored, from its end; by default what training kept for validation, and of a
        recipe 0.9: the rest is for tuning the baselines.
    baselines
        Which ones, with commas between them; none for none.
    scaling
        How images are fitted to their target before they are compared: affine, minmax or none.
    small
        Side below which a molecule's box counts as small [pixel].
    seed
        Root of the noise.
    device
        Where the networks run: cpu, cuda, cuda:1, …
    overwrite
        Replace results that are already in the folder.
    quiet
        Show no progress.
    """
    from typing import get_args

    from stemforge.console import console
    from stemforge.corpus.reader import Corpus
    from stemforge.evaluate.images.baselines import BASELINES
    from stemforge.evaluate.images.quality import Scaling
    from stemforge.evaluate.sweep.doses import sweep_doses
    from stemforge.simulate import SimulationRecipe, simulate_corpus
    from stemforge.train.weights import find_weights

    amounts = parse_doses(doses)
    names = [] if baselines == "none" else [name.strip() for name in baselines.split(",") if name.strip()]
    unknown = sorted(set(names) - set(BASELINES))
    if unknown:
        raise InputError(f"--baselines: '{unknown[0]}' is not known; there are {', '.join(BASELINES)}")
    if scaling not in get_args(Scaling):
        raise InputError(f"--scaling must be one of {', '.join(get_args(Scaling))}, not '{scaling}'")
    for path, option in ((weights, "--weights"), (restorer, "--restorer")):
        if path is not None:
            try:
                find_weights(path)
            except InputError as error:
                raise InputError(f"{option} {error}") from error
    _check_out(out, overwrite)
    options = {
        "restorer": restorer,
        "validation": validation,
        "baselines": names,
        "scaling": scaling,
        "small": small,
        "seed": seed,
        "device": device,
        "quiet": quiet,
    }
    with tempfile.TemporaryDirectory() as folder:
        if Path(data).is_dir():
            if num is not None:
                raise InputError("--num: is for a recipe; of a corpus --validation chooses the images")
            corpus = Corpus(data)
        else:
            recipe = SimulationRecipe.load(data, {} if num is None else {"num_samples": num})
            if recipe.num_samples < 2:
                raise InputError(
                    f"a sweep needs at least two images, as one is kept for tuning the baselines, not "
                    f"{recipe.num_samples}; give more with --num"
                )
            # A sample follows from seed and number: with the recipe's own seed it would be one of the training's.
            recipe = recipe.model_copy(update={"seed": recipe.seed + _UNSEEN})
            options["validation"] = 0.9 if validation is None else validation
            corpus = simulate_corpus(recipe, Path(folder) / "corpus", quiet=quiet)
        result = sweep_doses(corpus, weights, amounts, **options)  # type: ignore[arg-type]
    out.mkdir(parents=True, exist_ok=True)
    result.to_json(out / "sweep.json")
    result.to_csv(out / "sweep.csv")
    draw_sweep(result, out / "sweep.png")
    written = ["sweep.json", "sweep.csv", "sweep.png"]
    if "placement_px" in _SHOWN[result.architecture]:
        draw_conditions(result, out / "sweep-conditions.png")
        written.append("sweep-conditions.png")
    for line in _table(result):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    console.print(f"wrote {out}/{', '.join(written)}", highlight=False, soft_wrap=True)


def parse_doses(text: str) -> list[float]:
    """Read doses [e/Å²] with commas between them.

    Examples
    --------
    >>> parse_doses("100, 1e6")
    [100.0, 1000000.0]
    """
    try:
        doses = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"--doses {text}: expected numbers with commas between them, in e/Å²") from error
    if any(not (np.isfinite(dose) and dose > 0) for dose in doses):
        raise InputError(f"--doses {text}: every dose must be positive [e/Å²]")
    if len(set(doses)) != len(doses):
        raise InputError(f"--doses {text}: names a dose twice")
    return doses


def _check_out(out: Path, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is a file, expected a folder")
    results = ("sweep.json", "sweep.csv", "sweep.png", "sweep-conditions.png")
    there = [name for name in results if (out / name).exists()]
    if there and not overwrite:
        raise InputError(
            f"--out {out}: already holds {', '.join(there)}; choose another folder or say --overwrite"
        )


def _table(result: "Sweep") -> list[str]:
    """Lay out the first figure of merit, a row a method and a column a dose."""
    metric = _SHOWN[result.architecture][0]
    rows = [row for row in result.summary() if row["metric"] == metric]
    doses = sorted({row["dose"] for row in rows})
    lines = [f"{_LABELS[metric]:<18}" + "".join(f"{dose:>9g}" for dose in doses) + "  e/Å²"]
    for method in _methods(rows):
        values = {row["dose"]: row["mean"] for row in rows if row["method"] == method}
        cells = "".join(f"{values[dose]:>9.3f}" if dose in values else f"{'–':>9}" for dose in doses)
        lines.append(f"{_NAMES.get(method, method):<18}{cells}")
    return lines


def _methods(rows: Sequence[dict]) -> list[str]:
    order = ["atom-net", "divaesr", "faster-rcnn", "sac-cnn", *_NAMES]
    return sorted({row["method"] for row in rows}, key=lambda name: order.index(name))


def draw_sweep(result: "Sweep", path: str | Path | None = None) -> Figure:
    """Draw every figure of merit over the dose: mean as a line, ± one standard deviation over images as a band.

    Parameters
    ----------
    result
        From :func:`stemforge.evaluate.sweep_doses`.
    path
        Where to save the picture; None saves nothing.

    Returns
    -------
    Figure
        A panel for each figure of merit, as in Figures 3 and 4 of Yang et al., Adv. Sci. 2024,
        doi:10.1002/advs.202408629; what is physically possible is dashed.
    """
    shown = _SHOWN[result.architecture]
    summary = result.summary()
    figure = Figure(figsize=(4.6 * len(shown), 4.2), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(shown)))
    methods = _methods(summary) if summary else []
    for axes, metric in zip(panels, shown, strict=True):
        for i, method in enumerate(methods):
            rows = [r for r in summary if r["metric"] == metric and r["method"] == method]
            if not rows:
                continue
            dose, mean = (np.array([row[key] for row in rows], dtype=float) for key in ("dose", "mean"))
            sd = np.array([row["sd"] or 0 for row in rows])
            style = {"marker": "o", "ms": 3.5, "lw": 2.2 if i == 0 else 1.2, "color": _COLOURS[i]}
            axes.plot(dose, mean, label=_NAMES.get(method, method), **style)
            axes.fill_between(dose, mean - sd, mean + sd, color=_COLOURS[i], alpha=0.15, lw=0)
        limit, name = _LIMITS.get(metric, ("", ""))
        rows = [r for r in summary if r["metric"] == limit]
        if rows:
            dose, mean = (np.array([row[key] for row in rows], dtype=float) for key in ("dose", "mean"))
            axes.plot(dose, mean, "k--", lw=1.2, label=name)
            axes.legend(fontsize=8, framealpha=0.8, edgecolor="none")
        axes.set_xscale("log")
        axes.set(xlabel="dose [e/Å²]", title=_LABELS.get(metric, metric))
        if metric == "mse":
            axes.set_yscale("log")
        elif metric == "placement_px":
            axes.set_ylim(bottom=0)
        elif metric not in ("psnr", "vif"):
            axes.set_ylim(0, 1.02)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    if len(methods) > 1:
        panels[0].legend(fontsize=8, framealpha=0.8, edgecolor="none")
    count = max((row["images"] for row in summary), default=0)
    figure.suptitle(f"{result.architecture}: mean ± sd over {count} images", fontsize=10)
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure


def draw_conditions(result: "Sweep", path: str | Path | None = None) -> Figure:
    """Draw the F1 of an atom sweep over the dose and over what makes images hard.

    Parameters
    ----------
    result
        From :func:`stemforge.evaluate.sweep_doses`, of a network that finds atoms.
    path
        Where to save the picture; None saves nothing.

    Returns
    -------
    Figure
        A heat map each for the support's thickness and the density and defocus of visible atoms: mean F1 of the images
        in each third of all images and doses. Where there are none it stays white.
    """
    rows = [{**row.metrics, "dose": row.dose} for row in result.rows if row.metrics.get("f1") is not None]
    doses = sorted({row.dose for row in result.rows})
    figure = Figure(figsize=(4.4 * len(_CONDITIONS) + 0.6, 3.2), layout="constrained")
    panels = figure.subplots(1, len(_CONDITIONS))
    drawn = None
    for axes, (key, words, unit) in zip(panels, _CONDITIONS, strict=True):
        axes.set(title=f"F1 by {words} [{unit}]", xlabel="dose [e/Å²]")
        known = [row for row in rows if row.get(key) is not None]
        if not known:
            axes.set_axis_off()
            continue
        values = np.array([row[key] for row in known], dtype=float)
        f1 = np.array([row["f1"] for row in known], dtype=float)
        edges = np.quantile(values, [0, 1 / 3, 2 / 3, 1])
        third = np.searchsorted(edges[1:3], values, side="left")
        column = np.searchsorted(doses, np.array([row["dose"] for row in known], dtype=float))
        total, count = np.zeros((2, 3, len(doses)))
        np.add.at(total, (third, column), f1)
        np.add.at(count, (third, column), 1)
        mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
        drawn = axes.imshow(mean, vmin=0, vmax=1, origin="lower", aspect="auto", cmap="viridis")
        for (i, j), value in np.ndenumerate(mean):
            if np.isfinite(value):
                colour = "w" if value < 0.6 else "k"
                axes.text(j, i, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=8)
        axes.set_xticks(range(len(doses)), [f"{dose:g}" for dose in doses], rotation=45, fontsize=8)
        axes.set_yticks(range(3), [f"{a:.3g}–{b:.3g}" for a, b in pairwise(edges)], fontsize=8)
    if drawn is not None:
        figure.colorbar(drawn, ax=panels, label="F1")
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure
