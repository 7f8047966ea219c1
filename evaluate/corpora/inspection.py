"""Inspection: what is in a corpus or a micrograph, in words and as a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from stemforge.colours import BLUE, MARKS, ORANGE, SKY
from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.corpus.writer import HEADER
from stemforge.errors import InputError
from stemforge.evaluate.corpora.statistics import CorpusStatistics, draw_histograms, vacancies_of
from stemforge.micrograph.drawing import draw_micrograph, entitle
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.paths import find_images, folder_images
from stemforge.micrograph.readers import read_micrograph
from stemforge.simulate.export.corpus import label_names
from stemforge.simulate.labels.vacancies import listed_vacancies, with_vacancies
from stemforge.simulate.recording.record import Recording, corpus_degradation, record, recording_rng
from stemforge.structures import Tag
from stemforge.train import Visible
from stemforge.train.labelled import visible_atoms

# Atoms are orange circles.
_VACANCIES = tuple(colour for colour in MARKS if colour not in (ORANGE, SKY))
_FAINT = f"fainter atom (contrast-to-noise below {Visible().min_cnr:g})"


@dataclass(frozen=True)
class Inspection:
    """What is in a corpus or a micrograph.

    Parameters
    ----------
    content
        The corpus or the micrograph.
    words
        What is in it, as text by heading.
    statistics
        Of the corpus; None for a micrograph.

    Examples
    --------
    >>> inspected = Inspection(Micrograph(np.eye(32), 0.3), {"pixels": "32 × 32", "pixel size": "0.3 Å"})
    >>> print(*inspected.lines(), sep=", ")
    pixels         32 × 32, pixel size     0.3 Å
    """

    content: Corpus | Micrograph
    words: Mapping[str, str]
    statistics: CorpusStatistics | None = None

    def lines(self) -> list[str]:
        """Return heading and text of each fact as a line."""
        return [f"{heading:<14} {text}" for heading, text in self.words.items()]

    def figure(self) -> Figure:
        """Draw a contact sheet of the corpus with histograms, or the micrograph with its histogram."""
        if isinstance(self.content, Micrograph):
            return draw_histogram(self.content)
        return draw_corpus(self.content, self.statistics)


def inspect(path: str | Path, *, frame: int | None = None, signal: str | None = None) -> Inspection:
    """Look at what is in a corpus or a micrograph.

    Parameters
    ----------
    path
        Folder of a corpus, or an image file.
    frame
        Which frame of a stack to look at, counted from 0; by default the first.
    signal
        Which of several images in a file, by its title or number.

    Raises
    ------
    InputError
        Neither a corpus nor an image that can be read, or a frame of a corpus.

    Examples
    --------
    >>> from stemforge.micrograph.writers import write_tiff
    >>> write_tiff("area.tif", np.random.default_rng(0).random((64, 80)), sampling=0.29)
    >>> list(inspect("area.tif").words.items())[:3]
    [('micrograph', 'area.tif'), ('size', '80 × 64 pixels'), ('pixel size', '0.29 Å (2.32 × 1.86 nm)')]
    """
    if Path(path).is_dir():
        if frame is not None or signal is not None:
            name = "frame" if frame is not None else "signal"
            raise InputError(f"{name} is for image files; {path} is a folder")
        corpus = Corpus(path)
        statistics = CorpusStatistics.of(corpus)
        return Inspection(corpus, describe_corpus(corpus, statistics), statistics)
    # The first frame of a stack, which a file with one image has, too.
    micrograph = read_micrograph(path, frame=frame or 0, signal=signal)
    return Inspection(micrograph, describe_micrograph(micrograph))


def find_inspected(paths: Sequence[str | Path]) -> list[Path]:
    """Return the corpora and image files that paths name: a folder is a corpus, or holds images.

    Raises
    ------
    InputError
        A folder that is neither.

    Examples
    --------
    >>> from stemforge.micrograph.writers import write_tiff
    >>> Path("images").mkdir()
    >>> write_tiff("images/area.tif", np.eye(8), sampling=0.29)
    >>> find_inspected(["images"])
    [PosixPath('images/area.tif')]
    """
    found: list[Path] = []
    for path in map(Path, paths):
        corpus = path.is_dir() and ((path / HEADER).is_file() or not folder_images(path))
        found += [path] if corpus else find_images([path])
    return found


def describe_corpus(corpus: Corpus, statistics: CorpusStatistics | None = None) -> dict[str, str]:
    """Return what is in a corpus, as text by heading; the statistics are collected where they are not given."""
    statistics = statistics or CorpusStatistics.of(corpus)
    return {
        "corpus": f"{corpus.folder} ({corpus.recipe.get('name', '?')}, {corpus.kind})",
        "recipe hash": corpus.recipe_hash[:16],
        **statistics.words(corpus.recipe.get("reference_dose")),
    }


def describe_micrograph(micrograph: Micrograph) -> dict[str, str]:
    """Return what a micrograph is, as text by heading."""
    image, known, file = micrograph.image, micrograph.metadata, _file_name(micrograph)
    lines = {"micrograph": file}
    if known.get("frames", 1) > 1:
        shown = f"shown is {known['frame']}, --frame takes another one"
        lines["frames"] = f"{known['frames']}, numbered 0 to {known['frames'] - 1}; {shown}"
    lines["size"] = f"{image.shape[1]} × {image.shape[0]} pixels"
    if known.get("signal", file) not in (file, Path(file).stem):
        lines["signal"] = str(known["signal"])
    if micrograph.sampling is None:
        remark = known.get("calibration", "")
        why = f" ({remark})" if remark else ""
        lines["pixel size"] = f"not in the file{why}; commands that need it take it as --sampling"
    else:
        height, width = (n * micrograph.sampling / 10 for n in image.shape)
        lines["pixel size"] = f"{micrograph.sampling:.4g} Å ({width:.2f} × {height:.2f} nm)"
    low, middle, high = np.percentile(image, [0, 50, 100])
    lines["intensity"] = f"{low:g} to {high:g}, median {middle:g}"
    return lines


def _file_name(micrograph: Micrograph) -> str:
    """Return the name of a micrograph's file, which a user knows it by; its own where it comes from none."""
    return Path(micrograph.metadata.get("file", micrograph.name)).name


