"""Shards made by many processes: local ones, or the workers of any dask cluster.

A task is the number of a shard, with recipe and writer (together some kilobytes): no array travels, and a worker that
comes late needs nothing else. Few shards are handed out at a time, so that the scheduler's memory does not grow with
the corpus.
"""

import contextlib
import itertools
import os
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Generator, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dask
from dask.distributed import CancelledError, Client, Future, LocalCluster, as_completed
from dask.typing import Key
from distributed.scheduler import KilledWorker

from stemforge.console import say
from stemforge.errors import InputError
from stemforge.files import PARTIAL
from stemforge.simulate.recipe import SimulationRecipe
from stemforge.simulate.running.shards import Failure, Job, Outcome, write_shard
from stemforge.simulate.running.spawning import main_not_imported
from stemforge.simulate.running.stopping import StopSignals
from stemforge.simulate.sample import check_recipe

_CONNECT_SECONDS = 10
# A worker makes one shard and has the next at hand.
_SHARDS_PER_WORKER = 2
_COUNT_WORKERS_EVERY = 5.0  # seconds
# Different versions of these could make different bytes.
_SAME_EVERYWHERE = ("stemforge", "abtem", "ase", "numpy", "scipy")

_given_up: set[str] = set()
"""In a worker: the runs that were stopped."""
_one_at_a_time = threading.Lock()


@contextlib.contextmanager
def local_client(workers: int, retries: int, signals: StopSignals) -> Iterator[Client]:
    """Start processes on this machine, and end them.

    Each has its share of the machine's memory; one that outgrows it is killed and started anew, and its shard is
    tried again.
    """
    settings = {
        "distributed.admin.tick.limit": "60s",
        "distributed.comm.timeouts.connect": "60s",
        "distributed.scheduler.allowed-failures": retries,
        # Results are a few numbers, there is nothing to spill. A worker that were paused for memory which its last
        # image left behind would never be woken; one that is killed starts afresh.
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
        "distributed.worker.memory.terminate": 0.95,
        # Samples of the stack a hundred times a second, which nobody looks at.
        "distributed.worker.profile.enabled": False,
        # Without dask's MALLOC_TRIM_THRESHOLD_: under it every large array is mapped and unmapped anew, and a third of
        # the time goes into page faults.
        "distributed.nanny.pre-spawn-environ": dict.fromkeys(
            ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), 1
        ),
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(settings))
        stack.enter_context(main_not_imported())  # also by workers that replace others later
        with signals.held():
            # One thread a process: FFTs and HDF5 keep it busy.
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",
                local_directory=tempfile.gettempdir(),
                silence_logs=50,
            )
            stack.enter_context(cluster)
            client = stack.enter_context(Client(cluster, set_as_default=False))
        yield client


@contextlib.contextmanager
def cluster_client(scheduler: str) -> Iterator[Client]:
    """Connect to a scheduler that runs.

    Parameters
    ----------
    scheduler
        Its address, ``tcp://HOST:PORT``, or the scheduler file that it wrote.

    Raises
    ------
    InputError
        Nothing answers there within ten seconds.
    """
    where: dict[str, Any] = {"address": scheduler}
    if Path(scheduler).is_file():
        where = {"scheduler_file": scheduler}
    elif "://" not in scheduler:
        raise InputError(
            f"scheduler '{scheduler}': is neither an address tcp://HOST:PORT nor a scheduler file"
        )
    with dask.config.set({"distributed.comm.timeouts.connect": f"{_CONNECT_SECONDS}s"}):
        try:
            client = Client(**where, timeout=_CONNECT_SECONDS, set_as_default=False, name="stemforge")
        except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
            raise InputError(
                f"scheduler '{scheduler}': does not answer ({_first_line(error)}); start one with `dask scheduler` and "
                "give the address that it prints"
            ) from error
        try:
            yield client
        finally:
            with contextlib.suppress(Exception):
                client.close(timeout=2)


def check_workers(client: Client, recipe: SimulationRecipe, folder: Path) -> None:
    """Refuse a cluster whose workers could not write this corpus; wait for the first worker where there is none.

    Raises
    ------
    InputError
        A worker has another version of stemforge, does not see the folder or may not write there, or cannot read a
        file that the recipe names.
    """
    try:
        if not client.nthreads():
            say("the cluster has no worker yet; waiting for the first")
            # A task, not a question: clusters that adapt to their load start workers only for work.
            client.submit(os.getpid, pure=False).result()
        token = uuid.uuid4().hex
        marker = folder / f"probe-{token}{PARTIAL}"
        marker.write_text(token)
        try:
            found = client.run(_problem_of_worker, recipe, marker, _software(), on_error="return")
        finally:
            marker.unlink(missing_ok=True)
        threads = client.nthreads()
    except (OSError, CancelledError) as error:
        raise InputError(f"the cluster was lost before work started ({_first_line(error)})") from error
    problems = {
        worker: problem if isinstance(problem, str) else f"cannot run stemforge ({_first_line(problem)})"
        for worker, problem in found.items()
        if problem is not None
    }
    if problems:
        worker, problem = min(problems.items())
        raise InputError(
            f"{len(problems)} of {len(found)} workers cannot take part; {worker}: {problem}. All of them need the same "
            "stemforge, and the corpus folder under the same path"
        )
    if max(threads.values(), default=1) > 1:
        say("workers with several threads make one image at a time; start them with --nthreads 1")


