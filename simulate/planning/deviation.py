"""How far an engine is from its reference, measured on a piece of the very structure; and the cheapest that will do.

A whole thick field by multislice takes days. What an engine gets wrong shows on a piece: a column of the structure
around one of its single atoms, some nanometres deep about the focal plane, or a crystal's first tile, seen by probe
positions at the Nyquist distance. Both engines get the same piece and the same frozen phonons: the noise of a few
phonons, which on single sheets outweighs what an engine gets wrong, is then in both images alike.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from stemforge import console
from stemforge.errors import InputError
from stemforge.simulate.engines.auto import Auto, Engine
from stemforge.simulate.engines.common import EngineSettings, Extent
from stemforge.simulate.engines.multislice import AbtemEngine, Multislice
from stemforge.simulate.engines.prism import Prism, largest_interpolation, narrowest_window
from stemforge.simulate.microscope import Microscope
from stemforge.simulate.recipe import SimulationRecipe
from stemforge.simulate.recording.idpc import idpc_image
from stemforge.simulate.scan import Scan
from stemforge.simulate.stages import Stage

PIECE_DEPTH = 40.0
"""Most of a structure's depth that a piece keeps [Å]."""
_POSITIONS = 10  # probe positions along a side of the square that is imaged
_FEW = 3  # of them, by which it is told how long all will take
_MARGIN = 7.0  # Å of structure around it, for the probe's tails


@dataclass(frozen=True)
class EngineError:
    """One engine's deviation from the reference on a piece of one sample.

    Parameters
    ----------
    engine
        The engine's settings.
    reference
        The settings of the reference.
    sample
        Number of the sample that the piece was cut from.
    error
        Root mean square deviation as a share of the reference image's standard deviation; over several detectors
        the largest.
    level
        Ratio of the mean signals, engine to reference; over several detectors that farthest from 1.
    seconds, reference_seconds
        What the two images took [s].
    positions, piece_area, piece_depth
        Probe positions of the piece, its area [Å²] and depth [Å].

    Examples
    --------
    >>> from stemforge.simulate import Kernels
    >>> low = {"microscope.detectors": {"rings": {"ADF": [50, 70]}}, "support.num_layers": 1}
    >>> engine = {"engine": {"name": "multislice", "frozen_phonons": 0, "slice_thickness": 4}}
    >>> found = check_engine(SimulationRecipe.load("fe-c3n4", {**low, **engine}), Kernels())
    >>> found.engine.title, found.reference.title, 0 < found.error < 0.5
    ('kernels', 'multislice', True)
    """

    engine: EngineSettings
    reference: EngineSettings
    sample: int
    error: float
    level: float
    seconds: float
    reference_seconds: float
    positions: int
    piece_area: float
    piece_depth: float

    @property
    def piece(self) -> Extent:
        """How much was imaged."""
        return Extent(self.piece_area, self.piece_depth, self.positions)


def check_engine(
    recipe: SimulationRecipe, engine: EngineSettings | None = None, index: int = 0
) -> EngineError:
    """Measure how far an engine is from the reference on a piece of a sample.

    Parameters
    ----------
    recipe
        What makes the sample. Its engine's numerical settings are the reference's.
    engine
        The engine to check; the recipe's own by default.
    index
        Number of the sample.

    Returns
    -------
    EngineError
        The deviation. It holds for the piece: what builds up over a greater depth is not in it. For PRISM with
        interpolation it is as wide as its windows need. With a segmented detector the piece is the first tile, the
        reference PRISM with much finer sampling and slices.

    Examples
    --------
    >>> low = {"microscope.detectors": {"rings": {"ADF": [50, 70]}}, "support.num_layers": 1}
    >>> engine = {"engine": {"name": "multislice", "frozen_phonons": 0, "slice_thickness": 4}}
    >>> check_engine(SimulationRecipe.load("fe-c3n4", {**low, **engine})).error
    0.0
    """
    checked = recipe.engine if engine is None else engine
    piece = Piece.of_sample(recipe, index, checked)
    return piece.deviation(checked, recipe.engine.reference(recipe.microscope))


