import numpy as np
import pytest

from stemforge.errors import InputError
from stemforge.infer import tiles


@pytest.mark.parametrize("shape", [(1, 1), (64, 64), (65, 63), (7, 200), (128, 129)])
@pytest.mark.parametrize("side", [1, 5, 64, 1000])
@pytest.mark.parametrize("step", [1, 8])
def test_every_pixel_is_covered_once(shape, side, step):
    covered = np.zeros(shape, int)
    for rows, columns in tiles(shape, side, step):
        part = covered[rows, columns]
        assert 0 < part.shape[0] < 1.5 * side + step
        assert 0 < part.shape[1] < 1.5 * side + step
        assert rows.start % step == columns.start % step == 0
        part += 1
    assert (covered == 1).all()


@pytest.mark.parametrize(("length", "number"), [(512, 1), (614, 1), (767, 1), (769, 2), (1229, 2), (4096, 8)])
def test_no_tile_is_narrow(length, number):
    widths = [columns.stop - columns.start for _, columns in tiles((8, length), 512, 8)]
    assert len(widths) == number
    assert max(widths) - min(widths) <= 8 * number


def test_an_image_without_pixels_has_no_tile():
    assert list(tiles((0, 5), 4)) == []


@pytest.mark.parametrize("side", [0, -3])
def test_a_tile_has_a_size(side):
    with pytest.raises(InputError, match="at least 1 pixel"):
        list(tiles((4, 4), side))
