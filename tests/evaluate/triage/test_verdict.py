"""What makes an image doubtful, and what makes it one to open."""

from dataclasses import replace

import numpy as np
import pytest

from stemforge import Micrograph
from stemforge.evaluate import ImageTriage, triage_micrograph
from stemforge.evaluate.triage.result import COLUMNS, DOUBTFUL, NONE, OPEN, UNREADABLE
from stemforge.evaluate.triage.verdict import judged
from stemforge.train import load_weights

NOISE = Micrograph(np.random.default_rng(0).poisson(30.0, (96, 96)), 0.3, name="noise")
GOOD = ImageTriage(
    "a.tif",
    "/data/a.tif",
    None,
    OPEN,
    (),
    0.99,
    30.0,
    20.0,
    45.0,
    0.8,
    0.6,
    6.0,
    7.0,
    0.5,
    0.05,
    30.0,
    0.1,
    0.0,
    0.3,
)


@pytest.fixture(scope="module")
def detector():
    return load_weights("any-atom")


@pytest.mark.parametrize(
    ("change", "verdict", "word"),
    [
        ({}, OPEN, ""),
        ({"atoms_probability": 0.05}, NONE, ""),
        ({"atoms_probability": 0.5}, DOUBTFUL, "atoms or none"),
        ({"expected_f1": 0.4}, DOUBTFUL, "hardly stand out"),
        ({"finest_detail_px": 15.0}, DOUBTFUL, "out of focus"),
        ({"line_jitter_px": 3.0}, DOUBTFUL, "jitter"),
        ({"thick_share": 0.5}, DOUBTFUL, "thick or contaminated"),
        ({"vacuum_share": 0.8}, DOUBTFUL, "vacuum"),
        ({"left_out_share": 0.5}, DOUBTFUL, "shows no specimen"),
        ({"sampling_angstrom": None}, DOUBTFUL, "no pixel size"),
        ({"atom_width_px": 20.0}, DOUBTFUL, "pixel size doubtful"),
        ({"finest_detail_px": None, "line_jitter_px": None, "thick_share": None}, OPEN, ""),
    ],
)
def test_verdicts(change, verdict, word):
    found = judged(replace(GOOD, **change), NOISE, 0.6)
    assert found.verdict == verdict
    assert len(found.reasons) == bool(word)
    assert word in found.why


def test_what_is_kept_is_read_again():
    found = replace(GOOD, points=((3, 4), (5, 6)), reasons=("a", "b"))
    assert ImageTriage.from_facts(found.facts()) == found
    with pytest.raises(ValueError, match="verdict"):
        ImageTriage.from_facts({"image": "a", "file": "a", "verdict": "perhaps"})


def test_rows_have_every_column_and_the_best_comes_first():
    assert len(GOOD.row()) == len(COLUMNS)
    others = [
        replace(GOOD, verdict=UNREADABLE),
        replace(GOOD, verdict=NONE),
        replace(GOOD, expected_f1=0.7),
        replace(GOOD, verdict=DOUBTFUL),
        GOOD,
    ]
    ordered = sorted(others, key=lambda one: one.order)
    assert [one.verdict for one in ordered] == [OPEN, OPEN, DOUBTFUL, NONE, UNREADABLE]
    assert ordered[0] is GOOD


@pytest.mark.parametrize("electrons", [2.0, 30.0, 300.0])
def test_noise_has_no_atoms(detector, electrons):
    counts = np.random.default_rng(0).poisson(electrons, (192, 192))
    found = triage_micrograph(Micrograph(counts, 0.25, name="noise"), *detector)
    assert found.verdict == NONE
    assert found.electrons_per_px == pytest.approx(electrons, rel=0.1)
    assert found.focus is None


def test_spots_are_atoms(detector, blobs):
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(16, 180, 24)] * 2), -1).reshape(-1, 2)
    clean = blobs(grid + rng.uniform(-5, 5, grid.shape), (192, 192), sigma=3.0, height=70.0, noise=0)
    counts = rng.poisson(clean / 2)
    found = triage_micrograph(Micrograph(counts, 0.293, name="spots"), *detector)
    assert (found.verdict, found.why) == (OPEN, "")
    assert found.atoms_low < len(grid) < found.atoms_high
    assert found.atom_width_px == pytest.approx(3.0 * 2.355, rel=0.15)
    assert found.finest_detail_px == pytest.approx(3.0 * 2.355, rel=0.2)
    assert len(found.points) == pytest.approx(len(grid), abs=3)
    # The same image with pixels that would be three times as large: its atoms would be wider than any.
    wrong = triage_micrograph(Micrograph(counts, 0.88, name="spots"), *detector)
    assert wrong.verdict != OPEN


def test_thick_spots_and_vacuum(detector):
    rng = np.random.default_rng(0)
    level = np.full((256, 256), 30.0)
    level[:, :64] = 1.0
    y, x = np.mgrid[:256, :256]
    level[np.hypot(y - 128, x - 160) < 50] = 120.0
    found = triage_micrograph(Micrograph(rng.poisson(level), 0.3, name="parts"), *detector)
    assert found.vacuum_share == pytest.approx(0.25, abs=0.02)
    assert found.thick_share == pytest.approx(np.pi * 50**2 / (192 * 256), abs=0.03)


def test_a_large_thick_part_makes_no_vacuum(detector):
    y, x = np.mgrid[:256, :256]
    level = np.where(np.hypot(y - 128, x - 128) < 60, 90.0, 30.0)
    counts = np.random.default_rng(0).poisson(level)
    found = triage_micrograph(Micrograph(counts, 0.3, name="contaminated"), *detector)
    assert found.vacuum_share == 0
    assert found.thick_share == pytest.approx(np.pi * 60**2 / 256**2, abs=0.03)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.4])
def test_padding_changes_neither_electrons_nor_detail(detector, blobs, share):
    rng = np.random.default_rng(0)
    spots = blobs(rng.uniform(0, 384, (250, 2)), (384, 384), sigma=3.0, height=40.0, noise=0)
    support = 40 + 20 * np.sin(np.arange(384) / 30)
    counts = rng.poisson(support + spots - spots.min()).astype(np.float32)
    end = round((1 - share) * 384)
    true = counts[:end].mean()
    counts[end:] = 0
    found = triage_micrograph(Micrograph(counts, 0.3, name="padded"), *detector)
    assert found.electrons_per_px == pytest.approx(true, rel=0.1)
    assert found.finest_detail_px == pytest.approx(3.0 * 2.355, rel=0.2)


def test_no_pixel_size_no_focus(detector, blobs):
    points = np.random.default_rng(0).uniform(0, 192, (100, 2))
    clean = blobs(points, (192, 192), sigma=3.0, height=70.0, noise=0)
    counts = np.random.default_rng(1).poisson(10 + clean)
    found = triage_micrograph(Micrograph(counts, None, name="spots"), *detector)
    assert found.finest_detail_px is not None
    assert found.focus is None
