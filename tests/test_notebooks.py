"""The notebooks in examples/ are stored clean, and run as they stand."""

import base64
import re
from pathlib import Path

import pytest

from stemforge.simulate import shipped_recipes

nbformat = pytest.importorskip("nbformat")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(ROOT.glob("examples/notebooks/*.ipynb"))
LONGEST = 18  # lines of a cell, as the formatter sets them


def read(path):
    return nbformat.read(path, as_version=4)


def pictures(notebook):
    """Return the PNG pictures that the cells of a notebook that ran have shown."""
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", ())]
    return [
        base64.b64decode(one["data"]["image/png"]) for one in outputs if "image/png" in one.get("data", {})
    ]


def test_five_notebooks_all_listed_in_the_documents():
    assert len(NOTEBOOKS) == 5
    page = (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")
    assert set(re.findall(r"examples/notebooks/([\w-]+\.ipynb)", page)) == {path.name for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_valid_titled_and_without_outputs(path):
    notebook = read(path)
    nbformat.validate(notebook)
    first, *_, last = notebook.cells
    assert re.match(r"# \w.+\n", first.source)
    assert "## What to take home" in last.source
    for cell in notebook.cells:
        assert cell.source.strip()
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            assert len(cell.source.splitlines()) <= LONGEST


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_has_a_control_and_public_names_only(path):
    notebook = read(path)
    assert "control" in " ".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    modules = set(re.findall(r"^(?:from|import) (stemforge[\w.]*)", code, re.M))
    assert modules
    assert all(module.count(".") <= 1 for module in modules), modules
    loaded = re.findall(r"SimulationRecipe\.load\(\s*\"([\w-]+)\"", code)
    assert set(loaded) <= set(shipped_recipes())


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_in_an_empty_folder_and_draws(path, tmp_path):
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = read(path)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    drawn = pictures(notebook)
    assert len(drawn) >= 3
    assert all(len(one) > 5000 for one in drawn)


@pytest.mark.slow
def test_a_failing_cell_would_be_noticed(tmp_path):
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="ZeroDivisionError"):
        nbclient.NotebookClient(notebook, timeout=60, resources={"metadata": {"path": tmp_path}}).execute()
