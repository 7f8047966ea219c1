"""From a recipe to a corpus: samples made independently, one shard a task."""

import functools
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from stemforge.corpus import Corpus, CorpusWriter, Sample, Structure
from stemforge.errors import CorpusError, InputError
from stemforge.progress import progress
from stemforge.simulate.abtem_engine import abtem_signal
from stemforge.simulate.kernels import kernel_signal
from stemforge.simulate.labels import label_atoms
from stemforge.simulate.molecules import label_molecules
from stemforge.simulate.plan import plan_segmented
from stemforge.simulate.recipe import Engine, SimulationRecipe, Stage, StructureFile, Zeolite
from stemforge.simulate.scan import Scan
from stemforge.simulate.segmented import segmented_signal


def simulate_sample(recipe: SimulationRecipe, index: int) -> Sample:
    """Make one sample of a recipe: structure, noise-free signal, labels.

    Parameters
    ----------
    recipe
        The recipe; its distributions are drawn for this sample.
    index
        Number of the sample. The same recipe and number give the same sample, whatever else was made.

    Returns
    -------
    Sample
        With signal of shape (detectors, height, width) as fraction of incident electrons.

    Examples
    --------
    >>> recipe = SimulationRecipe.load("fe-c3n4", {"scan.shape": [32, 32]})
    >>> simulate_sample(recipe, 0).signal.shape
    (1, 32, 32)
    """
    try:
        drawn, atoms = recipe.build(index)
    except (OSError, TypeError, ValueError) as error:  # a builder's own word on its parameters
        raise InputError(f"recipe '{recipe.name}', structure of sample {index}: {error}") from error
    z = atoms.positions[:, 2] if len(atoms) else np.zeros(1)
    focus = float(z.min() + drawn.focus * np.ptp(z) + drawn.microscope.defocus)
    if drawn.engine.max_error is not None:
        drawn = drawn.model_copy(update={"engine": planned_engine(recipe)})
    signal = image_structure(drawn, atoms, focus, recipe.rng(index, Stage.SIMULATION))
    described: dict[str, Any] = {}
    if drawn.microscope.segments is None:
        labels = label_atoms(
            atoms,
            signal,
            drawn.microscope,
            drawn.scan,
            focus,
            reference_dose=drawn.reference_dose,
            source_size=drawn.degradation.source_size,
            thermal_sigma=drawn.engine.thermal_sigma,
        )
    else:
        labels, described["molecules"] = label_molecules(atoms, drawn.scan)
        described["frame"] = {"rotation": drawn.scan.rotation, "shift": list(drawn.scan.shift)}
        if "lattice" in atoms.info:
            described["lattice"] = _lattice_on_image(atoms, drawn.scan)
    return Sample(
        index=index,
        signal=signal,
        sampling=drawn.scan.sampling,
        channels=drawn.microscope.channels,
        labels=labels,
        metadata={
            "name": f"{recipe.name}-{index:06d}",
            "focus_angstrom": focus,
            "thickness_angstrom": float(np.ptp(z)),
            "num_atoms": len(atoms),
            **described,
            "drawn": drawn.model_dump(
                mode="json", include={"support", "single_atoms", "microscope", "engine", "focus"}
            ),
        },
        structure=_structure(atoms) if recipe.store_structures else None,
    )