def draw_corpus(corpus: Corpus, statistics: CorpusStatistics | None = None, most: int = 12) -> Figure:
    """Draw a contact sheet of a corpus above histograms of its statistics."""
    statistics = statistics or CorpusStatistics.of(corpus)
    columns, rows = _grid(len(corpus), most)
    width, height = max(3.2 * columns, 9.6), 3.4 * rows
    figure = Figure(figsize=(width, height + 2.4), layout=_layout())
    parts: Any = figure.subfigures(2, 1, height_ratios=[height, 2.4])
    upper, lower = parts
    _draw_sheet(upper, corpus, most)
    number = len(statistics.histograms)
    draw_histograms(np.atleast_1d(lower.subplots(1, number)).ravel().tolist(), statistics)
    return figure


def contact_sheet(corpus: Corpus, most: int = 12) -> Figure:
    """Draw up to ``most`` samples, degraded as the recipe says, with visible atoms circled or molecules boxed.

    Dots show atoms that are too faint to count as visible, squares vacancies where the samples list any.
    """
    columns, rows = _grid(len(corpus), most)
    figure = Figure(figsize=(3.2 * columns, 3.4 * rows), layout=_layout())
    _draw_sheet(figure, corpus, most)
    return figure


def _layout() -> ConstrainedLayoutEngine:
    """Room above the titles of the first row, which else touch the edge [inch]."""
    return ConstrainedLayoutEngine(h_pad=0.1)


