"""Killed with SIGKILL at random moments, a run goes on to the same bytes; benchmarks/crash.py does it more often."""

import importlib.util

import pytest


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path, pytestconfig):
    path = pytestconfig.rootpath / "benchmarks" / "crash.py"
    spec = importlib.util.spec_from_file_location("crash", path)
    crash = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(crash)
    counts = crash.crash(kills=3, workers=2, num=100, seed=1, folder=tmp_path)
    assert counts["kills"] == 3
    assert counts["before_the_first_shard"] < 3, "every kill fell before work had begun"
    assert counts["same_bytes"]
    assert counts["remade"] == 0
    assert counts["files_left"] == []
