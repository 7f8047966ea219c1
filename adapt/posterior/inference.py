"""Calibration: from unlabelled micrographs and a recipe with wide priors to a recipe that makes such images."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemforge.adapt.posterior.checks import check_images, check_size
from stemforge.adapt.posterior.fitting import FittedPosterior, fit_posterior
from stemforge.adapt.posterior.parameters import OF_THE_FIELD, Parameters
from stemforge.adapt.posterior.patches import Originals, Patches, cut_patches, record_patches, vacuum_share
from stemforge.adapt.posterior.population import fit_population
from stemforge.adapt.posterior.result import Calibration, Estimate
from stemforge.evaluate.corpora.patch_statistics import statistic_names
from stemforge.micrograph.image import Micrograph
from stemforge.settings import Choice, Distribution
from stemforge.simulate import SimulationRecipe, simulate_corpus

_SAMPLES = 3000  # of each patch's posterior
_LEAST_INFORMATION = 0.03  # nat; less is no more than the error of the estimate
_EVEN = 0.92  # interval over the prior's, from which on a parameter counts as not determined
_OUTSIDE = 0.005  # of simulated patches beyond which a real one is unlike them
_SHOWN = 6  # patches of either kind in the picture


def calibrate_recipe(
    micrographs: Sequence[Micrograph],
    recipe: SimulationRecipe,
    *,
    num: int = 1200,
    seed: int = 0,
    workers: int | None = None,
    work: str | Path | None = None,
    quiet: bool = False,
) -> Calibration:
    """Find what of a recipe unlabelled images determine, and put it in the place of the priors.

    Patches are simulated with parameters from the recipe's priors; networks learn the posterior of the parameters from
    what is measured on a patch (neural posterior estimation: Cranmer et al. 2020, doi:10.1073/pnas.1912789117), are
    checked on patches that they never met, and read the micrographs. What these tell of the distribution over images
    becomes the new recipe; a parameter that they do not determine keeps its prior.

    Parameters
    ----------
    micrographs
        Annular images of one kind and one pixel size, at least three.
    recipe
        With priors that hold what the images may be: the result cannot leave them. Where ``scan.sampling`` is a
        distribution the pixel size is estimated too, and the micrographs need none.
    num
        Patches to simulate; a parameter that leaves faint traces takes more.
    seed
        Root of the randomness.
    workers
        Processes that simulate; by default one for each core.
    work
        Folder that keeps the simulated patches: the same call then simulates only what is missing. By default they
        are thrown away.
    quiet
        Show no progress.

    Returns
    -------
    Calibration
        The new recipe, each parameter's posterior, and what speaks against them.

    Raises
    ------
    InputError
        Before anything is simulated: too few images, or such as the recipe cannot explain: of mixed scale or kind,
        filtered ones, too small ones; a recipe for segments, or one that leaves nothing open.

    Examples
    --------
    >>> from stemforge.simulate import SimulationRecipe
    >>> images = np.random.default_rng(0).poisson(40, (2, 128, 128))
    >>> calibrate_recipe([Micrograph(image, 0.3) for image in images], SimulationRecipe.shipped("pt-nc"))
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: images: 2 given, calibration needs at least 3: what differs from image to image, ...
    """
    sampling, side = check_images(micrographs, recipe)
    check_size(num, recipe)
    base = recipe if sampling is None else recipe.replace(scan=recipe.scan.replace(sampling=sampling))
    parameters = Parameters.of(base)
    originals = Originals.of(micrographs)
    real = cut_patches(micrographs, side, offset_known=originals.offset_known)
    of_patch = base.replace(
        name=f"{base.name}-patches",
        seed=seed,
        num_samples=num,
        shard_size=8,
        scan=base.scan.replace(shape=(side, side)),
        store_structures=False,
    )
    with tempfile.TemporaryDirectory(prefix="stemforge-") as folder:
        corpus = simulate_corpus(of_patch, folder if work is None else work, workers=workers, quiet=quiet)
        simulated = record_patches(corpus, of_patch, parameters, originals, seed=seed, quiet=quiet)
    posterior = fit_posterior(simulated, seed=seed)
    estimates = _estimates(parameters, posterior, real, seed)
    changes: dict[str, Distribution] = {
        e.field: e.distribution for e in estimates if e.distribution is not None
    }
    if "support.vacuum_fraction" in parameters.fields:
        # Of the whole field, and plain to see: measured, not inferred.
        prior = parameters.priors["support.vacuum_fraction"]
        shares = [np.clip(vacuum_share(micrograph), *prior.bounds) for micrograph in micrographs]
        changes["support.vacuum_fraction"] = Choice(choice=tuple(round(float(share), 2) for share in shares))
    new = base.with_distributions(changes)
    return Calibration(
        recipe=new,
        images=tuple(micrograph.name for micrograph in micrographs),
        estimates=tuple(estimates),
        changes=changes,
        unlike=_unlike(real, simulated),
        hidden=posterior.hidden,
        real=real.counts[np.linspace(0, len(real.counts) - 1, _SHOWN).astype(int)],
        simulated=_examples(new.replace(scan=of_patch.scan), originals, seed),
        sampling=sampling,
    )


def _estimates(
    parameters: Parameters, posterior: FittedPosterior, real: Patches, seed: int
) -> list[Estimate]:
    """Fit the distribution over images of what patches tell something of; the rest keeps its prior."""
    known = posterior.information > _LEAST_INFORMATION
    samples = posterior.sample(real.statistics, _SAMPLES, seed)[:, :, known]
    heights, _ = fit_population(samples, real.source)
    shapes = dict(zip(np.flatnonzero(known).tolist(), heights, strict=True))
    found = []
    for number, field in enumerate(parameters.fields):
        shape = shapes.get(number)
        interval = Estimate.shares_of(shape) if shape is not None else np.array([0.05, 0.5, 0.95])
        determined = shape is not None and float(interval[2] - interval[0]) < 0.9 * _EVEN
        replaced = determined and field not in OF_THE_FIELD
        found.append(
            Estimate(
                field=field,
                prior=parameters.priors[field],
                interval=tuple(parameters.values(field, interval).tolist()),
                heights=None if shape is None else tuple(shape.tolist()),
                determined=determined,
                information=float(posterior.information[number]),
                coverage=float(posterior.coverage[number]),
                distribution=parameters.distribution(field, shape)
                if replaced and shape is not None
                else None,
            )
        )
    return found


def _unlike(real: Patches, simulated: Patches) -> dict[str, float]:
    """Share of real patches beyond nearly all simulated ones, for each statistic where that is more than a quarter."""
    low, high = np.quantile(simulated.statistics, (_OUTSIDE, 1 - _OUTSIDE), axis=0)
    outside = ((real.statistics < low) | (real.statistics > high)).mean(0)
    return {
        name: float(share) for name, share in zip(statistic_names(), outside, strict=True) if share > 0.25
    }


def _examples(recipe: SimulationRecipe, originals: Originals, seed: int) -> NDArray[np.float16]:
    """Patches by the new recipe, for the eye."""
    with tempfile.TemporaryDirectory(prefix="stemforge-") as folder:
        few = recipe.replace(num_samples=_SHOWN, shard_size=_SHOWN, seed=seed + 1, store_structures=False)
        corpus = simulate_corpus(few, folder, workers=1, quiet=True)
        return record_patches(
            corpus, few, Parameters({}), originals, recordings=1, seed=seed, quiet=True
        ).counts
