"""Many images together: densities over images, and neighbours, pairs and bonds of all."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import chi2

import stemforge
from stemforge.console import INTERVALS, progress
from stemforge.errors import InputError
from stemforge.evaluate.statistics.arrangement import Arrangement, analyse_pattern, bond_row
from stemforge.evaluate.statistics.bonds import BondedFraction, bonded_fraction
from stemforge.evaluate.statistics.curves import Curve, pair_correlation, ripley
from stemforge.evaluate.statistics.density import CorrectedDensity, Count, corrected_density, pooled_density
from stemforge.evaluate.statistics.envelopes import LEVEL, SIMULATIONS
from stemforge.evaluate.statistics.intensities.atoms import AtomIntensities
from stemforge.evaluate.statistics.neighbours import ClarkEvans
from stemforge.evaluate.statistics.overlap import SharedArea, shared_areas
from stemforge.evaluate.statistics.overview import draw_survey
from stemforge.evaluate.statistics.window import LEAST_ATOMS, PointPattern, Window, several
from stemforge.files import write_csv, write_json

_CORRECTED = {
    "density_corrected_per_nm2": "expected",
    "density_corrected_low": "low",
    "density_corrected_high": "high",
    "density_corrected_by": "source",
}


@dataclass(frozen=True, eq=False)
class Survey:
    """Where the atoms of many images stand.

    Parameters
    ----------
    images
        Those with atoms enough for statistics of places.
    counts
        Of all images, also those with fewer.
    l_curve, g
        Of all together.
    bonded
        Of all together; None without a bond length.
    shared
        Images that show the same specimen area.
    options
        How it was made.
    intensities
        Of the atoms; None where tables have none.

    Examples
    --------
    >>> from stemforge.evaluate import Window
    >>> window, rng = Window.frame((256, 256), sampling=0.3), np.random.default_rng(1)
    >>> patterns = [PointPattern(window.draw(n, rng), window, f"{n}") for n in (20, 30)]
    >>> survey = survey_patterns(patterns, simulations=39, quiet=True)
    >>> [round(value, 2) for value in survey.densities], survey.bonded is None
    ([0.42, 0.12], True)
    """

    images: tuple[Arrangement, ...]
    counts: tuple[Count, ...]
    l_curve: Curve
    g: Curve
    bonded: BondedFraction | None
    shared: tuple[SharedArea, ...]
    options: dict[str, Any]
    intensities: AtomIntensities | None = None

    @property
    def window(self) -> Window:
        """The first image's: all have its units."""
        return self.images[0].pattern.window

    @cached_property
    def densities(self) -> tuple[float, float]:
        """Mean and standard deviation of the images' densities; that is NaN of one image."""
        values = [one.density for one in self.counts]
        return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")

    @cached_property
    def corrected(self) -> CorrectedDensity | None:
        """Density of all images with errors of detection; None where one of them has none."""
        return corrected_density(self.counts)

    @cached_property
    def counting(self) -> tuple[float, float]:
        """Standard deviation that counting alone gives, and the chance that images of one density differ as much.

        By the index of dispersion, Σ(n − λA)² / λA, which is χ² distributed.
        """
        atoms, area = (np.array([getattr(one, name) for one in self.counts]) for name in ("atoms", "area"))
        expected = area * atoms.sum() / area.sum()
        spread = float(np.sqrt(np.mean(expected / area**2)))
        if len(atoms) < 2:
            return spread, float("nan")
        return spread, float(chi2.sf(np.sum((atoms - expected) ** 2 / expected), len(atoms) - 1))

    @cached_property
    def clark_evans(self) -> ClarkEvans:
        """The index of all images whose masks are wide enough, each weighted by its atoms."""
        images = [one for one in self.images if np.isfinite(one.clark_evans.low)]
        if not images:
            return ClarkEvans(np.nan, np.nan, np.nan, np.nan, LEVEL)
        weights = np.array([len(one.pattern) for one in images], dtype=float)
        weights /= weights.sum()
        index = float(weights @ [one.clark_evans.index for one in images])
        drawn = weights @ [one.neighbours.random_means / one.neighbours.expected for one in images]
        drawn = drawn[np.isfinite(drawn)]
        low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        rank = 1 + min(np.count_nonzero(drawn <= index), np.count_nonzero(drawn >= index))
        return ClarkEvans(index, float(low), float(high), float(min(1, 2 * rank / (len(drawn) + 1))), LEVEL)

    def summary(self) -> dict[str, Any]:
        """Return what holds for all images together."""
        mean, sd = self.densities
        spread, p = self.counting
        atoms, area = sum(one.atoms for one in self.counts), sum(one.area for one in self.counts)
        density, low, high = pooled_density(self.counts)
        sizes = [one.sizes for one in self.images if one.sizes is not None]
        return {
            "images": len(self.counts),
            "atoms": atoms,
            "area": area,
            "area_unit": self.window.area_unit,
            "density": density,
            "density_low": low,
            "density_high": high,
            "density_mean_of_images": mean,
            "density_sd_of_images": sd,
            "density_sd_by_counting": spread,
            "density_p_of_one_density": p,
            "density_corrected": None if self.corrected is None else vars(self.corrected),
            "clark_evans": vars(self.clark_evans),
            "ripley_l_p": self.l_curve.envelope.p if self.l_curve.envelope else None,
            "pair_correlation_p": self.g.envelope.p if self.g.envelope else None,
            **bond_row(self.bonded, sizes),
        }

    def lines(self) -> list[str]:
        """Say in words what was found, and what to be aware of."""
        window, (mean, sd), (spread, p) = self.window, self.densities, self.counting
        atoms = sum(one.atoms for one in self.counts)
        images = f"{len(self.counts)} image{'s' if len(self.counts) > 1 else ''}"
        lines = [f"{images}, {atoms} atoms: {mean:.3g} per {window.area_unit}"]
        if len(self.counts) > 1:
            same = "more than" if p < 1 - LEVEL else "no more than"
            lines[0] += f", ± {sd:.2g} from image to image, {same} by counting ({spread:.2g}; p = {p:.2g})"
        if self.corrected is not None:
            lines.append(self.corrected.sentence)
        index = self.clark_evans
        lines.append(index.sentence)
        if self.bonded is not None:
            lines.append(self.bonded.sentence)
        if self.corrected is not None or self.bonded is not None:
            lines.append(INTERVALS)
        if self.intensities is not None:
            lines.append(self.intensities.sentence)
        lines += [remark for one in self.images for remark in one.remarks]
        few = [one for one in self.counts if one.atoms < LEAST_ATOMS]
        lines += [
            f"{one.name}: {one.atoms} atoms; statistics of places need {LEAST_ATOMS}, only its density counts"
            for one in few
        ]
        return lines + [str(one) for one in self.shared]

    def to_csv(self, path: str | Path) -> None:
        """Write one row an image; what needs more atoms than it has stays empty."""
        rows: dict[str, dict[str, Any]] = {one.pattern.name: one.row() for one in self.images}
        header = max(([*row] for row in rows.values()), key=len)
        names = header[2:4]
        known = any(one.corrected is not None for one in self.counts)
        table = []
        for one in self.counts:
            row = rows.get(
                one.name, {"image": one.name, "atoms": one.atoms, names[0]: one.area, names[1]: one.density}
            )
            ends = [getattr(one.corrected, name, None) for name in _CORRECTED.values()] if known else []
            table.append([_cell(value) for value in (*(row.get(name) for name in header), *ends)])
        write_csv(path, [*header, *(_CORRECTED if known else ())], table)

    def to_json(self, path: str | Path) -> None:
        """Write everything but curves and single atoms."""
        content = {
            "stemforge": stemforge.__version__,
            "options": self.options,
            "all": self.summary(),
            "images": [one.row() | {"how_to_read": one.sentences()} for one in self.images],
            "few_atoms": [asdict(one) for one in self.counts if one.atoms < LEAST_ATOMS],
            "same_area": [vars(one) for one in self.shared],
        }
        if self.intensities is not None:
            content["intensities"] = self.intensities.summary()
        write_json(path, content)

    def curves_to_csv(self, path: str | Path) -> None:
        """Write L and g of all images together and of each, with their envelopes, one row a distance."""
        header = [
            "image",
            "function",
            f"r_{self.window.unit}",
            "value",
            "theory",
            "low",
            "high",
            "global_low",
            "global_high",
        ]
        rows = []
        named: list[tuple[str, tuple[Curve, ...]]] = [("all", (self.l_curve, self.g))]
        named += [
            (one.pattern.name, (one.neighbours.distribution, one.l_curve, one.g)) for one in self.images
        ]
        for name, curves in named:
            for curve in curves:
                bounds = curve.envelope
                ends = (
                    [] if bounds is None else [bounds.low, bounds.high, bounds.global_low, bounds.global_high]
                )
                table = np.stack([curve.radii, curve.values, curve.theory, *ends], axis=1)
                rows += [[name, curve.name, *(f"{v:.6g}" for v in row)] for row in table]
        write_csv(path, header, rows)

    def figure(self) -> Figure:
        """Draw densities over images, measured against expected distances to neighbours, and pairs of all."""
        return draw_survey(self)


