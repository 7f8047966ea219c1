"""Look at a structure: from above along the beam, and from the side."""

from os import PathLike

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stemforge.files import write_figure
from stemforge.structures.tags import Tag

__all__ = ["draw_projection", "draw_structure"]

_MOST_CIRCLES = 5000  # more atoms than these overlap into a blot: show how many lie in a column instead
_ROLES = {  # name and colour of the outline
    Tag.SINGLE_ATOM: ("single atom", "crimson"),
    Tag.CLUSTER_ATOM: ("cluster atom", "darkorange"),
    Tag.LIGAND: ("ligand", "seagreen"),
    Tag.GUEST: ("guest", "royalblue"),
    Tag.PARTICLE: ("particle", "darkviolet"),
}
_OTHER = ("support", "0.4")


def draw_projection(ax: Axes, atoms: Atoms, axes: tuple[int, int], depth: int) -> None:
    """Draw atoms projected along an axis, the nearest to the viewer last.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    atoms : ase.Atoms
        Structure in an orthogonal cell.
    axes : (int, int)
        Axes of the structure, 0 to 2, that lie to the right and upwards.
    depth : int
        The axis to look along.
    """
    h, v = axes
    lengths, tags = atoms.cell.lengths(), atoms.get_tags()
    # The beam enters at z = 0, so that from above a small z is near.
    order = np.argsort(-atoms.positions[:, depth], kind="stable")
    many = len(atoms) > _MOST_CIRCLES
    if many:
        support = atoms.positions[tags == Tag.SUPPORT]
        bins = [max(int(length), 1) for length in (lengths[h], lengths[v])]
        extent = (0, lengths[h], 0, lengths[v])
        column, _, _ = np.histogram2d(support[:, h], support[:, v], bins=bins, range=(extent[:2], extent[2:]))
        ax.imshow(column.T, cmap="gray", origin="lower", extent=extent, interpolation="bilinear")
        order = order[tags[order] != Tag.SUPPORT]
    # A second, hollow drawing of the scattered atoms keeps them in sight inside a support.
    for shown, filled in ((order, not many), (order[tags[order] != Tag.SUPPORT], False)):
        diameters = 1.2 * covalent_radii[atoms.numbers[shown]]
        circles = EllipseCollection(
            diameters,
            diameters,
            np.zeros(len(shown)),
            units="xy",
            offsets=atoms.positions[shown][:, [h, v]],
            offset_transform=ax.transData,
            facecolors=jmol_colors[atoms.numbers[shown]] if filled else "none",
            edgecolors=[_ROLES.get(tag, _OTHER)[1] for tag in tags[shown]],
            linewidths=np.where(tags[shown] == Tag.SUPPORT, 0.3, 1.2),
        )
        ax.add_collection(circles)
    ax.set(xlim=(0, lengths[h]), ylim=(0, lengths[v]), aspect="equal", xticks=[], yticks=[])


def _draw_scale_bar(ax: Axes, length: float) -> None:
    """Bar of a round length, about a fifth of the width, under the picture."""
    rounds = np.array([1, 2, 5, 10, 20, 50, 100, 200, 500])
    bar = int(rounds[np.argmin(np.abs(rounds - length / 5))])
    transform = ax.get_xaxis_transform()
    ax.plot([0, bar], [-0.02, -0.02], color="black", linewidth=3, transform=transform, clip_on=False)
    ax.text(bar / 2, -0.03, f"{bar} Å", ha="center", va="top", transform=transform)


def draw_structure(atoms: Atoms, path: str | PathLike[str] | None = None) -> Figure:
    """Picture of a structure from above and from the side.

    Parameters
    ----------
    atoms : ase.Atoms
        Structure in an orthogonal cell. Up to 5,000 atoms are drawn as circles in the colours of their
        elements; of larger supports the number of atoms in each column of 1 Å is shown in grey. Scattered
        atoms, ligands and guests have a coloured outline, by tag.
    path : str or path-like, optional
        Where to save it; the suffix tells the format.

    Returns
    -------
    matplotlib.figure.Figure
        Left, the projection along the beam (x to the right, y upwards); right, seen along y, with the beam
        entering from below at z = 0.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import carbon_nitride, draw_structure
    >>> figure = draw_structure(carbon_nitride((30, 30), rng=np.random.default_rng(0)))
    >>> len(figure.axes)
    2
    """
    width = atoms.cell.lengths()[0]
    figure = Figure(figsize=(11, 6), layout="constrained")
    top, side = figure.subplots(1, 2)
    draw_projection(top, atoms, (0, 1), 2)
    draw_projection(side, atoms, (0, 2), 1)
    for ax in (top, side):
        _draw_scale_bar(ax, width)
    top.set_title("along the beam (x, y)")
    side.set_title("from the side (x, z); the beam enters below")
    side.annotate("", (-0.03, 0.3), (-0.03, 0.0), xycoords="axes fraction", arrowprops={"arrowstyle": "->"})
    tags = atoms.get_tags()
    handles = []
    for tag, number in sorted({*zip(tags.tolist(), atoms.numbers.tolist(), strict=True)}):
        count = int(((tags == tag) & (atoms.numbers == number)).sum())
        role, colour = _ROLES.get(tag, _OTHER)
        label = f"{chemical_symbols[number]} {role} ({count:,})"
        style = {"markerfacecolor": jmol_colors[number], "markeredgecolor": colour}
        handles.append(Line2D([], [], marker="o", linestyle="none", label=label, **style))
    figure.legend(handles=handles, loc="outside lower center", ncols=max(len(handles), 1), frameon=False)
    if path is not None:
        write_figure(figure, path, dpi=150, bbox_inches="tight")
    return figure
