import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from PIL import Image
from scipy import ndimage

from stemforge import InputError, Micrograph, read_micrograph
from stemforge.__main__ import main
from stemforge.infer import Framework, draw_lattice, find_domains, find_lattice

MFI = Framework.named("mfi")


def _crystal(
    shape=(300, 320), sampling=0.3, rotation=0.0, distortion=(0.0, 0.0), noise=0.0, seed=0, shift=(0, 0)
):
    """MFI on an image, with its axes (columns) and origin [pixel]; moved by shares of them."""
    angle = np.deg2rad(rotation)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    stretch = np.array([[1 + distortion[0], distortion[1]], [0, 1]])
    axes = turn @ stretch @ np.diag(MFI.cell) / sampling
    origin = np.array([37.4, 61.8])
    tile = MFI.image((128, 192))
    y, x = np.indices(shape)
    u = np.linalg.inv(axes) @ np.stack([x.ravel() - origin[0], y.ravel() - origin[1]])
    u = u - np.array(shift)[:, None]
    where = [(u[1] % 1) * 128, (u[0] % 1) * 192]
    image = ndimage.map_coordinates(tile, where, order=1, mode="grid-wrap").reshape(shape)
    image = image / image.std() + noise * np.random.default_rng(seed).normal(size=shape)
    return Micrograph(image, name="crystal"), axes, origin


def _check(lattice, axes, origin, tolerance=0.002):
    # The sense of both axes is free; the angle is given in one half of the circle.
    sign = np.sign(np.array(lattice.a_px) @ axes[:, 0])
    np.testing.assert_allclose(lattice.matrix, sign * axes, atol=tolerance * np.hypot(*axes[:, 0]))
    offset = lattice.to_fractional(origin[None])[0]
    np.testing.assert_allclose(offset, np.rint(offset), atol=0.02)


@pytest.mark.parametrize("rotation", [0, 17, 60, 100, 134])
@pytest.mark.parametrize("noise", [0, 1.5])
def test_a_turned_noisy_crystal(rotation, noise):
    micrograph, axes, origin = _crystal(rotation=rotation, noise=noise)
    lattice = find_lattice(micrograph)
    _check(lattice, axes, origin)
    assert lattice.sampling == pytest.approx(0.3, rel=0.002)
    assert lattice.rotation == pytest.approx(rotation, abs=0.2)
    assert lattice.score > 0.8


@pytest.mark.parametrize("sampling", [0.12, 0.5])
def test_any_pixel_size(sampling):
    micrograph, axes, origin = _crystal(sampling=sampling, rotation=8)
    lattice = find_lattice(micrograph)
    _check(lattice, axes, origin, tolerance=0.004)


@pytest.mark.slow
def test_a_stretched_and_sheared_crystal_within_tolerance():
    micrograph, axes, origin = _crystal(distortion=(0.04, 0.03), noise=0.5)
    lattice = find_lattice(micrograph)
    _check(lattice, axes, origin)
    assert lattice.distortion == pytest.approx(0.05, abs=0.015)
    with pytest.raises(InputError, match="no lattice"):
        find_lattice(micrograph, tolerance=0.02)


def _noise(smooth):
    image = np.random.default_rng(3).normal(size=(128, 144))
    return ndimage.gaussian_filter(image, smooth) if smooth else image


def _square(period):
    y, x = np.indices((128, 144))
    rng = np.random.default_rng(0)
    return np.cos(2 * np.pi * x / period) + np.cos(2 * np.pi * y / period) + 0.1 * rng.normal(size=x.shape)


@pytest.mark.parametrize(
    "image",
    [_noise(0), _noise(1), _noise(2), _noise(5), _square(8), _square(30), -_crystal((160, 200))[0].image],
    ids=["noise", "amorphous-1", "amorphous-2", "amorphous-5", "square-8", "square-30", "inverted"],
)
def test_no_lattice_is_said(image):
    with pytest.raises(InputError, match="scrap: no lattice of the framework 'mfi'"):
        find_lattice(Micrograph(image, name="scrap"))


