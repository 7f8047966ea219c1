"""The recipe of what the page asks for, and what is refused before any work."""

from stemforge.app.analysis.simulating.controls import CRYSTALS, SHEETS, SUPPORTS, read_values
from stemforge.errors import InputError
from stemforge.simulate import RecipeRequest, SimulationRecipe, fixed_recipe

MOST_ATOMS = 1_000_000
"""Of a structure: two or three seconds of work."""
_ATOMS = 0.105  # a cubic ångström of carbon at 2.1 g/cm³
_SHEET = 3.4  # Å

_REQUESTED = ("thickness", "density", "energy", "semiangle", "sampling", "dose", "source_size")
_SPECIAL = (*_REQUESTED, "layers", "inner", "outer", "size")


def recipe_of(support: str, element: str | None, values: dict[str, float]) -> SimulationRecipe:
    """Return the recipe of what the page asks for; parameters and errors as in :func:`read_values`.

    Raises
    ------
    InputError
        Also for a structure that is too large to wait for.

    Examples
    --------
    >>> recipe_of("carbon", "Pt", {"thickness": 20}).support.thickness
    200.0
    """
    found = read_values(support, element, values)
    _require_small(support, found)
    request = {name: found[name] for name in _REQUESTED if name in found}
    if element is None:
        del request["density"]
    size = round(found["size"])
    known = RecipeRequest.from_mapping(
        {
            **request,
            "support": f"{support}:{round(found['layers'])}" if support in SHEETS else support,
            "element": element,
            "detector": [found["inner"], found["outer"]],
            "shape": [size, size],
            "num": 1,
        },
        source="these values",
    )
    others = {name: value for name, value in found.items() if name not in _SPECIAL}
    recipe = fixed_recipe(known, {**others, "seed": round(found["seed"])})
    if support in CRYSTALS and recipe.engine.name == "kernels":
        raise InputError(
            f"{SUPPORTS[support]} of {found['thickness'] / 10:g} nm scatters to {found['outer']:g} mrad over more than "
            "an image of this size holds; take it thinner, more or larger pixels, or a smaller outer angle. The "
            "recipe for stemforge simulate has no such limit."
        )
    return recipe


def _require_small(support: str, found: dict[str, float]) -> None:
    """Refuse what would take too long, before it is begun."""
    if support in CRYSTALS:  # whose size and thickness have narrow ranges
        return
    side = found["size"] * found["sampling"] + 12.0
    thickness = found.get("thickness", _SHEET * found.get("layers", 0))
    atoms = side**2 * thickness * _ATOMS
    if atoms > MOST_ATOMS:
        raise InputError(
            f"{SUPPORTS[support]} of {side / 10:.0f} × {side / 10:.0f} × {thickness / 10:.0f} nm would have about "
            f"{atoms / 1e6:.1f} million atoms, at most {MOST_ATOMS / 1e6:.0f} million are simulated on this page; take "
            "it thinner, or fewer or smaller pixels. The recipe for stemforge simulate has no such limit."
        )
