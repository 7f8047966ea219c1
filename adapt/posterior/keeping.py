"""A calibration kept in the folder of an adaptation: posteriors as JSON, and the patches that show it."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from stemforge.adapt.posterior.result import Calibration, Estimate
from stemforge.errors import InputError
from stemforge.files import write_text, write_whole
from stemforge.settings import Distribution, Random
from stemforge.simulate import SimulationRecipe

_RECIPE, _POSTERIOR, _PATCHES = "recipe.yaml", "posterior.json", "posterior-patches.npz"


def keep_calibration(calibration: Calibration, folder: Path) -> None:
    """Write a calibration: ``posterior.json``, ``posterior-patches.npz`` and, when all is there, ``recipe.yaml``."""
    calibration.to_json(folder / _POSTERIOR)
    stream = io.BytesIO()
    size = np.nan if calibration.sampling is None else calibration.sampling
    np.savez_compressed(stream, real=calibration.real, simulated=calibration.simulated, sampling=size)
    write_whole(folder / _PATCHES, stream.getbuffer())
    write_text(folder / _RECIPE, calibration.recipe.to_yaml())


def kept_calibration(folder: Path) -> Calibration | None:
    """Read what :func:`keep_calibration` wrote.

    Returns
    -------
    Calibration or None
        None where the folder was made by a version that kept no patches.

    Raises
    ------
    InputError
        A file that is damaged.
    """
    if not (folder / _PATCHES).is_file():
        return None
    recipe = SimulationRecipe.load(folder / _RECIPE)
    try:
        content = json.loads((folder / _POSTERIOR).read_text(encoding="utf-8"))
        estimates = tuple(_estimate(field, entry) for field, entry in content["parameters"].items())
        with np.load(folder / _PATCHES) as arrays:
            real, simulated, size = arrays["real"], arrays["simulated"], float(arrays["sampling"])
        return Calibration(
            recipe=recipe,
            images=tuple(content["images"]),
            estimates=estimates,
            changes=_changes(recipe, estimates),
            unlike=content["unlike"],
            hidden=content["hidden_patches"],
            real=real,
            simulated=simulated,
            sampling=None if np.isnan(size) else size,
        )
    except (
        OSError,
        EOFError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        zipfile.BadZipFile,
    ) as error:
        raise InputError(
            f"{folder}: {_POSTERIOR} or {_PATCHES} is damaged ({error}); remove {_RECIPE} from the folder, and the "
            "same call finds the posterior again"
        ) from error


def _estimate(field: str, entry: Mapping[str, Any]) -> Estimate:
    heights, distribution = entry["histogram_over_prior"], entry["distribution"]
    return Estimate(
        field=field,
        prior=_distribution(entry["prior"]),
        interval=(_number(entry["p5"]), _number(entry["median"]), _number(entry["p95"])),
        heights=None if heights is None else tuple(_number(height) for height in heights),
        determined=entry["determined"],
        information=_number(entry["information_nat"]),
        coverage=_number(entry["coverage_of_90_percent"]),
        distribution=None if distribution is None else _distribution(distribution),
    )


def _changes(recipe: SimulationRecipe, estimates: tuple[Estimate, ...]) -> dict[str, Distribution]:
    """Return what the recipe has in the place of the priors."""
    new = recipe.distributions
    return {one.field: new[one.field] for one in estimates if new[one.field] != one.prior}


def _distribution(written: Any) -> Distribution:
    found: Any = TypeAdapter(Random).validate_python(written)
    if not isinstance(found, Distribution):
        raise ValueError(f"{found} is no distribution")
    return found


def _number(value: float | None) -> float:
    """Return a number of a JSON file, in which null stands for what is not finite."""
    return np.nan if value is None else float(value)
