"""How wrong ``kernels`` is for crystals on a zone axis, against multislice: the table of docs/physics.md.

Minutes a row. ``python benchmarks/crystal_engines.py mgo 80e3 40`` measures one: crystal, energy [eV], thickness [Å],
and if wanted mistilt [mrad] and face, as 111.
"""

import sys

from stemforge.simulate import Kernels, SimulationRecipe, check_engine

ROWS = (
    ("mgo", 80e3, 8.0, 0.0, "001"),
    ("mgo", 80e3, 40.0, 0.0, "001"),
    ("mgo", 80e3, 40.0, 60.0, "001"),
    ("ceo2", 200e3, 40.0, 0.0, "111"),
)


def recipe(
    crystal: str, energy: float, thickness: float, mistilt: float = 0.0, face: str = "001"
) -> SimulationRecipe:
    """Return a recipe of a bare slab, whose reference is multislice with four frozen phonons."""
    slab = {
        "crystal": crystal,
        "face": [int(index) for index in face],
        "thickness": thickness,
        "mistilt": mistilt,
    }
    microscope = {"energy": energy, "semiangle_cutoff": 25, "detectors": {"rings": {"HAADF": [60, 180]}}}
    return SimulationRecipe.from_mapping(
        {
            "support": {"kind": "crystal_slab", **slab},
            "microscope": microscope,
            "scan": {"shape": [64, 64], "sampling": 0.25, "margin": 0},
            "engine": {"name": "multislice", "frozen_phonons": 4},
        }
    )


def main() -> None:
    """Measure one row, or all of them."""
    given = sys.argv[1:]
    rows = [(given[0], *(float(value) for value in given[1:4]), *given[4:])] if given else ROWS
    for row in rows:
        found = check_engine(recipe(*row), Kernels())
        print(*row, f"error {found.error:.1%}, signal {found.level:.2f}", flush=True)


if __name__ == "__main__":
    main()
