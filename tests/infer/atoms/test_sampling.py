"""Pixel sizes from the atoms on an image: what is told, with which error, and what is refused."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from stemforge import InputError, Micrograph, read_micrograph
from stemforge.__main__ import main
from stemforge.infer import (
    SamplingCurve,
    SamplingEstimate,
    common_estimate,
    draw_sampling,
    estimate_sampling,
    size_of,
)
from stemforge.infer.atoms.sampling import OFFSETS, RANGE, SIZES
from stemforge.train import Card, Sizing, load_weights

FIELD = 44.0  # Å


def drawn(sampling, seed=0, atoms=7):
    """Draw a field of atoms 1.1 Å wide, its counts as of one dose."""
    rng = np.random.default_rng(seed)
    side = round(FIELD / sampling)
    y, x = (np.mgrid[:side, :side] + 0.5) * sampling
    image, points = np.ones((side, side)), []
    while len(points) < atoms:
        point = rng.uniform(4, FIELD - 4, 2)
        if all(np.hypot(*(point - other)) > 9 for other in points):
            points.append(point)
            image += 0.4 * np.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / (2 * 1.1**2))
    return rng.poisson(image * 700 * sampling**2).astype(np.float32)


@pytest.fixture(scope="module")
def atom_net():
    return load_weights("atom-net")


@pytest.fixture(scope="module")
def estimates(atom_net):
    """Of the same field at two pixel sizes, which the images do not say."""
    return {s: estimate_sampling(Micrograph(drawn(s), name=f"at {s}"), *atom_net) for s in (0.22, 0.4)}


@pytest.mark.slow
def test_the_estimate_goes_with_the_pixels(estimates):
    """Drawn atoms on a flat ground are not those that it knows: a third is allowed, in the ratio a seventh."""
    for true, estimate in estimates.items():
        assert abs(np.log(estimate.sampling / true)) < np.log(1.35)
        assert 0.05 < estimate.error < 0.3
    assert estimates[0.4].sampling / estimates[0.22].sampling == pytest.approx(0.4 / 0.22, rel=0.15)


@pytest.mark.slow
def test_the_files_pixel_size_is_not_used(atom_net, estimates):
    other = Micrograph(drawn(0.4), 0.1, metadata={"sampling_in_file": 0.1}, name="field")
    estimate = estimate_sampling(other, *atom_net)
    assert estimate.sampling == estimates[0.4].sampling
    assert "the file says 0.1 Å" in estimate.remark(other)
    assert estimate.remark(Micrograph(other.image)) is None
    near = Micrograph(other.image, metadata={"sampling_in_file": estimate.sampling * 1.1})
    assert estimate.remark(near) is None


def test_the_curve_is_drawn(estimates, tmp_path):
    figure = draw_sampling(estimates[0.4], tmp_path / "curve.png")
    (line,) = figure.axes[0].get_lines()[:1]
    np.testing.assert_array_equal(line.get_ydata(), estimates[0.4].curve.expected_f1)
    assert (tmp_path / "curve.png").stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.parametrize("counts", [1, 60])
def test_white_noise_tells_nothing(atom_net, counts):
    noise = np.random.default_rng(1).poisson(counts, (150, 150)).astype(np.float32)
    with pytest.raises(InputError, match="noise: its pixel size cannot be told: hardly anything"):
        estimate_sampling(Micrograph(noise, name="noise"), *atom_net)


def test_a_few_pixels_tell_nothing(atom_net):
    with pytest.raises(InputError, match="crop: 30 × 24 pixels are too few"):
        estimate_sampling(Micrograph(np.random.default_rng(1).random((24, 30)), name="crop"), *atom_net)


def test_weights_that_know_no_curves(matched_filter):
    with pytest.raises(InputError, match=r"no reference curves; use atom-net, .* \(sampling\)"):
        estimate_sampling(Micrograph(drawn(0.3)), matched_filter, Card("sac-cnn", 0.293))


def _curve(size):
    """Curves that depend on the assumed over the true size alone."""
    over = np.log(SIZES / size)
    f1 = 0.6 / (1 + np.exp(6 * (over - 0.6)))
    density = 0.4 * np.exp(-1.5 * over)
    return SamplingCurve(f1, density, density * 100)


@pytest.mark.parametrize("size", [0.13, 0.3, 0.45])
@pytest.mark.parametrize("spread", [0.01, 0.1])
def test_curves_are_put_where_they_fit(size, spread):
    mean = _curve(0.25).features(0.25)
    assert len(mean) == 2 * len(OFFSETS)
    sizing = Sizing(tuple(mean), tuple(map(tuple, spread**2 * np.eye(len(mean)))))
    found, error = size_of(_curve(size), sizing)
    assert found == pytest.approx(size, rel=0.03)
    assert error < spread
    assert size_of(_curve(size), replace(sizing, bias=0.1))[0] == pytest.approx(found * np.exp(-0.1))


def test_curves_that_say_nothing_leave_the_whole_range():
    flat = SamplingCurve(*np.full((3, len(SIZES)), 0.5))
    mean = flat.features(0.2)
    found, error = size_of(flat, Sizing(tuple(mean), tuple(map(tuple, np.eye(len(mean))))))
    assert found == pytest.approx(np.sqrt(RANGE[0] * RANGE[1]), rel=0.02)
    assert error == pytest.approx(np.log(RANGE[1] / RANGE[0]) / np.sqrt(12), rel=0.02)


def test_an_estimate_in_words():
    estimate = SamplingEstimate(0.3, 0.15, _curve(0.3))
    assert estimate.interval == pytest.approx((0.3 / np.exp(0.3), 0.3 * np.exp(0.3)))
    assert str(estimate) == "0.30 Å per pixel (0.22 to 0.40), from its atoms"


@pytest.mark.slow
def test_a_batch_with_an_image_that_cannot_be_told(tmp_path, capsys, estimates):
    noise = np.random.default_rng(1).poisson(60, (110, 110)).astype(np.float32)
    for name, image in (("noise", noise), ("field", drawn(0.4))):
        resolution = (10 / 1.0, 10 / 1.0)  # 1 Å per pixel
        metadata = {"unit": "nm"}
        tifffile.imwrite(
            tmp_path / f"{name}.tif", image, imagej=True, resolution=resolution, metadata=metadata
        )
    out = tmp_path / "out"
    words = [str(tmp_path / f"{name}.tif") for name in ("noise", "field")]
    assert main(["infer", "atoms", *words, "--out", str(out), "--sampling", "auto", "--no-completeness"]) == 1
    printed = " ".join(capsys.readouterr().err.split())
    assert "noise: its pixel size cannot be told" in printed
    assert "the file says 1 Å, which they contradict" in printed
    facts = json.loads((out / "run.json").read_text())["infer atoms"]["field"]["sampling"]
    assert facts["angstrom"] == pytest.approx(estimates[0.4].sampling)
    assert facts["in_file"] == pytest.approx(1.0)
    assert facts["relative_error"] == pytest.approx(estimates[0.4].error, abs=1e-3)
    assert "contradict" in facts["remark"]
    with (out / "field.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows
    for row in rows:
        assert float(row["x_nm"]) == pytest.approx(float(row["x_px"]) * facts["angstrom"] / 10, abs=2e-3)


@pytest.mark.slow
def test_one_pixel_size_for_all_images(tmp_path, capsys, estimates):
    noise = np.random.default_rng(1).poisson(60, (110, 110)).astype(np.float32)
    fields = {"one": drawn(0.4), "two": drawn(0.4, seed=3), "noise": noise}
    for name, image in fields.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", image)
    words = [str(tmp_path / f"{name}.tif") for name in fields]
    out = tmp_path / "out"
    assert (
        main(["infer", "atoms", *words, "--out", str(out), "--sampling", "common", "--no-completeness"]) == 0
    )
    record = json.loads((out / "run.json").read_text())["infer atoms"]
    sizes = {name: entry["sampling"]["angstrom"] for name, entry in record.items()}
    assert len(set(sizes.values())) == 1  # that of the image that tells none, too
    assert record["noise"]["sampling"]["of_images"] == 2
    assert sizes["one"] == pytest.approx(0.4, rel=0.35)
    printed = " ".join(capsys.readouterr().err.split())
    assert "from the atoms on 2 images" in printed
    assert printed.count("95 % intervals") == 1


@pytest.mark.slow
def test_images_that_cannot_have_one_pixel_size(tmp_path, capsys):
    for name, unit in (("one", 0.3), ("two", 0.5)):
        resolution = (10 / unit, 10 / unit)
        image = drawn(0.4)
        tifffile.imwrite(
            tmp_path / f"{name}.tif", image, imagej=True, resolution=resolution, metadata={"unit": "nm"}
        )
    words = [str(tmp_path / f"{name}.tif") for name in ("one", "two")]
    assert main(["infer", "atoms", *words, "--out", str(tmp_path / "out"), "--sampling", "common"]) == 2
    assert "0.3 to 0.5 Å per pixel, which is not one magnification" in " ".join(
        capsys.readouterr().err.split()
    )
    assert not (tmp_path / "out").exists()


def test_images_that_tell_nothing_in_common(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "a.tif", np.random.default_rng(1).poisson(60, (110, 110)).astype(np.float32))
    assert (
        main(
            ["infer", "atoms", str(tmp_path / "a.tif"), "--out", str(tmp_path / "o"), "--sampling", "common"]
        )
        == 2
    )
    assert "none of the 1 images tells its pixel size" in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_real_images_of_known_pixel_size(atom_net, data_dir):
    """Of 0.293 Å: none of five is off by more than 30 %, most by less than 15 %, and so are they together."""
    paths = sorted((data_dir / "pt-nc" / "images").glob("*.tif"))[::2][:5]
    found = [estimate_sampling(read_micrograph(path), *atom_net) for path in paths]
    assert common_estimate(found).sampling == pytest.approx(0.293, rel=0.15)
    ratios = np.array([estimate.sampling for estimate in found]) / 0.293
    assert np.abs(ratios - 1).max() < 0.3
    assert np.mean(np.abs(ratios - 1) <= 0.15) > 0.6
