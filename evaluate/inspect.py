"""Inspection: what is in a corpus or a micrograph, in words and as a picture."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from stemforge.corpus import Corpus, Sample
from stemforge.errors import InputError
from stemforge.infer.overlay import COLOURS, draw_micrograph
from stemforge.micrograph import Micrograph
from stemforge.readers import read_micrograph
from stemforge.simulate import SEGMENTS, degrade, idpc_image
from stemforge.simulate.recipe import Stage
from stemforge.train import Crops
from stemforge.train.atom_crops import corpus_degradation, visible_atoms

_FIGURES = (".png", ".pdf", ".svg", ".jpg")


def inspect(path: Path, /, *, out: Path | None = None, frame: int | None = None) -> None:
    """Show what is in a corpus or a micrograph.

    Parameters
    ----------
    path
        Folder of a corpus, or an image file.
    out
        Draw a contact sheet of the corpus, or the micrograph with its histogram, into this PNG.
    frame
        Which frame of a stack to look at.
    """
    from rich.console import Console

    if out is not None and not out.absolute().parent.is_dir():
        raise InputError(f"--out {out}: the folder {out.parent} does not exist; make it first")
    if out is not None and (out.suffix.lower() not in _FIGURES or out.is_dir()):
        raise InputError(f"--out {out}: expected the name of a picture that ends in {', '.join(_FIGURES)}")
    if out is not None and out.resolve() == path.resolve():
        raise InputError(f"--out {out}: is the micrograph itself; choose another file")
    if path.is_dir():
        corpus = Corpus(path)
        lines, figure = describe_corpus(corpus), contact_sheet(corpus) if out else None
    else:
        micrograph = read_micrograph(path, frame=frame)
        lines, figure = describe_micrograph(micrograph), draw_histogram(micrograph) if out else None
    console = Console()
    for name, value in lines.items():
        console.print(f"{name:<14} {value}", highlight=False, soft_wrap=True)
    if out is not None and figure is not None:
        figure.savefig(out, dpi=110)
        console.print(f"{'picture':<14} {out}", highlight=False, soft_wrap=True)


def describe_corpus(corpus: Corpus) -> dict[str, str]:
    """Return what is in a corpus, as text by heading."""
    samples = list(corpus)
    counts = [len(s.labels) for s in samples]
    lines = {"corpus": f"{corpus.folder} ({corpus.recipe.get('name', '?')}, {corpus.kind})"}
    lines["recipe hash"] = corpus.recipe_hash[:16]
    lines["images"] = f"{len(samples)} of {' and '.join(sorted({_size(s) for s in samples}))}, " + ", ".join(
        samples[0].channels
    )
    lines["labels"] = f"{sum(counts)}, {min(counts)} to {max(counts)} an image"
    for name, key, unit, scale in (
        ("thickness", "thickness_angstrom", "nm", 0.1),
        ("focus depth", "focus_angstrom", "nm", 0.1),
    ):
        values = [s.metadata[key] * scale for s in samples if key in s.metadata]
        if values:
            lines[name] = _range(values, unit)
    if samples[0].channels == SEGMENTS:
        species = [name for s in samples for name in np.array(s.metadata["molecules"])[s.labels["species"]]]
        found, number = np.unique(species, return_counts=True)
        lines["molecules"] = ", ".join(f"{n} {name}" for name, n in zip(found, number, strict=True)) or "none"
    for name, column, unit in (("contrast", "contrast", ""), ("CNR", "cnr", f"at {_dose(corpus)} e/Å²")):
        every = np.concatenate([s.labels.columns.get(column, np.empty(0)) for s in samples])
        if len(every):
            lines[name] = f"{_range(every, unit)} (10th to 90th percentile, median)"
    return lines


def describe_micrograph(micrograph: Micrograph) -> dict[str, str]:
    """Return what a micrograph is, as text by heading."""
    image = micrograph.image
    lines = {"micrograph": micrograph.name, "size": f"{image.shape[1]} × {image.shape[0]} pixels"}
    if micrograph.sampling is None:
        lines["pixel size"] = "not in the file; give it with --sampling where a command needs it"
    else:
        height, width = (n * micrograph.sampling / 10 for n in image.shape)
        lines["pixel size"] = f"{micrograph.sampling:.4g} Å ({width:.2f} × {height:.2f} nm)"
    low, middle, high = np.percentile(image, [0, 50, 100])
    lines["intensity"] = f"{low:g} to {high:g}, median {middle:g}"
    return lines


def contact_sheet(corpus: Corpus, most: int = 12) -> Figure:
    """Draw up to ``most`` samples, degraded as the recipe says, with visible atoms circled or molecules boxed."""
    chosen = np.unique(np.linspace(0, len(corpus) - 1, min(most, len(corpus))).astype(int))
    columns = min(4, len(chosen))
    rows = -(-len(chosen) // columns)
    figure = Figure(figsize=(3.2 * columns, 3.4 * rows), layout="constrained")
    grid = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes in grid[len(chosen) :]:
        axes.set_axis_off()
    for axes, index in zip(grid, chosen, strict=False):
        sample = corpus[int(index)]
        if sample.channels == SEGMENTS:
            _draw_molecules(axes, corpus, sample)
            continue
        micrograph, visible, faint = as_recorded(corpus, sample)
        draw_micrograph(axes, micrograph)
        axes.scatter(*visible.T, s=36, facecolors="none", edgecolors="#ffb000", linewidths=0.9)
        axes.set_title(f"{micrograph.name}: {len(visible)} visible, {len(faint)} faint", fontsize=8)
    return figure


def _draw_molecules(axes: Axes, corpus: Corpus, sample: Sample) -> None:
    """Draw a segmented sample as the iDPC image of its dose, with a box for each molecule."""
    sampling, degradation = sample.sampling, corpus_degradation(corpus)
    if sampling is None or degradation is None:
        raise InputError(f"{corpus.folder}: segments need a pixel size and a simulated corpus")
    degraded = degrade(sample.signal, degradation, sampling, _degradation_rng(corpus, sample))
    name = str(sample.metadata.get("name", sample.index))
    draw_micrograph(axes, Micrograph(idpc_image(degraded.image, sampling), sampling, "iDPC", name))
    names = sample.metadata.get("molecules", [])
    boxes = np.empty((0, 4)) if sample.labels.boxes is None else degraded.move_boxes(sample.labels.boxes)
    for (x0, y0, x1, y1), species in zip(boxes, sample.labels.columns.get("species", ()), strict=True):
        colour = COLOURS[int(species) % len(COLOURS)]
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=0.9))
    counts = [f"{int((sample.labels['species'] == i).sum())} {name}" for i, name in enumerate(names)]
    axes.set_title(f"{name}: {', '.join(counts) or 'no molecule'}", fontsize=8)


def _degradation_rng(corpus: Corpus, sample: Sample) -> np.random.Generator:
    seed = np.random.SeedSequence(corpus.recipe["seed"], spawn_key=(sample.index, int(Stage.DEGRADATION)))
    return np.random.default_rng(seed)


def as_recorded(corpus: Corpus, sample: Sample) -> tuple[Micrograph, np.ndarray, np.ndarray]:
    """Return a sample as a detector would have recorded it, and its visible and faint atoms (x, y)."""
    degradation = corpus_degradation(corpus)
    name = str(sample.metadata.get("name", sample.index))
    points = sample.labels.points
    if degradation is None or sample.sampling is None:
        return Micrograph(sample.signal[0], sample.sampling, sample.channels[0], name), points, points[:0]
    degraded = degrade(sample.signal[:1], degradation, sample.sampling, _degradation_rng(corpus, sample))
    dose = degraded.settings.electrons_per_pixel(sample.sampling) / sample.sampling**2
    visible, _ = visible_atoms(sample.labels, Crops(), dose, degraded.settings.source_size)
    points = degraded.move(points)
    micrograph = Micrograph(degraded.image[0], sample.sampling, sample.channels[0], name)
    return micrograph, points[visible], points[~visible]


def draw_histogram(micrograph: Micrograph) -> Figure:
    """Draw a micrograph beside its histogram."""
    figure = Figure(figsize=(9, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_micrograph(left, micrograph)
    left.set_title(micrograph.name, fontsize=9)
    right.hist(micrograph.image.ravel(), bins=200, color="#4477aa")
    right.set(xlabel="intensity", ylabel="pixels")
    return figure


def _size(sample: Sample) -> str:
    height, width = sample.signal.shape[1:]
    pixel = "uncalibrated" if sample.sampling is None else f"{sample.sampling:.4g} Å a pixel"
    return f"{width} × {height} pixels ({pixel})"


def _range(values: object, unit: str) -> str:
    low, middle, high = np.percentile(np.asarray(values, dtype=float), [10, 50, 90])
    return f"{low:.3g} to {high:.3g}, median {middle:.3g} {unit}".rstrip()


def _dose(corpus: Corpus) -> str:
    return f"{corpus.recipe.get('reference_dose', float('nan')):g}"
