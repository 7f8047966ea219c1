"""A folder of candidates that several runs write to: what is kept, what is refused, what the table holds."""

import csv
import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.lj import LennardJones

from stemforge.errors import InputError
from stemforge.outputs.folder import ResultFolder
from stemforge.structures import CandidateSearch, candidates, zeolite_cell
from stemforge.structures.candidates.folder import Run
from stemforge.structures.candidates.settings import read_framework
from stemforge.structures.candidates.table import cif_text, read_table

MFI = zeolite_cell()
T12 = CandidateSearch(t_sites=(12,), oxygens="best")
T3 = CandidateSearch(t_sites=(3,), oxygens="best")


def make(folder, search=T12, guest="pyridine", framework="mfi", calculator="none", **options):
    return candidates(
        framework, guest, ResultFolder(folder, **options), search, calculator=calculator, quiet=True
    )


def lennard_jones(epsilon=0.002):
    """Return what makes a calculator with hardly any force: what is docked stays, and has an energy."""
    return lambda: LennardJones(sigma=0.7, epsilon=epsilon, rc=4.0)


def names(folder):
    with (folder / "candidates.csv").open() as stream:
        return [row["name"] for row in csv.DictReader(stream)]


def record(folder, change=None):
    content = json.loads((folder / "run.json").read_text())
    if change is not None:
        change(content["structures candidates"])
        (folder / "run.json").write_text(json.dumps(content))
    return content["structures candidates"]


@pytest.fixture
def counted(monkeypatch):
    """Names of the candidates that are made, one after the other."""
    made = []
    original = Run.make
    monkeypatch.setattr(
        Run, "make", lambda run, start, relaxer: made.append(start.name) or original(run, start, relaxer)
    )
    return made


@pytest.mark.slow
def test_a_run_for_other_sites_adds_to_table_and_weights(tmp_path, counted):
    make(tmp_path, calculator=lennard_jones())
    found = make(tmp_path, T3, calculator=lennard_jones())
    assert counted == ["T12-O11-1", "T3-O2-1"]
    assert names(tmp_path) == [one.name for one in found.candidates] == ["T3-O2-1", "T12-O11-1"]
    assert len(found.weights) == 2
    assert found.weights.sum() == pytest.approx(1)
    more = CandidateSearch(t_sites=(3,), oxygens="best", orientations=2)
    make(tmp_path, more, calculator=lennard_jones())
    assert counted == ["T12-O11-1", "T3-O2-1", "T3-O2-2"]
    assert names(tmp_path) == ["T3-O2-1", "T3-O2-2", "T12-O11-1"]


@pytest.mark.parametrize("calculator", ["none", lennard_jones()])
def test_the_table_is_read_as_it_was_written(tmp_path, calculator):
    found = make(tmp_path, CandidateSearch(t_sites=(3, 12), oxygens="best"), calculator=calculator)
    rows = read_table(tmp_path / "candidates.csv")
    for number, (row, one) in enumerate(zip(rows, found.candidates, strict=True)):
        assert (row.name, row.t_site, row.oxygen_site) == (one.name, one.t_site, one.oxygen_site)
        assert (row.converged, row.same_as, row.file) == (one.converged, "", f"{one.name}.cif")
        if calculator == "none":
            assert row.energy is None
            assert row.weight is None
        else:
            assert row.energy == pytest.approx(one.energy, abs=1e-4)
            assert row.weight == pytest.approx(found.weights[number], rel=1e-3)


@pytest.mark.slow
def test_a_run_that_replaces_goes_on_where_it_was_stopped(tmp_path, counted, monkeypatch, capsys):
    both = CandidateSearch(t_sites=(3, 12), oxygens="best")
    make(tmp_path, CandidateSearch(t_sites=(1, 3, 12), oxygens="best"))
    del counted[:]
    original = Run.make

    def stopped(run, start, relaxer):
        if start.name.startswith("T12"):
            raise KeyboardInterrupt
        original(run, start, relaxer)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "make", stopped)
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path, both, guest="thiophene", overwrite=True)
    assert counted == ["T3-O2-1"]
    make(tmp_path, both, guest="thiophene", overwrite=True)
    assert counted == ["T3-O2-1", "T12-O11-1"]
    assert names(tmp_path) == counted
    assert "holds 1 candidates made with other settings, such as T1-" in capsys.readouterr().err


