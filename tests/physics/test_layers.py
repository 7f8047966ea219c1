"""Single sheets through the multislice engine, against abTEM called directly and published contrast."""

import abtem
import numpy as np
import pytest

from stemforge.simulate import Microscope, Multislice, Scan
from stemforge.structures import layered_material
from stemforge.structures.layered.materials import MATERIALS

pytestmark = pytest.mark.physics

SAMPLING = 0.06  # of the potential [Å]
STEP = 0.4  # between probe positions [Å]
POSITIONS = (11, 8)  # a unit cell of either sheet and some more


def imaged(material, energy):
    """Image of a sheet by the engine, and by abTEM alone, on the same raster."""
    rings = {"rings": {"HAADF": (60, 180)}}
    microscope = Microscope(energy=energy, semiangle_cutoff=30, detectors=rings)
    sheet = layered_material((9, 9), material, rng=np.random.default_rng(0))
    focus = float(sheet.positions[:, 2].mean())
    scan = Scan.of_any_size(POSITIONS, STEP)
    engine = Multislice(frozen_phonons=0, slice_thickness=1.0, sampling=SAMPLING)
    ours = engine.image(sheet, microscope, scan, focus)[0]

    x0, y0 = scan.origin((sheet.cell[0, 0], sheet.cell[1, 1]))
    places = abtem.GridScan(
        (x0, y0), (x0 + POSITIONS[1] * STEP, y0 + POSITIONS[0] * STEP), gpts=POSITIONS[::-1], endpoint=False
    )
    # Grid points on which the atoms lie: abTEM's interpolation between points changes what they scatter.
    repeats = sheet.cell.lengths()[:2] / MATERIALS[material].lattice_constant / (1, np.sqrt(3))
    gpts = tuple(int(np.rint(n)) * points for n, points in zip(repeats, (48, 84), strict=True))
    potential = abtem.Potential(sheet, gpts=gpts, slice_thickness=1.0, projection="infinite")
    probe = abtem.Probe(energy=energy, semiangle_cutoff=30, defocus=focus)
    with abtem.config.set({"diagnostics.progress_bar": False}):
        measured = probe.scan(potential, scan=places, detectors=abtem.AnnularDetector(60, 180), lazy=False)
    return sheet, microscope, scan, focus, ours, np.asarray(measured.array).T


@pytest.mark.parametrize(("material", "energy"), [("graphene", 60e3), ("MoS2", 80e3)])
def test_a_sheet_is_imaged_as_abtem_alone_does(material, energy):
    *_, ours, direct = imaged(material, energy)
    assert ours.mean() == pytest.approx(direct.mean(), rel=0.01)
    assert np.sqrt(((ours - direct) ** 2).mean()) < 0.01 * direct.max()
