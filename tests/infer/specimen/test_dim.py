"""What is too dark for textures, and what triage takes for vacuum."""

import numpy as np

from stemforge.infer.specimen.dim import dim_parts
from stemforge.infer.specimen.mask import Specimen
from stemforge.micrograph.usable import usable_area


def test_dim_parts_are_vacuum_and_thin_parts_alike():
    levels = np.repeat([2.0, 12.0, 25.0, 60.0], 96) * np.ones((256, 1))
    dim = dim_parts(np.random.default_rng(0).poisson(levels).astype(float))
    assert [dim[:, middle].mean() > 0.5 for middle in (48, 144, 240, 336)] == [True, True, False, False]


def test_a_dark_part_with_many_electrons_is_not_certainly_vacuum():
    usable = usable_area(np.random.default_rng(1).normal(100, 10, (64, 64)))
    half = np.arange(64) < 32
    mask = np.broadcast_to(half, (64, 64)).copy()
    sure, doubtful = (Specimen(mask, 0.5, 0.48, 0.52, level) for level in (0.1, 0.3))
    assert sure.certain(usable) is sure
    assert doubtful.certain(usable).share == 1
    assert "too many electrons" in doubtful.certain(usable).remark
