"""What can go wrong in a run on one machine: samples that fail, full disks, signals, two runs at once."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest

from stemforge import Corpus, CorpusError, InputError, UnfinishedError
from stemforge.outputs import places
from stemforge.simulate import simulate_corpus, simulate_sample
from stemforge.simulate.running import shards


@pytest.fixture
def failing(monkeypatch):
    """Function that makes samples fail: {number: how often}, and an error. Returns how often each was tried."""

    def install(times, error):
        tried = {}

        def sample(recipe, index, **options):
            tried[index] = tried.get(index, 0) + 1
            if tried[index] <= times.get(index, 0):
                raise error
            return simulate_sample(recipe, index, **options)

        monkeypatch.setattr(shards, "simulate_sample", sample)
        return tried

    return install


def test_a_failed_sample_is_tried_again(tmp_path, whole, failing, quick, files):
    tried = failing({3: 2}, MemoryError("no memory"))
    simulate_corpus(quick(), tmp_path, workers=1, quiet=True)
    assert tried[3] == 3
    assert max(tried[i] for i in tried if i != 3) == 1
    assert files(tmp_path) == whole


def test_the_run_goes_on_past_a_failed_sample(tmp_path, whole, failing, monkeypatch, quick, files):
    tried = failing({3: 99, 8: 99}, RuntimeError("no convergence"))
    with pytest.raises(UnfinishedError) as caught:
        simulate_corpus(quick(), tmp_path, workers=1, quiet=True)
    assert [(f.shard, f.sample) for f in caught.value.failures] == [(1, 3), (4, 8)]
    assert "shard 1, sample 3: RuntimeError: no convergence" in str(caught.value)
    assert "8 of 12 images" in str(caught.value)
    assert tried[3] == tried[8] == 3
    assert 9 not in tried, "the rest of a lost shard is not worth making"
    listed = json.loads((tmp_path / "failed.json").read_text())
    assert [(entry["shard"], entry["sample"]) for entry in listed] == [(1, 3), (4, 8)]
    assert "Traceback" in listed[0]["trace"]
    assert sorted(p.name for p in tmp_path.glob("*.h5")) == [f"shard-{i:06d}.h5" for i in (0, 2, 3, 5)]

    # Still failing, then mended: the failed shards alone are tried again.
    with pytest.raises(UnfinishedError, match="2 shards are missing"):
        simulate_corpus(quick(), tmp_path, workers=1, quiet=True)
    tried = failing({}, None)
    simulate_corpus(quick(), tmp_path, workers=1, quiet=True)
    assert sorted(tried) == [2, 3, 8, 9]
    assert files(tmp_path) == whole


def test_a_recipe_that_cannot_work_stops_early(tmp_path, failing, quick):
    tried = failing(dict.fromkeys(range(1000), 99), InputError("sample: density must be below diamond's"))
    with pytest.raises(InputError, match="density must be below"):
        simulate_corpus(quick(num_samples=1000), tmp_path, workers=1, quiet=True)
    assert tried == {0: 1, 2: 1, 4: 1, 6: 1, 8: 1}, "settings are not tried again"


def test_a_program_that_cannot_work_stops_early(tmp_path, failing, quick):
    failing(dict.fromkeys(range(1000), 99), RuntimeError("a bug"))
    with pytest.raises(UnfinishedError, match="5 shards are missing"):
        simulate_corpus(quick(num_samples=1000), tmp_path, workers=1, quiet=True, retries=0)


def test_unreadable_files_are_tried_again(tmp_path, whole, failing, quick, files):
    def error():
        try:
            raise OSError("stale file handle")
        except OSError as cause:
            made = InputError("support: stale file handle")
            made.__cause__ = cause
            return made

    tried = failing({0: 1}, error())
    simulate_corpus(quick(), tmp_path, workers=1, quiet=True)
    assert tried[0] == 2
    assert files(tmp_path) == whole


def test_files_that_the_system_refuses(tmp_path, monkeypatch, whole, quick, files):
    monkeypatch.setattr(places, "_TRIAL", bytes(16))  # which the system still takes
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(
            UnfinishedError, match=r"cannot be written.*0 of the 12 images.*same command again"
        ):
            simulate_corpus(quick(), tmp_path, workers=1, quiet=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [p.name for p in tmp_path.iterdir()] == ["recipe.yaml"]
    simulate_corpus(quick(), tmp_path, workers=1, quiet=True)
    assert files(tmp_path) == whole


def test_two_runs_at_once(tmp_path, monkeypatch, quick):
    def sample(recipe, index, **options):
        with pytest.raises(CorpusError, match="another run is writing this corpus"):
            simulate_corpus(quick(), tmp_path, workers=1, quiet=True)
        return simulate_sample(recipe, index, **options)

    monkeypatch.setattr(shards, "simulate_sample", sample)
    assert len(simulate_corpus(quick(num_samples=2), tmp_path, workers=1, quiet=True)) == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"workers": 2, "scheduler": "tcp://127.0.0.1:1"}, "with a scheduler its own workers"),
        ({"retries": -1}, "retries must be at least 0"),
        ({"scheduler": "127.0.0.1:8786"}, "neither an address"),
        ({"scheduler": "tcp://127.0.0.1:1"}, "does not answer"),
        ({"scheduler": "tcp://:x"}, "does not answer"),
    ],
)
def test_options_that_cannot_be(tmp_path, monkeypatch, options, says, quick):
    from stemforge.simulate.running import cluster

    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 0.5)
    with pytest.raises(InputError, match=says):
        simulate_corpus(quick(), tmp_path / "corpus", quiet=True, **options)
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize(
    ("workers", "number"), [(1, signal.SIGTERM), pytest.param(2, signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_stops_a_run(tmp_path, workers, number, quick):
    (tmp_path / "recipe.yaml").write_text(quick(num_samples=4000).to_yaml())
    out = tmp_path / "corpus"
    words = ["simulate", str(tmp_path / "recipe.yaml"), "--out", str(out), "--workers", str(workers)]
    taken = socket.socket()  # someone's dashboard
    with suppress(OSError):
        taken.bind(("127.0.0.1", 8787))
        taken.listen()
    run = subprocess.Popen(
        [sys.executable, "-m", "stemforge", *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=tmp_path,
    )
    try:
        deadline = time.monotonic() + 300
        while len(list(out.glob("*.h5"))) < 3:
            assert run.poll() is None, run.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        family = psutil.Process(run.pid).children(recursive=True)
        # As a terminal does: to the whole foreground group.
        os.killpg(run.pid, number)
        _, output = run.communicate(timeout=120)
    finally:
        taken.close()
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
    assert run.returncode == 130, output[-3000:]
    assert "Run the same command again to go on" in output
    for noise in ("Traceback", "Warning", "8787", "distributed"):
        assert noise not in output
    assert not psutil.wait_procs(family, timeout=10)[1], "processes were left"
    assert {p.suffix for p in out.iterdir()} == {".yaml", ".h5"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["corpus", "recipe.yaml"], "litter"
    assert 3 <= len(Corpus(out)) < 4000
