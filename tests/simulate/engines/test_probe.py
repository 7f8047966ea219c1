"""The probe's intensity against abTEM's."""

import numpy as np
import pytest
from abtem import CustomScan
from abtem.distributions import from_values

from stemforge.simulate import Microscope
from stemforge.simulate.engines.common import reproducible
from stemforge.simulate.engines.probe import probe_intensity

ABERRATED = {"A1": 12.0, "A1_angle": 0.7, "B2": 130.0, "B2_angle": 2.1, "C3": -8e3, "C5": 1e7}


def abtem_s(microscope, defoci, weights, gpts, sampling):
    probe = microscope.probe(from_values(defoci), gpts=gpts[::-1], sampling=sampling)
    middle = CustomScan([(gpts[1] // 2 * sampling, gpts[0] // 2 * sampling)])
    with reproducible():
        waves = probe.build(scan=middle, lazy=False).array.reshape(-1, *gpts[::-1])
    intensity = np.tensordot(weights, np.abs(waves) ** 2, 1).T
    return np.roll(intensity / intensity.sum(), [-(n // 2) for n in gpts], (0, 1))


@pytest.mark.parametrize("aberrations", [{}, ABERRATED], ids=["round", "aberrated"])
@pytest.mark.parametrize("gpts", [(96, 96), (75, 120), (81, 75)])
@pytest.mark.parametrize("defocus", [0.0, 150.0, -200.0])
def test_it_is_abtem_s(aberrations, gpts, defocus):
    microscope = Microscope(**aberrations, focal_spread=20.0)
    offsets, weights = microscope.focal_series
    expected = abtem_s(microscope, defocus + offsets, weights, gpts, 0.293)
    found = probe_intensity(microscope, defocus + offsets, weights, gpts, 0.293)
    assert np.abs(found - expected).max() < 1e-4 * expected.max()
    # Control: a focus wrong by a tenth of the depth of field is told.
    wrong = probe_intensity(microscope, defocus + offsets + 5.0, weights, gpts, 0.293)
    assert np.abs(wrong - expected).max() > 1e-4 * expected.max()