@pytest.mark.slow
def test_what_another_version_made_is_replaced_where_that_is_allowed(tmp_path, counted):
    make(tmp_path)
    record(tmp_path, lambda entries: entries["T12-O11-1"].update(stemforge="0.0"))
    make(tmp_path)
    assert len(counted) == 1
    make(tmp_path, overwrite=True)
    assert len(counted) == 2


@pytest.mark.slow
def test_what_is_read_again_is_what_was_made(tmp_path):
    """Also where guest or wall stand out over the faces of the cell, which a reader of CIF files puts back into it."""
    first = make(tmp_path).candidates[0]
    again = make(tmp_path).candidates[0]
    assert again.to_dict() == first.to_dict()
    assert np.allclose(again.atoms.positions, first.atoms.positions, atol=1e-9)
    fractions = first.atoms.get_scaled_positions(wrap=False)
    first.atoms.positions[-5:] -= first.atoms.cell[0] * np.ceil(fractions[-5:, :1])

    def outside(entries):
        text = cif_text(first.atoms)
        (tmp_path / "T12-O11-1.cif").write_text(text)
        entries["T12-O11-1"]["sha256"] = __import__("hashlib").sha256(text.encode()).hexdigest()

    record(tmp_path, outside)
    again = make(tmp_path).candidates[0]
    assert np.allclose(again.atoms.positions, first.atoms.positions, atol=1e-9)
    assert again.atoms.info == first.atoms.info
    assert np.array_equal(again.atoms.get_tags(), first.atoms.get_tags())


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        lambda entries: entries["T12-O11-1"]["candidate"].update(unknown=1),
        lambda entries: entries.update(strange={"results": None}, other={"candidate": 3}),
    ],
)
def test_what_a_later_version_notes_beside_is_left_out(tmp_path, counted, change):
    make(tmp_path)
    record(tmp_path, change)
    assert [one.name for one in make(tmp_path).candidates] == ["T12-O11-1"]
    assert len(counted) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        lambda entries: entries["T12-O11-1"]["candidate"].pop("steps"),
        lambda entries: entries["T12-O11-1"]["candidate"].update(steps="many"),
        lambda entries: entries["T12-O11-1"].update(candidate=[1]),
    ],
)
def test_a_candidate_of_which_not_enough_is_known_is_made_again(tmp_path, counted, change):
    make(tmp_path)
    record(tmp_path, change)
    assert [one.name for one in make(tmp_path).candidates] == ["T12-O11-1"]
    assert len(counted) == 2


@pytest.mark.slow
def test_a_file_that_was_changed_is_not_replaced_unasked(tmp_path):
    make(tmp_path)
    path = tmp_path / "T12-O11-1.cif"
    path.write_text("refined by DFT")
    with pytest.raises(InputError, match=r"already holds T12-O11-1\.cif"):
        make(tmp_path)
    assert path.read_text() == "refined by DFT"
    path.unlink()
    make(tmp_path)
    path.write_text("refined by DFT")
    make(tmp_path, overwrite=True)
    assert path.read_text().startswith("data_")


@pytest.mark.slow
def test_a_file_beside_a_failed_candidate_is_not_replaced_unasked(tmp_path):
    def fail(entries):
        entries["T12-O11-1"] = {"failed": "no convergence"}

    make(tmp_path)
    record(tmp_path, fail)
    for name in ("candidates.csv", "candidates.png"):
        (tmp_path / name).unlink()
    (tmp_path / "T12-O11-1.cif").write_text("mine")
    with pytest.raises(InputError, match=r"already holds T12-O11-1\.cif"):
        make(tmp_path)
    (tmp_path / "T12-O11-1.cif").unlink()
    (tmp_path / "candidates.csv").write_text("mine")
    with pytest.raises(InputError, match=r"already holds candidates\.csv"):
        make(tmp_path)


@pytest.mark.slow
def test_a_framework_is_known_by_its_content_and_not_replaced_by_a_result(tmp_path, counted):
    one, other = tmp_path / "one.cif", tmp_path / "sub" / "other.cif"
    other.parent.mkdir()
    for path in (one, other):
        path.write_text(cif_text(MFI))
    search = CandidateSearch(t_sites=(1,), oxygens="best")
    first = make(tmp_path / "out", search, framework=one)
    make(tmp_path / "out", search, framework=other)
    assert len(counted) == 1
    moved = MFI.copy()
    moved.positions[0, 0] += 0.01
    other.write_text(cif_text(moved))
    with pytest.raises(InputError, match="made with another framework"):
        make(tmp_path / "out", search, framework=other)
    name = f"{first.candidates[0].name}.cif"
    (tmp_path / name).write_text(cif_text(MFI))
    with pytest.raises(InputError, match="would replace"):
        make(tmp_path, search, framework=tmp_path / name, overwrite=True)


