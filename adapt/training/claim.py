"""The folder of an adaptation: what it was made of, and the plan that it keeps when it goes on."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stemforge.adapt.training.options import AdaptOptions
from stemforge.adapt.training.plan import Costs, Plan
from stemforge.errors import InputError
from stemforge.files import write_json
from stemforge.micrograph.image import Micrograph
from stemforge.outputs.places import check_folder
from stemforge.simulate import Scan, SimulationRecipe, plan_corpus

_INPUTS = "inputs.json"
_TRIALS = 8  # patches over which the cost of one is averaged
# Largest side of a simulated image [pixel]: many draws of the recipe teach more than large images.
_FIELD = 320


def claim_folder(
    out: Path,
    micrographs: Sequence[Micrograph],
    recipe: SimulationRecipe,
    scan: Scan,
    side: int,
    options: AdaptOptions,
) -> Plan:
    """Make the folder this adaptation's, and plan it; a run that goes on keeps its plan.

    Parameters
    ----------
    out
        The folder.
    micrographs, recipe, options
        What the adaptation is of.
    scan
        Of the images that are simulated to learn from.
    side
        Of the posterior's patches [pixel].

    Raises
    ------
    InputError
        A folder that holds something else; less time than the work takes.
    """
    check_folder(out, "out")
    chosen = dataclasses.asdict(options)
    inputs: dict[str, Any] = {
        "images": {micrograph.name: image_hash(micrograph) for micrograph in micrographs},
        "recipe": recipe.content_hash,
        "options": {name: str(chosen[name]) for name in ("minutes", "start", "posterior", "grafts", "seed")},
    }
    file = out / _INPUTS
    if out.exists() and any(out.iterdir()):
        if not file.is_file():
            raise InputError(f"out {out}: holds other files; choose an empty or new folder")
        known = json.loads(file.read_text(encoding="utf-8"))
        plan = known.pop("plan", None)
        if known != inputs or plan is None:
            raise InputError(
                f"out {out}: holds the adaptation to other images, another recipe or other options; choose another "
                "folder"
            )
        return Plan(**plan)
    planned = _planned(micrographs, recipe, scan, side, out, options)
    out.mkdir(parents=True, exist_ok=True)
    write_json(file, {**inputs, "plan": planned})
    return planned


def _planned(
    micrographs: Sequence[Micrograph],
    recipe: SimulationRecipe,
    scan: Scan,
    side: int,
    out: Path,
    options: AdaptOptions,
) -> Plan:
    """Measure what an image costs on this machine, and plan by it."""
    pixel = float(micrographs[0].sampling or 0)
    of_patch = recipe.replace(scan=scan.replace(shape=(side, side), sampling=pixel), store_structures=False)
    trial = plan_corpus(of_patch, num=1, workers=options.workers, folder=out, trials=_TRIALS)
    seconds = trial.seconds_per_sample / trial.workers
    # What is simulated of a specimen costs by its area.
    area = float(np.prod(scan.field_of_view)) / (side * pixel) ** 2
    costs = Costs(seconds, seconds * area)
    return Plan.of(options.minutes, len(micrographs), costs, posterior=options.posterior)


def scan_of(micrographs: Sequence[Micrograph], recipe: SimulationRecipe) -> Scan:
    """Return the scan by which images are simulated to learn from: of these images' pixel size, and no larger."""
    height, width = (int(n) for n in np.min([micrograph.shape for micrograph in micrographs], axis=0))
    return recipe.scan.replace(
        shape=(min(height, _FIELD), min(width, _FIELD)), sampling=micrographs[0].sampling
    )


def image_hash(micrograph: Micrograph) -> str:
    """Return the SHA-256 of an image's values and pixel size."""
    digest = hashlib.sha256(np.ascontiguousarray(micrograph.image).tobytes())
    digest.update(f"{micrograph.shape} {micrograph.sampling}".encode())
    return digest.hexdigest()
