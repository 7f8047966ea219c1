"""Time and peak memory of one 512 × 512 HAADF image of a 15 × 15 × 50 nm support, structure included.

    python benchmarks/support_image.py

The first image of a machine also measures the elements' object functions and compiles two loops, both of
which are then cached; it is reported apart.
"""

import json
import resource
import time

from stemforge.simulate import SimulationRecipe, simulate_sample

OVERRIDES = {"support": {"kind": "amorphous_carbon", "thickness": 500, "nitrogen_fraction": 0.05}}

if __name__ == "__main__":
    recipe = SimulationRecipe.load("pt-nc", OVERRIDES)
    seconds = []
    for index in range(4):
        start = time.perf_counter()
        sample = simulate_sample(recipe, index)
        seconds.append(round(time.perf_counter() - start, 2))
    figures = {
        "atoms": sample.metadata["num_atoms"],
        "first_image_seconds": seconds[0],
        "next_images_seconds": seconds[1:],
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }
    print(json.dumps(figures, indent=2))
