"""Supports by short words: ``mgo:001``, ``graphene:2``, ``carbon``, ``slab.cif:110``."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stemforge.errors import RecipeError
from stemforge.settings.notes import Noted
from stemforge.simulate.composing.priors import uniform
from stemforge.simulate.composing.request import RecipeRequest
from stemforge.structures.crystals.known import KNOWN_CRYSTALS, is_known_crystal
from stemforge.structures.layered.materials import MATERIALS

_LAYERED = {name.lower().replace("-", ""): name for name in MATERIALS}
_FACE = re.compile(r"(-?\d),?(-?\d),?(-?\d)")


def support_fields(request: RecipeRequest) -> Mapping[str, Any]:
    """Return the support of a recipe with notes.

    Raises
    ------
    RecipeError
        No support of that name, or a word that it does not take.
    """
    name, _, detail = request.support.partition(":")
    if name in _FILMS:
        _refuse_detail(request, detail)
        return _FILMS[name](request)
    if name.lower() in _LAYERED:
        return _layers(request, name, detail)
    if is_known_crystal(name) or (detail and Path(name).is_file()):
        return _slab(request, name, detail)
    if Path(name).is_file():
        return _file(request, name)
    raise RecipeError(
        f"support: no material and no file called '{name}'; known are {', '.join(sorted(_FILMS))}, layers "
        f"{', '.join(sorted(_LAYERED))}, crystals {', '.join(KNOWN_CRYSTALS)} and the elements by "
        "symbol, with a face such as mgo:001, and structure files"
    )


def _carbon(request: RecipeRequest) -> Mapping[str, Any]:
    return {
        "kind": Noted("amorphous_carbon", "a flat film"),
        "thickness": uniform(request.thickness, (20, 200), "[Å]"),
        "density": Noted({"uniform": [1.7, 2.2]}, "[g/cm³]"),
    }


def _carbon_particle(request: RecipeRequest) -> Mapping[str, Any]:
    return {
        "kind": Noted("carbon_particle", "porous carbon with a surface of its own"),
        "mean_thickness": uniform(request.thickness, (100, 400), "[Å], pores included"),
        "density": Noted({"uniform": [1.7, 2.2]}, "[g/cm³]"),
        "vacuum_fraction": {"choice": [0.0, 0.1, 0.2, 0.3]},
        "roughness": {"uniform": [0.03, 0.1]},
        "correlation_length": Noted({"loguniform": [30.0, 120.0]}, "[Å]"),
        "porosity": {"uniform": [0.1, 0.3]},
        "pore_radius": Noted({"uniform": [2.5, 6.0]}, "[Å]"),
    }


def _carbon_nitride(request: RecipeRequest) -> Mapping[str, Any]:
    distance = 3.2
    layers = request.thickness
    if isinstance(layers, tuple):
        layers = (layers[0] / distance, layers[1] / distance)
    elif layers is not None:
        layers = max(1.0, round(layers / distance))
    return {
        "kind": Noted("carbon_nitride", "layers of g-C₃N₄"),
        "num_layers": uniform(layers, (2, 15), "3.2 Å each"),
        "stacking": "random",
        "corrugation": Noted({"uniform": [0.2, 1.0]}, "[Å]"),
        "patches": {"uniform": [2.0, 8.0]},
        "disorder": Noted({"uniform": [0.1, 0.5]}, "[Å]"),
        "lost_fraction": Noted({"uniform": [0.0, 0.2]}, "by the beam"),
    }


_FILMS = {"carbon": _carbon, "carbon-particle": _carbon_particle, "c3n4": _carbon_nitride}


def _refuse_detail(request: RecipeRequest, detail: str) -> None:
    if detail:
        raise RecipeError(
            f"support: {request.support}: nothing can follow the colon, this support has no face"
        )


def _layers(request: RecipeRequest, name: str, detail: str) -> Mapping[str, Any]:
    if request.thickness is not None:
        raise RecipeError(f"thickness: layers are counted, not measured; give their number, such as {name}:3")
    if detail and not detail.isdigit():
        raise RecipeError(
            f"support: {request.support}: after the colon stands the number of layers, such as {name}:3"
        )
    return {
        "kind": "layers",
        "material": _LAYERED[name.lower()],
        "num_layers": Noted(int(detail or 1)),
        "rotation": Noted({"uniform": [0.0, 60.0]}, "of the lattice on the image [degrees]"),
        "ripple_amplitude": Noted({"uniform": [0.0, 0.5]}, "[Å]"),
    }


def _slab(request: RecipeRequest, name: str, detail: str) -> Mapping[str, Any]:
    face = _FACE.fullmatch(detail)
    if not face or not any(int(index) for index in face.groups()):
        raise RecipeError(
            f"support: {request.support}: a crystal wants the face that the beam enters, such as {name}:001"
        )
    return {
        "kind": Noted("crystal_slab", f"beam normal to ({' '.join(face.groups())})"),
        "crystal": name,
        "face": [int(index) for index in face.groups()],
        "thickness": uniform(request.thickness, (20, 80), "[Å]"),
        "rotation": Noted({"uniform": [0.0, 6.2832]}, "of the lattice on the image [rad]"),
        "mistilt": Noted({"uniform": [0.0, 10.0]}, "[mrad]"),
        "mistilt_angle": {"uniform": [0.0, 6.2832]},
        "roughness": Noted({"uniform": [0.0, 1.0]}, "of the surfaces [Å]"),
    }


def _file(request: RecipeRequest, name: str) -> Mapping[str, Any]:
    if request.thickness is not None:
        raise RecipeError(
            f"thickness: {name} is taken as it is; give a face, such as {name}:001, to cut a slab from it"
        )
    return {"kind": "file", "path": name}
