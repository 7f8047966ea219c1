"""The command of this shelf: ``stemforge sweep``."""

from pathlib import Path
from typing import Any

import stemforge
from stemforge import evaluate, simulate
from stemforge.console import say
from stemforge.errors import InputError
from stemforge.options import Device, Output, Progress


def sweep(
    data: str,
    /,
    *,
    weights: Path,
    doses: str = "100,300,500,1000,1500,3000,6000,1000000",
    restorer: Path | None = None,
    num: int | None = None,
    validation: float | None = None,
    baselines: str = "gaussian,wiener,tv,bm3d",
    scaling: str = "affine",
    drawn_dose: float | None = None,
    small: float = 16.0,
    boxes: str | None = None,
    seed: int = 0,
    output: Output = Output(),
    device: Device = Device(),
    progress: Progress = Progress(),
) -> None:
    """Score a trained model over the electron dose: degrade, run the model, score.

    AtomNet and SAC-CNN by F1, precision, recall and localisation error, beside what is physically possible; restorers
    by SSIM, PSNR, VIF and MSE beside the raw image and classical baselines; Faster R-CNN by AP, AP50 and AR. Writes
    sweep.json, sweep.csv and sweep.png, mean and standard deviation over the images; for atoms also
    sweep-conditions.png, F1 over dose and thickness, density and defocus; for restorers sweep-differences.png, one
    image as each method restored it, how that differs from the truth and from the image, and grey values.

    Parameters
    ----------
    data
        A corpus, or a recipe, of which a corpus is then simulated for this sweep alone, with another seed than the
        recipe's: its structures are none that a model was trained on.
    weights
        Of the model: a file, or the name of weights that come with stemforge, such as atom-net.
    doses
        Doses with commas between them [e/Å²].
    restorer
        Weights of the restorer of what Faster R-CNN is given.
    num
        Number of images, where a recipe is simulated; at least two.
    validation
        Share of the corpus that is scored, from its end; by default what training kept for validation, and of a
        recipe 0.9: the rest is for tuning the baselines.
    baselines
        Which ones of gaussian, wiener, tv, bm3d, noise2self, pca and ica, with commas between them; none for none. The
        last two need stemforge[components].
    scaling
        How images are fitted to their target before they are compared: affine, minmax or none.
    drawn_dose
        Of restorers: dose of the image in sweep-differences.png, one of the doses; by default the middle one.
    small
        Side below which a molecule's box counts as small [pixel]; from three times as much on it counts as large.
    boxes
        What a molecule's box is in the score: van-der-waals, round the spheres of its heavy atoms, or a distance round
        their centres [Å]; by default as the weights were trained.
    seed
        Root of the noise.
    """
    from stemforge.evaluate.sweep.figure import check_drawn_dose, draw_sweep_figures
    from stemforge.evaluate.sweep.table import sweep_lines

    amounts = parse_doses(doses)
    names = [] if baselines == "none" else [name.strip() for name in baselines.split(",") if name.strip()]
    checked: dict[str, Any] = {"restorer": restorer, "baselines": names, "scaling": scaling}
    pictures = ("sweep.png", "sweep-conditions.png", "sweep-differences.png")
    check_drawn_dose(drawn_dose, amounts)
    folder = output.results("sweep", ("sweep.json", "sweep.csv", *pictures))
    options = checked | {
        "small": small,
        "boxes": None if boxes is None else simulate.BoxDefinition.parse(boxes),
        "seed": seed,
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
    if any(not 0 < dose < float("inf") for dose in doses):
        raise InputError(f"--doses {text}: every dose must be positive [e/Å²]")
    if len(set(doses)) != len(doses):
        raise InputError(f"--doses {text}: names a dose twice")
    return doses
