"""Cross-sections against an integral of the scattering amplitude that uses no multislice and no grid."""

import numpy as np
import pytest
from abtem.core.energy import energy2sigma, energy2wavelength
from abtem.parametrizations import LobatoParametrization
from scipy.special import j0

from stemforge.simulate import Microscope, cross_section

ENERGY = 60e3
SEMIANGLE = 32.0
INNER, OUTER = 90.0, 185.0


def reference(symbol):
    """Cross-section [Å²] for scattering from a 32 mrad cone to 90–185 mrad.

    Moliere's amplitude F(k) = ∫ (exp(iσV(r)) − 1) exp(−2πi k·r) d²r of the atom's projected potential V, by a
    Hankel transform on a logarithmic grid. |F|² is averaged over the incident directions of the cone and summed
    over the detector's, both drawn at random.
    """
    wavelength, sigma = energy2wavelength(ENERGY), energy2sigma(ENERGY)
    u = np.linspace(np.log(1e-5), np.log(12.0), 60000)
    r = np.exp(u)
    phase = np.exp(1j * sigma * LobatoParametrization().projected_potential(symbol)(r)) - 1
    k = np.linspace(INNER - SEMIANGLE - 20, OUTER + SEMIANGLE + 20, 300) * 1e-3 / wavelength
    intensity = [abs(2 * np.pi * np.trapezoid(phase * j0(2 * np.pi * q * r) * r**2, u)) ** 2 for q in k]

    rng = np.random.default_rng(0)
    n = 400_000
    out, azimuth = np.sqrt(rng.uniform(INNER**2, OUTER**2, n)), rng.uniform(0, 2 * np.pi, n)
    incident = SEMIANGLE * np.sqrt(rng.uniform(0, 1, n))
    change = np.hypot(out * np.cos(azimuth) - incident, out * np.sin(azimuth)) * 1e-3 / wavelength
    area = np.pi * (OUTER**2 - INNER**2) * (1e-3 / wavelength) ** 2
    return np.interp(change, k, intensity).mean() * area


@pytest.mark.physics
@pytest.mark.parametrize("symbol", ["C", "N", "Fe", "Pt"])
def test_cross_section(symbol):
    microscope = Microscope(
        energy=ENERGY, semiangle_cutoff=SEMIANGLE, detectors={"rings": {"HAADF": (INNER, OUTER)}}
    )
    assert cross_section(symbol, microscope, "HAADF") == pytest.approx(reference(symbol), rel=0.05)
