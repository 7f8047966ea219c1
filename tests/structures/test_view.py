"""Pictures: what is drawn, counted and saved."""

import numpy as np
import pytest
from matplotlib.collections import EllipseCollection
from matplotlib.image import imread

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
