"""Atoms are neither found nor counted where an image shows no specimen."""

import json

import numpy as np
import pytest
from matplotlib.image import imread
from scipy.ndimage import gaussian_filter

from stemforge import Micrograph
from stemforge.infer import detect_atoms
from stemforge.infer.atoms import detection as atoms_module
from stemforge.infer.atoms.files import detect_atoms_in_files
from stemforge.infer.batch import Batch
from stemforge.infer.crystals.files import restore_files
from stemforge.infer.weights import load_finder
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.writers import write_tiff
from stemforge.train import DIVAESR, AtomNet, Calibration, Card, Counting, DIVAESRSettings, save_weights

SPOTS = np.array([[30.4, 25.7], [80.2, 40.9], [140.5, 60.1], [100.8, 104.3]])
SHAPE = (200, 200)
BAR = np.s_[170:178, 20:120]


@pytest.fixture(scope="module")
def spots(blobs):
    return blobs(SPOTS, SHAPE, noise=5.0)


@pytest.fixture(scope="module")
def network():
    return load_finder("atom-net", "atoms")


def _with_bar(image):
    image = image.copy()
    image[BAR] = 255
    return image


def test_no_atoms_in_a_bar(network, spots, monkeypatch):
    clean = detect_atoms(Micrograph(spots, 0.293), *network)
    drawn = detect_atoms(Micrograph(_with_bar(spots), 0.293), *network)
    assert drawn.usable.reasons.keys() == {"burnt in"}
    assert drawn.share < 1 - drawn.usable.left_out
    outside = clean.atoms.where(clean.usable.inside(clean.atoms.points) & (clean.atoms.points[:, 1] < 160))
    assert len(outside) >= 4
    assert np.all(drawn.usable.inside(drawn.atoms.points, margin=5))
    # The control: what would be found there, were the bar not left out.
    everything = type(drawn.usable)(np.ones(SHAPE, bool), {})
    monkeypatch.setattr(atoms_module, "usable_area", lambda image: everything)
    without = detect_atoms(Micrograph(_with_bar(spots), 0.293), *network)
    assert not np.all(drawn.usable.inside(without.atoms.points, margin=5))


def test_an_image_without_flaws_is_taken_as_it_is(network, spots, monkeypatch):
    micrograph = Micrograph(spots, 0.293)
    with_area = detect_atoms(micrograph, *network)
    assert with_area.share == 1
    monkeypatch.setattr(atoms_module, "usable_area", lambda image: with_area.usable)
    monkeypatch.setattr(type(with_area.usable), "fill", lambda area, image: image)
    without = detect_atoms(micrograph, *network)
    np.testing.assert_array_equal(with_area.likelihood, without.likelihood)
    assert with_area.density == without.density


