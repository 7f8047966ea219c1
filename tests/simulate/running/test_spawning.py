"""Processes from scripts that do not protect their top level."""

import multiprocessing
import multiprocessing.spawn
import subprocess
import sys
from multiprocessing import resource_tracker

import pytest

from stemforge import Corpus, InputError
from stemforge.simulate.running.spawning import main_not_imported
from stemforge.simulate.running.stopping import StopSignals

_SCRIPT = """
import sys
print("top level", flush=True)
from stemforge.simulate import SimulationRecipe, simulate_corpus
recipe = SimulationRecipe.load("quickstart", {overrides!r})
print(len(simulate_corpus(recipe, sys.argv[1], workers=2, quiet=True)))
"""


@pytest.mark.slow
def test_a_script_without_a_guard_simulates_on_several_processes(tmp_path, tiny_overrides, tiny_corpus):
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT.format(overrides=tiny_overrides))
    command = [sys.executable, str(script), str(tmp_path / "corpus")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.stderr == ""
    assert result.stdout.splitlines() == ["top level", "4"]
    for shard in Corpus(tiny_corpus).folder.glob("shard-*.h5"):
        assert (tmp_path / "corpus" / shard.name).read_bytes() == shard.read_bytes()


def test_the_script_is_left_out_only_while_asked():
    before = multiprocessing.spawn.get_preparation_data
    with main_not_imported():
        with main_not_imported():
            pass
        prepared = multiprocessing.spawn.get_preparation_data("x")
    assert not {"init_main_from_name", "init_main_from_path"} & set(prepared)
    assert prepared["name"] == "x"
    assert multiprocessing.spawn.get_preparation_data is before


@pytest.mark.parametrize(
    ("name", "says"), [("_inheriting", "if __name__ == '__main__':"), ("daemon", r"\(workers=1\)")]
)
def test_processes_that_can_start_none_say_so(monkeypatch, name, says):
    process = type("Process", (), {"daemon": False, name: True})()
    monkeypatch.setattr(multiprocessing, "current_process", lambda: process)
    with pytest.raises(InputError, match=says), main_not_imported():
        pass


def test_where_no_signals_are_blocked_no_tracker_is_asked_for(monkeypatch):
    """On Windows multiprocessing has none, and importing what starts it fails."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(resource_tracker, "ensure_running", lambda: pytest.fail("a tracker was started"))
    with StopSignals() as signals, signals.held():
        pass
