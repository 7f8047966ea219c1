"""What a corpus will cost, before it is made: time, memory a worker, disk."""

import multiprocessing
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from stemforge.console import status
from stemforge.errors import InputError
from stemforge.files import write_json
from stemforge.installation.machine import usable_cores
from stemforge.memory import peak_memory
from stemforge.simulate.engines.auto import Auto, Engine
from stemforge.simulate.engines.common import Extent
from stemforge.simulate.planning.deviation import EngineError, Piece, choose_engine
from stemforge.simulate.planning.guests import GuestVisibility, guest_visibility
from stemforge.simulate.recipe import SimulationRecipe
from stemforge.simulate.sample import check_recipe

# A sample that should take longer than this [s] is not made, but extrapolated from a piece: two would be made, of which
# nothing is kept.
_TRIAL = 20.0
# Trials end after this time [s], however many were asked for.
_TRIALS_END = 10.0
# Python, abTEM and numba in a fresh process [byte].
_BARE_PROCESS = 350e6


@dataclass(frozen=True)
class CorpusPlan:
    """What a corpus will take.

    Parameters
    ----------
    recipe
        Name of the recipe.
    engine
        The engine's settings as they will be used.
    checks
        How far engines are from the reference; empty where none was asked for.
    num_samples, workers
        Size of the work, and the processes that share it.
    seconds_per_sample
        Of one process [s].
    seconds
        Of the whole corpus [s].
    memory_per_worker
        Peak of resident memory [byte].
    disk
        Size of the finished corpus [byte].
    measured
        Whether a sample was made to find out, or the figures are extrapolated from a piece of one.
    guests
        From which dose on the guests of a zeolite can be seen, see :func:`guest_visibility`.

    Examples
    --------
    >>> low = {"microscope.detectors": {"rings": {"ADF": [50, 70]}}, "support.num_layers": 1}
    >>> engine = {"engine": {"name": "multislice", "frozen_phonons": 0, "slice_thickness": 4}}
    >>> plan = plan_corpus(SimulationRecipe.load("fe-c3n4", {**low, **engine}), num=8, workers=2)
    >>> plan.num_samples, plan.seconds / plan.seconds_per_sample, plan.measured
    (8, 4.0, False)
    """

    recipe: str
    engine: Engine
    checks: tuple[EngineError, ...]
    num_samples: int
    workers: int
    seconds_per_sample: float
    seconds: float
    memory_per_worker: float
    disk: float
    measured: bool
    guests: tuple[GuestVisibility, ...] = ()

    def to_json(self, path: str | Path) -> None:
        """Write everything to a JSON file."""
        write_json(path, self)


