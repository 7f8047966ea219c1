"""Time of `infer occupancy` by size of the image, its lattice given: seconds of one core.

python benchmarks/occupancy_time.py 400 600 1000
"""

import sys
import time

import numpy as np
from scipy import ndimage

from stemforge import Micrograph
from stemforge.infer import Lattice, measure_occupancy
from stemforge.infer.occupancy.crystal import ChannelCrystal, cell_image

SAMPLING = 0.25  # Å


def film(crystal: ChannelCrystal, side: int) -> tuple[Micrograph, Lattice]:
    """Draw empty channels over the whole image, with white noise as strong as the framework."""
    hk = crystal.indices(1.1)
    fade = np.exp(-((hk / crystal.cell) ** 2).sum(1) / 0.18)
    cell = cell_image(crystal.coefficients(hk) * fade, hk, (134, 201))
    (a, c), turn = crystal.cell / SAMPLING, 0.2
    axes = (a * np.cos(turn), a * np.sin(turn)), (-c * np.sin(turn), c * np.cos(turn))
    middle = ((side - 1) / 2, (side - 1) / 2)
    score = 1.0
    lattice = Lattice(middle, *axes, SAMPLING, np.degrees(turn), 0.0, score, "mfi", tuple(crystal.cell))
    y, x = np.indices((side, side))
    where = (lattice.to_fractional(np.column_stack([x.ravel(), y.ravel()])) % 1) * cell.shape[::-1]
    image = ndimage.map_coordinates(cell, where.T[::-1], order=3, mode="grid-wrap").reshape(side, side)
    image += np.random.default_rng(0).normal(0, cell.std(), image.shape)
    return Micrograph(image.astype("float32")), lattice


def main(sides: list[int]) -> None:
    crystal = ChannelCrystal.named("mfi")
    for side in sides:
        micrograph, lattice = film(crystal, side)
        start = time.process_time()
        found = measure_occupancy(micrograph, framework=crystal, lattice=lattice)
        took = time.process_time() - start
        print(
            f"{side}² pixels, {len(found.points)} channels: {took:.1f} s; evidence {found.evidence.sum():.6f}"
        )


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [400, 600, 1000])
