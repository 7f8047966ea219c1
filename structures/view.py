"""Look at a structure: from above along the beam, and from the side."""

from os import PathLike
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray
from scipy import ndimage

from stemforge.files import write_figure
from stemforge.structures.tags import Tag

__all__ = ["draw_projection", "draw_structure", "is_flat"]

_MOST_CIRCLES = 5000  # more atoms than these overlap into a blot: show how densely they lie instead
_WIDTH = 0.4  # Å, standard deviation of an atom in such a picture: columns of crystals stay apart
_FINEST = 0.15  # Å, its pixels; those of large fields are as many as a figure has
_MOST_PIXELS = 1000
_FLAT = 0.45  # depth over height, below which the side view lies under the view from above
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

    Examples
    --------
    >>> from stemforge.structures import layered_material
    >>> ax = Figure().subplots()
    >>> sheet = layered_material((20, 20), rng=np.random.default_rng(0))
    >>> draw_projection(ax, sheet, axes=(0, 1), depth=2)
    >>> len(ax.collections[0].get_offsets()) == len(sheet)
    True
    """
    h, v = axes
    lengths, tags = atoms.cell.lengths(), atoms.get_tags()
    # The beam enters at z = 0, so that from above a small z is near.
    order = np.argsort(-atoms.positions[:, depth], kind="stable")
    many = len(atoms) > _MOST_CIRCLES
    if many:
        support = atoms[tags == Tag.SUPPORT]
        extent = (0, lengths[h], 0, lengths[v])
        ax.imshow(_density(support, axes).T, cmap="gray", origin="lower", extent=extent)
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


def _density(atoms: Atoms, axes: tuple[int, int]) -> NDArray[np.float64]:
    """Return how densely atoms lie in a projection, shape (right, up).

    Pixels of the size of a lattice constant would beat with the lattice: these are much finer than an atom is drawn,
    and atoms are drawn no finer than a figure shows.
    """
    lengths = atoms.cell.lengths()[list(axes)]
    step = max(_FINEST, lengths.max() / _MOST_PIXELS)
    bins = [max(round(length / step), 1) for length in lengths]
    places = atoms.positions[:, list(axes)]
    periodic = np.array([axis < 2 for axis in axes])
    places = np.where(periodic, places % lengths, places)
    extent = [(0.0, float(length)) for length in lengths]
    counts, *_ = np.histogram2d(places[:, 0], places[:, 1], bins=bins, range=extent)
    modes = ["wrap" if one else "constant" for one in periodic]
    return ndimage.gaussian_filter(counts, max(_WIDTH / step, 1.0), mode=modes)


def is_flat(atoms: Atoms) -> bool:
    """Whether a structure is so flat that seen from the side it is a strip, as sheets are.

    Examples
    --------
    >>> is_flat(Atoms("C", cell=(20, 20, 7))), is_flat(Atoms("C", cell=(20, 20, 20)))
    (True, False)
    """
    return bool(atoms.cell.lengths()[2] < _FLAT * atoms.cell.lengths()[1])


def _draw_scale_bar(ax: Axes, figure: Figure, length: float) -> None:
    """Bar of a round length, about a fifth of the width, under the picture."""
    rounds = np.array([1, 2, 5, 10, 20, 50, 100, 200, 500])
    bar = int(rounds[np.argmin(np.abs(rounds - length / 5))])
    points = figure.dpi_scale_trans
    below = ax.get_xaxis_transform() + ScaledTranslation(0, -5 / 72, points)
    ax.plot([0, bar], [0, 0], color="black", linewidth=3, transform=below, clip_on=False)
    under = ax.get_xaxis_transform() + ScaledTranslation(0, -9 / 72, points)
    ax.text(bar / 2, 0, f"{bar} Å", ha="center", va="top", transform=under)


def draw_structure(atoms: Atoms, path: str | PathLike[str] | None = None) -> Figure:
    """Picture of a structure from above and from the side.

    Parameters
    ----------
    atoms : ase.Atoms
        Structure in an orthogonal cell. Up to 5,000 atoms are drawn as circles in the colours of their
        elements; of larger supports it is shown in grey how densely atoms lie. Scattered atoms, ligands and guests
        have a coloured outline, by tag.
    path : str or path-like, optional
        Where to save it; the suffix tells the format.

    Returns
    -------
    matplotlib.figure.Figure
        The projection along the beam (x to the right, y upwards); and, to its right or, for sheets, below it, seen
        along y, with the beam entering from below at z = 0.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import carbon_nitride, draw_structure
    >>> figure = draw_structure(carbon_nitride((30, 30), rng=np.random.default_rng(0)))
    >>> len(figure.axes)
    2
    """
    width, height, depth = atoms.cell.lengths()
    flat = is_flat(atoms)
    if flat:  # of one width, below each other: one scale holds for both
        figure = Figure(figsize=(6.5, 6.5 * (height + depth) / width + 1.2), layout="constrained")
        top, side = figure.subplots(2, 1, height_ratios=(height, depth))
    else:  # of one height
        ratios = (width / height, max(width / depth, 0.3))
        tall = min(11 / sum(ratios), 5.5)
        figure = Figure(figsize=(tall * sum(ratios), tall + 1.2), layout="constrained")
        top, side = figure.subplots(1, 2, width_ratios=ratios)
    draw_projection(top, atoms, (0, 1), 2)
    draw_projection(side, atoms, (0, 2), 1)
    for ax in (side,) if flat else (top, side):
        _draw_scale_bar(ax, figure, width)
    top.set_title("along the beam (x, y)", fontsize=10)
    separator = "; " if flat else "\n"
    side.set_title(f"from the side (x, z){separator}the beam enters below", fontsize=10)
    tags = atoms.get_tags()
    handles = []
    for tag, number in sorted({*zip(tags.tolist(), atoms.numbers.tolist(), strict=True)}):
        count = int(((tags == tag) & (atoms.numbers == number)).sum())
        role, colour = _ROLES.get(tag, _OTHER)
        label = f"{chemical_symbols[number]} {role} ({count:,})"
        grey = tag == Tag.SUPPORT and len(atoms) > _MOST_CIRCLES
        face = "0.8" if grey else jmol_colors[number]
        style: dict[str, Any] = {"markerfacecolor": face, "markeredgecolor": colour}
        handles.append(Line2D([], [], marker="o", linestyle="none", label=label, **style))
    columns = int(figure.get_figwidth() / 2)  # entries are up to two inches wide
    figure.legend(handles=handles, loc="outside lower center", ncols=max(columns, 1), frameon=False)
    if path is not None:
        write_figure(figure, path, dpi=150)
    return figure
