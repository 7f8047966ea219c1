from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from stemforge import InputError
from stemforge.colours import BLUE
from stemforge.evaluate import Comparison, Sweep, draw_differences, draw_restorations


@pytest.fixture(scope="module")
def comparison():
    """A lattice, its noisy image of half as many pixels and of other units, and two restorations."""
    y, x = np.indices((128, 144))
    truth = (np.cos(x / 5) * np.cos(y / 6) + 1).astype("float32")
    coarse = truth.reshape(64, 2, 72, 2).mean((1, 3))
    noise = np.random.default_rng(0).normal(0, 1.0, coarse.shape)
    recorded = (700 + 30 * (coarse + noise)).astype("float32")
    wrong = truth.copy()
    wrong[40:60, 50:70] = truth.min()
    restored = {"exact": 4 * truth - 9, "wrong": wrong, "coarse": recorded}
    return Comparison("field", recorded, truth, restored, 0.25, 1500.0)


def test_all_images_are_brought_to_the_truths_scale(comparison):
    recorded, truth, restored = comparison.on_one_scale()
    assert (truth.min(), truth.max()) == (0, 1)
    assert all(image.shape == truth.shape for image in (recorded, *restored.values()))
    np.testing.assert_allclose(restored["exact"], truth, atol=1e-5)
    # The recorded image is the truth and noise that has nothing to do with it; least squares would fade it.
    assert abs(np.mean((recorded - truth) * (truth - truth.mean()))) < 1e-3
    assert recorded.std() > 1.5 * restored["coarse"].std()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"truth": np.zeros((128, 144), "float32")}, "no contrast"),
        ({"recorded": np.zeros((50, 72), "float32")}, "does not fit"),
    ],
)
def test_what_cannot_be_compared(comparison, change, message):
    with pytest.raises(InputError, match=message):
        replace(comparison, **change).on_one_scale()


def test_the_map_shows_where_a_restorer_left_the_truth(comparison):
    figure = draw_differences(comparison, names={"wrong": "Wrong"})
    titles = {axes.get_title(): axes for axes in figure.axes}
    shown = titles["Wrong − truth"].images[0].get_array()
    off = np.abs(shown) > 0.2
    assert off[:, :44].sum() == off[:, 80:].sum() == 0
    assert off.any()
    assert np.abs(titles["exact − truth"].images[0].get_array()).max() < 1e-5
    # The scale of differences has zero in its middle, and is one for all maps.
    maps = [axes.images[0] for title, axes in titles.items() if "−" in title]
    assert len({image.get_clim() for image in maps}) == 1
    assert maps[0].get_clim()[0] == -maps[0].get_clim()[1]


def test_a_method_that_leaves_nothing_is_drawn_too(comparison):
    flat = {"flat": np.full_like(comparison.truth, 0.3), "exact": comparison.truth}
    figure = draw_differences(replace(comparison, restored=flat))
    assert "flat: SSIM" in figure.axes[4].get_title()
    assert np.ptp(figure.axes[4].images[0].get_array()) == 0


def test_histograms_tell_noise_from_truth(comparison):
    figure = draw_differences(comparison)
    panel = next(axes for axes in figure.axes if axes.get_title().startswith("grey values"))
    line = next(patch for patch in panel.patches if patch.get_edgecolor() == to_rgba(BLUE))
    behind = [patch for patch in panel.patches if patch is not line]
    outside = line.get_xy()[line.get_xy()[:, 0] < -0.1, 1]
    assert outside.max() > 0
    assert sum(patch.get_height() for patch in behind if patch.get_x() < -0.1) == 0


def test_a_sweep_draws_the_dose_asked_for(comparison, tmp_path):
    sweep = Sweep("unet", "images", (), {}, (comparison,))
    assert "1500" in draw_restorations(sweep, tmp_path / "d.png").get_suptitle()
    assert (tmp_path / "d.png").is_file()
    with pytest.raises(InputError, match=r"drawn_dose must be one of .* 1500 e/Å², not 900"):
        draw_restorations(sweep, dose=900.0)
    with pytest.raises(InputError, match="no restored images"):
        draw_restorations(Sweep("atom-net", "atoms", (), {}))
