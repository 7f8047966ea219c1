"""What a specimen asks of engine, energy and element is said before any work."""

import numpy as np
import pytest
from ase.build import fcc100

from stemforge.errors import InputError
from stemforge.simulate.engines.kernels import elastic_scattering
from stemforge.simulate.engines.prism import largest_interpolation
from stemforge.simulate.planning.specimen import channels
from stemforge.simulate.recipe import SimulationRecipe
from stemforge.simulate.sample import check_recipe
from stemforge.structures import amorphous_carbon, carbon_nitride, crystal_slab

CRYSTAL = {"kind": "crystal_slab", "crystal": "mgo", "face": [0, 0, 1], "thickness": 20}
ATOMS = [{"element": "Ir", "areal_density": 0.5}]


@pytest.fixture
def of_crystal(quick):
    """Function that returns a recipe of an MgO slab."""

    def recipe(support=None, **overrides):
        return quick(**{"support": {**CRYSTAL, **(support or {})}, "single_atoms": ATOMS, **overrides})

    return recipe


@pytest.mark.slow
def test_columns_are_told_from_disorder():
    rng = np.random.default_rng(0)
    slab = {"thickness": 21, "rng": rng}
    assert channels(crystal_slab("mgo", (20, 20), face=(0, 0, 1), **slab)) == 10
    assert channels(crystal_slab("mgo", (20, 20), face=(0, 0, 1), rotation=0.3, **slab)) == 10
    assert channels(crystal_slab("mgo", (20, 20), zone_axis=(1, 2, 7), **slab)) == 1
    for thickness in (20, 150):
        assert channels(amorphous_carbon((25, 25, thickness), rng=rng)) == 1
    assert channels(carbon_nitride((30, 30), num_layers=5, stacking="AA", corrugation=0, rng=rng)) == 5


@pytest.mark.slow
def test_kernels_are_refused_on_a_zone_axis(of_crystal):
    with pytest.raises(
        InputError, match=r"engine\.name: kernels .* columns of 9 atoms .*name: auto, max_error"
    ):
        check_recipe(of_crystal(engine={"name": "kernels"}))
    check_recipe(of_crystal(support={"face": None, "zone_axis": [1, 2, 7]}, engine={"name": "kernels"}))
    check_recipe(of_crystal(engine={"name": "prism"}))


def test_prism_is_refused_where_its_window_loses_electrons(of_crystal):
    engine = {"name": "prism", "interpolation": 2}
    thick = {"thickness": 60, "mistilt": 0.0}
    for scan, refused in (({"scan.shape": [64, 64]}, True), ({"scan.shape": [256, 256]}, False)):
        recipe = of_crystal(support=thick, engine=engine, **scan)
        if refused:
            with pytest.raises(
                InputError, match=r"engine\.interpolation: 2 computes waves in windows of .* would be lost"
            ):
                check_recipe(recipe)
            check_recipe(recipe.replace(engine={"name": "prism"}))
        else:
            check_recipe(recipe)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ir-mgo", "pt-ceo2"])
def test_windows_hold_what_the_crystals_that_ship_scatter(name):
    recipe = SimulationRecipe.load(name)
    for index in range(12):
        drawn, atoms = recipe.build(index)
        side, depth = min(np.diag(atoms.cell)[:2]), np.ptp(atoms.positions[:, 2])
        assert largest_interpolation(drawn.microscope, side, depth) >= recipe.engine.interpolation


def test_kernels_are_warned_of_for_a_crystal_from_a_file(quick, tmp_path, capsys):
    slab = fcc100("Cu", (9, 9, 8), vacuum=4.0)
    slab.write(tmp_path / "slab.xyz")
    recipe = quick(support={"kind": "file", "path": str(tmp_path / "slab.xyz")}, **{"scan.shape": [16, 16]})
    check_recipe(recipe)
    assert "kernels adds up single atoms" in capsys.readouterr().err.replace("\n", " ")
    check_recipe(recipe.replace(engine={"name": "prism"}))
    assert "kernels" not in capsys.readouterr().err


def test_a_crystal_s_engine_is_found_by_its_error_unless_it_is_named(of_crystal, quick):
    assert of_crystal().engine.name == "auto"
    assert of_crystal().engine.max_error == 0.1
    assert of_crystal(engine={"name": "prism"}).engine.name == "prism"
    assert quick().engine.name == "kernels"


@pytest.mark.slow
def test_a_support_that_the_energy_cannot_see_through_is_refused(of_crystal, capsys):
    gold = {"crystal": "Au", "thickness": 20}
    check_recipe(of_crystal(support=gold))
    assert "mean free paths" not in capsys.readouterr().err
    recipe = of_crystal(support={"crystal": "Au", "thickness": 300})
    piece = recipe.support.piece((25.0, 25.0), np.random.default_rng(0))
    assert 3 < 300 / elastic_scattering(piece, recipe.microscope)[0] < 10
    check_recipe(recipe)
    assert "atoms near its exit side will hardly show" in capsys.readouterr().err.replace("\n", " ")
    with pytest.raises(InputError, match=r"elastic mean free paths thick.*thinner support or a higher"):
        check_recipe(of_crystal(support={"crystal": "Au", "thickness": 1000}))


@pytest.mark.parametrize(("element", "warned"), [("C", True), ("Mg", True), ("Ti", False), ("Ir", False)])
def test_atoms_no_heavier_than_their_support_are_warned_of(of_crystal, element, warned, capsys):
    check_recipe(of_crystal(single_atoms=[{"element": element}]))
    assert (f"{element} is no heavier than the Mg" in capsys.readouterr().err.replace("\n", " ")) is warned