def _grid(samples: int, most: int) -> tuple[int, int]:
    columns = min(4, samples, most)
    return columns, -(-min(samples, most) // columns)


def _draw_sheet(figure: Any, corpus: Corpus, most: int) -> None:
    """Draw the contact sheet into a figure, or a part of one."""
    columns, rows = _grid(len(corpus), most)
    chosen = corpus.evenly(most)
    grid = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes in grid[len(chosen) :]:
        axes.set_axis_off()
    colours: dict[str, str] = {}
    marks: dict[str, PathCollection] = {}
    for axes, sample in zip(grid, chosen, strict=False):
        if sample.labels.boxes is not None:
            _draw_molecules(axes, corpus, sample)
            continue
        micrograph, visible, faint = recorded_image(corpus, sample)
        draw_micrograph(axes, micrograph)
        # A ring around an atom's image, not on it, where the image is of few pixels.
        size = 36 * float(np.clip(256 / max(micrograph.shape), 1, 4))
        if len(visible):
            marks["visible atom"] = axes.scatter(*visible.T, s=size, fc="none", ec=ORANGE, lw=0.9)
        if len(faint):
            marks[_FAINT] = axes.scatter(*faint.T, s=6, color=SKY, lw=0)
        title = f"{micrograph.name}: {len(visible)} visible, {len(faint)} faint"
        if listed_vacancies(sample) is not None:
            missing = _recorded_vacancies(corpus, sample)
            for name, points in missing.items():
                colour = colours.setdefault(name, _VACANCIES[len(colours) % len(_VACANCIES)])
                marks[name] = axes.scatter(*points.T, s=size, marker="s", fc="none", ec=colour, lw=0.9)
            counts = [f"{len(points)} {vacancies_of(name, len(points))}" for name, points in missing.items()]
            title += f"\n{', '.join(counts) or 'no vacancy'}"
        entitle(axes, title, 8)
    if marks.keys() - {"visible atom"}:
        figure.legend(marks.values(), marks, loc="outside lower center", ncols=4, fontsize=8, facecolor="0.5")


def _recorded_vacancies(corpus: Corpus, sample: Sample) -> dict[str, NDArray[np.float64]]:
    """Return where a sample's vacancies are on its recording (x, y), by name such as ``S vacancy``."""
    labels = _recorded(corpus, with_vacancies(sample))[1].labels
    labels = labels.where(labels["tag"] == Tag.VACANCY)
    names = label_names(sample, labels)
    return {name: labels.points[names == name] for name in sorted(set(names))}


def _draw_molecules(axes: Axes, corpus: Corpus, sample: Sample) -> None:
    """Draw a sample as it would be recorded, iDPC where it holds segments, with a box for each molecule."""
    micrograph, recording = _recorded(corpus, sample)
    labels = recording.labels
    draw_micrograph(axes, micrograph)
    names = sample.metadata.get("molecules", [])
    boxes = np.empty((0, 4)) if labels.boxes is None else labels.boxes
    for (x0, y0, x1, y1), species in zip(boxes, labels.columns.get("species", ()), strict=True):
        colour = MARKS[int(species) % len(MARKS)]
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=0.9))
    counts = [f"{int((labels['species'] == i).sum())} {species}" for i, species in enumerate(names)]
    entitle(axes, f"{micrograph.name}: {', '.join(counts) or 'no molecule'}", 8)


def _recorded(corpus: Corpus, sample: Sample) -> tuple[Micrograph, Recording]:
    recording = record(sample, corpus_degradation(corpus), recording_rng(corpus.recipe, sample.index))
    name = str(sample.metadata.get("name", sample.index))
    return Micrograph(recording.image[0], sample.sampling, recording.channels[0], name), recording


def recorded_image(corpus: Corpus, sample: Sample) -> tuple[Micrograph, np.ndarray, np.ndarray]:
    """Return a sample as a detector would have recorded it, and its visible and faint atoms (x, y)."""
    micrograph, recording = _recorded(corpus, sample)
    points = recording.labels.points
    if recording.settings is None or "cnr" not in recording.labels.columns:
        return micrograph, points, points[:0]
    visible, _ = visible_atoms(recording.labels, Visible())
    return micrograph, points[visible], points[~visible]


def draw_histogram(micrograph: Micrograph) -> Figure:
    """Draw a micrograph beside its histogram."""
    figure = Figure(figsize=(9, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_micrograph(left, micrograph)
    known, title = micrograph.metadata, _file_name(micrograph)
    if known.get("frames", 1) > 1:
        title += f", frame {known['frame']} of 0 to {known['frames'] - 1}"
    entitle(left, title, 9)
    right.hist(micrograph.image.ravel(), bins=200, color=BLUE)
    right.set(xlabel="intensity", ylabel="pixels")
    return figure
