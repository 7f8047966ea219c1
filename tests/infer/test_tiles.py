import numpy as np
import pytest

from stemforge.errors import InputError
from stemforge.infer import tiles


@pytest.mark.parametrize("shape", [(1, 1), (64, 64), (65, 63), (7, 200), (128, 129)])
@pytest.mark.parametrize("side", [1, 5, 64, 1000])
def test_every_pixel_is_covered_once(shape, side):
    covered = np.zeros(shape, int)
    for rows, columns in tiles(shape, side):
        part = covered[rows, columns]
        assert 0 < part.shape[0] <= side
        assert 0 < part.shape[1] <= side
        part += 1
    assert (covered == 1).all()


@pytest.mark.parametrize("side", [0, -3])
def test_a_tile_has_a_size(side):
    with pytest.raises(InputError, match="at least 1 pixel"):
        list(tiles((4, 4), side))
