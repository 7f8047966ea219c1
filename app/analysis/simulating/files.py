"""Files of a simulation: its recipe, its image, its structure."""

import io
from pathlib import Path

from ase.io import write

from stemforge.app.analysis.simulating.images import recorded, structure_of
from stemforge.app.analysis.simulating.recipes import recipe_of
from stemforge.files import write_whole
from stemforge.micrograph.writers import write_tiff

ENDINGS = ("yaml", "tif", "xyz")


def write_file(support: str, element: str | None, values: dict[str, float], ending: str, out: str) -> str:
    """Write a file of a simulation.

    Parameters
    ----------
    support, element, values
        As in :func:`stemforge.app.analysis.simulating.controls.read_values`.
    ending
        ``yaml``: the recipe, for ``stemforge simulate``; ``tif``: the image, 32 bits with its pixel size; ``xyz``: every
        atom [Å] with its tag (extended XYZ).
    out
        File.

    Returns
    -------
    str
        What the file may be called, without ending.
    """
    recipe = recipe_of(support, element, values)
    if ending == "yaml":
        heading = "# Written by the page of stemforge app; its image: stemforge simulate THIS --out CORPUS\n"
        write_whole(Path(out), (heading + recipe.to_yaml()).encode())
    elif ending == "tif":
        write_tiff(out, recorded(recipe)[1].image[0], recipe.scan.sampling)
    else:
        text = io.StringIO()
        write(text, structure_of(recipe), format="extxyz", columns=["symbols", "positions", "tags"])
        write_whole(Path(out), text.getvalue().encode())
    return f"{recipe.name}-{recipe.seed}"