def _problem_of_worker(recipe: SimulationRecipe, marker: Path, software: dict[str, str]) -> str | None:
    """Say why this worker cannot take part, or None. It runs there."""
    here = _software()
    other = [f"{name} {here[name]}, not {software[name]}" for name in here if here[name] != software[name]]
    if other:
        return f"has {', '.join(other)}"
    for _ in range(6):  # a file server may show a new file a moment later
        if marker.is_file() and marker.read_text(encoding="utf-8") == marker.stem.removeprefix("probe-"):
            break
        time.sleep(0.5)
    else:
        return f"does not see the folder {marker.parent}"
    trial = marker.with_name(f"{marker.stem}-{socket.gethostname()}-{os.getpid()}{PARTIAL}")
    try:
        trial.write_bytes(b"x")
        trial.unlink()
    except OSError as error:
        return f"cannot write to {marker.parent} ({error.strerror})"
    try:
        check_recipe(recipe)
    except InputError as error:
        return str(error)
    return None


def _software() -> dict[str, str]:
    return {name: version(name) for name in _SAME_EVERYWHERE}


def _make(run: str, job: Job, shard: int) -> Outcome:
    """Make one shard on a worker: the task that dask runs."""
    with _one_at_a_time:  # a worker with several threads has one image in memory all the same
        if not (job.writer.folder / "recipe.yaml").is_file():
            # Workers that were there when the run began have been asked; this one came later.
            stop = f"worker on {socket.gethostname()} does not see the folder {job.writer.folder}; mend or remove it"
            return Outcome(shard, stop=stop)
        return write_shard(job, shard, stopped=lambda: run in _given_up)


def shards_on(client: Client, job: Job, shards: Iterable[int]) -> Generator[Outcome, None, None]:
    """Make shards on a cluster's workers; close the iterator to give up what is not finished.

    Parameters
    ----------
    client
        Connection to the cluster.
    job
        What they belong to.
    shards
        Their numbers; taken from the iterable when they are handed out.

    Yields
    ------
    Outcome
        Of each shard, in the order in which they are finished.
    """
    run = f"stemforge-{uuid.uuid4().hex[:12]}"
    finished = False
    try:
        yield from _handed_out(client, run, job, iter(shards))
        finished = True
    except (OSError, CancelledError):
        yield Outcome(-1, stop="the connection to the scheduler was lost; start it again")
    finally:
        if not finished and client.status == "running":
            # A thread cannot be stopped from outside: workers learn of it, and look before each image.
            with contextlib.suppress(Exception):
                client.run(_give_up, run, on_error="ignore")


def _handed_out(client: Client, run: str, job: Job, shards: Iterator[int]) -> Iterator[Outcome]:
    outstanding: dict[Key, int] = {}
    done = as_completed(loop=client.loop)
    workers, counted = 0, -_COUNT_WORKERS_EVERY
    while True:
        if client.status != "running":
            raise CancelledError
        if time.monotonic() - counted > _COUNT_WORKERS_EVERY:
            workers, counted = len(client.nthreads()), time.monotonic()
        room = _SHARDS_PER_WORKER * max(workers, 1) - len(outstanding)
        for shard in itertools.islice(shards, max(room, 0)):
            task = client.submit(_make, run, job, shard, key=f"{run}-{shard}", pure=False, retries=2)
            outstanding[task.key] = shard
            done.add(task)
        if not outstanding:
            return
        task = next(done)
        yield _outcome(task, outstanding.pop(task.key))


def _give_up(run: str) -> None:
    _given_up.add(run)


def _outcome(task: Future, shard: int) -> Outcome:
    if task.status == "finished":
        return task.result()
    if task.status != "error":  # cancelled or lost: with the scheduler
        raise CancelledError
    error = task.exception()
    if isinstance(error, KilledWorker):
        text = (
            "the worker died of it each time, most likely for want of memory; use fewer workers on a machine, or give "
            "each more memory"
        )
        return Outcome(shard, failure=Failure(shard, None, text, str(error)))
    return Outcome(shard, failure=Failure(shard, None, f"{type(error).__name__}: {error}"))


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0]
