"""Real micrographs beside a simulated corpus: statistics of both, and how well they can be distinguished."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from stemforge.colours import BLUE, GREEN, VERMILION
from stemforge.corpus.reader import Corpus
from stemforge.errors import InputError
from stemforge.evaluate.corpora.image_statistics import ImageStatistics, image_statistics
from stemforge.evaluate.corpora.two_sample import TwoSample, two_sample_test
from stemforge.files import write_json
from stemforge.micrograph.drawing import literal
from stemforge.micrograph.image import Micrograph
from stemforge.simulate.recording.record import corpus_degradation, record, recording_rng

_TITLES = {
    "counts": "counts [electrons a pixel]",
    "dark": "dark counts [electrons a pixel]",
    "noise": "counting noise over mean",
    "decay_time": "decay time [dwell times]",
    "flicker_time": "flicker's memory [lines]",
    "blobs": "blobs [1/nm²]",
    "blob_width": "blob width [Å]",
}


@dataclass(frozen=True)
class ImageComparison:
    """How real and simulated images differ.

    Parameters
    ----------
    real, simulated
        Statistics of each image.
    two_sample
        How well they can be distinguished.

    Examples
    --------
    >>> from stemforge.evaluate.corpora.two_sample import Classified
    >>> images = np.random.default_rng(0).poisson(60, (2, 256, 256)) * 7.0
    >>> real, simulated = ((image_statistics(image, 0.3),) for image in images)
    >>> one = Classified(0.5, 0.5, (0.5,))
    >>> found = ImageComparison(real, simulated, TwoSample(one, one, (), 1, 1))
    >>> found.lines()[-3].strip()
    'distinguished, network: 50% of patches, 50% of images'
    """

    real: tuple[ImageStatistics, ...]
    simulated: tuple[ImageStatistics, ...]
    two_sample: TwoSample

    @property
    def tables(self) -> dict[str, list[dict[str, float]]]:
        """Statistics of each image by name, for the real and the simulated ones."""
        return {kind: [one.flat() for one in getattr(self, kind)] for kind in ("real", "simulated")}

    def lines(self) -> list[str]:
        """Return quartiles and median of every statistic, and the accuracies, as lines of text."""
        tables = self.tables
        lines = [f"{'':24}{'real':>30}{'simulated':>30}"]
        for name in tables["real"][0]:
            quartiles = (np.percentile([row[name] for row in rows], [25, 50, 75]) for rows in tables.values())
            cells = [" ".join(f"{value:9.3g}" for value in values) for values in quartiles]
            lines.append(f"{name:24}{cells[0]:>30}{cells[1]:>30}")
        lines += self.two_sample.lines()
        return lines

    def to_json(self, path: str | Path) -> None:
        """Write everything to a JSON file."""
        test = self.two_sample
        best = {"best": test.best, "accuracy": test.accuracy, "image_accuracy": test.image_accuracy}
        write_json(path, {"two_sample_test": best | asdict(test), "statistics": self.tables})

    def figure(self) -> Figure:
        """Draw every statistic of both sides, see :func:`draw_statistics`."""
        return draw_statistics(self.tables)


def compare_images(
    micrographs: Sequence[Micrograph], corpus: Corpus, *, num: int = 44, seed: int = 0, quiet: bool = False
) -> ImageComparison:
    """Measure how much real micrographs and a simulated corpus differ.

    Parameters
    ----------
    micrographs
        Annular images with pixel size, at least four.
    corpus
        Simulated; its images are degraded as its recipe says.
    num
        Most images to take from the corpus, at least four.
    seed
        Root of the randomness.
    quiet
        Show no progress.

    Returns
    -------
    ImageComparison
        Statistics of both sides, and the accuracies of two classifiers on images that they were not fitted to.

    Raises
    ------
    InputError
        A corpus of measured images, too few images, or a micrograph without pixel size.

    Examples
    --------
    >>> from stemforge import Annotations, ingest_images
    >>> from stemforge.micrograph.writers import write_tiff
    >>> write_tiff("a.tif", np.random.default_rng(0).random((64, 64)), sampling=0.3)
    >>> Annotations([[9, 9]]).to_csv("a.csv")
    >>> measured = ingest_images(["a.tif"], ["a.csv"], "measured")
    >>> compare_images([], Corpus("measured"))
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: corpus measured: holds measured images; compare wants a simulated one
    """
    degradation = corpus_degradation(corpus)
    if degradation is None:
        raise InputError(f"corpus {corpus.folder}: holds measured images; compare wants a simulated one")
    if num < 4:
        raise InputError(f"num must be at least 4, not {num}")
    sizes = [calibrated_sampling(micrograph) for micrograph in micrographs]
    recorded, simulated = [], []
    for sample in corpus.evenly(num):
        image = record(sample, degradation, recording_rng(corpus.recipe, sample.index, seed)).image[0]
        recorded.append(image)
        simulated.append(image_statistics(image, float(sample.sampling or 0)))
    real = [image_statistics(m.image, size) for m, size in zip(micrographs, sizes, strict=True)]
    test = two_sample_test([m.image for m in micrographs], recorded, seed=seed, quiet=quiet)
    return ImageComparison(tuple(real), tuple(simulated), test)


def calibrated_sampling(micrograph: Micrograph) -> float:
    """Return the pixel size [Å]; a micrograph without one is refused."""
    if micrograph.sampling is None:
        raise InputError(f"{micrograph.name}: has no pixel size; give one (sampling)")
    return micrograph.sampling


def draw_statistics(tables: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Draw every statistic of several sets of images side by side, an image a dot.

    Parameters
    ----------
    tables
        Statistics by the name of the set: :meth:`stemforge.evaluate.corpora.image_statistics.ImageStatistics.flat`.
    """
    names = [name for name in next(iter(tables.values()))[0] if name not in {"gain", "offset", "sampling"}]
    columns = 4
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(3.0 * columns, 2.4 * rows), layout="constrained")
    rng = np.random.default_rng(0)
    panels = figure.subplots(rows, columns).flatten()
    for axes in panels[len(names) :]:
        axes.axis("off")
    for axes, name in zip(panels, names, strict=False):
        for i, (table, colour) in enumerate(zip(tables.values(), (VERMILION, BLUE, GREEN), strict=False)):
            values = [row[name] for row in table]
            axes.plot(values, i + rng.uniform(-0.2, 0.2, len(values)), "o", ms=3, color=colour, alpha=0.7)
            axes.plot([np.median(values)] * 2, [i - 0.35, i + 0.35], "k-", lw=1.5)
        axes.set_yticks(range(len(tables)), [literal(name) for name in tables])
        axes.set_title(_TITLES.get(name, name.replace("_", " ")), fontsize=9)
        axes.tick_params(labelsize=7)
        axes.locator_params(axis="x", nbins=6)
        axes.ticklabel_format(axis="x", scilimits=(-2, 3))  # textures are of 1e-4
        axes.xaxis.get_offset_text().set_fontsize(7)
        if axes.get_subplotspec().colspan.start:
            axes.set_yticklabels([])
        axes.invert_yaxis()
    return figure
