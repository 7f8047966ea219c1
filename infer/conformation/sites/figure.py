"""How probable each T site is, before an image and after it."""

from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from stemforge.colours import BLUE, GREY, ORANGE, SKY
from stemforge.files import write_figure
from stemforge.infer.conformation.sites.posterior import LEVEL, AcidSitePosterior
from stemforge.micrograph.drawing import entitle

_BROAD = 0.4  # of a bar, of the distance between T sites
_BEFORE = "#BBBBBB"
_HIGHEST = 1.1  # of the axis, so that a row of figures above the bars has room


def draw_acid_site(sites: AcidSitePosterior, path: str | Path | None = None) -> Figure:
    """Draw each T site's probability beside what it was before, those in the smallest 90 % set in a stronger colour.

    Parameters
    ----------
    sites
        From :func:`stemforge.infer.locate_acid_site`.
    path
        Where to save the picture; None saves nothing.

    Returns
    -------
    Figure
        Bars for T sites, and one for none of the candidates; of many blocks their mean, and the share of blocks in
        which a site is the best as a point.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from stemforge import Micrograph
    >>> from stemforge.infer import CandidateFolder
    >>> from stemforge.structures.candidates.table import TableRow
    >>> rows = tuple(TableRow(f"T{t}-O1", t, 1, None, None, "", True, f"T{t}.cif") for t in (3, 12))
    >>> shown = SimpleNamespace(micrograph=Micrograph(np.eye(4), name="film"), averaged=9)  # a Conformation
    >>> likely = np.array([[0.05, 0.95]])
    >>> sites = AcidSitePosterior(
    ...     shown, CandidateFolder("made", (), rows), "flat", np.full(2, 0.5), likely, np.zeros(1)
    ... )
    >>> draw_acid_site(sites, "film.png").axes[0].get_title(), Path("film.png").exists()
    ('film: T site of the acid, 9 cells averaged', True)
    """
    number, blocks = len(sites.names), len(sites.none)
    figure = Figure(figsize=(max(6.4, 0.62 * number + 2.6), 4.2), layout="constrained")
    axes = figure.add_subplot()
    none = number + 0.4  # place of the bar for none of the candidates
    handles = _bars(axes, sites)
    _bar(axes, none, float(sites.none.mean()), GREY)
    axes.axvline(number - 0.3, color=_BEFORE, lw=0.8)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8, frameon=False)
    axes.set_xticks([*range(number), none], [*sites.names, "no\ncandidate"], fontsize=9)
    axes.set(ylim=(0, _HIGHEST), xlim=(-0.7, none + 0.6), yticks=[0, 0.25, 0.5, 0.75, 1])
    axes.set_ylabel("probability" + (f", mean over {blocks} blocks" if blocks > 1 else ""))
    axes.spines[["top", "right"]].set_visible(False)
    averaged = sites.conformation.averaged
    cells = "single cells" if averaged == 1 else f"{averaged} cells averaged"
    entitle(axes, f"{sites.conformation.micrograph.name}: T site of the acid, {cells}")
    if path is not None:
        write_figure(figure, path)
    return figure


def _bars(axes: Axes, sites: AcidSitePosterior) -> list[Artist]:
    """Draw the T sites' bars, and points where there are many blocks; return what the legend explains."""
    blocks, places = len(sites.none), np.arange(len(sites.names))
    axes.bar(places - _BROAD / 2, sites.prior, width=_BROAD, color=_BEFORE)
    inside = sites.smallest_sets().mean(0) >= 0.5
    for place, value, held in zip(places, sites.probability.mean(0), inside, strict=True):
        _bar(axes, place + _BROAD / 2, float(value), BLUE if held else SKY)
    which = f"in the smallest set of {100 * LEVEL:.0f} %" + (" of most blocks" if blocks > 1 else "")
    handles: list[Artist] = [
        Patch(color=_BEFORE, label=f"before ({sites.kind})"),
        Patch(color=BLUE, label=f"after, {which}"),
        Patch(color=SKY, label="after, outside"),
    ]
    if blocks > 1:
        share = [sites.best.count(name) / blocks for name in sites.names]
        handles += axes.plot(places + _BROAD / 2, share, "o", color=ORANGE, ms=6, label="best in this share")
    return handles


def _bar(axes: Axes, place: float, value: float, colour: str) -> None:
    axes.bar(place, value, width=_BROAD, color=colour)
    axes.text(place, 1.04, f"{100 * value:.0f} %", ha="center", fontsize=8, color=GREY)
