"""Stages of a sample, each with its own stream of random numbers."""

from enum import IntEnum

import numpy as np


class Stage(IntEnum):
    """Stages of a sample; each has its own stream of random numbers."""

    DRAW = 0
    STRUCTURE = 1
    SIMULATION = 2
    DEGRADATION = 3


def random_stream(seed: int, index: int, stage: Stage) -> np.random.Generator:
    """Return the random numbers of one stage of sample ``index``; they depend on nothing else."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index, int(stage))))
