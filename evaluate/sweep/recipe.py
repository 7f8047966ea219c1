"""The sweep of a recipe: images are simulated for it alone, of structures that no model was trained on."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from stemforge.errors import InputError
from stemforge.evaluate.images.baselines import ALL_BASELINES, BASELINES
from stemforge.evaluate.images.quality import Scaling
from stemforge.evaluate.sweep import doses as sweep
from stemforge.simulate import SimulationRecipe, simulate_corpus
from stemforge.train.networks import network
from stemforge.train.weights import find_weights, load_weights

# A sample follows from seed and number: with the seed of the recipe it would be one that training may have used.
_OTHER_SEED = 1_000_003


def sweep_recipe(
    recipe: SimulationRecipe,
    weights: str | Path,
    doses: Sequence[float] = sweep.DOSES,
    *,
    validation: float = 0.9,
    quiet: bool = False,
    **options: Any,
) -> sweep.Sweep:
    """Score a trained model over the dose on images simulated for this sweep alone.

    Parameters
    ----------
    recipe
        What is simulated, with another seed: its structures are none that a model was trained on.
    weights, doses
        As for :func:`stemforge.evaluate.sweep_doses`.
    validation
        Share of the images that is scored; on the others the baselines are tuned.
    quiet
        Show no progress.
    options
        Further options of :func:`stemforge.evaluate.sweep_doses`.

    Returns
    -------
    Sweep
        Every figure, and their summary.

    Raises
    ------
    InputError
        A recipe of a single image, and what :func:`stemforge.evaluate.sweep_doses` refuses.

    Examples
    --------
    >>> recipe = SimulationRecipe.shipped("quickstart").replace(num_samples=1)
    >>> sweep_recipe(recipe, "sac-cnn")  # refused before anything is simulated
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: a sweep needs at least two images, as one is kept for tuning the baselines, not 1; ...
    """
    named = {name: options[name] for name in ("restorer", "baselines", "scaling") if name in options}
    check_sweep(weights, **named)
    if recipe.num_samples < 2:
        raise InputError(
            "a sweep needs at least two images, as one is kept for tuning the baselines, not "
            f"{recipe.num_samples}; give more (num)"
        )
    with tempfile.TemporaryDirectory() as folder:
        recipe = recipe.replace(seed=recipe.seed + _OTHER_SEED)
        corpus = simulate_corpus(recipe, Path(folder) / "corpus", quiet=quiet)
        return sweep.sweep_doses(corpus, weights, doses, validation=validation, quiet=quiet, **options)


def check_sweep(
    weights: str | Path,
    *,
    restorer: str | Path | None = None,
    baselines: Sequence[str] = BASELINES,
    scaling: str = "affine",
    drawn_dose: float | None = None,
) -> None:
    """Refuse what a sweep cannot use before anything is simulated; arguments as for ``sweep_doses``.

    ``drawn_dose``, that of the restored image that is drawn, is for weights that restore images.

    Examples
    --------
    >>> check_sweep("unet", baselines=["gaussian", "median"])
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: baselines: 'median' is not known; known are gaussian, wiener, tv, bm3d, ...
    """
    unknown = sorted(set(baselines) - set(ALL_BASELINES))
    if unknown:
        raise InputError(f"baselines: '{unknown[0]}' is not known; known are {', '.join(ALL_BASELINES)}")
    if scaling not in get_args(Scaling):
        raise InputError(f"scaling must be one of {', '.join(get_args(Scaling))}, not '{scaling}'")
    for name, path in (("weights", weights), ("restorer", restorer)):
        if path is not None:
            try:
                find_weights(path)
            except InputError as error:
                raise InputError(f"{name} {error}") from error
    if drawn_dose is not None:
        architecture = load_weights(weights)[1].architecture
        finds = network(architecture).finds
        if finds != "images":
            raise InputError(f"drawn_dose: is for weights that restore images; {architecture} finds {finds}")
