"""Candidates from docking to the folder: relaxed, kept, left out, tabulated."""

import csv
import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lj import LennardJones

from stemforge.errors import InputError, StructureError
from stemforge.outputs.folder import ResultFolder
from stemforge.structures import CandidateSearch, candidates, named_calculator, relax, zeolite, zeolite_cell
from stemforge.structures.candidates.building import Relaxer
from stemforge.structures.candidates.figure import draw_candidates
from stemforge.structures.candidates.search import docked_starts
from stemforge.structures.tags import Tag

MFI = zeolite_cell()
T12 = CandidateSearch(t_sites=(12,), oxygens="best", fmax=0.01)
START = docked_starts(MFI, "pyridine", T12)[0][0]


class Springs(Calculator):
    """Each atom hangs on a spring at a place beside its first one: a stand-in whose outcome is known."""

    implemented_properties = ("energy", "forces")

    def __init__(self, shift=(0.0, 0.0, 0.0), carbon_only=False):
        super().__init__()
        self.shift, self.carbon_only, self.rest = np.array(shift), carbon_only, None

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if self.rest is None:
            guest = (atoms.get_tags() == Tag.GUEST) & ((atoms.numbers == 6) | (not self.carbon_only))
            self.rest = atoms.positions + guest[:, None] * self.shift
        away = atoms.positions - self.rest
        self.results = {"energy": 0.5 * (away**2).sum() - 0.01 * len(atoms), "forces": -away}


class Broken(Calculator):
    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        raise RuntimeError("no convergence")


def make(folder, search=T12, calculator=Springs, guest="pyridine", framework="mfi", **options):
    return candidates(
        framework, guest, ResultFolder(folder, **options), search, calculator=calculator, quiet=True
    )


