"""Fine-tuning: a detector trained further on what a user corrected, beside simulated images."""

from pathlib import Path
from typing import Any

from stemforge.adapt.training.comparison import compare_detectors
from stemforge.app.analysis.jobs import write_labels
from stemforge.app.analysis.tables import IMAGES, LABELS, note_progress
from stemforge.corpus.ingest import ingest_images
from stemforge.errors import InputError
from stemforge.infer.weights import load_finder
from stemforge.simulate import SimulationRecipe, simulate_corpus
from stemforge.train import AtomNetRecipe, RunOptions, fit

RECIPE = "atom-net-fine-tuning"
_ARCHITECTURE = "atom-net"
CHANGES: dict[str, Any] = {}
"""Fields of the recipe that are set otherwise."""
SIMULATED: dict[str, Any] = {"num_samples": 20, "shard_size": 4, "scan.shape": [256, 256], "seed": 77}
"""Of the simulated images: what differs from the recipe pt-nc."""
_LEAST = 5  # labels


def fine_tune(images: list[dict[str, Any]], out: str, weights: str, replay: str) -> dict[str, Any]:
    """Train a detector further on corrected images, as `stemforge train` does with the recipe for fine-tuning.

    Parameters
    ----------
    images
        What the server says of each.
    out
        Folder of the job.
    weights
        Name or file of the weights to begin with.
    replay
        Folder of simulated images that are shown beside, so that the network does not forget; made where they are
        missing, at the pixel size that the network knows.
    """
    folder = Path(out)
    model, card = load_finder(weights, "atoms")
    if card.architecture != _ARCHITECTURE:
        raise InputError("This detector cannot be trained further here; choose Any atom or Heavy atoms.")
    # A network that has to learn first how large an atom is would need more than a few images.
    number = write_labels(images, folder, card.sampling)
    if number < _LEAST:
        raise InputError(f"There are {number} atoms to learn from, {_LEAST} are needed at least.")
    ingest_images([folder / IMAGES], [folder / LABELS], folder / "real", sampling=None)
    note_progress(folder, 0.1, "simulating images to learn beside yours")
    pixel = {} if card.sampling is None else {"scan.sampling": card.sampling}
    settings = SimulationRecipe.load("pt-nc", SIMULATED | pixel)
    simulated = Path(replay) / f"{settings.scan.sampling:g}"
    simulate_corpus(settings, simulated, workers=1, quiet=True)
    note_progress(folder, 0.3, "training")
    recipe = AtomNetRecipe.load(RECIPE, CHANGES)
    path = fit(
        recipe,
        [folder / "real", simulated],
        folder / "run",
        RunOptions(init=weights, num_workers=0, quiet=True),
    )
    note_progress(folder, 0.9, "comparing")
    tuned = load_finder(path, "atoms")
    detectors = {"before": (model, card), "after": tuned}
    scores = compare_detectors(detectors, simulated, recipe.visible, recipe.validation, quiet=True)
    message = (
        f"{number} labels on {len(images)} images. F1 on {scores.images} simulated images that it did not learn from: "
        f"{scores.f1['before']:.2f} before, {scores.f1['after']:.2f} after."
    )
    return {"files": [{"name": "fine-tuned.safetensors", "path": str(path)}], "message": message}
