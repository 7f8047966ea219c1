"""Readers with one fault each, for the control: the fuzzer has to report every one of them."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
from formats import Format, WrongError
from seeds import Seed

from stemforge.errors import InputError


def _seed(folder):
    return [Seed("a.bin", {"a.bin": bytes(range(200))})]


def _refuses(path):
    raise InputError(f"{path}: is no file of any kind")


def _traceback(path):
    return {}["x"]


def _nameless(path):
    raise InputError("something is wrong")


def _wrong(path):
    raise WrongError("the image")


def _hang(path):
    while True:
        pass


def _sleep(path):
    time.sleep(100)


def _memory(path):
    return np.ones((3 << 30) // 8).sum()


def _child_memory(path):
    code = "x = b'a' * (3 << 30); import time; time.sleep(100)"
    subprocess.run([sys.executable, "-c", code], check=True)


def _died(path):
    os.kill(os.getpid(), signal.SIGSEGV)


FORMATS = {
    "sound": Format(_seed, lambda path: None),
    "refused": Format(_seed, _refuses),
    "traceback": Format(_seed, _traceback),
    "nameless": Format(_seed, _nameless),
    "wrong": Format(_seed, _wrong),
    "hang": Format(_seed, _hang),
    "sleep": Format(_seed, _sleep),
    "memory": Format(_seed, _memory),
    "child-memory": Format(_seed, _child_memory),
    "died": Format(_seed, _died),
}
"""Each named after its fault."""
