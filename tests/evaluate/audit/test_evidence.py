"""Ranks of random points are even, so that the evidence of random labels is small as promised."""

import numpy as np

from stemforge.evaluate.audit.evidence import log_ratios, rank_map
from stemforge.evaluate.audit.runs import split_runs


def test_ranks_are_even_and_high_at_spots(blobs):
    atoms = [[30, 40], [80, 60], [100.4, 20.6]]
    ranked = rank_map(blobs(atoms, (96, 128), height=8, noise=1), 2.0)
    assert abs(ranked.ranks.mean() / 4095 - 0.5) < 0.001
    counts = np.histogram(ranked.ranks, 8, (0, 4096))[0]
    assert counts.max() < 1.2 * counts.min()
    assert (ranked.at(atoms) > 0.97 * 4095).all()
    np.testing.assert_array_equal(ranked.at([[-1, 5], [128, 5], [5, 96]]), 0)


def test_a_map_at_another_pixel_size(blobs):
    ranked = rank_map(blobs([[31, 21]], (48, 64), height=20), 2.0, zoom=(0.5, 0.5))
    # The centre of pixel 31 lies at (31 + ½) / ½ - ½ of the image.
    assert ranked.at([[62.5, 42.5]])[0] == ranked.ranks[21, 31]
    assert ranked.tolerance == 3.0


def test_the_evidence_of_random_labels_is_an_e_value():
    rng = np.random.default_rng(0)
    ratios = log_ratios()
    for table in ratios:
        assert abs(np.exp(table.astype(float)).mean() - 1) < 0.01
        totals = table[rng.integers(0, 4096, (20000, 6))].sum(axis=1)
        assert (totals > np.log(100)).mean() < 0.01


def test_runs_of_three_sources():
    evidence = np.full((3, 30), -1.0)
    evidence[0, :12] = evidence[1, 12:20] = evidence[2, 20:] = 2
    runs, _ = split_runs(evidence, np.log([0.8, 0.1, 0.1]), -6)
    assert [(run.first, run.last, run.source) for run in runs] == [(0, 11, 0), (12, 19, 1), (20, 29, 2)]
    assert all(run.doubtful == () for run in runs)


def test_a_row_that_fits_both_is_doubtful():
    evidence = np.full((2, 20), -1.0)
    evidence[0, :10] = evidence[1, 10:] = 2
    evidence[:, 10] = 1.9
    runs, _ = split_runs(evidence, np.log([0.5, 0.5]), -6)
    assert {row for run in runs for row in run.doubtful} == {10}


def test_a_short_run_by_chance_is_none():
    evidence = np.full((2, 30), -1.0)
    evidence[0] = 2
    evidence[:, 14] = [-1, 2]
    assert len(split_runs(evidence, np.log([0.5, 0.5]), -6)[0]) == 1