def plan_corpus(
    recipe: SimulationRecipe,
    *,
    num: int | None = None,
    workers: int | None = None,
    folder: str | Path = ".",
    max_error: float | None = None,
    trials: int = 1,
    quiet: bool = True,
) -> CorpusPlan:
    """Choose the engine of a corpus and find out what the corpus will take.

    A sample is made in a process of its own, and its time, memory and size are measured. Where that would take longer
    than some 20 s, they are extrapolated from a piece of it.

    Parameters
    ----------
    recipe
        The recipe.
    num
        Samples; the recipe's number by default.
    workers
        Processes; by default one for each core.
    folder
        Where the corpus will go: its file system must have room.
    max_error
        Stands in for the recipe's engine: ``{name: auto, max_error: …}`` with its numerical settings.
    trials
        Samples over which time and size are averaged, unless these take long: where a recipe draws thick and thin
        specimens one says little.
    quiet
        Show no progress.

    Returns
    -------
    CorpusPlan
        The plan.

    Raises
    ------
    InputError
        The recipe cannot be carried out, or the workers' memory or the disk cannot hold it; the message says what
        would help.

    Examples
    --------
    >>> low = {"microscope.detectors": {"rings": {"ADF": [50, 70]}}, "support.num_layers": 1}
    >>> engine = {"engine": {"name": "multislice", "frozen_phonons": 0, "slice_thickness": 4}}
    >>> plan = plan_corpus(SimulationRecipe.load("fe-c3n4", {**low, **engine}), num=10)
    >>> plan.engine.name, plan.measured, plan.seconds > 3600
    ('multislice', False, True)
    """
    if max_error is not None:
        numerical = set(Auto.model_fields) - {"name", "max_error"}
        settings = recipe.engine.model_dump(include=numerical)
        recipe = recipe.replace(
            engine=Auto.from_mapping({**settings, "max_error": max_error}, source="max_error")
        )
    num = recipe.num_samples if num is None else num
    workers = usable_cores() if workers is None else workers
    for name, value in (("num", num), ("workers", workers), ("trials", trials)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, not {value}")
    recipe = recipe.pinned()
    check_recipe(recipe)
    engine, checks = choose_engine(recipe, quiet=quiet)
    recipe = recipe.replace(engine=engine, num_samples=num)
    measured, expected = True, ""
    if engine.is_costly(recipe.microscope):
        if checks:
            piece, seconds = checks[-1].piece, checks[-1].seconds
        else:
            with status(f"timing {engine.title} on a piece of the first sample …", quiet):
                cut = Piece.of_sample(recipe, 0, engine)
                piece, seconds = cut.extent, cut.seconds(engine)
        seconds, memory, size = extrapolate(recipe, piece, seconds)
        measured = seconds <= _TRIAL and memory <= psutil.virtual_memory().available
        expected = f", about {2 * seconds:.0f} s"
    if measured:
        context = multiprocessing.get_context("spawn")
        with (
            status(f"making samples to measure their time and memory{expected} …", quiet),
            ProcessPoolExecutor(1, mp_context=context) as pool,
        ):
            seconds, memory, size = pool.submit(_trial, recipe.model_dump_json(), trials).result()
    total = seconds * recipe.num_shards * recipe.shard_size / workers
    guests = guest_visibility(recipe)
    cost = (seconds, total, memory, size * num)
    plan = CorpusPlan(recipe.name, engine, tuple(checks), num, workers, *cost, measured, guests)
    _refuse_what_does_not_fit(plan, Path(folder))
    return plan


def extrapolate(recipe: SimulationRecipe, piece: Extent, seconds: float) -> tuple[float, float, float]:
    """Estimate seconds, memory and disk [byte] of one sample from the seconds that the engine takes on a piece."""
    drawn, atoms = recipe.build(0)
    pixels = int(np.prod(drawn.scan.shape))
    whole = Extent(float(np.prod(np.diag(atoms.cell)[:2])), float(np.ptp(atoms.positions[:, 2])), pixels)
    seconds, memory = recipe.engine.cost(drawn.microscope, piece, whole, seconds)
    size = 4 * pixels * len(recipe.microscope.channels) + 17.0 * len(atoms) * recipe.store_structures
    return seconds, _BARE_PROCESS + memory, size


def _trial(text: str, trials: int) -> tuple[float, float, float]:
    """Make samples in a fresh process: seconds (warm) and size on disk [byte] of one, and peak memory [byte]."""
    from stemforge.corpus.writer import CorpusWriter
    from stemforge.simulate.sample import simulate_sample

    recipe = SimulationRecipe.model_validate_json(text)
    simulate_sample(recipe, 0)  # compiles, and fills the cache of object functions
    start, size, made = time.perf_counter(), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        writer = CorpusWriter(folder, recipe.model_dump(mode="json"), recipe.content_hash)
        while made < trials and time.perf_counter() - start < _TRIALS_END:
            size += writer.write(made, [simulate_sample(recipe, made + 1)]).stat().st_size
            made += 1
        seconds = time.perf_counter() - start
    return seconds / made, peak_memory(), size / made


def _refuse_what_does_not_fit(plan: CorpusPlan, folder: Path) -> None:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    memory = psutil.virtual_memory().total
    if plan.memory_per_worker * plan.workers > 0.9 * memory:
        fitting = int(0.9 * memory // plan.memory_per_worker)
        mend = (
            f"take {fitting} worker{'s' if fitting > 1 else ''}, or a smaller scan"
            if fitting
            else "take a smaller scan, engine kernels, or PRISM with a larger interpolation"
        )
        if plan.checks:
            errors = ", ".join(f"{check.engine.title} {check.error:.1%}" for check in plan.checks)
            mend += f", or allow a larger error: measured were {errors}"
        raise InputError(
            f"{plan.workers} workers of {plan.engine.title} need {plan.memory_per_worker / 1e9:.1f} GB each, the "
            f"machine has {memory / 1e9:.1f} GB; {mend}"
        )
    free = shutil.disk_usage(folder).free
    if plan.disk > free:
        raise InputError(
            f"{plan.num_samples} samples take {plan.disk / 1e9:.1f} GB, {folder} has {free / 1e9:.1f} GB free; "
            "make room, lower num_samples, or set store_structures: false"
        )
