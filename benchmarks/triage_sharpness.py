"""What `stemforge triage` measures of focus and of jitter of lines, on thin specimens where both are known.

python benchmarks/triage_sharpness.py series FOLDER          # the same specimens out of focus, and jittering
python benchmarks/triage_sharpness.py judge-series FOLDER    # rank correlations with defocus and jitter
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from cyclopts import App
from scipy.stats import spearmanr

from stemforge.console import say
from stemforge.evaluate import image_spectrum
from stemforge.files import write_json
from stemforge.micrograph.readers import read_micrograph
from stemforge.micrograph.writers import write_tiff
from stemforge.simulate import SimulationRecipe, simulate_sample
from stemforge.simulate.recording.record import record, recording_rng

THIN = ("si-graphene", "co-n-graphene", "fe-c3n4", "au-carbon")
SERIES_DEFOCUS = (0.0, 40.0, 80.0, 120.0, 160.0, 200.0)  # Å
SERIES_JITTER = (0.0, 0.1, 0.2, 0.4, 0.8, 1.2)  # Å along the lines; half of it across
app = App()


@app.command
def series(folder: Path, *, number: int = 3, seed: int = 510) -> None:
    """Simulate thin specimens at several defoci, and record each in focus with several jitters."""
    folder.mkdir(parents=True, exist_ok=True)
    truth: dict[str, Any] = {}
    for name in THIN:
        for index in range(number):
            for defocus in SERIES_DEFOCUS:
                fixed = {
                    "seed": seed,
                    "microscope.defocus": defocus,
                    "focus": 0.5,
                    "scan.shape": [256, 256],
                }
                # Doses at which the support itself can be seen: that of an image without detail tells no focus.
                fixed |= {"degradation.dose": {"loguniform": [3e4, 3e5]}, "degradation.line_jitter": 0.05}
                recipe = SimulationRecipe.load(name, {**fixed, "store_structures": False})
                sample = simulate_sample(recipe, index)
                jitters = SERIES_JITTER if defocus == 0 else (0.05,)
                for jitter in jitters:
                    lines = {"line_jitter": jitter, "line_jitter_across": jitter / 2}
                    settings = recipe.degradation.replace(**lines)
                    recording = record(sample, settings, recording_rng({"seed": seed}, index))
                    title = f"{name}_{index}_defocus{defocus:03.0f}_jitter{10 * jitter:02.0f}"
                    write_tiff(folder / f"{title}.tif", recording.image[0], sample.sampling)
                    truth[title] = {
                        "recipe": name,
                        "sample": f"{name}_{index}",
                        "defocus": defocus,
                        "jitter": float(np.hypot(jitter, jitter / 2)),
                    }
            write_json(folder / "truth.json", truth)
            say(f"{name} {index}")


@app.command
def judge_series(folder: Path) -> None:
    """Rank finest detail against defocus, and the measured jitter against the true one, over all specimens."""
    truth = json.loads((folder / "truth.json").read_text())
    pairs: dict[str, list[tuple[float, float]]] = {"defocus": [], "jitter": []}
    numbers: Counter[str] = Counter()
    for name, values in truth.items():
        micrograph = read_micrograph(folder / f"{name}.tif")
        spectrum, sampling = image_spectrum(micrograph.image), micrograph.sampling or np.nan
        # Each specimen in focus is recorded with all jitters, and out of focus with a small one.
        little = 0.05 < values["jitter"] < 0.12
        kinds = [("defocus", spectrum.finest_detail())] if little else []
        kinds += [("jitter", spectrum.line_jitter())] if values["defocus"] == 0 else []
        for kind, found in kinds:
            numbers[kind] += 1
            if found is not None:
                pairs[kind].append((values[kind], found * sampling))
    for kind, rows in pairs.items():
        true, found = np.array(rows).T
        rank = spearmanr(true, found).statistic
        say(f"{kind}: rank correlation {rank:.3f} on the {len(rows)} of {numbers[kind]} images that tell it")
        for value in sorted(set(true)):
            say(f"  {value:.2f} Å: {np.median(found[true == value]):.2f} Å, {np.sum(true == value)} images")


if __name__ == "__main__":
    app()
