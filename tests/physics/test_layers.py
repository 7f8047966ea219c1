"""Single sheets through the multislice engine, against abTEM called directly and published contrast."""

import abtem
import numpy as np
import pytest

from stemforge.simulate import Microscope, Multislice, Scan
from stemforge.structures import layered_material
from stemforge.structures.layered.materials import MATERIALS

pytestmark = pytest.mark.physics

SAMPLING = 0.035  # of the potential [Å]
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
    by_engine = engine.image(sheet, microscope, scan, focus)[0]

    x0, y0 = scan.origin((sheet.cell[0, 0], sheet.cell[1, 1]))
    places = abtem.GridScan(
        (x0, y0), (x0 + POSITIONS[1] * STEP, y0 + POSITIONS[0] * STEP), gpts=POSITIONS[::-1], endpoint=False
    )
    # Grid points on which the atoms lie: abTEM's interpolation between points changes what they scatter.
    repeats = sheet.cell.lengths()[:2] / MATERIALS[material].lattice_constant / (1, np.sqrt(3))
    gpts = tuple(int(np.rint(n)) * points for n, points in zip(repeats, (72, 126), strict=True))
    potential = abtem.Potential(sheet, gpts=gpts, slice_thickness=1.0, projection="infinite")
    probe = abtem.Probe(energy=energy, semiangle_cutoff=30, defocus=focus)
    with abtem.config.set({"diagnostics.progress_bar": False}):
        measured = probe.scan(potential, scan=places, detectors=abtem.AnnularDetector(60, 180), lazy=False)
    return sheet, microscope, scan, focus, by_engine, np.asarray(measured.array).T


@pytest.mark.parametrize(("material", "energy"), [("graphene", 60e3), ("MoS2", 80e3)])
def test_a_sheet_is_imaged_as_abtem_alone_does(material, energy):
    *_, by_engine, direct = imaged(material, energy)
    assert by_engine.mean() == pytest.approx(direct.mean(), rel=0.01)
    assert np.sqrt(((by_engine - direct) ** 2).mean()) < 0.01 * direct.max()


def columns(sulphur_planes):
    """Mean signal in a square of 1 Å on Mo and on S of MoS₂ above that of the hollow site, with frozen phonons."""
    microscope = Microscope(energy=80e3, semiangle_cutoff=30, detectors={"rings": {"HAADF": (60, 180)}})
    sheet = layered_material((9, 9), "MoS2", rng=np.random.default_rng(0))
    focus = float(sheet.positions[:, 2].mean())
    middle = sheet.cell.lengths()[:2] / 2
    metal = sheet[sheet.symbols == "Mo"].positions[0, :2]
    upper = sheet.positions[:, 2] > focus + 1
    sheet = sheet[~upper] if sulphur_planes == 1 else sheet
    engine = Multislice(frozen_phonons=6, slice_thickness=1.0, sampling=0.05)
    found = []
    for third in (0, 1, 2):  # the long diagonal of the hexagonal cell: Mo, hollow, S
        moved = sheet.copy()
        site = metal + np.array([0.0, third * MATERIALS["MoS2"].lattice_constant / np.sqrt(3)])
        # Half a step, so that the 5 × 5 positions lie about the site.
        moved.positions[:, :2] += middle - site - 0.1
        moved.wrap(pbc=(True, True, False))
        scan = Scan.of_any_size((5, 5), 0.2)
        found.append(float(engine.image(moved, microscope, scan, focus, np.random.default_rng(1))[0].mean()))
    on_metal, hollow, on_sulphur = found
    return on_metal - hollow, on_sulphur - hollow


def test_mos2_has_published_z_contrast():
    metal, single = columns(1)
    # An atom's signal goes as Z^1.64 in Krivanek et al., Nature 464, 571 (2010), doi:10.1038/nature08879 (60 kV,
    # from 58 mrad on), and as Z² in the limit of high angles: one S has 0.21 to 0.15 of a Mo.
    assert 1.45 < np.log(single / metal) / np.log(16 / 42) < 1.85
    metal, double = columns(2)
    assert 0.29 < double / metal < 0.52
    # Two S, 3.2 Å behind each other, scatter partly in phase at these angles: more than twice one.
    assert 2.0 < double / single < 2.6
