"""The dense map against the published weights' sliding window, and against itself in tiles."""

import numpy as np
import pytest

from stemforge import read_micrograph
from stemforge.infer import map_image, tiles
from stemforge.train import SACCNN, load_weights, network, subtract_background


@pytest.fixture(scope="module")
def reference(data_dir):
    with np.load(data_dir / "pt-nc" / "sac-cnn-reference-021.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def test_preprocessing_is_the_published_one(data_dir, reference):
    image = next((data_dir / "pt-nc" / "images").glob("021_*.tif"))
    prepared = subtract_background(read_micrograph(image).image)
    assert np.abs(prepared - reference["preprocessed"]).max() <= 1e-6


@pytest.mark.slow
def test_the_dense_map_is_that_of_the_sliding_window(data_dir, reference):
    model, card = load_weights(data_dir / "pt-nc" / "sac-cnn-reference.ckpt")
    likelihood = map_image(network("sac-cnn"), model, reference["preprocessed"])[0]
    assert np.abs(likelihood - reference["probability"]).max() <= 1e-5
    assert card.threshold == 0.89


@pytest.mark.parametrize("tile", [17, 40, 64])
def test_tiles_do_not_change_the_map(tile):
    prepared = np.random.default_rng(0).random((50, 70), dtype=np.float32)
    model = SACCNN().eval()
    whole = map_image(network("sac-cnn"), model, prepared)
    np.testing.assert_allclose(map_image(network("sac-cnn"), model, prepared, tile=tile), whole, atol=2e-6)


def test_tiles_cover_every_pixel_once():
    shown = np.zeros((33, 50), dtype=int)
    for rows, columns in tiles(shown.shape, 16):
        shown[rows, columns] += 1
    assert (shown == 1).all()