def _halves(displacement, shape=(300, 320)):
    """A noisy crystal whose right half is displaced by shares of the axes."""
    whole, axes, _ = _crystal(shape, rotation=17, noise=1.0)
    moved = _crystal(shape, rotation=17, noise=1.0, seed=1, shift=displacement)[0]
    image = np.where(np.arange(shape[1]) < shape[1] // 2, whole.image, moved.image)
    return Micrograph(image, name="halves"), axes


@pytest.mark.parametrize("displacement", [(0, 0.5), (0.5, 0), (0.25, 0.3)])
def test_equal_halves_that_cancel_each_other(displacement):
    micrograph, axes = _halves(displacement)
    lattice = find_lattice(micrograph)
    assert lattice.score > 0.9
    sign = np.sign(np.array(lattice.a_px) @ axes[:, 0])
    np.testing.assert_allclose(lattice.matrix, sign * axes, atol=0.005 * np.hypot(*axes[:, 0]))
    domains = find_domains(micrograph, lattice)
    assert len(domains.displacements) == 2
    deviation = np.abs(domains.displacements[1]) - np.abs(displacement)
    assert np.abs(deviation).max() < 0.02
    assert domains.shares.min() > 0.4


def _texture(seed):
    """Noise with the power that a crystal has at each frequency's modulus."""
    power = np.abs(np.fft.fft2(_crystal((240, 240), noise=0.5)[0].image)) ** 2
    frequency = np.fft.fftfreq(240)
    ring = np.rint(np.hypot(frequency[:, None], frequency) * 240).astype(int)
    mean = np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel())
    noise = np.fft.fft2(np.random.default_rng(seed).normal(size=(240, 240)))
    return np.fft.ifft2(noise * np.sqrt(mean[ring])).real


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_an_amorphous_texture_with_the_spectrum_of_a_crystal_is_none(seed):
    with pytest.raises(InputError, match="no lattice of the framework 'mfi'"):
        find_lattice(Micrograph(_texture(seed)))


def test_pixels_too_coarse_for_most_reflections_prove_nothing():
    # On this noise 11 reflections of CHA at 1.64 Å a pixel correlate with 0.705.
    noise = np.random.default_rng(4).normal(size=(256, 256)).astype("float32")
    with pytest.raises(InputError, match="no lattice of the framework 'cha'"):
        find_lattice(Micrograph(noise), framework="cha", threshold=0.7)


@pytest.mark.slow
@pytest.mark.parametrize(("shown", "wanted"), [("mfi", "fau"), ("bea", "mfi"), ("mor", "fau")])
def test_another_framework_is_refused_and_named(shown, wanted):
    framework = Framework.named(shown)
    cell = framework.image(tuple(round(side / 0.3) for side in reversed(framework.cell)))
    picture = np.tile(cell / cell.std(), (6, 6))[:260, :260]
    picture = picture + np.random.default_rng(0).normal(size=picture.shape)
    with pytest.raises(InputError, match=f"film: no lattice of the framework '{wanted}' .* shows '{shown}'"):
        find_lattice(Micrograph(picture, name="film"), framework=wanted)


