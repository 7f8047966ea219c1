"""How far an engine is from multislice, measured on a piece of the very structure; and the cheapest that will do.

A whole thick field by multislice takes days. What an engine gets wrong shows on a piece: a column of the structure
around one of its single atoms, some nanometres deep about the focal plane, seen by a few probe positions at the
probe's Nyquist distance. Both engines get the same piece; multislice and PRISM the same frozen phonons.
"""

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from stemforge.errors import InputError
from stemforge.simulate.imaging import focus_depth, image_structure
from stemforge.simulate.planning.segmented import Plan, plan_segmented, segmented_error
from stemforge.simulate.recipe import Engine, SimulationRecipe, Stage
from stemforge.simulate.scan import Scan

PIECE_DEPTH = 40.0
"""Most of a structure's depth that a piece keeps [Å]."""
_POSITIONS = 10  # probe positions along a side of the square that is imaged
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
    """

    engine: Engine
    reference: Engine
    sample: int
    error: float
    level: float
    seconds: float
    reference_seconds: float
    positions: int
    piece_area: float
    piece_depth: float

    def plain(self) -> dict[str, Any]:
        """Return everything as plain values."""
        engines = {name: getattr(self, name).model_dump(mode="json") for name in ("engine", "reference")}
        return asdict(self) | engines


def candidates(engine: Engine) -> list[Engine]:
    """Return what ``engine: auto`` may stand for with annular detectors, the cheapest first.

    Examples
    --------
    >>> [one.name for one in candidates(Engine(name="auto", max_error=0.1))]
    ['kernels', 'prism', 'prism', 'multislice']
    """
    plain = {"max_error": None, "interpolation": 1}
    changes: list[dict[str, object]] = [
        {"name": "kernels"},
        {"name": "prism", "interpolation": 2},
        {"name": "prism"},
        {"name": "multislice"},
    ]
    return [engine.model_copy(update=plain | change) for change in changes]


def reference_engine(engine: Engine) -> Engine:
    """Return multislice with the engine's numerical settings."""
    return candidates(engine)[-1]


def check_engine(recipe: SimulationRecipe, engine: Engine | None = None, index: int = 0) -> EngineError:
    """Measure how far an engine is from multislice on a piece of a sample.

    Parameters
    ----------
    recipe
        What makes the sample.
    engine
        The engine to check; the recipe's own by default.
    index
        Number of the sample.

    Returns
    -------
    EngineError
        The deviation. It holds for the piece: what builds up over a greater depth is not in it. With a segmented
        detector the piece is the first unit cell, the reference PRISM with much finer sampling and slices.

    Examples
    --------
    >>> recipe = SimulationRecipe.load("fe-c3n4", {"engine.frozen_phonons": 0, "engine.slice_thickness": 3.2})
    >>> check_engine(recipe, reference_engine(recipe.engine)).error
    0.0
    """
    checked = recipe.engine if engine is None else engine
    if recipe.microscope.segments is None:
        return _Piece(recipe, index).deviation(checked)
    if checked.name != "prism":
        raise InputError("engine: with a segmented detector prism can be checked")
    drawn, atoms = recipe.build(index)
    settings = {"slice_thickness": checked.slice_thickness}
    if checked.sampling is not None:
        settings["sampling"] = checked.sampling
    plan = segmented_error(atoms, drawn.microscope, focus_depth(drawn, atoms), **settings)
    return _segmented(checked, plan, atoms, index)


def choose_engine(recipe: SimulationRecipe) -> tuple[Engine, list[EngineError]]:
    """Find the cheapest engine whose error is within ``engine.max_error``.

    Parameters
    ----------
    recipe
        With ``engine.max_error``; the first sample is looked at.

    Returns
    -------
    engine, tried
        The settings to use, and the measurement of each engine tried, the last being of the engine chosen.

    Raises
    ------
    InputError
        No ``max_error``; on segments, no setting that reaches it.

    Notes
    -----
    It depends on the recipe alone, up to the seconds measured. With a segmented detector PRISM's settings are
    planned, see :func:`stemforge.simulate.plan_segmented`.
    """
    bound = recipe.engine.max_error
    if bound is None:
        raise InputError("engine.max_error: say which error is allowed")
    if recipe.microscope.segments is not None:
        return _planned_prism(recipe, bound)
    piece = _Piece(recipe, 0)
    tried: list[EngineError] = []
    for engine in candidates(recipe.engine):
        tried.append(piece.deviation(engine))
        if tried[-1].error <= bound:
            break
    return tried[-1].engine, tried


