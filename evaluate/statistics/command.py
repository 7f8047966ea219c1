"""The command of this shelf: ``stemforge analyse``."""

from stemforge import evaluate
from stemforge.console import say
from stemforge.options import Calibration, Files, Labels, Output, Places, Progress


def analyse(
    tables: Files,
    /,
    *,
    places: Places = Places(),
    calibration: Calibration = Calibration(),
    labelling: Labels = Labels(),
    output: Output = Output(),
    progress: Progress = Progress(),
) -> None:
    """Say where atoms stand that were found: densities, neighbours, pairs, clusters, each against random places.

    Of each image and of all together: density, distances to nearest neighbours corrected for edges beside those of
    random places, Clark and Evans' index, Ripley's L, pair correlation, areas of Voronoi cells, and with a bond
    length the share of bonded atoms, dimers and trimers without coincidences of projection. Envelopes are those of
    random places in the image's own mask. Writes statistics.csv, statistics.json, curves.csv and overview.png of all
    images, and of each a table of its atoms (_places.csv) and a sheet (_places.png). Where tables have intensities, as
    those of `stemforge infer atoms`, intensities.csv and .png say whether these are single atoms, some of them in line,
    or several kinds. docs/statistics.md defines each statistic.

    Parameters
    ----------
    tables
        Tables that `stemforge infer atoms` wrote, or of ImageJ (X,Y), or folders of them.
    """
    from stemforge.evaluate.statistics.files import result_names, write_survey
    from stemforge.evaluate.statistics.reading import Sources, find_tables

    files = find_tables(tables)
    folder = output.results("analyse", result_names(files), files)
    survey = evaluate.analyse_files(
        files,
        Sources(
            places.images or (),
            places.masks or (),
            calibration.sampling,
            labelling.label_unit,
            places.closest,
        ),
        element=places.element,
        length=places.bond,
        recall=places.recall,
        purity=places.purity,
        simulations=places.simulations,
        seed=places.seed,
        quiet=progress.quiet,
    )
    say("\n".join(survey.lines()))
    names = write_survey(survey, folder, files)
    say(f"wrote {folder.path}/{', '.join(names)}, and each image's _places.csv and _places.png")
