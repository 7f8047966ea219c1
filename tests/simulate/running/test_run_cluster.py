"""A dask cluster on loopback: a real scheduler and two workers, one of which is killed; and the scheduler killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from stemforge import InputError, UnfinishedError
from stemforge.simulate import simulate_corpus
from stemforge.simulate.running import cluster

# Makes a worker slow, so that there is time to kill it in the middle. Dask loads a preload more than once.
SLOW = """
import time
from stemforge.simulate import sample
from stemforge.simulate.running import shards
def slowly(*args, **options):
    time.sleep(0.25)
    return sample.simulate_sample(*args, **options)
shards.simulate_sample = slowly
"""


@contextmanager
def running(folder, workers=2, preload=SLOW):
    """Start a scheduler and workers; yield the scheduler file and the processes, the scheduler first."""
    (folder / "preload.py").write_text(preload)
    where = folder / "scheduler.json"
    common = ["--local-directory", str(folder), "--no-dashboard"]
    words = [["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]]
    words[0] += ["--scheduler-file", str(where)]
    one = ["worker", "--scheduler-file", str(where), "--nthreads", "1", "--no-nanny", *common]
    words += [[*one, "--preload", str(folder / "preload.py")]] * workers
    started = []
    try:
        for word in words:
            with (folder / f"log-{len(started)}.txt").open("wb") as log:
                command = [sys.executable, "-m", "dask", *word]
                started.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=folder))
            deadline = time.monotonic() + 30
            while not where.is_file() and time.monotonic() < deadline:
                time.sleep(0.05)
        yield where, started
    finally:
        for process in reversed(started):
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()


def after_shards(folder, number, action):
    """Do something once so many shards are finished."""

    def watch():
        deadline = time.monotonic() + 60
        while len(list(folder.glob("*.h5"))) < number and time.monotonic() < deadline:
            time.sleep(0.02)
        action()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@pytest.mark.slow
def test_a_worker_and_then_the_scheduler_are_killed(tmp_path, whole, quick, files):
    with running(tmp_path) as (where, (scheduler, worker, _)):
        out = tmp_path / "one"
        killer = after_shards(out, 1, worker.kill)
        simulate_corpus(quick(), out, scheduler=where, quiet=True)
        killer.join()
        assert worker.wait(5) == -signal.SIGKILL
        assert sorted(files(out)) == sorted(whole), (
            "one worker killed: the run completes, nothing half-written stays"
        )
        assert files(out) == whole

        out = tmp_path / "two"
        killer = after_shards(out, 2, scheduler.kill)
        began = time.monotonic()
        with pytest.raises(UnfinishedError, match=r"scheduler was lost.*made and kept.*same command again"):
            simulate_corpus(quick(), out, scheduler=where, quiet=True)
        assert time.monotonic() - began < 60
        assert 2 <= len(list(out.glob("*.h5"))) < 6
    simulate_corpus(quick(), out, workers=1, quiet=True)
    assert files(out) == whole, "scheduler lost: nothing is"


@pytest.mark.slow
def test_workers_that_cannot_take_part(tmp_path, monkeypatch, quick):
    with running(tmp_path, workers=1, preload="") as (where, _):
        # To a worker the folder looks as it would on a machine that does not share it.
        with monkeypatch.context() as patch:
            patch.setattr(cluster.uuid, "uuid4", lambda: type("Token", (), {"hex": "0"}))
            patch.setattr(cluster.Path, "write_text", lambda *_: None)
            with pytest.raises(
                InputError, match=r"1 of 1 workers cannot take part; tcp://.*does not see the folder"
            ):
                simulate_corpus(quick(), tmp_path / "out", scheduler=where, quiet=True)
        with monkeypatch.context() as patch:
            patch.setattr(cluster, "_software", lambda: dict.fromkeys(cluster._SAME_EVERYWHERE, "9.9"))
            with pytest.raises(InputError, match=r"has stemforge .*, not 9\.9"):
                simulate_corpus(quick(), tmp_path / "out", scheduler=where, quiet=True)
        assert not list((tmp_path / "out").glob("*.h5"))


@pytest.mark.slow
def test_interrupting_leaves_a_cluster_usable(tmp_path, whole, quick, files):
    with running(tmp_path) as (where, _):
        out = tmp_path / "out"
        after_shards(out, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            simulate_corpus(quick(), out, scheduler=where, quiet=True)
        assert len(list(out.glob("*.h5"))) < 6
        simulate_corpus(quick(), out, scheduler=where, quiet=True)
        time.sleep(1)  # a worker might still have been at its old task
        assert files(out) == whole