def _planned_prism(recipe: SimulationRecipe, bound: float) -> tuple[Engine, list[EngineError]]:
    drawn, atoms = recipe.build(0)
    plan = plan_segmented(atoms, drawn.microscope, focus_depth(drawn, atoms), bound)
    found = _segmented(recipe.engine, plan, atoms, 0)
    return found.engine, [found]


def _segmented(engine: Engine, plan: Plan, atoms: Atoms, index: int) -> EngineError:
    """Describe what was found out about a segmented detector's PRISM as a check."""
    plain = engine.model_copy(update={"name": "prism", "interpolation": 1, "max_error": None})
    used, reference = (
        plain.model_copy(update={"sampling": round(sampling, 6), "slice_thickness": thickness})
        for sampling, thickness in ((plan.sampling, plan.slice_thickness), plan.reference)
    )
    area = float(np.prod(atoms.info.get("tile_size", np.diag(atoms.cell)[:2])))
    depth = float(np.ptp(atoms.positions[:, 2]))
    seconds = plan.seconds
    return EngineError(used, reference, index, plan.error, 1.0, *seconds, plan.positions, area, depth)


class _Piece:
    """A piece of a sample, its place in the microscope, and what multislice makes of it."""

    def __init__(self, recipe: SimulationRecipe, index: int) -> None:
        drawn, atoms = recipe.build(index)
        self.index = index
        self.focus = focus_depth(drawn, atoms)
        step = drawn.microscope.wavelength / (4e-3 * drawn.microscope.semiangle_cutoff)
        scan = Scan.model_construct(
            shape=(_POSITIONS, _POSITIONS), sampling=step, margin=_MARGIN, rotation=0.0, shift=(0.0, 0.0)
        )
        self.drawn = drawn.model_copy(update={"scan": scan})
        self.rng_seed = recipe.rng(index, Stage.SIMULATION).integers(2**63)
        self.atoms, self.focus = cut_piece(atoms, self.focus, scan.cell[0])
        self._reference: tuple[Engine, NDArray[np.float32], float] | None = None

    def image(self, engine: Engine) -> tuple[NDArray[np.float32], float]:
        """Return the image (detectors, height, width) and the seconds it took."""
        start = time.perf_counter()
        drawn = self.drawn.model_copy(update={"engine": engine})
        # The same generator for every engine: the same frozen phonons.
        signal = image_structure(drawn, self.atoms, self.focus, np.random.default_rng(self.rng_seed))
        return signal, time.perf_counter() - start

    def deviation(self, engine: Engine) -> EngineError:
        """Compare an engine with multislice."""
        wanted = reference_engine(engine)
        if self._reference is None or self._reference[0] != wanted:
            self._reference = (wanted, *self.image(wanted))
        _, truth, reference_seconds = self._reference
        found, seconds = (truth, reference_seconds) if engine == wanted else self.image(engine)
        apart = np.sqrt(((found - truth) ** 2).mean((1, 2)))
        level = found.mean((1, 2)) / np.maximum(truth.mean((1, 2)), 1e-30)
        return EngineError(
            engine,
            wanted,
            self.index,
            round(float((apart / np.maximum(truth.std((1, 2)), 1e-30)).max()), 4),
            round(float(level[np.abs(level - 1).argmax()]), 4),
            seconds,
            reference_seconds,
            _POSITIONS**2,
            float(np.prod(np.diag(self.atoms.cell)[:2])),
            float(np.ptp(self.atoms.positions[:, 2])) if len(self.atoms) else 0.0,
        )


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
    apart = positions[:, :2] - middle[:2]
    apart -= edges * np.round(apart / edges)
    z = positions[:, 2]
    low, high = (z.min(), z.max()) if len(z) else (0.0, 0.0)
    top = np.clip(centre - PIECE_DEPTH / 2, low, max(high - PIECE_DEPTH, low))
    inside = (np.abs(apart) <= side / 2).all(axis=1) & (z >= top) & (z <= top + PIECE_DEPTH)
    piece = atoms[inside]
    piece.info = {}
    piece.positions[:, :2] = apart[inside] + side / 2
    start = piece.positions[:, 2].min() - 2.0 if len(piece) else top
    piece.positions[:, 2] -= start
    height = float(np.ptp(piece.positions[:, 2])) + 4.0 if len(piece) else 4.0
    piece.set_cell([side, side, height])
    piece.pbc = (True, True, False)
    return piece, float(focus - start)
