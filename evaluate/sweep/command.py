"""The command of this shelf: ``stemforge sweep``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import stemforge
from stemforge import evaluate, simulate
from stemforge.console import say
from stemforge.errors import InputError
from stemforge.options import Device, Numbers, Output, Progress, ScoredBoxes, Seed, Words

_DOSES = (100.0, 300.0, 500.0, 1e3, 1.5e3, 3e3, 6e3, 1e6)
_BASELINES = ("gaussian", "wiener", "tv", "bm3d")


def sweep(
    data: str,
    /,
    *,
    weights: Path,
    dose: Numbers | None = None,
    restorer: Path | None = None,
    num: int | None = None,
    validation: float | None = None,
    baselines: Words | None = None,
    scaling: str = "affine",
    drawn_dose: float | None = None,
    scored: ScoredBoxes = ScoredBoxes(),
    randomness: Seed = Seed(),
    output: Output = Output(),
    device: Device = Device(),
    progress: Progress = Progress(),
) -> None:
    """Score a trained model over the electron dose: degrade, run the model, score.

    AtomNet and SAC-CNN by F1, precision, recall and localisation error, beside what is physically possible; restorers
    by SSIM, PSNR, VIF and MSE beside the raw image and classical baselines; Faster R-CNN by AP, AP50 and AR. Writes
    sweep.json, sweep.csv and sweep.png, mean and standard deviation over the images, the model by the name of its
    weights; for atoms also sweep-conditions.png, F1 over dose and thickness, density and defocus; for restorers
    sweep-differences.png, one image as each method restored it, how that differs from the truth and from the image, and
    grey values. Of the images of a recipe 0.9 are scored by default; the rest tune the baselines. With `--validation 1`
    weights that find atoms or molecules are scored on every image, of a corpus that they never met.

    Parameters
    ----------
    data
        A corpus, or a recipe, of which a corpus is then simulated for this sweep alone, with another seed than the
        recipe's: its structures are none that a model was trained on.
    weights
        Weights of the model: a stemforge weights file, or the name of weights that come with stemforge, such as
        atom-net.
    dose
        Doses [e/Å²]; by default 100 300 500 1000 1500 3000 6000 1e6.
    restorer
        Weights of the restorer that restores the images before molecules are looked for; by default the one that the
        detector was trained with, where it lies beside the detector's weights or comes with stemforge.
    num
        Number of images, where a recipe is simulated; at least two.
    validation
        Share of each corpus that is used, from its end; by default what training kept for validation.
    baselines
        Classical methods beside the model: gaussian, wiener, tv, bm3d, noise2self, pca, ica, or none; by default the
        first four. The last two need stemforge[components].
    scaling
        How images are fitted to their target before they are compared: affine, minmax or none.
    drawn_dose
        Dose of the image in sweep-differences.png, of restorers, one of the doses; by default the middle one.
    """
    from stemforge.evaluate.sweep.figure import check_drawn_dose, draw_sweep_figures
    from stemforge.evaluate.sweep.table import sweep_lines

    amounts = check_doses(_DOSES if dose is None else dose)
    names = [] if baselines == ["none"] else baselines or list(_BASELINES)
    checked: dict[str, Any] = {"restorer": restorer, "baselines": names, "scaling": scaling}
    pictures = ("sweep.png", "sweep-conditions.png", "sweep-differences.png")
    check_drawn_dose(drawn_dose, amounts)
    folder = output.results("sweep", ("sweep.json", "sweep.csv", *pictures))
    options = checked | {
        "small": scored.small,
        "boxes": None if scored.boxes is None else simulate.BoxDefinition.parse(scored.boxes),
        "seed": randomness.seed,
        "device": device.check(),
        "quiet": progress.quiet,
    }
    evaluate.check_sweep(weights, **checked, drawn_dose=drawn_dose)
    if Path(data).is_dir():
        if num is not None:
            raise InputError("--num: is for a recipe; of a corpus --validation chooses the images")
        corpus = stemforge.Corpus(data)
        result = evaluate.sweep_doses(corpus, weights, amounts, validation=validation, **options)
    else:
        recipe = simulate.SimulationRecipe.load(data, {} if num is None else {"num_samples": num})
        share = 0.9 if validation is None else validation
        result = evaluate.sweep_recipe(recipe, weights, amounts, validation=share, **options)
    say("\n".join(sweep_lines(result)))
    with folder.staged() as staging:
        result.to_json(staging / "sweep.json")
        result.to_csv(staging / "sweep.csv")
        figures = draw_sweep_figures(result, staging, drawn_dose=drawn_dose)
    # Pictures of an earlier sweep would seem to belong to this one.
    for older in set(pictures).difference(figures) if folder.overwrite else ():
        (folder.path / older).unlink(missing_ok=True)
    say(f"wrote {folder.path}/{', '.join(['sweep.json', 'sweep.csv', *figures])}")


def check_doses(doses: Sequence[float]) -> list[float]:
    """Return doses [e/Å²] that can be swept over.

    Examples
    --------
    >>> check_doses([100, 1e6])
    [100, 1000000.0]
    """
    if any(not 0 < dose < float("inf") for dose in doses):
        raise InputError(f"dose: every one must be positive [e/Å²], not {_listed(doses)}")
    if len(set(doses)) != len(doses):
        raise InputError(f"dose: {_listed(doses)} has one twice")
    return list(doses)


def _listed(doses: Sequence[float]) -> str:
    return " ".join(f"{dose:g}" for dose in doses)
