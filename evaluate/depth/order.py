"""Whether atoms sharpen and blur as the foci say: other foci, and other orders of them, must suit the atoms worse."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stemforge.evaluate.depth.fit import AtomAt, FocalModel

CHANCE = 0.01
"""Share of random orders that are better, from which on the given one is refused."""
ORDERS = 199
"""Random orders with which the given one is compared."""

_CLEAR = 10.0  # of the squares explained, by which an order must be better
_SHARE = 0.01  # of what the given order explains, likewise

_DEPTHS = 31  # that are tried for each order
_COARSE = 4  # nodes from depth to depth that are tried otherwise

Stack = NDArray[np.float32]


def order_chance(
    model: FocalModel, frames: Stack, atoms: Sequence[AtomAt], rng: np.random.Generator, orders: int = ORDERS
) -> float:
    """Return how often a random order of the frames suits the foci better than the given one.

    Of each order of the foci every atom takes the depth and brightness that suit it best; what all atoms together
    explain is compared with random orders. The mirrored order suits as well as the given one where the microscope
    blurs alike above and below focus, and is not tried. An order that is better by chance alone, as where two frames
    with the same blur change places, does not count.

    Parameters
    ----------
    model
        Of frames whose noise is taken as independent.
    frames
        Filtered frames, shape (frames, height, width).
    atoms
        As fitted.
    rng
        Draws the orders.
    orders
        How many.

    Returns
    -------
    float
        (1 + better orders) / (1 + orders).
    """
    explained = [_explained(model, frames, atom, np.linspace(*model.depths, _DEPTHS)) for atom in atoms]
    number = len(model.foci)
    given = _score(explained, np.arange(number))
    clear = given + max(_CLEAR, _SHARE * given)
    better, total = 0, model.foci.min() + model.foci.max()

    def same(foci: NDArray[np.float64]) -> bool:
        return bool(np.allclose(foci, model.foci) or np.allclose(foci, total - model.foci))

    for _ in range(orders):
        order = rng.permutation(number)
        if same(model.foci[order]):
            continue
        better += _score(explained, order) > clear
    return float((1 + better) / (1 + orders))


def explained_squares(model: FocalModel, frames: Stack, atoms: Sequence[AtomAt]) -> float:
    """Return the squares that all atoms explain, each at the depth and brightness that suit it best.

    Parameters
    ----------
    model
        Of frames whose noise is taken as independent.
    frames
        Filtered frames, shape (frames, height, width).
    atoms
        As fitted; their depths do not matter.
    """
    depths = np.arange(*model.depths, _COARSE * (model.nodes[1] - model.nodes[0]))
    return _score([_explained(model, frames, atom, depths) for atom in atoms], np.arange(len(model.foci)))


def _explained(
    model: FocalModel, frames: Stack, atom: AtomAt, depths: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return, of each depth, frame and focus, the product of frame and image, and the image's square (depth, focus)."""
    pixel = model.pixel(atom)
    data = (model.patch(frames, pixel) * model.inside).reshape(len(model.foci), -1)
    products, squares = [], []
    for z in depths:
        made = model.image(AtomAt(1.0, atom.x, atom.y, float(z)), pixel) * model.inside
        made = made.reshape(len(model.foci), -1)
        products.append(data @ made.T)
        squares.append((made**2).sum(1))
    return np.array(products), np.array(squares)


def _score(
    explained: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], order: NDArray[np.int64]
) -> float:
    """Return the squares that all atoms explain when frame k has the focus of frame ``order[k]``."""
    frames = np.arange(len(order))
    total = 0.0
    for products, squares in explained:
        along = products[:, frames, order].sum(1)
        total += float((np.maximum(along, 0) ** 2 / squares.sum(1)).max())
    return total
