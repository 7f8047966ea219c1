"""Sample images that stemforge simulates: to try the page without data."""

from functools import lru_cache

from stemforge.micrograph.writers import write_tiff
from stemforge.simulate import SimulationRecipe, simulate_sample
from stemforge.simulate.recording.record import record
from stemforge.simulate.stages import Stage

_CHANGES = {"scan.shape": [512, 512], "seed": 19, "num_samples": 3, "degradation.dose": 3e4}


@lru_cache(maxsize=1)
def _recipe() -> SimulationRecipe:
    return SimulationRecipe.load("quickstart", _CHANGES)


def write_sample(number: int, out: str) -> None:
    """Simulate an image of Pt atoms on nitrogen-doped carbon (the quickstart's specimen) and write it as TIFF.

    Parameters
    ----------
    number
        Of the image; the same number gives the same image.
    out
        File.
    """
    recipe = _recipe()
    recording = record(
        simulate_sample(recipe, number), recipe.degradation, recipe.rng(number, Stage.DEGRADATION)
    )
    write_tiff(out, recording.image[0], recipe.scan.sampling)