def rows(folder):
    with (folder / "candidates.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_what_is_relaxed_lands_at_the_minimum_and_the_wall_stays():
    found = Relaxer(MFI, lambda: Springs((0.0, 0.3, 0.0)), T12).candidate(START)
    assert found.converged
    assert found.displacement == pytest.approx(0.3, abs=0.01)
    moved = np.linalg.norm(found.atoms.positions - START.atoms.positions, axis=1)
    assert moved[START.atoms.get_tags() != Tag.GUEST].max() < 0.01
    # Minima of the stand-in lie at −0.01 eV an atom, whichever atoms there are: guest and empty site add up.
    assert found.energy == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(
    ("calculator", "message"),
    [
        (lambda: Springs((0.0, 4.0, 0.0)), "the guest (left its channel|came too near|left its acid site)"),
        (lambda: Springs((2.0, 0.0, 0.0), carbon_only=True), "the guest broke apart"),
        (Broken, "the calculator failed after 0 steps: no convergence"),
    ],
)
def test_what_is_no_candidate_is_refused(calculator, message):
    with pytest.raises(StructureError, match=message):
        Relaxer(MFI, calculator, T12).candidate(START)


@pytest.mark.parametrize("guest", [Atoms("N"), molecule("H2")], ids=["N", "H2"])
def test_guests_without_atoms_beside_the_bond_or_without_heavy_ones(guest, tmp_path):
    start = docked_starts(MFI, guest, CandidateSearch(t_sites=(12,)))[0][0]
    for calculator in (None, lambda: Springs((0.0, 0.1, 0.0))):
        found = Relaxer(MFI, calculator, T12).candidate(start)
        assert found.head_proton < 3.0
        draw_candidates([found], None, tmp_path / "picture.png")
    assert found.converged


def test_an_aluminium_without_oxygens_is_no_candidate():
    after = START.atoms.copy()
    aluminium = after.info["acid"]["aluminium"]
    oxygens = np.flatnonzero(
        (after.numbers == 8) & (after.get_distances(aluminium, range(len(after)), mic=True) < 2)
    )
    after.positions[oxygens] += (after.get_distances(aluminium, oxygens, mic=True, vector=True)) * 0.6
    with pytest.raises(StructureError, match="the aluminium lost its oxygens"):
        Relaxer(MFI, Springs, T12).examine(START.atoms, after)


class Restless(Springs):
    """Pushes for ever where there is no guest, or nothing but a guest."""

    def __init__(self, guest):
        super().__init__()
        self.guest = guest

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        guest = atoms.get_tags() == Tag.GUEST
        if (guest.all() if self.guest else not guest.any()) and self.results is not None:
            self.results["forces"] = self.results["forces"] + 0.5


@pytest.mark.parametrize("guest", [False, True], ids=["empty site", "molecule alone"])
def test_a_reference_that_is_not_at_rest_is_named(tmp_path, capsys, guest):
    search = CandidateSearch(t_sites=(12,), oxygens="best", fmax=0.01, steps=5)
    found = make(tmp_path, search, calculator=lambda: Restless(guest)).candidates[0]
    assert found.force < 0.01
    assert found.reference_force > 0.1
    assert not found.converged
    assert rows(tmp_path)[0]["converged"] == "0"
    assert "the empty site or the molecule alone" in capsys.readouterr().err


def test_a_molecule_far_from_a_wall_stays_where_it_is():
    """Control: an argon dimer 20 Å from a wall keeps its centre; 4 Å from it, it is drawn there."""
    wall = Atoms("Ar9", positions=[(3.8 * (k % 3), 3.8 * (k // 3), 0) for k in range(9)])
    for height, drawn in ((24.0, False), (5.0, True)):
        pair = Atoms("Ar2", positions=[(3.8, 3.8, height), (3.8, 3.8, height + 3.9)])
        calculator = LennardJones(sigma=3.4, epsilon=0.1, rc=10.0, smooth=True)
        found = relax(wall + pair, calculator, fixed=range(9), fmax=0.001, steps=500)
        assert found.converged
        shift = found.atoms.positions[9:, 2].mean() - (height + 1.95)
        assert (shift < -0.3) == drawn
        assert drawn or abs(shift) < 0.02
        assert np.array_equal(found.atoms.positions[:9], wall.positions)


def test_energies_repeat():
    one, two = (
        relax(Atoms("Ar2", [(0, 0, 0), (0, 0, 4.2)]), LennardJones(sigma=3.4)).energy for _ in range(2)
    )
    assert one == two


@pytest.mark.slow
def test_a_folder_of_candidates(tmp_path):
    search = CandidateSearch(t_sites=(12, 3), oxygens="best", orientations=2)
    found = make(tmp_path, search)
    assert [one.name for one in found.candidates] == ["T3-O2-1", "T3-O2-2", "T12-O11-1", "T12-O11-2"]
    table = rows(tmp_path)
    assert sum(float(row["weight"]) for row in table) == pytest.approx(1, abs=1e-3)
    assert {path.name for path in tmp_path.iterdir()} == {
        "candidates.csv", "candidates.png", "run.json", *(row["file"] for row in table)
    }  # fmt: skip
    for row in table:
        film = zeolite(tmp_path / row["file"])
        assert film.get_chemical_formula() == "C5H6AlNO192Si95"
        assert film.cell.lengths()[:2] == pytest.approx((20.11351, 13.40977))
        assert float(row["head_proton_A"]) == pytest.approx(1.775, abs=0.08)
        assert row["transferred"] == "0"
    entry = json.loads((tmp_path / "run.json").read_text())["structures candidates"]["T3-O2-1"]
    assert entry["guest"] == "pyridine"
    assert entry["candidate"]["converged"] is True


@pytest.mark.slow
def test_finished_candidates_are_kept_and_not_made_again(tmp_path):
    make(tmp_path)
    before = (tmp_path / "T12-O11-1.cif").stat().st_mtime_ns
    found = make(tmp_path, CandidateSearch(t_sites=(12,), fmax=0.01), calculator=Springs)
    assert (tmp_path / "T12-O11-1.cif").stat().st_mtime_ns == before
    assert len(found.candidates) == 3
    assert make(tmp_path).candidates[0].energy == found.candidates[0].energy
    assert zeolite(tmp_path / "T12-O11-1.cif").get_chemical_formula() == "C5H6AlNO192Si95"


@pytest.mark.slow
def test_other_options_and_foreign_files_are_refused(tmp_path):
    make(tmp_path)
    with pytest.raises(InputError, match="holds T12-O11-1, made with another guest"):
        make(tmp_path, guest="thiophene")
    assert make(tmp_path, guest="thiophene", overwrite=True).candidates[0].atoms.symbols[-9] == "S"
    other = tmp_path / "other"
    other.mkdir()
    (other / "T12-O11-1.cif").write_text("mine")
    with pytest.raises(InputError, match=r"already holds T12-O11-1\.cif"):
        make(other)
    assert (other / "T12-O11-1.cif").read_text() == "mine"


def test_one_that_fails_is_left_out_and_the_rest_goes_on(tmp_path, capsys):
    calls = []

    def sometimes():
        calls.append(1)
        return Broken() if len(calls) == 2 else Springs()  # the first is asked for the energy of the molecule

    found = make(tmp_path, CandidateSearch(t_sites=(12,)), calculator=sometimes)
    assert found.exit_code == 1
    assert found.failed == ("T12-O11-1: the calculator failed after 0 steps: no convergence",)
    assert found.closed == ("T12-O12",)
    assert [one.name for one in found.candidates] == ["T12-O20-1", "T12-O24-1"]
    printed = capsys.readouterr().err
    assert "T12-O12: the guest does not fit" in printed
    assert "left out: T12-O11-1" in printed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"guest": "C60"}, "guest C60: fits at none"),
        ({"guest": "nothing"}, "guest must be pyridine"),
        ({"guest": "nothing.xyz"}, "nothing.xyz: no such file"),
        ({"calculator": "gfn9"}, "calculator must be gfn2, gfn1 or none"),
        ({"framework": "none.cif"}, "none.cif"),
        ({"search": CandidateSearch(t_sites=(13,))}, "t_sites must be all, or numbers .* 1 to 12, got 13"),
    ],
)
def test_bad_input_is_refused_before_work_starts(tmp_path, options, message):
    with pytest.raises((ValueError, OSError), match=message):
        make(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_calculator_that_is_not_installed_names_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tblite.ase", None)
    with pytest.raises(InputError, match=r'pip install "stemforge\[relax\]"'):
        named_calculator("gfn2")


@pytest.mark.slow
def test_pyridine_at_an_acid_site_of_mfi_by_tight_binding(tmp_path):
    """Distances beside periodic DFT: N–H 1.06, H…O 1.66–1.71, N…O 2.72–2.77, Al–O 1.72–1.79 Å (Yang et al. 2024)."""
    pytest.importorskip("tblite")
    search = CandidateSearch(t_sites=(12,), oxygens="best", radius=3.0, fmax=0.1)
    found = make(tmp_path, search, calculator="gfn2").candidates[0]
    assert found.transferred
    assert found.energy < -0.5
    assert found.head_proton == pytest.approx(1.06, abs=0.08)
    assert found.head_oxygen == pytest.approx(2.7, abs=0.25)
    aluminium = found.atoms.info["acid"]["aluminium"]
    oxygens = np.flatnonzero(found.atoms.symbols == "O")
    bonds = np.sort(found.atoms.get_distances(aluminium, oxygens, mic=True))[:4]
    assert bonds.min() > 1.65
    assert bonds.max() < 1.9
