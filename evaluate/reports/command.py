"""The command of this shelf: ``stemforge report``."""

from stemforge import evaluate
from stemforge.console import say
from stemforge.options import (
    AtomDetector,
    Augmentation,
    Device,
    Files,
    Labels,
    Output,
    Places,
    Progress,
    Reading,
    Tiles,
)


def report(
    sources: Files,
    /,
    *,
    title: str | None = None,
    detector: AtomDetector = AtomDetector(),
    augmentation: Augmentation = Augmentation(),
    tiles: Tiles = Tiles(),
    places: Places = Places(),
    reading: Reading = Reading(),
    labelling: Labels = Labels(),
    output: Output = Output(),
    device: Device = Device(),
    progress: Progress = Progress(),
) -> int:
    """From micrographs to one page that says how many atoms there are, how dense, how they stand, and how sure that is.

    Finds atoms as `stemforge infer atoms` does, measures where they stand as `stemforge analyse` does, and writes
    report.html into the folder `report`: the answer first, figures with how to read them, images with their atoms that
    can be zoomed, a table that can be sorted, and a paragraph on methods ready to paste. The page holds all it needs
    and asks no other machine for anything; print it for a PDF. Beside it lie report.json, atoms.csv (all atoms),
    atoms/ (tables and overlays) and statistics/. Run again with --overwrite, atoms are looked for on images that are
    new or changed only. docs/report.md shows a page.

    Parameters
    ----------
    sources
        Image files, or folders of them; or tables that `stemforge infer atoms` wrote, or of ImageJ, or folders of them.
    title
        Title of the page; by default the name of the folder of the first image or table.
    """
    from stemforge.evaluate.reports.files import PAGE
    from stemforge.evaluate.reports.inputs import Detecting
    from stemforge.evaluate.statistics.files import Analysis
    from stemforge.evaluate.statistics.reading import Sources

    page = evaluate.report_files(
        sources,
        output.results("report"),
        detecting=Detecting(
            detector.weights,
            detector.threshold,
            augmentation.augment,
            tiles.tile,
            device.check(),
            reading,
        ),
        sources=Sources(
            places.images or (), places.masks or (), reading.length, labelling.label_unit, places.closest
        ),
        analysis=Analysis(
            places.element, places.bond, places.recall, places.purity, places.simulations, places.seed
        ),
        title=title,
        quiet=progress.quiet,
    )
    say(page.lead)
    say(f"wrote {output.results('report').path / PAGE}: open it in a browser")
    return 1 if page.left_out else 0
