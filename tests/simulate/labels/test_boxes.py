import dataclasses

import numpy as np
import pytest
from ase.data import vdw_radii

from stemforge.errors import CorpusError, InputError
from stemforge.simulate import (
    BoxDefinition,
    SimulationRecipe,
    convert_boxes,
    sample_molecule_boxes,
    simulate_sample,
)
from stemforge.structures import guests_from_cell, zeolite

CENTRES = BoxDefinition(0.0)


@pytest.fixture(scope="module")
def sample():
    """A film with single molecules, some of them at the frame; its images do not matter."""
    changes = {
        "scan.shape": [120, 120],
        "support.occupancy": 1.0,
        "scan.rotation": 0.4,
        "support.thickness": 1,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "stemforge.simulate.engines.prism.Prism.image", lambda *a, **k: np.ones((4, 120, 120), "f4")
        )
        recipe = SimulationRecipe.load("zsm5-idpc", changes)
        yield simulate_sample(recipe, 0, engine=recipe.engine)


def test_the_boxes_of_a_corpus_follow_from_its_atoms(sample):
    # A margin as wide as the greatest radius holds the spheres, and the boxes of the labels were made of the atoms
    # themselves: the same molecules must have been found in the structure.
    wide = sample_molecule_boxes(sample, BoxDefinition(float(np.nanmax(vdw_radii[[6, 7, 16]]))))
    held = sample.labels.boxes
    assert len(held) >= 4
    assert np.all(wide[:, :2] <= held[:, :2] + 1e-3)
    assert np.all(wide[:, 2:] >= held[:, 2:] - 1e-3)
    # Thiophene is 1.8 Å at its sulphur and 1.7 Å elsewhere, nitrogen 1.55 Å.
    assert np.abs(wide - held).max() * sample.sampling < 0.26


def test_each_margin_is_another_ones_by_the_difference(sample):
    narrow, wide = (sample_molecule_boxes(sample, BoxDefinition(m)) for m in (0.0, 0.5))
    shape = sample.signal.shape[-2:]
    np.testing.assert_allclose(
        convert_boxes(narrow, CENTRES, BoxDefinition(0.5), sample.sampling, shape)[_inside(wide, shape)],
        wide[_inside(wide, shape)],
        atol=1e-6,
    )


def test_without_atoms_the_approximation_is_within_the_radii(sample):
    shape = sample.signal.shape[-2:]
    bare = dataclasses.replace(sample, structure=None)
    exact, approximate = (sample_molecule_boxes(one, CENTRES) for one in (sample, bare))
    whole = _inside(sample.labels.boxes, shape)
    assert whole.any()
    assert 0 < np.abs(exact - approximate)[whole].max() * sample.sampling <= 0.151
    assert sample_molecule_boxes(bare, BoxDefinition()) is bare.labels.boxes
    with pytest.raises(CorpusError, match="no pixel size"):
        sample_molecule_boxes(dataclasses.replace(bare, sampling=None), CENTRES)


def _inside(boxes, shape):
    return (boxes.min(axis=1) > 1) & (boxes[:, 2] < shape[1] - 2) & (boxes[:, 3] < shape[0] - 2)


def test_sides_that_the_frame_cut_stay_there():
    boxes = np.array([[-0.5, 20, 14, 44], [70, 60, 99.5, 84]])
    small = convert_boxes(boxes, BoxDefinition(), CENTRES, 0.25, (100, 100))
    np.testing.assert_allclose(small, [[-0.5, 26.8, 7.2, 37.2], [76.8, 66.8, 99.5, 77.2]])
    large = convert_boxes(boxes, BoxDefinition(), BoxDefinition(3.7), 0.25, (100, 100))
    np.testing.assert_allclose(large, [[-0.5, 12, 22, 52], [62, 52, 99.5, 92]])


def test_a_box_never_turns_inside_out():
    small = convert_boxes(np.array([[10.0, 10, 16, 40]]), BoxDefinition(), CENTRES, 0.25)
    np.testing.assert_allclose(small, [[13, 16.8, 13, 33.2]])


@pytest.mark.parametrize("value", [-0.1, 21, "round", float("nan"), True])
def test_what_is_no_definition(value):
    with pytest.raises(InputError, match="boxes must be"):
        BoxDefinition.parse(value)


@pytest.mark.parametrize("guest", ["pyridine", "thiophene"])
def test_published_poses(data_dir, guest):
    """Converted boxes of relaxed molecules are within 0.15 Å of those of their atoms."""
    worst = 0.0
    for number in range(1, 6):
        film = guests_from_cell(zeolite(data_dir / "zsm5-idpc" / guest / f"{number}.cif"))
        one = film[film.arrays["molecule"] == 0]
        places = one.positions[:, :2]
        exact, held = (definition.box(one.numbers, places) for definition in (CENTRES, BoxDefinition()))
        worst = max(worst, float(np.abs(convert_boxes(held, BoxDefinition(), CENTRES, 1.0)[0] - exact).max()))
    assert 0 < worst <= 0.151