@pytest.mark.parametrize("command", ["lattice", "occupancy", "columns"])
def test_commands_refuse_another_framework(command, tmp_path, capsys):
    image = _save(tmp_path / "film.png", _crystal((220, 240))[0].image)
    given = ["infer", command, image, "--framework", "fau", "--out", str(tmp_path / "out"), "--quiet"]
    assert main(given) == 2
    assert "no lattice of the framework 'fau'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"framework": "lta"}, "lta"),
        ({"framework": Atoms("Si", cell=[[5, 1, 0], [0, 5, 0], [0, 0, 5]])}, "right"),
        ({"framework": Atoms()}, "needs atoms"),
        ({"threshold": 0}, "threshold"),
        ({"threshold": 1}, "threshold"),
        ({"tolerance": 0}, "tolerance"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(InputError, match=message):
        find_lattice(Micrograph(_noise(0)), **options)


def test_a_small_image_is_refused():
    with pytest.raises(InputError, match="too few"):
        find_lattice(Micrograph(_noise(0)[:40, :40]))


def test_sites_cover_the_image_once():
    lattice = find_lattice(_crystal(rotation=20)[0])
    points = lattice.sites(np.array([[0.25, 0.5]]), (300, 320))
    x, y = points.T
    assert ((x >= -0.5) & (x < 319.5) & (y >= -0.5) & (y < 299.5)).all()
    expected = 300 * 320 / np.linalg.det(lattice.matrix)
    assert len(points) == pytest.approx(expected, rel=0.15)
    fractional = lattice.to_fractional(points) % 1
    np.testing.assert_allclose(fractional, np.tile([0.25, 0.5], (len(points), 1)), atol=1e-9)


def test_columns_of_mfi():
    columns = MFI.columns()
    assert len(columns.weight) == 52
    assert columns.weight.sum() == 96 * 14 + 192 * 8
    # p2gg: a half turn maps the columns onto themselves.
    turned = (-columns.fractional) % 1
    delta = turned[:, None] - columns.fractional[None]
    delta -= np.rint(delta)
    assert np.all(np.hypot(*(delta * MFI.cell).transpose(2, 0, 1)).min(1) < 0.05)


def test_extinctions_of_p2gg():
    hk, _ = MFI.reflections(1.5)
    on_axes = hk[(hk == 0).any(1)]
    assert (on_axes.sum(1) % 2 == 0).all()


def test_the_overlay(tmp_path):
    micrograph, *_ = _crystal()
    figure = draw_lattice(
        micrograph, find_domains(micrograph, find_lattice(micrograph)), tmp_path / "over.png"
    )
    with Image.open(tmp_path / "over.png") as picture:
        assert min(picture.size) > 300
    assert "0.3000 Å per pixel" in figure.axes[0].get_title()


def _save(path, image):
    grey = np.clip((image - image.min()) / np.ptp(image) * 255, 0, 255).astype(np.uint8)
    Image.fromarray(grey).save(path)
    return str(path)


def test_the_command_goes_on_past_an_image_without_lattice(tmp_path, capsys):
    images = [_save(tmp_path / "good.png", _crystal()[0].image), _save(tmp_path / "bad.png", _noise(2))]
    out = tmp_path / "out"
    assert main(["infer", "lattice", *images, "--out", str(out), "--quiet"]) == 1
    printed = capsys.readouterr().err
    assert "bad: no lattice" in printed
    assert "1 of 2 images" in printed
    found = json.loads((out / "good_lattice.json").read_text())
    assert found["sampling"] == pytest.approx(0.3, rel=0.003)
    assert "ambiguous" in found["note"]
    assert sorted(p.name for p in out.iterdir()) == ["good_lattice.json", "good_lattice.png", "run.json"]
    # Results are not replaced unasked.
    assert main(["infer", "lattice", images[0], "--out", str(out), "--quiet"]) == 2
    assert main(["infer", "lattice", images[1], "--out", str(tmp_path / "none"), "--quiet"]) == 2
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("guest", ["pyridine"])
@pytest.mark.parametrize("dose", [500, 1000, 1500, 3000, 6000, 1000000])
def test_published_images_of_five_by_five_cells(data_dir, guest, dose):
    files = sorted(Path(data_dir, "zsm5-idpc", guest).glob(f"*_dose_{dose}.tiff"))[:2]
    assert files
    for path in files:
        micrograph = read_micrograph(path)
        lattice = find_lattice(micrograph)
        height, width = micrograph.shape
        assert np.hypot(*lattice.a_px) == pytest.approx(height / 5, rel=0.002)
        assert np.hypot(*lattice.b_px) == pytest.approx(width / 5, rel=0.002)
        assert lattice.rotation == pytest.approx(90, abs=0.1)
        assert lattice.score > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sampling", "rotation"), [("real_0934", 0.2497, 91.09), ("real_1046", 0.2550, -5.18)]
)
def test_real_images(data_dir, name, sampling, rotation):
    lattice = find_lattice(read_micrograph(Path(data_dir, "zsm5-idpc", "real", f"{name}.png")))
    assert lattice.sampling == pytest.approx(sampling, rel=0.003)
    assert lattice.rotation == pytest.approx(rotation, abs=0.3)
    assert lattice.score > 0.9
