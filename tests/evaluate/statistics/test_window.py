import numpy as np
import pytest

from stemforge.errors import InputError
from stemforge.evaluate import PointPattern, Window


def test_set_covariance_of_a_rectangle_is_the_overlap_of_two():
    window = Window.frame((40, 60))
    shifts = np.random.default_rng(0).uniform(-20, 20, (200, 2))
    overlap = (60 - abs(shifts[:, 0])) * (40 - abs(shifts[:, 1]))
    np.testing.assert_allclose(window.covariance(shifts), overlap)


def test_set_covariance_of_any_mask_is_the_share_of_points_that_stay_in_it(specimen):
    rng = np.random.default_rng(1)
    points, shift = specimen.draw(200_000, rng), np.array([17.3, -41.8])
    share = specimen.contains(points + shift).mean()
    assert specimen.covariance(shift) / specimen.pixels == pytest.approx(share, abs=0.004)


def test_eroded_area_is_where_discs_fit(specimen):
    points = specimen.draw(20_000, np.random.default_rng(2))
    border = specimen.border_at(points)
    angle = np.linspace(0, 2 * np.pi, 90)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    fits = points[border >= 9]
    assert specimen.contains(fits[:, None] + 9 * circle).all()
    # Rounding to pixels costs √2 of the radius, no more.
    lost = points[border < 9 - 2 * np.sqrt(2)]
    assert not specimen.contains(lost[:, None] + 9 * circle).all(axis=1).any()
    assert specimen.eroded(9) / specimen.pixels == pytest.approx(np.mean(border >= 9), abs=0.01)


def test_random_points_fill_the_mask_evenly(specimen):
    points = specimen.draw((50, 400), np.random.default_rng(3))
    assert specimen.contains(points).all()
    right = (points[..., 0] > 160).mean()
    assert right == pytest.approx(specimen.mask[:, 161:].sum() / specimen.pixels, abs=0.01)


def test_what_cannot_be_used_is_refused():
    with pytest.raises(InputError, match="leaves nothing"):
        Window(np.zeros((9, 9)))
    with pytest.raises(InputError, match=r"shape \(height, width\)"):
        Window(np.ones(9))
    with pytest.raises(InputError, match="sampling must be a positive"):
        Window(np.ones((9, 9)), sampling=-1)
    window = Window.frame((50, 50))
    with pytest.raises(InputError, match="a: 9 atoms in the mask"):
        PointPattern.inside(window.draw(9, np.random.default_rng(0)), window, "a")
    with pytest.raises(InputError, match="1 of 11 points lie outside"):
        PointPattern([*window.draw(10, np.random.default_rng(0)), [80, 3]], window)


def test_lengths_are_in_pixels_without_pixel_size():
    bare, scaled = Window.frame((50, 50)), Window.frame((50, 50), sampling=2.0)
    assert (bare.area, bare.unit, bare.area_unit) == (2500, "px", "px²")
    assert (scaled.area, scaled.unit, scaled.area_unit) == (100, "Å", "nm²")
