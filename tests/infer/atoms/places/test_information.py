"""The Fisher information of pairs of spots, against derivatives of their images taken by differences."""

import numpy as np
import pytest
from scipy import fft

from stemforge.infer.atoms.places.information import Information
from stemforge.infer.atoms.places.spots import Spots

SHAPE = (96, 120)


def derivatives(parameters):
    mask = np.ones(SHAPE, dtype=bool)

    def image(values):
        spots = Spots(np.array([values]), mask)
        return spots.sum(spots.parameters[:, 0]).astype(float)

    steps = np.diag([0.05, 0.05, 0.05, 0.02])
    return np.array([(image(parameters + s) - image(parameters - s)) / (2 * s.sum()) for s in steps])


@pytest.mark.parametrize("way", [(0.0, 0.0), (4.0, -3.0), (-7.0, 6.0)])
def test_information_is_that_of_the_images(way):
    q = np.hypot(*np.meshgrid(*(np.arange(n) / (2 * n) for n in SHAPE), indexing="ij"))
    weight = 1 / (1 + 30 / (1 + (q / 0.05) ** 2))
    one = np.array([2.0, 60.0, 48.0, np.log(3.0)])
    other = np.array([1.2, 60.0 + way[0], 48.0 + way[1], np.log(4.0)])
    left, right = derivatives(one), derivatives(other)
    filtered = [fft.idctn(fft.dctn(d, norm="ortho") * weight, norm="ortho") for d in right]
    expected = np.einsum("iyx,jyx->ij", left, np.array(filtered))
    found = Information(weight).of_pairs(
        one[:1], np.exp(one[3:]), other[:1], np.exp(other[3:]), np.array([way])
    )[0]
    scale = np.sqrt(np.outer(np.einsum("iyx,iyx->i", left, left), np.einsum("iyx,iyx->i", right, right)))
    np.testing.assert_allclose(found / scale, expected / scale, atol=2e-3)
