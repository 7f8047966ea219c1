"""Sample images that stemforge simulates: to try the page without data."""

from functools import lru_cache

from stemforge.micrograph.writers import write_tiff
from stemforge.simulate import SimulationRecipe, simulate_sample
from stemforge.simulate.recording.record import record
from stemforge.simulate.stages import Stage

_CHANGES = {"scan.shape": [512, 512], "seed": 19, "num_samples": 3, "degradation.dose": 3e4}


# Films of four cells, some channels filled with columns of pyridine, and without molecules: the control.
_ZEOLITE = {
    "scan.shape": [256, 256],
    "scan.rotation": 0.2,
    "seed": 19,
    "num_samples": 1,
    "support.thickness": 4,
    "support.guests": {"pyridine": 1},
    "support.mistilt": 0,
    "degradation.dose": 5000,
}
_FILLED = ({"support.occupancy": 0.5, "support.variants": 3}, {"support.occupancy": 0, "support.variants": 1})


@lru_cache(maxsize=1)
def _recipe() -> SimulationRecipe:
    return SimulationRecipe.load("quickstart", _CHANGES)


def write_atoms(number: int, out: str) -> None:
    """Simulate an image of Pt atoms on nitrogen-doped carbon (the quickstart's specimen) and write it as TIFF.

    Parameters
    ----------
    number
        Of the image; the same number gives the same image.
    out
        File.
    """
    _write(_recipe(), number, out)


def write_molecules(number: int, out: str) -> None:
    """Simulate an iDPC image of MFI and write it as TIFF: the first with pyridine in channels, the second without.

    Parameters
    ----------
    number
        0 or 1.
    out
        File.
    """
    _write(SimulationRecipe.load("zsm5-columns", {**_ZEOLITE, **_FILLED[number]}), 0, out)


def _write(recipe: SimulationRecipe, number: int, out: str) -> None:
    recording = record(
        simulate_sample(recipe, number), recipe.degradation, recipe.rng(number, Stage.DEGRADATION)
    )
    write_tiff(out, recording.image[0], recipe.scan.sampling)
