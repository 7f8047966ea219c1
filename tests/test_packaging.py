"""Recipe for conda and Dockerfile: they say what pyproject.toml and the command line say."""

import inspect
import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from stemforge.app.command import serve

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RECIPE = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text(encoding="utf-8"))
CONDA_NAMES = {
    "torch": "pytorch",
    "docstring-parser": "docstring_parser",
    "lazy-loader": "lazy_loader",
    "matplotlib": "matplotlib-base",
}


def conda_requirements(lines):
    """Return the versions of conda's packages, by name, that requirements of pip ask for."""
    wanted = {}
    for one in map(Requirement, lines):
        wanted[CONDA_NAMES.get(one.name, one.name)] = one.specifier
        for inner in map(Requirement, requires(one.name) if one.extras else ()):  # conda knows no extras
            marker = inner.marker
            if marker and not marker.evaluate({"extra": ""}):
                if_asked = any(marker.evaluate({"extra": extra}) for extra in one.extras)
                version = one.specifier if inner.name == "distributed" else SpecifierSet()
                wanted |= {inner.name: version} if if_asked and inner.name not in wanted else {}
    return wanted


def test_the_recipe_for_conda_requires_what_pip_requires():
    lines = (line.partition(" ") for line in RECIPE["requirements"]["run"])
    found = {name: SpecifierSet(versions) for name, _, versions in lines}
    assert found.pop("python") == SpecifierSet(PROJECT["requires-python"])
    wanted = conda_requirements(PROJECT["dependencies"])
    assert found == wanted


def test_extras_become_packages_and_names_those_of_conda():
    found = conda_requirements(["torch>=2", "dask[distributed]>=2024.8"])
    assert found["pytorch"] == SpecifierSet(">=2")
    assert found["distributed"] == SpecifierSet(">=2024.8")
    assert "torch" not in found


def test_the_recipe_names_version_licence_and_command():
    assert RECIPE["package"] == {"name": PROJECT["name"], "version": PROJECT["version"]}
    assert RECIPE["about"]["license"] == PROJECT["license"]
    assert RECIPE["about"]["summary"] == PROJECT["description"]
    (point,) = RECIPE["build"]["python"]["entry_points"]
    assert dict([point.split(" = ")]) == PROJECT["scripts"]


def test_rattler_build_reads_the_recipe():
    """It refuses keys that it does not know, and requirements that conda could not meet by their form."""
    rattler_build = pytest.importorskip("rattler_build")
    recipe = rattler_build.Stage0Recipe.from_file(str(ROOT / "recipe" / "recipe.yaml"))
    (rendered,) = recipe.render(rattler_build.VariantConfig())
    found = rendered.recipe.to_dict()
    assert found["requirements"]["run"] == RECIPE["requirements"]["run"]
    assert found["tests"] == RECIPE["tests"]
    for broken in ({"requirements": {"run": ["numpy >>2"]}}, {"entry_points": []}):
        with pytest.raises(rattler_build.RecipeParseError):
            rattler_build.Stage0Recipe.from_dict(RECIPE | broken).render(rattler_build.VariantConfig())


def test_the_container_runs_the_command_without_rights_and_offers_the_page():
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (entry,) = re.findall(r'^ENTRYPOINT \["(.+)"\]$', text, re.M)
    assert entry in PROJECT["scripts"]
    (port,) = re.findall(r"^EXPOSE (\d+)$", text, re.M)
    assert int(port) == inspect.signature(serve).parameters["port"].default
    (user,) = re.findall(r"^USER (.+)$", text, re.M)
    assert user != "root"
    assert "--torch-backend cpu" in text