@pytest.mark.parametrize("sampling", [0.5, 0.25])
def test_number_density_and_expected_f1_are_of_the_usable_area(monkeypatch, sampling):
    """Half the image is padding, with half the candidates in it."""
    points = np.array([[10.0, 10], [30, 10], [10, 70], [30, 70]])
    scores = np.array([0.9, 0.6, 0.9, 0.6])

    def finder(model, card, image, **options):
        def find(least):
            kept = scores >= least
            return Annotations(points[kept], columns={"score": scores[kept]})

        return np.zeros(image.shape, np.float32), find

    monkeypatch.setattr(atoms_module, "atom_finder", finder)
    card = Card("atom-net", 0.5, counting=Counting(1.0, 0.1), calibration=Calibration(), min_expected_f1=0.1)
    image = np.random.default_rng(0).normal(100, 10, (80, 50)).astype(np.float32)
    image = np.kron(image, np.ones((round(0.5 / sampling),) * 2, np.float32))
    image += np.random.default_rng(1).normal(0, 1, image.shape).astype(np.float32)
    whole = detect_atoms(Micrograph(image, sampling), AtomNet().eval(), card)
    image[len(image) // 2 :] = 0
    half = detect_atoms(Micrograph(image, sampling), AtomNet().eval(), card)
    assert [len(whole.atoms), len(half.atoms)] == [4, 2]
    assert whole.number[0] == pytest.approx(3.0)
    assert half.number[0] == pytest.approx(1.5)
    # Right beside the padding nothing is looked for.
    assert half.share == pytest.approx((40 - 5) / 80, abs=0.01)
    assert half.density[0] == pytest.approx(1.5 / (half.share * 80 * 50 * 0.05**2))
    assert whole.expected_f1 == pytest.approx(2 * 3.0 / (4 + 3.0))
    assert half.expected_f1 == pytest.approx(2 * 1.5 / (2 + 1.5))


def test_no_atoms_along_seams(network, blobs):
    fields = [blobs(SPOTS + seed, SHAPE, noise=5.0, seed=seed) * (1 + 0.4 * seed) for seed in range(4)]
    found = detect_atoms(Micrograph(np.block([fields[:2], fields[2:]]), 0.293), *network)
    assert found.usable.reasons.keys() == {"seams"}
    assert len(found.atoms) >= 16
    assert np.abs(found.atoms.points - 199.5).min() > 8


def test_it_is_said_drawn_and_recorded(tmp_path, spots, capsys):
    write_tiff(tmp_path / "bar.tif", _with_bar(spots), 0.293)
    write_tiff(tmp_path / "plain.tif", spots, 0.293)
    images = [tmp_path / "bar.tif", tmp_path / "plain.tif"]
    out = tmp_path / "out"
    detect_atoms_in_files(Batch(images, out, (".csv", ".png"), quiet=True), "atom-net")
    remarks = [line for line in capsys.readouterr().err.splitlines() if "no specimen" in line]
    assert len(remarks) == 1
    assert remarks[0].startswith("bar: ")
    assert "% burnt in" in remarks[0]
    record = json.loads((out / "run.json").read_text())["infer atoms"]
    assert record["plain"]["left_out"] == {}
    assert record["bar"]["left_out"]["burnt in"] == pytest.approx(0.036, abs=0.01)
    # Grey images have equal colours; the tint has not. Markers and the colour bar are red and yellow.
    tinted = [np.mean(np.diff(imread(out / f"{name}.png")[..., [0, 2]]) > 0.1) for name in ("bar", "plain")]
    assert tinted[0] > 0.005
    assert tinted[1] == 0


def test_restoring_says_it_too(tmp_path, spots, capsys):
    settings = DIVAESRSettings(channels=(4, 8), latent=4, blocks=1, features=4)
    card = Card("divaesr", 0.293, settings=settings.model_dump(mode="json"))
    save_weights(tmp_path / "small.safetensors", DIVAESR(settings), card)
    write_tiff(tmp_path / "bar.tif", _with_bar(spots), 0.293)
    batch = Batch([tmp_path / "bar.tif"], tmp_path / "out", ("_restored.tif",), quiet=True)
    restore_files(batch, tmp_path / "small.safetensors")
    assert "shows no specimen" in capsys.readouterr().err


def test_doubts_about_processed_images_are_told(tmp_path, spots, capsys):
    noisy = np.random.default_rng(0).poisson(30 + 0 * spots).astype(np.float32)
    write_tiff(tmp_path / "filtered.tif", gaussian_filter(noisy, 1), 0.293)
    write_tiff(tmp_path / "cut.tif", np.minimum(noisy, 32), 0.293)
    write_tiff(tmp_path / "recorded.tif", noisy, 0.293)
    images = [tmp_path / f"{name}.tif" for name in ("filtered", "cut", "recorded")]
    detect_atoms_in_files(Batch(images, tmp_path / "out", (".csv", ".png"), quiet=True), "atom-net")
    record = json.loads((tmp_path / "out" / "run.json").read_text())["infer atoms"]
    assert "noise fades" in record["filtered"]["doubts"][0]
    assert "largest value" in record["cut"]["doubts"][0]
    assert record["recorded"]["doubts"] == []
    printed = capsys.readouterr().err
    assert "filtered: its noise fades" in printed
    assert "recorded: " not in printed.replace("recorded: hardly", "")
