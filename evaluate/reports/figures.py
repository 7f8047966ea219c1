"""The figures of a data set's page, each with a sentence that says how to read it."""

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stemforge.evaluate.reports.answers import format_p
from stemforge.evaluate.reports.page import Report
from stemforge.evaluate.statistics.figures import cells_into, curve_into, distances_into
from stemforge.evaluate.statistics.overview import densities_into, parity_into
from stemforge.evaluate.statistics.survey import Survey

_SIZE = (6.2, 4.3)  # inches: two beside each other on a screen


def add_figures(report: Report, survey: Survey | None) -> None:
    """Add what Figure 2 of Mitchell et al. (doi:10.1021/jacs.1c12466) shows, and pairs; nothing without statistics."""
    if survey is None:
        return
    if len(survey.counts) > 1:
        _add_images(report, survey)
    else:
        one = survey.images[0]
        report.add(
            "Distances to nearest neighbours",
            _panel(lambda axes: distances_into(axes, one.neighbours)),
            one.neighbours.sentence,
        )
        if one.cells is not None:
            cells = one.cells
            report.add("Voronoi cells", _panel(lambda axes: cells_into(axes, cells)), cells.sentence)
    report.add(
        "Neighbours up to a distance",
        _panel(lambda axes: curve_into(axes, survey.l_curve)),
        survey.l_curve.sentence,
    )
    report.add("Neighbours at a distance", _panel(lambda axes: curve_into(axes, survey.g)), survey.g.sentence)
    if survey.intensities is not None:
        report.add("Intensities of single atoms", survey.intensities.figure(), survey.intensities.sentence)


def _add_images(report: Report, survey: Survey) -> None:
    """Add how images differ, and where they stand beside random places."""
    spread, p = survey.counting
    how = "wider than" if p < 0.05 else "no wider than"
    report.add(
        "Density over images",
        _panel(lambda axes: densities_into(axes, survey)),
        "Each red tick is an image. The dashed curve is how wide counting alone would make them scatter round one "
        f"density, ± {spread:.2g}; the images' distribution is {how} that ({format_p(p)}).",
    )
    near = [one.neighbours for one in survey.images]
    inside = sum(one.low <= one.mean <= one.high for one in near)
    report.add(
        "Nearest neighbours, image by image",
        _panel(lambda axes: parity_into(axes, survey)),
        "Each point is an image, its bar where 95 of 100 random patterns lie: on the line atoms stand at random, below "
        f"it they cluster, above they keep their distance. {inside} of {len(near)} images lie within their bar; of "
        "random ones 95 in 100 do.",
    )


def _panel(draw: Callable[[Axes], None]) -> Figure:
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    draw(axes)
    axes.set_title("")  # the page has one
    return figure
