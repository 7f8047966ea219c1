"""Ctrl-C where Python drops exceptions."""

import os
import signal

import pytest

from stemforge.simulate.running.corpus import _until
from stemforge.simulate.running.stopping import StopSignals

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals of POSIX")


class Finalized:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        self.ended = True


def test_a_signal_while_an_object_is_finalized_stops_the_loop(capsys):
    with StopSignals() as signals:
        signals.check()  # control: nothing came
        numbers = _until(signals, range(5))
        assert next(numbers) == 0
        Finalized()
        with pytest.raises(KeyboardInterrupt):
            next(numbers)
    # Nothing was dropped, which Python would have printed.
    assert "Exception ignored" not in capsys.readouterr().err


def test_the_next_signal_is_heard_and_those_after_it_are_not():
    with StopSignals():
        Finalized()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # while the first one tidies up


def test_elsewhere_it_stops_at_once():
    with StopSignals(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
