"""How well each pixel size explains an image, drawn."""

from pathlib import Path

from matplotlib.figure import Figure

from stemforge.colours import BLUE, VERMILION
from stemforge.files import write_figure
from stemforge.infer.atoms.sampling import SIZES, SamplingEstimate


def draw_sampling(estimate: SamplingEstimate, path: str | Path | None = None) -> Figure:
    """Draw expected F1 and density over the assumed pixel size, and the estimate with two standard deviations.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.infer import SamplingCurve
    >>> curve = SamplingCurve(np.full(19, 0.5), np.linspace(0, 1, 19), np.full(19, 12.0))
    >>> figure = draw_sampling(SamplingEstimate(0.29, 0.1, curve), "sizes.png")
    >>> [axes.get_ylabel() for axes in figure.axes], Path("sizes.png").exists()
    (['expected F1', 'expected atoms per nm²'], True)
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.semilogx(SIZES, estimate.curve.expected_f1, "o-", color=BLUE)
    axes.set(xlabel="assumed pixel size [Å]", ylim=(0, 1))
    axes.set_ylabel("expected F1", color=BLUE)
    right = axes.twinx()
    right.plot(SIZES, estimate.curve.density, "s--", color=VERMILION)
    right.set_ylabel("expected atoms per nm²", color=VERMILION)
    right.set_ylim(bottom=0)
    axes.axvline(estimate.sampling, color="k")
    axes.axvspan(*estimate.interval, color="k", alpha=0.1)
    axes.set_title(str(estimate), fontsize=10)
    axes.set_xticks([0.1, 0.2, 0.3, 0.5, 0.8], ["0.1", "0.2", "0.3", "0.5", "0.8"])
    axes.minorticks_off()
    if path is not None:
        write_figure(figure, path, dpi=120)
    return figure