@pytest.mark.slow
def test_guests_are_known_by_their_atoms(tmp_path):
    ethanol, ether = molecule("CH3CH2OH"), molecule("CH3OCH3")
    assert ethanol.get_chemical_formula() == ether.get_chemical_formula()
    make(tmp_path, guest=ether)
    make(tmp_path, guest=ether.copy())
    with pytest.raises(InputError, match="made with another guest"):
        make(tmp_path, guest=ethanol)


class Hidden(LennardJones):
    """Its strength is no parameter: only its energies tell it."""

    def __init__(self, strength):
        super().__init__(sigma=0.7, epsilon=0.002, rc=4.0)
        self.strength = strength

    def calculate(self, *arguments, **options):
        super().calculate(*arguments, **options)
        self.results["energy"] *= self.strength


@pytest.mark.slow
@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        (lennard_jones(), lennard_jones(), lennard_jones(0.003)),
        (lambda: Hidden(1.0), lambda: Hidden(1.0), lambda: Hidden(3.0)),
    ],
)
def test_calculators_are_known_by_what_they_are(tmp_path, counted, one, same, other):
    make(tmp_path, calculator=one)
    make(tmp_path, calculator=same)
    assert len(counted) == 1
    with pytest.raises(InputError, match="made with another calculator"):
        make(tmp_path, calculator=other)


@pytest.mark.parametrize(
    ("calculator", "message"),
    [
        (LennardJones(), "write lambda: LennardJones"),
        (lambda: None, "must return an ASE calculator, got NoneType"),
        (lambda: 1 / 0, "could not be made: ZeroDivisionError"),
    ],
)
def test_what_makes_no_calculator_is_refused(tmp_path, calculator, message):
    with pytest.raises(InputError, match=message):
        make(tmp_path / "out", calculator=calculator)
    assert not (tmp_path / "out").exists()


def test_a_guest_of_a_file_is_read_like_other_structures(tmp_path):
    path = tmp_path / "ether.xyz"
    molecule("CH3OCH3").write(path)
    assert make(tmp_path / "out", guest=path).candidates[0].atoms.get_chemical_formula() == "C2H7AlO193Si95"
    path.write_text("3\n\nO 0 0 0\n")
    with pytest.raises(InputError, match=r"cannot be read as a molecule.*the file ends after 1"):
        make(tmp_path / "cut", guest=path)
    pickled = tmp_path / "ether.traj"
    pickled.write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(InputError, match="cannot be read as a molecule"):
        make(tmp_path / "pickled", guest=pickled)


def test_a_guest_that_a_face_of_its_cell_cuts_is_put_together(tmp_path):
    path = tmp_path / "ether.cif"
    ether = molecule("CH3OCH3")
    ether.set_cell([9.0] * 3)
    ether.pbc = True
    lengths = ether.get_all_distances()
    ether.wrap()  # the molecule lies about the origin
    assert not np.allclose(ether.get_all_distances(), lengths)
    path.write_text(cif_text(ether))
    atoms = make(tmp_path / "out", guest=path).candidates[0].atoms
    guest = Atoms(atoms.numbers[-9:], atoms.positions[-9:])
    assert np.allclose(guest.get_all_distances(), lengths, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "message"), [("none.cif", "no such file"), ("", "is a folder"), ("x.cif", "path must")]
)
def test_a_framework_that_is_none_is_named(tmp_path, name, message):
    (tmp_path / "x.cif").write_text("no CIF")
    with pytest.raises(InputError, match=f"framework .*{message}"):
        make(tmp_path / "out", framework=tmp_path / name)


@pytest.mark.parametrize(("name", "t_sites"), [("mfi", 12), ("FAU", 1), ("cha", 1), ("mor", 4)])
def test_frameworks_that_are_built_in_are_known_by_name(name, t_sites):
    crystal, facts = read_framework(name)
    assert facts == {"framework": name.lower()}
    silicon = crystal.numbers == 14
    assert len(np.unique(crystal.arrays["kind"][silicon])) == t_sites