def choose_engine(recipe: SimulationRecipe, *, quiet: bool = True) -> tuple[Engine, list[EngineError]]:
    """Find the cheapest engine whose error is within the bound that ``engine: {name: auto, max_error: …}`` sets.

    Parameters
    ----------
    recipe
        The first sample is looked at.
    quiet
        Show no progress. A piece of a crystal takes minutes.

    Returns
    -------
    engine, tried
        The settings to use, and the measurement of each engine tried, the last being of the engine chosen. Another
        engine than ``auto`` is returned as it is, and nothing is tried.

    Raises
    ------
    InputError
        No setting reaches the bound, on a segmented detector.

    Notes
    -----
    It depends on the recipe alone, up to the seconds measured.

    Examples
    --------
    >>> low = {"microscope.detectors": {"rings": {"ADF": [50, 70]}}, "support.num_layers": 1}
    >>> engine = {"engine": {"name": "auto", "max_error": 0.5, "frozen_phonons": 0, "slice_thickness": 4}}
    >>> engine, tried = choose_engine(SimulationRecipe.load("fe-c3n4", {**low, **engine}))
    >>> engine.title, [one.error < 0.5 for one in tried]
    ('kernels', [True])
    """
    if not isinstance(recipe.engine, Auto):
        return recipe.engine, []
    wider = partial(Piece.of_sample, recipe, 0)
    with console.status("building the first sample, to compare engines on a piece of it …", quiet):
        piece = wider()
    return piece.cheapest(recipe.engine, wider, quiet=quiet)