def image_structure(
    drawn: SimulationRecipe, atoms: Atoms, focus: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Image a structure with the recipe's engine; shape (detectors, height, width)."""
    engine = drawn.engine
    if drawn.microscope.segments is not None and engine.name == "prism":
        options = {"slice_thickness": engine.slice_thickness}
        if engine.sampling is not None:
            options["sampling"] = engine.sampling
        return segmented_signal(atoms, drawn.microscope, drawn.scan, focus, **options)
    if engine.name == "kernels":
        return kernel_signal(
            atoms,
            drawn.microscope,
            drawn.scan,
            focus,
            thermal_sigma=engine.thermal_sigma,
            depth_step=engine.depth_step,
            broadening=engine.broadening,
        )
    return abtem_signal(
        atoms,
        drawn.microscope,
        drawn.scan,
        focus,
        algorithm=engine.name,
        interpolation=engine.interpolation,
        sampling=engine.sampling,
        slice_thickness=engine.slice_thickness,
        frozen_phonons=engine.frozen_phonons,
        thermal_sigma=engine.thermal_sigma,
        rng=rng,
    )


def planned_engine(recipe: SimulationRecipe) -> Engine:
    """Return the recipe's engine with the settings that ``max_error`` asks for, found on the first sample.

    They depend on the recipe alone, so that every process plans the same.
    """
    return _planned(recipe.model_dump_json())


@functools.lru_cache(maxsize=4)
def _planned(text: str) -> Engine:
    recipe = SimulationRecipe.model_validate_json(text)
    engine = recipe.engine
    if engine.max_error is None:
        return engine
    drawn, atoms = recipe.build(0)
    z = atoms.positions[:, 2]
    focus = float(z.min() + drawn.focus * np.ptp(z) + drawn.microscope.defocus)
    plan = plan_segmented(atoms, drawn.microscope, focus, engine.max_error)
    found = {"sampling": round(plan.sampling, 6), "slice_thickness": plan.slice_thickness}
    return engine.model_copy(update=found)


def _lattice_on_image(atoms: Atoms, scan: Scan) -> dict[str, list[float]]:
    """Origin and lattice vectors (x, y) of the framework on the image [pixel]."""
    lattice = atoms.info["lattice"]
    origin = np.asarray(lattice["origin"], dtype=float)[:2]
    ends = np.stack([origin, *(origin + np.asarray(lattice[name], dtype=float)[:2] for name in ("a", "b"))])
    places = scan.pixels(ends, (float(atoms.cell[0, 0]), float(atoms.cell[1, 1])))
    return {
        "origin_px": places[0].tolist(),
        "a_px": (places[1] - places[0]).tolist(),
        "b_px": (places[2] - places[0]).tolist(),
    }


def _structure(atoms: Atoms) -> Structure:
    return Structure(
        atoms.numbers.astype(np.uint8),
        atoms.positions.astype(np.float32),
        atoms.get_tags().astype(np.uint8),
        np.asarray(atoms.cell),
    )


def write_shard(recipe: SimulationRecipe, writer: CorpusWriter, shard: int) -> int:
    """Make and write one shard; return its number. This is the task that dask runs.

    The writer comes ready made: a new one would remove what other processes are writing.
    """
    first = shard * recipe.shard_size
    samples = [
        simulate_sample(recipe, i) for i in range(first, min(first + recipe.shard_size, recipe.num_samples))
    ]
    writer.write(shard, samples)
    return len(samples)


def check_recipe(recipe: SimulationRecipe) -> None:
    """Refuse, before any work, a recipe that the engine could not carry out.

    Raises
    ------
    InputError
        Detector beyond the antialias limit, no dose, or a structure file that cannot be read or is smaller
        than the field of view.
    """
    segmented = recipe.microscope.segments is not None
    if segmented and recipe.engine.name == "kernels":
        raise InputError(
            "engine.name: kernels adds intensities, a segmented detector needs prism or multislice"
        )
    if recipe.engine.max_error is not None and not (segmented and recipe.engine.name == "prism"):
        raise InputError(
            "engine.max_error: is planned for prism with a segmented detector (microscope.segments)"
        )
    turned = (recipe.scan.rotation, *recipe.scan.shift) != (0.0, 0.0, 0.0)
    if turned and not (segmented and recipe.engine.name == "prism"):
        raise InputError(
            "scan.rotation, scan.shift: are for prism with a segmented detector; leave them at 0"
        )
    sampling = recipe.engine.sampling or 0.97 * recipe.microscope.potential_sampling()
    limit = recipe.microscope.wavelength / (3 * sampling) * 1e3
    recipe.microscope.check_antialias(limit, sampling)
    recipe.degradation.draw(np.random.default_rng(0)).electrons_per_pixel(recipe.scan.sampling)
    if isinstance(recipe.support, Zeolite):
        rng = np.random.default_rng(0)
        try:
            recipe.support.draw(rng).build((1.0, 1.0), rng)
        except (OSError, TypeError, ValueError) as error:
            raise InputError(f"support: {error}") from error
    if isinstance(recipe.support, StructureFile):
        try:
            cell = recipe.support.build(recipe.scan.cell, np.random.default_rng(0)).cell
        except (OSError, TypeError, ValueError) as error:
            raise InputError(f"support: {error}") from error
        recipe.scan.origin((cell[0, 0], cell[1, 1]))


def simulate_corpus(
    recipe: SimulationRecipe, folder: str | Path, *, workers: int | None = None, quiet: bool = False
) -> Corpus:
    """Make the corpus of a recipe, or what of it is still missing.

    Parameters
    ----------
    recipe
        The recipe.
    folder
        Where the corpus goes. Finished shards of the same recipe are kept; another recipe's corpus is refused.
    workers
        Processes; by default one for each core. With 1 the work is done in this process.
    quiet
        Draw no progress bar.

    Returns
    -------
    Corpus
        The finished corpus.

    Raises
    ------
    CorpusError, InputError
        The folder is another corpus's, or the recipe cannot be carried out. Nothing has been written then.
    """
    workers = _cores() if workers is None else workers
    if workers < 1:
        raise InputError(f"workers must be at least 1, not {workers}")
    check_recipe(recipe)
    folder = Path(folder)
    writer = CorpusWriter(folder, recipe.model_dump(mode="json"), recipe.content_hash)
    writer.remove_partials()
    # A shard that is not full ended a corpus that is now extended: it is made again.
    sizes = [
        min(recipe.shard_size, recipe.num_samples - first)
        for first in range(0, recipe.num_samples, recipe.shard_size)
    ]
    missing = [shard for shard, size in enumerate(sizes) if writer.count(shard) < size]
    _check_disk(recipe, folder, len(missing))
    total = sum(sizes[shard] for shard in missing)
    with progress(f"simulate {recipe.name}", total, "images", quiet) as advance:
        _run(recipe, writer, missing, min(workers, max(len(missing), 1)), advance)
    return Corpus(folder)


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_disk(recipe: SimulationRecipe, folder: Path, shards: int) -> None:
    height, width = recipe.scan.shape
    image = 4 * height * width * len(recipe.microscope.channels)
    free = shutil.disk_usage(folder).free
    needed = shards * recipe.shard_size * image
    if needed > free:
        raise CorpusError(
            f"{folder}: the images alone need {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; make room or "
            "lower num_samples"
        )


def _run(
    recipe: SimulationRecipe,
    writer: CorpusWriter,
    shards: Iterable[int],
    workers: int,
    advance: Callable[[int], None],
) -> None:
    shards = list(shards)
    if workers == 1:
        for shard in shards:
            advance(write_shard(recipe, writer, shard))
        return
    import dask
    from dask.distributed import Client, LocalCluster, as_completed

    # Plain numbers travel in the graph, never arrays. One thread a process: FFTs and HDF5 keep it busy.
    with (
        dask.config.set({"distributed.admin.tick.limit": "60s", "distributed.comm.timeouts.connect": "60s"}),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        tasks = [client.submit(write_shard, recipe, writer, shard, pure=False) for shard in shards]
        for task in as_completed(tasks):
            advance(task.result())
