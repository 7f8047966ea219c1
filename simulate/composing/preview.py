"""One image of a recipe, drawn before a corpus is made."""

from pathlib import Path

import numpy as np
from ase import Atoms
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.patheffects import withStroke

from stemforge.colours import ORANGE, SKY
from stemforge.files import write_figure
from stemforge.micrograph.drawing import draw_micrograph, entitle
from stemforge.micrograph.image import Micrograph
from stemforge.simulate.engines.auto import Auto
from stemforge.simulate.engines.kernels import Kernels
from stemforge.simulate.engines.prism import Prism, largest_interpolation
from stemforge.simulate.recipe import SimulationRecipe
from stemforge.simulate.recording.record import Recording, record, recording_rng
from stemforge.simulate.sample import simulate_sample
from stemforge.simulate.scan import Scan
from stemforge.structures import draw_projection, is_flat

# Field of view that is drawn at most [Å]: engines for crystals take a time that grows with the square of the area.
_WIDEST = 18.0
_WIDEST_KERNELS = 150.0
_FASTEST = 4  # interpolation of PRISM
# From this contrast-to-noise on an atom is drawn as one that can be found.
_VISIBLE = 5.0


def draw_preview(recipe: SimulationRecipe, path: str | Path | None = None, index: int = 0) -> Figure:
    """Simulate one image of a recipe and draw it: as recorded, with its labels, and its structure.

    Parameters
    ----------
    recipe
        Its field of view is cut to 15 nm, or 1.8 nm where the engine is not ``kernels``. For ``auto`` stands PRISM with
        one configuration of phonons, or, where its window would lose electrons, ``kernels`` with up to 15 nm; the
        picture says so then.
    path
        Where to save the picture; None saves nothing.
    index
        Number of the sample.

    Returns
    -------
    Figure
        The image, the same with labels, and the structure: from the side, a sheet from above, too.

    Examples
    --------
    >>> recipe = SimulationRecipe.load("fe-c3n4", {"scan.shape": [48, 48]})
    >>> len(draw_preview(recipe).axes)
    3
    """
    small = preview_recipe(recipe, index)
    drawn, atoms = small.build(index)
    sample = simulate_sample(small, index)
    recording = record(sample, small.degradation, recording_rng({}, index, small.seed))
    picture = Micrograph(recording.image[0], sample.sampling, recording.channels[0], small.name)
    figure = Figure(figsize=(12.6, 4.6), layout="constrained")
    grid = figure.add_gridspec(1, 3)
    plain, marked = (figure.add_subplot(grid[number]) for number in (0, 1))
    draw_micrograph(plain, picture)
    entitle(plain, f"{small.name}, image {index}")
    draw_micrograph(marked, picture, scale_bar=False)
    _draw_labels(marked, recording)
    _draw_structure(figure, grid[2], atoms, small.scan)
    dose = "" if recording.dose is None else f", {recording.dose:,.0f} e/Å²"
    optics = f"{drawn.microscope.energy / 1e3:g} kV, {drawn.microscope.semiangle_cutoff:.3g} mrad"
    summed = (
        ", a sum over atoms: no channelling" if small.engine.name == "kernels" != recipe.engine.name else ""
    )
    figure.suptitle(f"{optics}, {sample.sampling:g} Å per pixel{dose}{summed}", fontsize=10)
    if path is not None:
        write_figure(figure, path, dpi=120)
    return figure


def preview_recipe(recipe: SimulationRecipe, index: int = 0) -> SimulationRecipe:
    """Return the recipe with a field of view and an engine that take seconds."""
    if recipe.engine.name == "kernels":
        return _cut(recipe, _WIDEST_KERNELS)
    small = _cut(recipe, _WIDEST)
    small = small.replace(
        microscope=recipe.microscope.replace(focal_spread=0.0),
        scan=small.scan.replace(margin=min(recipe.scan.margin, 2.0)),
    )
    if not isinstance(recipe.engine, Auto) or recipe.microscope.detectors.segmented:
        return small
    # A picture need not be exact: one configuration of phonons, and a fast PRISM, or a sum over atoms where that
    # would lose those on top.
    drawn, atoms = small.build(index)
    side, depth = min(drawn.scan.cell), float(np.ptp(atoms.positions[:, 2]))
    most = min(_FASTEST, largest_interpolation(drawn.microscope, side, depth))
    if most < 2:
        kernels = Kernels(**recipe.engine.model_dump(include=set(Kernels.model_fields) - {"name"}))
        return _cut(recipe.replace(engine=kernels), _WIDEST_KERNELS)
    prism = {"interpolation": most, "frozen_phonons": 1}
    return small.replace(engine=Prism(**recipe.engine.model_dump(include={"slice_thickness"}), **prism))


def _cut(recipe: SimulationRecipe, widest: float) -> SimulationRecipe:
    most = max(16, int(widest / recipe.scan.sampling))
    height, width = (min(length, most) for length in recipe.scan.shape)
    return recipe.replace(scan=recipe.scan.replace(shape=(height, width)))


def _draw_structure(figure: Figure, place: SubplotSpec, atoms: Atoms, scan: Scan) -> None:
    """Draw the structure from the side, and above that a sheet as its image lies beside it."""
    *cell, depth = atoms.cell.lengths()
    (x, y), (width, height) = ((0.0, 0.0), cell)
    if scan.straight:  # what the image shows
        (x, y), (width, height) = scan.origin((cell[0], cell[1])), scan.field_of_view
    flat = is_flat(atoms)
    rows = place.subgridspec(2, 1, height_ratios=(height, depth))
    parts = [rows[0], rows[1]] if flat else [place]
    *above, side = (figure.add_subplot(part) for part in parts)
    draw_projection(side, atoms, (0, 2), 1)
    entitle(side, f"{'' if flat else 'structure '}from the side; the beam enters below")
    for axes in above:
        draw_projection(axes, atoms, (0, 1), 2)
        axes.set(ylim=(y + height, y))  # rows of an image run downwards
        entitle(axes, "structure from above")
        for each in (axes, side):
            each.set(xlim=(x, x + width))


def _draw_labels(axes: Axes, recording: Recording) -> None:
    labels = recording.labels
    if not len(labels):
        entitle(axes, "no labels")
        return
    visible = labels["cnr"] >= _VISIBLE if "cnr" in labels.columns else np.ones(len(labels), dtype=bool)
    for chosen, colour in ((visible, ORANGE), (~visible, SKY)):
        x, y = labels.points[chosen].T
        rings = axes.scatter(x, y, s=170, facecolors="none", edgecolors=colour, linewidths=1.2)
        rings.set_path_effects([withStroke(linewidth=2.2, foreground="black"), withStroke(linewidth=0)])
    entitle(
        axes,
        f"labels: {visible.sum()} atoms from contrast-to-noise {_VISIBLE:g} on, {(~visible).sum()} fainter",
    )