@dataclass
class Piece:
    """A piece of a sample on which engines are compared.

    Parameters
    ----------
    atoms, microscope, scan, focus
        As for :meth:`stemforge.simulate.Kernels.image`.
    phonons
        Seed of the frozen phonons, the same for every engine.
    sample
        Number of the sample that it was cut from.
    interpolation
        The highest of PRISM that loses no electrons on the whole field, which is deeper than the piece.
    """

    atoms: Atoms
    microscope: Microscope
    scan: Scan
    focus: float
    phonons: int = 0
    sample: int = 0
    interpolation: int = 2

    def __post_init__(self) -> None:
        self._reference: tuple[EngineSettings, NDArray[np.float32], float] | None = None

    @classmethod
    def of_sample(cls, recipe: SimulationRecipe, index: int, engine: EngineSettings | None = None) -> "Piece":
        """Cut a piece: a column around a single atom or, with a segmented detector, the first tile.

        The column is wide enough for the windows of an engine.
        """
        drawn, atoms = recipe.build(index)
        microscope, focus = drawn.microscope, drawn.focus_depth(atoms)
        if microscope.detectors.segmented:
            return cls.of_crystal(atoms, microscope, focus, index)
        step = microscope.nyquist_sampling
        scan = Scan.of_any_size((_POSITIONS, _POSITIONS), step)
        whole = float(np.ptp(atoms.positions[:, 2])) if len(atoms) else 0.0
        side, share = _POSITIONS * step + 2 * _MARGIN, _interpolation(engine)
        if share > 1:
            side = max(side, share * narrowest_window(microscope, min(whole, PIECE_DEPTH)))
        column, depth = cut_piece(atoms, focus, side)
        phonons = int(recipe.rng(index, Stage.SIMULATION).integers(2**63))
        most = largest_interpolation(microscope, float(np.diag(atoms.cell)[:2].min()), whole)
        return cls(column, microscope, scan, depth, phonons, index, most)

    @classmethod
    def of_crystal(cls, atoms: Atoms, microscope: Microscope, focus: float, sample: int = 0) -> "Piece":
        """Take the first tile of a crystal, or all of one that has no tiles."""
        if "tiles" in atoms.info:
            first = atoms[atoms.arrays["tile"] == 0]
            first.info = {}
            first.cell = [*atoms.info["tile_size"], atoms.cell[2, 2]]
            first.wrap(pbc=(True, True, False))
            atoms = first
        # Square pixels that divide the cell only nearly: equal for all settings.
        step = microscope.nyquist_sampling
        shape = (int(atoms.cell[1, 1] // step), int(atoms.cell[0, 0] // step))
        return cls(atoms, microscope, Scan.of_any_size(shape, step), focus, sample=sample)

    @property
    def extent(self) -> Extent:
        """How much is imaged."""
        depth = float(np.ptp(self.atoms.positions[:, 2])) if len(self.atoms) else 0.0
        area = float(np.prod(np.diag(self.atoms.cell)[:2]))
        return Extent(area, depth, int(np.prod(self.scan.shape)))

    def image(
        self, engine: EngineSettings, reference: EngineSettings | None = None
    ) -> tuple[NDArray[np.float32], float]:
        """Return the signal (channels, height, width) of an engine, and the seconds that an image took.

        An engine without frozen phonons, beside a reference that has some, images those of the reference one by one,
        each still, in the place of their mean.
        """
        start = time.perf_counter()
        rest = (self.microscope, self.scan, self.focus)
        # The same generator for every engine: the same frozen phonons.
        rng = np.random.default_rng(self.phonons)
        if isinstance(engine, AbtemEngine) or not isinstance(reference, AbtemEngine):
            return engine.image(self.atoms, *rest, rng), time.perf_counter() - start
        # Its thermal motion, not the reference's: a wrong one counts as an error.
        moved = reference.replace(thermal_sigma=engine.thermal_sigma).configurations(
            self.atoms, self.microscope, rng
        )
        still = engine.replace(thermal_sigma=0.0) if reference.frozen_phonons else engine
        signal = np.stack([still.image(one, *rest) for one in moved]).mean(axis=0)
        return signal, (time.perf_counter() - start) / len(moved)

    def seconds(self, engine: EngineSettings) -> float:
        """Return what an engine's image should take [s], by one configuration of phonons.

        Of multislice a few probe positions tell; PRISM computes the same waves for a few as for all.
        """
        phonons = max(engine.frozen_phonons, 1) if isinstance(engine, AbtemEngine) else 1
        one = engine.replace(frozen_phonons=1) if phonons > 1 else engine
        if not isinstance(engine, Multislice):
            return self.image(one)[1] * phonons
        # The first is not timed: it imports and compiles.
        step = self.microscope.nyquist_sampling
        pieces = [replace(self, scan=Scan.of_any_size((side, side), step)) for side in (1, _FEW)]
        seconds = [piece.image(one)[1] for piece in pieces][-1] * phonons
        return engine.cost(self.microscope, pieces[-1].extent, self.extent, seconds)[0]

    def reference(self, engine: EngineSettings) -> tuple[NDArray[np.float32], float]:
        """Return the reference's signal and seconds; it is imaged once."""
        if self._reference is None or self._reference[0] != engine:
            self._reference = (engine, *self.image(engine))
        return self._reference[1:]

    def deviation(self, engine: EngineSettings, reference: EngineSettings) -> EngineError:
        """Compare an engine with its reference: iDPC images where the detector is segmented, otherwise signals."""
        truth, reference_seconds = self.reference(reference)
        found, seconds = (truth, reference_seconds) if engine == reference else self.image(engine, reference)
        level = found.mean((1, 2)) / np.maximum(truth.mean((1, 2)), 1e-30)
        if self.microscope.detectors.segmented:
            found, truth = (idpc_image(signal, self.scan.sampling)[None] for signal in (found, truth))
        difference = np.sqrt(((found - truth) ** 2).mean((1, 2)))
        error = round(float((difference / np.maximum(truth.std((1, 2)), 1e-30)).max()), 4)
        farthest = round(float(level[np.abs(level - 1).argmax()]), 4)
        size = (self.extent.positions, self.extent.area, self.extent.depth)
        return EngineError(engine, reference, self.sample, error, farthest, seconds, reference_seconds, *size)

    def cheapest(
        self, auto: Auto, wider: "Callable[[EngineSettings], Piece] | None" = None, *, quiet: bool = True
    ) -> tuple[Engine, list[EngineError]]:
        """Return the first engine of those that ``auto`` may be whose error is within the bound, and what was tried.

        ``wider`` gives the piece for PRISM with interpolation; it takes longer, and so is asked for only then.
        """
        reference = auto.reference(self.microscope)
        candidates = [
            one for one in auto.candidates(self.microscope) if _interpolation(one) <= self.interpolation
        ]
        seconds = self._image_reference(reference, quiet)
        if not quiet:
            most = f"{len(candidates)} engines follow at most, the cheapest first"
            console.say(f"the reference took {seconds:.0f} s; {most}")
        tried: list[EngineError] = []
        title = "comparing engines on a piece of the first sample"
        with console.progress(title, len(candidates), "engines at most", quiet) as advance:
            for engine in candidates:
                piece = self
                if wider and _interpolation(engine) > 1:
                    if not quiet:
                        console.say(f"{engine.title}: on a wider piece, which the reference images, too …")
                    piece = wider(engine)
                tried.append(piece.deviation(engine, reference))
                advance(1)
                if tried[-1].error <= auto.max_error:
                    return engine, tried
        raise InputError(
            f"engine.max_error: {auto.max_error:g} is out of reach, the finest setting gives {tried[-1].error:.2g}; "
            "give a larger max_error, or set engine.name, sampling and slice_thickness"
        )

    def _image_reference(self, engine: EngineSettings, quiet: bool) -> float:
        """Image the piece with the reference; return the seconds that it took.

        It may take minutes, within which nothing can be counted: how many is told before.
        """
        title = f"imaging the piece with the reference, {engine.title}"
        if not quiet and isinstance(engine, Multislice):
            with console.status(f"timing the reference, {engine.title}, on a few probe positions …"):
                title += f": about {self.seconds(engine):.0f} s"
        with console.status(f"{title} …", quiet):
            return self.reference(engine)[1]


def _interpolation(engine: EngineSettings | None) -> int:
    """Return by how much the windows of an engine are narrower than the field."""
    return engine.interpolation if isinstance(engine, Prism) else 1


def cut_piece(atoms: Atoms, focus: float, side: float) -> tuple[Atoms, float]:
    """Cut a square column around the single atom nearest to focus, or else around the middle.

    Parameters
    ----------
    atoms
        Structure, periodic in x and y.
    focus
        Depth of the focal plane [Å].
    side
        Of the square [Å].

    Returns
    -------
    piece, focus
        At most :data:`PIECE_DEPTH` deep, nearest to focus, with its atoms at z > 0, and the focal plane's depth in it.

    Examples
    --------
    >>> atoms = Atoms("CPtC", positions=[[1, 1, 90], [9, 9, 10], [8, 9, 30]], cell=[20, 20, 100], tags=[0, 1, 0])
    >>> piece, focus = cut_piece(atoms, 20.0, 6.0)
    >>> piece.symbols, piece.positions[0].tolist(), focus
    (Symbols('PtC'), [3.0, 3.0, 2.0], 12.0)
    """
    edges = np.diag(atoms.cell)[:2]
    side = min(side, *edges)
    positions = atoms.positions
    single = np.flatnonzero(atoms.get_tags() == 1)
    middle = np.append(edges / 2, focus)
    centre = focus
    if len(single):
        middle = positions[single[np.abs(positions[single, 2] - focus).argmin()]]
        # The atom is in the piece, even where it lies farther from focus than half of it.
        centre = np.clip(focus, middle[2] - PIECE_DEPTH / 2 + 2, middle[2] + PIECE_DEPTH / 2 - 2)
    offset = positions[:, :2] - middle[:2]
    offset -= edges * np.round(offset / edges)
    z = positions[:, 2]
    low, high = (z.min(), z.max()) if len(z) else (0.0, 0.0)
    top = np.clip(centre - PIECE_DEPTH / 2, low, max(high - PIECE_DEPTH, low))
    inside = (np.abs(offset) <= side / 2).all(axis=1) & (z >= top) & (z <= top + PIECE_DEPTH)
    piece = atoms[inside]
    piece.info = {}
    piece.positions[:, :2] = offset[inside] + side / 2
    start = piece.positions[:, 2].min() - 2.0 if len(piece) else top
    piece.positions[:, 2] -= start
    height = float(np.ptp(piece.positions[:, 2])) + 4.0 if len(piece) else 4.0
    piece.set_cell([side, side, height])
    piece.pbc = (True, True, False)
    return piece, float(focus - start)
