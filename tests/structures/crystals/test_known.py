"""Cells of known crystals and sheets against other measurements than those that they were taken from.

AMCSD: American Mineralogist Crystal Structure Database, read in xraylarch 0.9.66 (``amcsd_cif1.db``); SRM: certificates
of NIST, read in pyFAI 2026.9 (``resources/calibration``).
"""

import inspect

import numpy as np
import pytest
from ase.build import mx2

from stemforge.structures.crystals.known import KNOWN_CRYSTALS, known_crystal
from stemforge.structures.layered.materials import MATERIALS

AGREES = 0.002  # relative

# Edges a and c [Å], and free coordinates: (element, axis, value of one of its atoms).
CRYSTALS = {
    "mgo": (4.2113, 4.2113, ()),  # Boiocchi, Caucia and Merli 2001, AMCSD 0006901
    "nio": (4.170, 4.170, ()),  # Thomassen 1940, AMCSD 0017306
    "ceo2": (5.411651, 5.411651, ()),  # SRM 674b
    "srtio3": (3.90528, 3.90528, ()),  # Mitchell, Chakhmouradian and Woodward 2000, AMCSD 0008446
    # Cell: SRM 674b; x(O): Howard, Sabine and Dickson 1991, AMCSD 0019092.
    "tio2-rutile": (4.5939, 2.9589, (("O", 0, 0.30478),)),
    "tio2-anatase": (3.7845, 9.5143, (("O", 2, 0.20806),)),  # Howard et al. 1991, AMCSD 0019093
    # Cell: SRM 676a (2015); places: Lewis, Schwarzenbach and Flack 1982, AMCSD 0009325.
    "al2o3-alpha": (4.759355, 12.99231, (("Al", 2, 0.35216), ("O", 0, 0.30624))),
}
UNCHECKED = {"al2o3-gamma"}  # no measurement could be read; docs/physics.md says so
# Edge, and distance from layer to layer [Å].
SHEETS = {
    "graphene": (2.464, 6.711 / 2),  # Trucano and Chen 1975, AMCSD 0014675
    "h-BN": (2.50399, 6.6612 / 2),  # Wyckoff 1963, AMCSD 0011675
    "MoS2": (3.161, 12.295 / 2),  # Schönfeld, Huang and Moss 1983, AMCSD 0009788
    "WS2": (3.1532, 12.323 / 2),  # Schutte, de Boer and Jellinek 1987, AMCSD 0013601
}


def test_every_crystal_is_compared_or_named_as_unchecked():
    assert set(CRYSTALS) | UNCHECKED == set(KNOWN_CRYSTALS)
    assert set(SHEETS) == set(MATERIALS)


@pytest.mark.parametrize("name", CRYSTALS)
def test_cells_agree_with_another_measurement(name):
    a, c, places = CRYSTALS[name]
    atoms = known_crystal(name).atoms
    assert atoms.cell.lengths()[[0, 2]] == pytest.approx((a, c), rel=AGREES)
    for element, axis, value in places:
        found = atoms.get_scaled_positions()[atoms.symbols == element][:, axis]
        assert np.abs(found / value - 1).min() < AGREES


@pytest.mark.parametrize("name", SHEETS)
def test_sheets_agree_with_another_measurement(name):
    edge, distance = SHEETS[name]
    assert MATERIALS[name].lattice_constant == pytest.approx(edge, rel=AGREES)
    assert MATERIALS[name].interlayer_distance == pytest.approx(distance, rel=AGREES)


def test_sulphur_planes_are_as_far_apart_as_elsewhere():
    # Schutte et al. 1987, AMCSD 0013601: z(S) 0.6225. Of MoS₂ measurements differ by 5 % (materials.py).
    assert MATERIALS["WS2"].thickness == pytest.approx(2 * (0.75 - 0.6225) * 12.323, rel=AGREES)
    assert MATERIALS["MoS2"].thickness == pytest.approx(
        inspect.signature(mx2).parameters["thickness"].default, rel=0.01
    )
