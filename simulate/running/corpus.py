"""From a recipe to a corpus: what is missing is made, by one process or many, and survives whatever ends a run."""

import contextlib
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from stemforge.console import progress, say
from stemforge.corpus.reader import Corpus
from stemforge.corpus.shard import read_header
from stemforge.corpus.writer import HEADER, CorpusWriter, read_builder, read_recipe
from stemforge.errors import CorpusError, InputError, RecipeError, UnfinishedError, WriteError
from stemforge.files import write_json
from stemforge.installation.machine import usable_cores
from stemforge.simulate.engines.auto import Engine
from stemforge.simulate.planning.deviation import choose_engine
from stemforge.simulate.recipe import SimulationRecipe
from stemforge.simulate.running.audit import audit_samples, audited_samples
from stemforge.simulate.running.shards import Failure, Job, Outcome, shards_here
from stemforge.simulate.running.stopping import StopSignals
from stemforge.simulate.sample import check_recipe
from stemforge.simulate.version import BUILDER, refuse_older

FAILED = "failed.json"
"""File beside the shards that lists, with tracebacks, the shards that the last run could not make."""
PLAN = "plan.json"
"""File beside the shards with the engine that ``max_error`` led to, and the check it rests on."""
AUDIT = "audit.json"
"""File beside the shards with what the last audit found."""

# When nothing has succeeded and so many shards have failed, the settings are wrong, and a night would be wasted.
_HOPELESS = 5
# Failures that are listed; a message and a file must not grow with the corpus.
_LISTED = 100


def simulate_corpus(
    recipe: SimulationRecipe,
    folder: str | Path,
    *,
    workers: int | None = None,
    scheduler: str | Path | None = None,
    retries: int = 2,
    audit: float | None = None,
    quiet: bool = False,
) -> Corpus:
    """Make the corpus of a recipe, or what of it is still missing.

    Parameters
    ----------
    recipe
        The recipe.
    folder
        Where the corpus goes. Finished shards of the same recipe are kept; another recipe's corpus is refused.
    workers
        Processes on this machine; by default one for each core. With 1 the work is done in this process.
    scheduler
        Address (``tcp://HOST:PORT``) or scheduler file of a running dask cluster that does the work instead. Its
        workers must see ``folder`` under the same path.
    retries
        How often a sample that fails is tried again, and a worker that dies is replaced, before the sample's shard
        is left out.
    audit
        Share of the samples of which a piece is simulated again by the reference engine; what that finds is printed
        and kept in ``audit.json``.
    quiet
        Show no progress.

    Returns
    -------
    Corpus
        The finished corpus.

    Raises
    ------
    CorpusError, InputError
        The folder is another corpus's or in use by another run, a file that the recipe names has changed since the
        corpus was begun, the recipe cannot be carried out, or the cluster cannot be used.
    UnfinishedError
        Shards failed, the disk is full, the scheduler was lost, or a file that the recipe names changed meanwhile.
    KeyboardInterrupt
        On SIGINT (Ctrl-C) and SIGTERM, after tidying up.

    Notes
    -----
    Whatever ends a run, finished shards are kept, and the same call makes the rest. The bytes depend neither on how
    often it was ended nor on the number of workers.

    Examples
    --------
    >>> tiny = {"num_samples": 2, "shard_size": 2, "scan.shape": [32, 32], "support.num_layers": 1}
    >>> corpus = simulate_corpus(SimulationRecipe.load("fe-c3n4", tiny), "corpus", workers=1, quiet=True)
    >>> len(corpus), corpus[0].signal.shape, corpus[0].channels
    (2, (1, 32, 32), ('HAADF',))
    """
    if workers is not None and scheduler is not None:
        raise InputError(
            "workers: counts processes on this machine; with a scheduler its own workers do the work"
        )
    workers = usable_cores() if workers is None else workers
    if workers < 1:
        raise InputError(f"workers must be at least 1, not {workers}")
    if retries < 0:
        raise InputError(f"retries must be at least 0, not {retries}")
    audited = [] if audit is None else audited_samples(recipe, audit)
    recipe = recipe.pinned()
    folder = Path(folder).absolute()
    if (folder / HEADER).is_file():
        begun, begun_hash, _ = read_recipe(folder)
        refuse_older(begun, folder)
        _refuse_other_files(begun, recipe, folder)
        if begun_hash == recipe.content_hash:
            _refuse_other_builder(recipe, folder)
    check_recipe(recipe)
    with StopSignals() as signals, contextlib.ExitStack() as stack:
        client = None
        if scheduler is not None:
            from stemforge.simulate.running.cluster import check_workers, cluster_client

            client = stack.enter_context(cluster_client(str(scheduler)))
        writer = CorpusWriter(folder, recipe.model_dump(mode="json"), recipe.content_hash, builder=BUILDER)
        stack.enter_context(writer.alone())
        job = Job(recipe, writer, retries=retries)
        shards = range(recipe.num_shards)
        # A shard that is not full ended a corpus that is now extended: it is made again.
        missing = [shard for shard in shards if writer.count(shard) < job.size(shard)]
        if missing:
            _check_disk(recipe, folder, len(missing))
            if client is not None:
                check_workers(client, recipe, folder)
            job = Job(recipe, writer, _engine(recipe, folder, quiet), retries)
            if client is None and workers > 1:
                from stemforge.simulate.running.cluster import local_client

                client = stack.enter_context(local_client(min(workers, len(missing)), retries, signals))
            if client is None:
                outcomes = shards_here(job, missing)
            else:
                from stemforge.simulate.running.cluster import shards_on

                outcomes = shards_on(client, job, missing)
            with contextlib.closing(outcomes):
                _follow(job, _until(signals, outcomes), missing, quiet)
    (folder / FAILED).unlink(missing_ok=True)
    corpus = Corpus(folder)
    if audited:
        found = audit_samples(recipe, corpus.labels_only(), audited, quiet=quiet)
        found.to_json(folder / AUDIT)
        say(f"audit: {found}; {folder / AUDIT}")
    return corpus


