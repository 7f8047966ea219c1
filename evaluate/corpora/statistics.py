"""Statistics of a corpus: what its images show and how visible it is, in words and as histograms."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import Locator, LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from stemforge.colours import BLUE, VERMILION
from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.exchange.exported import VACANCY
from stemforge.simulate import SEGMENTS, Texture, visibility
from stemforge.simulate.export.corpus import label_names
from stemforge.simulate.labels.vacancies import listed_vacancies
from stemforge.simulate.recording.record import corpus_degradation, recording_rng
from stemforge.train import Visible

# Images whose pixels are read for the counts; labels and metadata are read of all.
_SIGNALS = 64
_VISIBILITY = {"scattering", "background", "peak_width_angstrom", "noise_width_angstrom"}


@dataclass(frozen=True)
class CorpusStatistics:
    """What is known of a corpus' images and objects, one value each.

    Parameters
    ----------
    sizes
        Sizes and pixel sizes that occur, in words.
    channels
        Detectors, in words.
    labels
        Objects on each image.
    thickness, focus
        Of each simulated image [nm].
    dose
        Of each simulated image as the recipe's degradation is drawn for it [e/Å²].
    counts
        Mean number of electrons a pixel and channel, of up to 64 images; of measured images their mean intensity.
    contrast, cnr
        Of each atom at the reference dose.
    drawn_cnr
        Of each atom on up to 64 images at the dose and source drawn for its image, against counts and texture.
    molecules
        Number of each species.
    vacancies
        Number of missing atoms on each image, by name such as ``S vacancy``.
    """

    sizes: tuple[str, ...]
    channels: tuple[str, ...]
    labels: NDArray[np.int64]
    thickness: NDArray[np.float64]
    focus: NDArray[np.float64]
    dose: NDArray[np.float64]
    counts: NDArray[np.float64]
    contrast: NDArray[np.float64]
    cnr: NDArray[np.float64]
    drawn_cnr: NDArray[np.float64]
    molecules: Mapping[str, int]
    vacancies: Mapping[str, NDArray[np.int64]]

    @classmethod
    def of(cls, corpus: Corpus) -> "CorpusStatistics":
        """Collect the statistics; of large corpora only labels and metadata are read in full."""
        degradation = corpus_degradation(corpus)
        sizes: set[str] = set()
        molecules: Counter[str] = Counter()
        vacancies: list[Counter[str]] = []
        rows: dict[str, list[Any]] = {name: [] for name in ("labels", "thickness", "focus", "dose", "counts")}
        atoms: dict[str, list[NDArray]] = {name: [] for name in ("contrast", "cnr", "drawn_cnr")}
        electrons: dict[int, float] = {}
        for sample in corpus.labels_only():
            labels = sample.labels
            sizes.add(_size(sample))
            rows["labels"].append(len(labels))
            for name, key in (("thickness", "thickness_angstrom"), ("focus", "focus_angstrom")):
                if key in sample.metadata:
                    rows[name].append(sample.metadata[key] / 10)
            if "species" in labels.columns and isinstance(sample.metadata.get("molecules"), list):
                molecules.update(str(sample.metadata["molecules"][int(s)]) for s in labels["species"])
            missing = listed_vacancies(sample)
            vacancies.append(Counter() if missing is None else Counter(label_names(sample, missing)))
            for name in ("contrast", "cnr"):
                if name in labels.columns:
                    atoms[name].append(labels[name])
            if degradation is not None and sample.sampling is not None:
                drawn = degradation.draw(recording_rng(corpus.recipe, sample.index))
                electrons[sample.index] = drawn.electrons_per_pixel(sample.sampling)
                rows["dose"].append(electrons[sample.index] / sample.sampling**2)
        for sample in corpus.evenly(_SIGNALS):
            rows["counts"].append(float(sample.signal.mean()) * electrons.get(sample.index, 1.0))
            known = set(sample.labels.columns) >= _VISIBILITY
            if known and degradation is not None and sample.sampling is not None:
                drawn = degradation.draw(recording_rng(corpus.recipe, sample.index))
                dose = electrons[sample.index] / sample.sampling**2
                texture = Texture.of(sample.signal[0], sample.sampling, sample.labels)
                atoms["drawn_cnr"].append(visibility(sample.labels, dose, drawn.source_size, texture)[1])
        values: dict[str, Any] = {
            name: np.array(listed, dtype=int if name == "labels" else float) for name, listed in rows.items()
        }
        values |= {name: np.concatenate(parts) if parts else np.empty(0) for name, parts in atoms.items()}
        return cls(
            sizes=tuple(sorted(sizes)),
            channels=_channels(corpus),
            molecules=dict(sorted(molecules.items())),
            vacancies={
                name: np.array([found[name] for found in vacancies])
                for name in sorted(set().union(*vacancies))
            },
            **values,
        )

    @property
    def visible(self) -> NDArray[np.bool_]:
        """Which of the atoms of ``drawn_cnr`` count as visible (:class:`stemforge.train.Visible`)."""
        return self.drawn_cnr >= Visible().min_cnr

    def words(self, reference_dose: float | None) -> dict[str, str]:
        """Return the statistics as text by heading."""
        lines = {
            "images": f"{len(self.labels)} of {' and '.join(self.sizes)}, {', '.join(self.channels)}",
            "labels": _per_image(self.labels),
        }
        for name, found in self.vacancies.items():
            lines[vacancies_of(name, 2)] = _per_image(found)
        if len(self.thickness):
            lines["thickness"] = _range(self.thickness, "nm")
        if len(self.focus):
            lines["focus depth"] = _range(self.focus, "nm")
        if self.molecules or "iDPC" in self.channels[0]:
            lines["molecules"] = ", ".join(f"{n} {name}" for name, n in self.molecules.items()) or "none"
        if len(self.dose):
            lines["dose"] = _range(self.dose, "e/Å²")
        segments = " and segment" if "iDPC" in self.channels[0] else ""
        what = f"electrons a pixel{segments}" if len(self.dose) else "mean intensity"
        lines["counts"] = _range(self.counts, what)
        if len(self.contrast):
            lines["contrast"] = f"{_range(self.contrast, '')} (10th to 90th percentile, median; at most 2)"
        if len(self.cnr):
            at = "at the reference dose" if reference_dose is None else f"at {reference_dose:g} e/Å²"
            lines["CNR"] = f"{_range(self.cnr, at)}, against counts alone (10th to 90th percentile, median)"
        if len(self.drawn_cnr):
            lines["CNR as drawn"] = (
                f"{_range(self.drawn_cnr, '')} at each image's own dose and source, against texture, too; "
                f"{self.visible.mean():.0%} of the atoms are visible"
            )
        return lines

    @property
    def histograms(self) -> dict[str, NDArray]:
        """What :func:`draw_histograms` draws, by the name of its axis."""
        objects = "molecules" if self.molecules else "atoms"
        every = {
            f"{objects} an image": self.labels,
            "thickness [nm]": self.thickness,
            "dose [e/Å²]": self.dose,
            "electrons a pixel" if len(self.dose) else "mean intensity": self.counts,
            "contrast-to-noise": self.drawn_cnr if len(self.drawn_cnr) else self.cnr,
        }
        return {name: values for name, values in every.items() if len(values)}


# Spread over decades as a rule.
_LOGARITHMIC = ("dose [e/Å²]", "contrast-to-noise")


def draw_histograms(axes: Sequence[Axes], statistics: CorpusStatistics) -> None:
    """Draw a histogram of each statistic; axes that are left over are hidden."""
    for one in axes:
        one.set_visible(False)
    for one, (name, values) in zip(axes, statistics.histograms.items(), strict=False):
        one.set_visible(True)
        values = values[np.isfinite(values)]
        number = int(np.clip(np.sqrt(len(values)) * 1.5, 5, 40))
        low, high = values.min(), values.max()
        if name in _LOGARITHMIC and (values > 0).any():
            values = values[values > 0]
            low, high = values.min(), values.max()
        bins: Any = np.linspace(low, high, number)
        if name in _LOGARITHMIC and high > 5 * low > 0:
            one.set_xscale("log")
            bins = np.geomspace(low, high, number)
        elif high - low < 1e-4 * abs(high) or high == low:
            # One value: a narrow bar in an axis that is wide enough to show it as one.
            half = 0.02 * (abs(high) or 1.0)
            bins = [low - half, high + half]
            one.set_xlim(low - 8 * half, high + 8 * half)
        one.hist(values, bins=bins, color=BLUE)
        _mark_values(one, low, high, whole=values.dtype.kind == "i")
        one.set_xlabel(name, fontsize=8)
        one.tick_params(which="both", labelsize=7)
        one.yaxis.set_major_locator(MaxNLocator(integer=True))
        if name == "contrast-to-noise":
            one.axvline(Visible().min_cnr, color=VERMILION, linewidth=1)
            one.set_xlabel(f"{name}\n(line: visible from {Visible().min_cnr:g} on)", fontsize=8)
        one.set_ylabel("objects" if name == "contrast-to-noise" else "images", fontsize=8)


def _mark_values(axes: Axes, low: float, high: float, whole: bool) -> None:
    """Put a few ticks on the x axis, with numbers as they are: no offset or power beside the axis."""
    locator: Locator = MaxNLocator(nbins=4, steps=[1, 2, 5, 10], integer=whole, min_n_ticks=1)
    if axes.get_xscale() == "log":
        decades = np.log10(high / low)
        locator = LogLocator(subs=(1, 2, 5) if decades < 1.3 else (1, 3) if decades < 2.5 else (1,))
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _channels(corpus: Corpus) -> tuple[str, ...]:
    """Name each detector, with its angles where the recipe says them."""
    channels = corpus[0].channels
    microscope = corpus.recipe.get("microscope")
    if not isinstance(microscope, dict):
        return channels
    energy = microscope.get("energy")
    beam = f" at {energy / 1e3:g} kV" if isinstance(energy, int | float) else ""
    if channels == SEGMENTS:
        angles = microscope.get("detectors", {}).get("segments")
        return (f"iDPC of four segments{_angles(angles)}{beam}",)
    detectors = microscope.get("detectors", {}).get("rings", {})
    named = [f"{name}{_angles(detectors.get(name))}" for name in channels]
    return (*named[:-1], named[-1] + beam)


def _angles(angles: Any) -> str:
    numbers = isinstance(angles, list | tuple) and all(isinstance(a, int | float) for a in angles)
    return f" {angles[0]:g}–{angles[1]:g} mrad" if numbers and len(angles) == 2 else ""


def _size(sample: Sample) -> str:
    height, width = sample.signal.shape[1:]
    pixel = "uncalibrated" if sample.sampling is None else f"{sample.sampling:.4g} Å a pixel"
    return f"{width} × {height} pixels ({pixel})"


def vacancies_of(name: str, number: int) -> str:
    """Return the name of so many vacancies: ``S vacancy`` or ``S vacancies``."""
    return name if number == 1 else f"{name.removesuffix(VACANCY)} vacancies"


def _per_image(counts: NDArray[np.int64]) -> str:
    return f"{counts.sum()}, {counts.min()} to {counts.max()} an image"


def _range(values: object, unit: str) -> str:
    low, middle, high = np.percentile(np.asarray(values, dtype=float), [10, 50, 90])
    ends = [f"{end:.3g}" for end in (low, high)]
    if ends[0] == ends[1]:
        return f"{ends[0]} {unit}".rstrip()
    return f"{ends[0]} to {ends[1]}, median {middle:.3g} {unit}".rstrip()
