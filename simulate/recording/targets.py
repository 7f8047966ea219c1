"""Targets for restoration: what a perfect image of a structure would show."""

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from stemforge.cache import compiled
from stemforge.corpus.sample import Sample
from stemforge.errors import CorpusError
from stemforge.simulate.recording.degrade import displaced
from stemforge.simulate.scan import Scan

# Radius [Å] and grey of the discs that stand for atoms, in the manner of the labels that Yang et al. (2024),
# doi:10.1002/advs.202408629, published: framework atoms large and white, guests small. Hydrogen is not drawn.
_DISCS = {
    "Si": (0.75, 1.0),
    "Al": (0.75, 1.0),
    "O": (0.45, 0.85),
    "C": (0.35, 0.75),
    "N": (0.35, 0.8),
    "S": (0.5, 0.9),
}
_OTHER = (0.7, 1.0)
# Width of a disc's edge [Å].
_EDGE = 0.15


def atom_map(
    sample: Sample, zoom: int = 1, displacement: NDArray[np.float64] | None = None
) -> NDArray[np.float32]:
    """Draw the atoms of a sample as discs, by their projected places.

    Parameters
    ----------
    sample
        With its structure and pixel size.
    zoom
        Pixels of the map a pixel of the image; pixel (i, j) of the image is the mean of a block of the map.
    displacement
        Scan distortion to follow: :attr:`stemforge.simulate.Degraded.displacement`, shape (height, 2).

    Returns
    -------
    ndarray
        Between 0 and 1, shape (height · zoom, width · zoom). Radius and grey depend on the element; where discs
        overlap the brighter counts. Hydrogen is left out.

    Raises
    ------
    CorpusError
        The sample carries no structure or no pixel size.

    Examples
    --------
    >>> from stemforge.micrograph.annotations import Annotations
    >>> from stemforge.corpus.sample import Structure
    >>> silicon = Structure(np.array([14]), np.array([[4.0, 4.0, 0.0]]), np.array([0]), np.eye(3) * 8)
    >>> sample = Sample(0, np.zeros((4, 32, 32)), 0.25, ("a", "b", "c", "d"), Annotations([]), {}, silicon)
    >>> drawn = atom_map(sample)
    >>> float(drawn[16, 16]), float(drawn[16, 22])
    (1.0, 0.0)
    """
    if sample.structure is None or sample.sampling is None:
        raise CorpusError(
            f"sample {sample.index}: carries no structure; make the corpus with store_structures: true"
        )
    structure = sample.structure
    height, width = sample.signal.shape[1:]
    scan = Scan.of_any_size((height, width), sample.sampling, **sample.metadata.get("frame", {}))
    drawn = structure.numbers != 1
    cell = (float(structure.cell[0, 0]), float(structure.cell[1, 1]))
    points = scan.pixels(structure.positions[drawn, :2].astype(float), cell)
    if displacement is not None:
        points = displaced(points, displacement)
    discs = {z: _DISCS.get(chemical_symbols[z], _OTHER) for z in np.unique(structure.numbers)}
    radius, grey = np.array([discs[z] for z in structure.numbers[drawn]]).reshape(-1, 2).T
    image = np.zeros((height * zoom, width * zoom), dtype=np.float32)
    scale = zoom / sample.sampling
    _draw_discs(image, (points + 0.5) * zoom - 0.5, radius * scale, grey, max(_EDGE * scale, 1.0))
    return image


@compiled
def _draw_discs(
    image: NDArray[np.float32],
    points: NDArray[np.float64],
    radius: NDArray[np.float64],
    grey: NDArray[np.float64],
    edge: float,
) -> None:
    """Draw antialiased discs; the brighter of two that overlap counts."""
    height, width = image.shape
    for i in range(points.shape[0]):
        x, y = points[i]
        reach = radius[i] + edge
        for row in range(max(0, int(np.ceil(y - reach))), min(height, int(np.floor(y + reach)) + 1)):
            for column in range(max(0, int(np.ceil(x - reach))), min(width, int(np.floor(x + reach)) + 1)):
                distance = np.sqrt((row - y) ** 2 + (column - x) ** 2)
                inside = min(1.0, max(0.0, (radius[i] - distance) / edge + 0.5))
                image[row, column] = max(image[row, column], grey[i] * inside)