def _until(signals: StopSignals, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Pass on what comes back until a signal came, also where its exception was dropped."""
    for outcome in outcomes:
        signals.check()
        yield outcome


def _follow(job: Job, outcomes: Iterator[Outcome], missing: list[int], quiet: bool) -> None:
    """Count what comes back; raise where a run has to stop, and at its end where shards are missing."""
    folder, total = job.writer.folder, sum(job.size(shard) for shard in missing)
    begun = len(missing) < job.recipe.num_shards
    failures: list[Failure] = []
    made = failed = 0
    with progress(f"simulate {job.recipe.name}", total, "images", quiet) as advance:
        for outcome in outcomes:
            if outcome.stop is not None:
                kept = f"{made} of the {total} images that were missing are made and kept"
                raise UnfinishedError(
                    f"{folder}: stopped, {outcome.stop}; {kept}. Run the same command again to go on",
                    failures,
                )
            made += outcome.samples
            advance(outcome.samples)
            if outcome.failure is None:
                continue
            failed += 1
            if len(failures) < _LISTED:
                failures.append(outcome.failure)
                with contextlib.suppress(WriteError):  # a full disk: the shards will say so
                    write_json(folder / FAILED, failures)
                if not quiet:
                    say(f"{failed} failed: {outcome.failure}")
            if not made and not begun and failed == min(_HOPELESS, len(missing)):
                if all(failure.recipe_is_to_blame for failure in failures):
                    raise RecipeError(failures[0].error)
                raise UnfinishedError(
                    _summary(folder, failures, failed, "stopped, as nothing else"), failures
                )
    if failures:
        raise UnfinishedError(_summary(folder, failures, failed, f"{made} of {total} images"), failures)


def _refuse_other_files(begun: dict[str, Any], recipe: SimulationRecipe, folder: Path) -> None:
    """Refuse to go on with a corpus whose recipe is this one but for the content of a file, and name the file."""
    try:
        before = SimulationRecipe.from_mapping(begun).files
    except RecipeError:  # of another recipe altogether, which the writer refuses
        return
    for field, file in recipe.files.items():
        found = before.get(field)
        if found is None or found.path != file.path or found.sha256 == file.sha256:
            continue
        if found.sha256 is None:
            problem = f"was made before corpora knew the content of {file.path}, which may have changed since"
            raise CorpusError(f"{folder}: {problem}; choose another folder")
        raise CorpusError(
            f"{folder}: was made with another content of {file.path} (SHA-256 {found.sha256[:12]}…, now "
            f"{str(file.sha256)[:12]}…); put the file back as it was, or choose another folder"
        )


def _refuse_other_builder(recipe: SimulationRecipe, folder: Path) -> None:
    """Refuse to finish what another version of stemforge began: its samples differ from this one's."""
    made = sum(read_header(path).count for path in folder.glob("shard-*.h5"))
    if 0 < made < recipe.num_samples and read_builder(folder) != BUILDER:
        raise CorpusError(
            f"{folder}: {made} of {recipe.num_samples} images were made by another version of stemforge, whose images "
            "differ from this one's in the last digits; finish it with that version, or choose another folder"
        )


def _summary(folder: Path, failures: list[Failure], failed: int, made: str) -> str:
    lines = [f"  {failure}" for failure in failures[:20]]
    if failed > len(lines):
        lines.append(f"  and {failed - len(lines)} more")
    return "\n".join(
        [
            f"{folder}: {made} could be made; {failed} shards are missing:",
            *lines,
            f"Tracebacks are in {folder / FAILED}; run the same command again to try these shards again",
        ]
    )


def _engine(recipe: SimulationRecipe, folder: Path, quiet: bool = True) -> Engine:
    """Return the engine to use; what ``max_error`` led to is kept with the corpus, and found there again."""
    path = folder / PLAN
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(path.read_text())
        if found["recipe_hash"] == recipe.content_hash:
            return recipe.replace(engine=found["engine"]).engine
    engine, checks = choose_engine(recipe, quiet=quiet)
    if checks:
        write_json(path, {"recipe_hash": recipe.content_hash, "engine": engine, "checks": checks})
    return engine


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