def survey_patterns(
    patterns: Sequence[PointPattern],
    counts: Sequence[Count] = (),
    *,
    length: float | None = None,
    recall: float = 1.0,
    purity: float = 1.0,
    simulations: int = SIMULATIONS,
    seed: int = 0,
    quiet: bool = True,
) -> Survey:
    """Measure where the atoms of many images stand, each image's and all together.

    Parameters
    ----------
    patterns
        Of the images; all with pixel size, or none.
    counts
        Of all images, where some have too few atoms to be among the patterns; by default those of the patterns.
    length, recall, purity, simulations, seed
        As for :func:`stemforge.evaluate.analyse_pattern`.
    quiet
        Show no progress.

    Raises
    ------
    InputError
        No patterns, some with pixel size and some without, or two of one name.

    Examples
    --------
    >>> from stemforge.evaluate import Window
    >>> window, rng = Window.frame((400, 400), sampling=0.3), np.random.default_rng(1)
    >>> survey = survey_patterns(
    ...     [PointPattern(window.draw(n, rng), window, f"{n}") for n in (30, 40)], simulations=199
    ... )
    >>> survey.lines()[0]
    '2 images, 70 atoms: 0.243 per nm², ± 0.049 from image to image, no more than by counting (0.041; p = 0.23)'
    """
    listed = several(patterns)
    if len({one.name for one in listed}) < len(listed):
        raise InputError("patterns: two images have the same name")
    options = {"length": length, "recall": recall, "purity": purity, "simulations": simulations, "seed": seed}
    options["closest"] = listed[0].window.closest
    images = []
    with progress("analyse", len(listed), "images", quiet) as advance:
        for index, one in enumerate(listed):
            options_of: dict[str, Any] = {
                "recall": recall,
                "purity": purity,
                "simulations": simulations,
                "seed": seed + index,
            }
            images.append(analyse_pattern(one, length, **options_of))
            advance(1)
            one.window.release()
    l_curve, g, bonded = _together(images, length, options)
    shown = tuple(counts) or tuple(Count(one.name, len(one), one.window.area) for one in listed)
    return Survey(tuple(images), shown, l_curve, g, bonded, tuple(shared_areas(listed, quiet=quiet)), options)


def _together(
    images: Sequence[Arrangement], length: float | None, options: Mapping[str, Any]
) -> tuple[Curve, Curve, BondedFraction | None]:
    """Return L, g and bonds of all images; without those whose bonds cannot be told from chance."""
    if len(images) == 1:
        return images[0].l_curve, images[0].g, images[0].bonded
    rng = np.random.default_rng(np.random.SeedSequence(options["seed"], spawn_key=(1,)))
    listed = [one.pattern for one in images]
    l_curve = ripley(listed, simulations=options["simulations"], rng=rng)[1]
    g = pair_correlation(listed, simulations=options["simulations"], rng=rng)
    bonds = [one.pattern for one in images if one.bonded is not None]
    if length is None or not bonds:
        return l_curve, g, None
    known = {"recall": options["recall"], "purity": options["purity"]}
    return l_curve, g, bonded_fraction(bonds, length, **known, rng=rng)


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return None
    return f"{value:.6g}" if isinstance(value, float) else value
