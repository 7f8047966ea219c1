"""A picture of all candidates, seen along b."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase.neighborlist import natural_cutoffs, neighbor_list
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stemforge.colours import BLUE, GREY, ORANGE, VERMILION
from stemforge.files import write_figure
from stemforge.micrograph.drawing import entitle
from stemforge.structures.candidates.guest_at_site import Candidate
from stemforge.structures.candidates.images import images_near
from stemforge.structures.candidates.minima import Shares
from stemforge.structures.cells import Array
from stemforge.structures.tags import Tag

__all__ = ["draw_candidates"]

_HALF = 8.5  # Å, half the side of a picture
_COLUMNS = 6
_LINK = 3.6  # Å, between T atoms that share an oxygen


def draw_candidates(
    candidates: Sequence[Candidate], shares: Shares | None = None, path: str | Path | None = None
) -> Figure:
    """Draw candidates along b, each around its guest.

    Parameters
    ----------
    candidates : sequence of Candidate
        What to draw, at least one.
    shares : Shares, optional
        Their Boltzmann weights, and which are the same minimum as another.
    path : str or path-like, optional
        Where to save the picture.

    Returns
    -------
    matplotlib.figure.Figure
        For each candidate the framework as links between T atoms, a to the right and c upwards, the guest, the
        aluminium and the proton.
    """
    columns = min(_COLUMNS, len(candidates))
    rows = -(-len(candidates) // columns)
    figure = Figure(figsize=(max(2.3 * columns, 5.0), 2.55 * rows + 0.7), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in panels[len(candidates) :]:
        ax.set_axis_off()
    for number, (ax, candidate) in enumerate(zip(panels, candidates, strict=False)):
        _draw(ax, candidate)
        entitle(ax, _title(candidates, number, shares), 8)
    handles = [
        _dot(ORANGE, 7, "Al"),
        _dot(VERMILION, 4, "acid proton"),
        Line2D([], [], color=BLUE, lw=1.8, label="guest (heteroatom: dot)"),
        Line2D([], [], color="0.7", lw=0.8, label="framework, seen along b"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    if path is not None:
        write_figure(figure, path)
    return figure


def _dot(colour: str, size: float, label: str) -> Line2D:
    return Line2D([], [], marker="o", ls="", color=colour, ms=size, label=label)


def _title(candidates: Sequence[Candidate], number: int, shares: Shares | None) -> str:
    candidate = candidates[number]
    if candidate.energy is None:
        return candidate.name
    share = "" if shares is None else f", {100 * shares.weights[number]:.0f} %"
    if shares is not None and shares.first[number] != number:
        share = f", as {candidates[shares.first[number]].name}"
    return f"{candidate.name}\n{candidate.energy:.2f} eV{share}"


def _draw(ax: Axes, candidate: Candidate) -> None:
    atoms, acid = candidate.atoms, candidate.atoms.info["acid"]
    a, b, _ = atoms.cell.array
    up = np.cross(a, b)
    axes = np.array([a / np.linalg.norm(a), up / np.linalg.norm(up)])
    guest = np.flatnonzero(atoms.get_tags() == Tag.GUEST)
    centre = atoms.positions[guest].mean(axis=0)

    def flat(places: Array) -> Array:
        return (places - centre) @ axes.T

    ax.add_collection(LineCollection(flat(_links(candidate)).tolist(), colors="0.7", linewidths=0.8))
    members = [*guest, acid["proton"]] if candidate.transferred else guest
    molecule = atoms[members]
    molecule.pbc = False
    i, j = neighbor_list("ij", molecule, natural_cutoffs(molecule, mult=1.15))
    bonds = np.stack([molecule.positions[i], molecule.positions[j]], axis=1)
    ax.add_collection(LineCollection(flat(bonds).tolist(), colors=BLUE, linewidths=1.8, zorder=3))
    proton = atoms.positions[acid["proton"]]
    arm = atoms.get_distance(acid["proton"], acid["aluminium"], mic=True, vector=True)
    for place, colour, size in (
        (atoms.positions[acid["head"]], BLUE, 5.0),
        (proton + arm, ORANGE, 7.0),
        (proton, VERMILION, 4.0),
    ):
        x, y = flat(place)
        ax.plot(x, y, "o", color=colour, ms=size, mec="white", mew=0.4, zorder=4)
    ax.set(xlim=(-_HALF, _HALF), ylim=(-_HALF, _HALF), aspect="equal", xticks=[], yticks=[])
    ax.spines[:].set_color(GREY)
    ax.spines[:].set_linewidth(0.5)


def _links(candidate: Candidate) -> Array:
    """Find the links between T atoms around the guest: their ends [Å], shape ``(n, 2, 3)``."""
    atoms = candidate.atoms
    centre = atoms.positions[atoms.get_tags() == Tag.GUEST].mean(axis=0)
    t = atoms[np.isin(atoms.numbers, (13, 14))]
    i, j, vectors = neighbor_list("ijD", t, _LINK)
    once = i <= j
    index, places = images_near(t, centre[None], 1.6 * _HALF)
    ends = [
        places[index == k][:, None] + np.stack([0 * v, v])
        for k, v in zip(i[once], vectors[once], strict=True)
    ]
    return np.concatenate(ends)
