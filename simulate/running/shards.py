"""The unit of work: one shard, made and written by one process."""

import traceback
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass

from stemforge.corpus.sample import Sample
from stemforge.corpus.writer import CorpusWriter
from stemforge.errors import ChangedFileError, InputError, WriteError
from stemforge.simulate.engines.auto import Engine
from stemforge.simulate.recipe import SimulationRecipe
from stemforge.simulate.sample import simulate_sample


@dataclass(frozen=True)
class Failure:
    """Why a shard could not be made.

    Parameters
    ----------
    shard, sample
        Numbers of the shard and of the sample in it; the sample is None where the process died.
    error
        In one line.
    trace
        Where it happened.
    recipe_is_to_blame
        The settings cannot be carried out: trying again is of no use.
    """

    shard: int
    sample: int | None
    error: str
    trace: str = ""
    recipe_is_to_blame: bool = False

    def __str__(self) -> str:
        sample = "" if self.sample is None else f", sample {self.sample}"
        return f"shard {self.shard}{sample}: {self.error}"


@dataclass(frozen=True)
class Outcome:
    """What came of one shard.

    Parameters
    ----------
    shard
        Its number.
    samples
        Samples written.
    failure
        Why there are none; the other shards are not affected.
    stop
        Why no other shard could be made either: a full disk, a lost scheduler, a structure file that has changed.
    """

    shard: int
    samples: int = 0
    failure: Failure | None = None
    stop: str | None = None


@dataclass(frozen=True)
class Job:
    """Everything that is the same for all shards of a run.

    Parameters
    ----------
    recipe, writer
        What is made, and what writes it.
    engine
        The engine as planned; planned by each process where None.
    retries
        How often a sample that fails is tried again.
    """

    recipe: SimulationRecipe
    writer: CorpusWriter
    engine: Engine | None = None
    retries: int = 2

    def size(self, shard: int) -> int:
        """Return the number of samples of a full shard; the last one may have fewer."""
        return min(self.recipe.shard_size, self.recipe.num_samples - shard * self.recipe.shard_size)


def write_shard(job: Job, shard: int, stopped: Callable[[], bool] = lambda: False) -> Outcome:
    """Make and write one shard.

    Parameters
    ----------
    job
        What it belongs to.
    shard
        Its number.
    stopped
        Asked before each sample; once it says yes the shard is given up.

    Returns
    -------
    Outcome
        Errors are returned, not raised: a shard that fails does not end the run.
    """
    # Dask may ask again for what a process finished just before it died.
    if job.writer.count(shard) >= job.size(shard):
        return Outcome(shard, job.size(shard))
    first = shard * job.recipe.shard_size
    samples: list[Sample] = []
    for index in range(first, first + job.size(shard)):
        if stopped():
            return Outcome(shard)
        try:
            samples.append(_retried(job, index))
        except ChangedFileError as error:  # the rest would be another corpus
            return Outcome(shard, stop=str(error))
        except Exception as error:
            return Outcome(shard, failure=_failure(shard, index, error))
    if stopped():
        return Outcome(shard)
    try:
        job.writer.write(shard, samples)
    except Exception as error:
        if isinstance(error, WriteError):  # a full disk
            return Outcome(shard, stop=str(error))
        return Outcome(shard, failure=_failure(shard, None, error))
    return Outcome(shard, len(samples))


def shards_here(job: Job, shards: Iterable[int]) -> Generator[Outcome, None, None]:
    """Make shards in this process, one after the other."""
    return (write_shard(job, shard) for shard in shards)


def _retried(job: Job, index: int) -> Sample:
    """Make a sample, again if the reason may have passed: memory, a file server, a device."""
    for _ in range(job.retries):
        try:
            return simulate_sample(job.recipe, index, engine=job.engine)
        except Exception as error:
            if _is_recipe(error):
                raise
    return simulate_sample(job.recipe, index, engine=job.engine)


def _is_recipe(error: BaseException) -> bool:
    cause = error
    while isinstance(cause, InputError) and cause.__cause__ is not None:
        cause = cause.__cause__
    return isinstance(error, InputError) and not isinstance(cause, OSError)


def _failure(shard: int, sample: int | None, error: Exception) -> Failure:
    text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    trace = "".join(traceback.format_exception(error))
    return Failure(shard, sample, text, trace, _is_recipe(error))
