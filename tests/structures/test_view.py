"""Pictures: what is drawn, counted and saved."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection
from matplotlib.image import imread
from scipy.signal import find_peaks

from stemforge.structures import crystal_slab, layered_material
from stemforge.structures.atoms.scatter import scatter_single_atoms
from stemforge.structures.supports.carbon import amorphous_carbon
from stemforge.structures.supports.carbon_nitride import carbon_nitride
from stemforge.structures.view import draw_structure


@pytest.mark.parametrize("large", [False, True])
def test_atoms_and_legend(tmp_path, large):
    rng = np.random.default_rng(0)
    support = amorphous_carbon((60, 60, 25), rng=rng) if large else carbon_nitride((30, 30), rng=rng)
    atoms = scatter_single_atoms(support, "Pt", areal_density=0.5, ligand="Cl", rng=rng)
    figure = draw_structure(atoms, tmp_path / "view.png")
    platinum = int((atoms.symbols == "Pt").sum())
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert f"Pt single atom ({platinum})" in texts
    assert f"Cl ligand ({platinum})" in texts
    for ax, columns in zip(figure.axes, ([0, 1], [0, 2]), strict=True):
        filled, outlines = (c for c in ax.collections if isinstance(c, EllipseCollection))
        assert len(ax.images) == large
        assert len(filled.get_offsets()) == (2 * platinum if large else len(atoms))
        shown = {tuple(p) for p in np.asarray(outlines.get_offsets()).round(6)}
        assert shown == {tuple(p) for p in atoms.positions[atoms.get_tags() > 0][:, columns].round(6)}
    assert imread(tmp_path / "view.png").std() > 0.05


def test_a_small_z_is_drawn_over_a_large_one():
    atoms = carbon_nitride((20, 20), num_layers=2, corrugation=0.0, rng=np.random.default_rng(0))
    top = draw_structure(atoms).axes[0].collections[0].get_offsets()
    entrance = atoms.positions[atoms.positions[:, 2] < 3][:, :2]
    assert {tuple(p) for p in top[-len(entrance) :]} == {tuple(p) for p in entrance}


def test_the_columns_of_a_large_crystal_are_evenly_spaced():
    slab = crystal_slab("mgo", (60, 60), face=(0, 0, 1), thickness=30, rng=np.random.default_rng(0))
    assert len(slab) > 5000
    for ax, axes in zip(draw_structure(slab).axes, ([0, 1], [0, 2]), strict=True):
        picture = np.asarray(ax.images[0].get_array())
        steps = slab.cell.lengths()[axes] / picture.shape[::-1]
        for axis, step in enumerate(steps):
            profile = np.pad(picture.mean(axis=axis), 1)
            spacing = np.diff(find_peaks(profile, height=0.1 * profile.max())[0]) * step
            # Half a lattice constant, to a pixel. Pixels of 1 Å beat with the lattice: columns lay 2 or 3 Å apart.
            assert np.abs(spacing - 4.2112 / 2).max() < 1.01 * step < 0.2


@pytest.mark.parametrize("thick", [False, True])
def test_views_lie_where_they_leave_little_white(thick):
    if thick:
        atoms = amorphous_carbon((60, 60, 50), rng=np.random.default_rng(0))
    else:
        atoms = layered_material((60, 60), "graphene", rng=np.random.default_rng(0))
    figure = draw_structure(atoms)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    top, side = (ax.get_window_extent() for ax in figure.axes)
    if thick:
        assert (top.height, top.y0) == pytest.approx((side.height, side.y0), rel=0.02)
    else:
        assert (top.width, top.x0) == pytest.approx((side.width, side.x0), rel=0.02)
    covered = (top.width * top.height + side.width * side.height) / figure.bbox.width / figure.bbox.height
    assert covered > 0.6  # 0.40 of the sheet's when each view had half of the width
