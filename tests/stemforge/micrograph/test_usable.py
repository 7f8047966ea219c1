"""What is left out of an image, kind by kind, each with the control that must stay."""

import io
import time

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from stemforge.errors import MicrographError
from stemforge.micrograph.flaws.burnt_in import burnt_in
from stemforge.micrograph.flaws.constant import constant_areas
from stemforge.micrograph.flaws.seams import find_seams
from stemforge.micrograph.usable import usable_area

SIDE = 256
Y, X = np.mgrid[:SIDE, :SIDE]


def field(seed=0, side=SIDE, electrons=60.0, atoms=30, sigma=3.5):
    """Atoms on a film of uneven thickness, as counted electrons."""
    rng = np.random.default_rng(seed)
    thickness = ndimage.gaussian_filter(rng.normal(size=(side, side)), 10)
    signal = 1 + 0.2 * thickness / thickness.std()
    spots = np.zeros((side, side))
    np.add.at(spots, tuple(rng.integers(5, side - 5, (2, atoms))), 1.0)
    signal += 0.5 * ndimage.gaussian_filter(spots, sigma) * 2 * np.pi * sigma**2
    return rng.poisson(electrons * np.maximum(signal, 0.05)).astype(np.float32)


def exported(image, saturated=0.35):
    """Stretch an image to 8 bits, with a share of saturated pixels [%], as ImageJ does."""
    low, high = np.percentile(image, [saturated / 2, 100 - saturated / 2])
    return np.round(np.clip((image - low) / (high - low), 0, 1) * 255).astype(np.float32)


def as_jpeg(image, quality):
    buffer = io.BytesIO()
    Image.fromarray(image.astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer)).astype(np.float32)


def drawn(image, *, colour=255, bar=(20, 220, 80, 6), size=18):
    """Draw a scale bar (x, y, length, thickness) and its text; return the image and what was drawn on."""
    picture = Image.fromarray(image.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    x, y, length, thick = bar
    draw.rectangle([x, y, x + length - 1, y + thick - 1], fill=colour)
    draw.text((x + 20, y - size - 4), "5 nm", font=ImageFont.load_default(size), fill=colour)
    made = np.asarray(picture).astype(np.float32)
    return made, np.abs(made - image) > 60


@pytest.mark.parametrize("form", [field(), exported(field())], ids=["counts", "8-bit"])
@pytest.mark.parametrize("value", ["zero", "mean", "max"])
@pytest.mark.parametrize(
    "area",
    [
        Y >= SIDE - 20,
        ((Y > 100) & (Y < 140) & (X > 60) & (X < 90)) | (np.hypot(Y - 60, X - 180) < 15),
        (Y < 8) | (Y >= SIDE - 12) | (X < 30) | (X >= SIDE - 5),
        (Y < 1) | (X >= SIDE - 2),
    ],
    ids=["last rows", "holes", "frame", "dead lines"],
)
def test_areas_of_one_value(form, value, area):
    image = form.copy()
    image[area] = {"zero": 0, "mean": round(float(form.mean())), "max": form.max()}[value]
    found = constant_areas(image).mask
    assert found[area].mean() > 0.98
    assert found[~area].sum() <= 0.002 * area.size
    assert set(usable_area(image).reasons) <= {"one value", "saturated"}


def test_a_saturated_particle_is_called_so():
    image = field()
    particle = 3 * image.max() * ndimage.gaussian_filter((np.hypot(Y - 120, X - 90) < 20).astype(float), 1.5)
    image = np.minimum(image + particle, field().max()).astype(np.float32)
    area = usable_area(image)
    assert "saturated" in area.reasons
    assert not area.mask[np.hypot(Y - 120, X - 90) < 18].any()
    assert area.left_out < 0.05


@pytest.mark.parametrize("electrons", [0.01, 0.05, 0.1, 0.3, 0.5, 1, 2, 5, 20])
def test_equal_counts_are_chance(electrons):
    image = np.random.default_rng(0).poisson(electrons, (SIDE, SIDE))
    assert usable_area(image).mask.all()


@pytest.mark.parametrize("electrons", [0.05, 0.5, 5, 50])
def test_vacuum_without_electrons_is_part_of_the_image(electrons):
    edge = 1 / (1 + np.exp(-(Y - 128) / 6))
    image = np.random.default_rng(0).poisson(electrons * edge)
    assert np.all(image[:20] == 0)
    assert usable_area(image).mask.all()


@pytest.mark.parametrize("electrons", [2, 8])
def test_a_large_area_of_a_common_count_is_no_chance(electrons):
    image = np.random.default_rng(0).poisson(electrons, (SIDE, SIDE)).astype(np.float32)
    image[100:140, 100:140] = electrons
    assert constant_areas(image).mask[100:140, 100:140].mean() > 0.98
    image = np.random.default_rng(0).poisson(electrons, (SIDE, SIDE)).astype(np.float32)
    image[100:102, 100:102] = electrons
    assert usable_area(image).mask.all()


@pytest.mark.parametrize("saturated", [0.35, 2])
@pytest.mark.parametrize("sigma", [1.5, 2.5, 3.5, 5])
def test_atoms_clipped_by_an_export_stay(saturated, sigma):
    image = exported(field(electrons=400, sigma=sigma), saturated)
    assert np.mean(image == 255) > 0.001
    assert usable_area(image).mask.all()


@pytest.mark.parametrize("quality", [None, 95, 80], ids=["lossless", "JPEG 95", "JPEG 80"])
@pytest.mark.parametrize("colour", [255, 0], ids=["white", "black"])
@pytest.mark.parametrize("thick", [4, 8])
def test_burnt_in_bars_and_text(colour, quality, thick):
    clean = exported(field()) * 0.5 + 60
    image, truth = drawn(clean.round(), colour=colour, bar=(20, 220, 80, thick))
    if quality is not None:
        image = as_jpeg(image, quality)
    area = usable_area(image)
    assert area.reasons["burnt in"] < 0.08
    assert set(area.reasons) <= {"burnt in", "one value", "saturated"}
    assert (~area.mask)[truth].mean() > 0.9
    assert area.mask[:150].all()
    without = clean.round() if quality is None else as_jpeg(clean.round(), quality)
    assert usable_area(without).mask.all()


def test_text_without_a_bar():
    clean = (exported(field()) * 0.4 + 60).round()
    picture = Image.fromarray(clean.astype(np.uint8))
    ImageDraw.Draw(picture).text((30, 30), "HAADF 60 kV", font=ImageFont.load_default(22), fill=255)
    image = np.asarray(picture).astype(np.float32)
    found = burnt_in(image)
    assert found[image - clean > 60].mean() > 0.8
    assert not burnt_in(clean).any()


@pytest.mark.parametrize("quality", [None, 85], ids=["lossless", "JPEG"])
@pytest.mark.parametrize("colours", [(0, 255), (255, 0)], ids=["black", "white"])
def test_a_bar_of_data_below_the_image(colours, quality):
    strip = Image.new("L", (SIDE, 40), colours[0])
    ImageDraw.Draw(strip).text((8, 8), "60 kV HAADF 10 Mx", font=ImageFont.load_default(18), fill=colours[1])
    image = np.vstack([exported(field()), np.asarray(strip)]).astype(np.float32)
    area = usable_area(image if quality is None else as_jpeg(image, quality))
    assert (~area.mask)[SIDE + 4 :].mean() > 0.98
    assert area.mask[: SIDE - 20].mean() > 0.998


@pytest.mark.parametrize("normal", [False, True])
def test_seams_of_a_mosaic(normal):
    four = [field(seed) * (1 + 0.2 * seed) for seed in range(4)]
    if normal:
        four = [(one - one.mean()) / one.std() for one in four]
    image = np.block([four[:2], four[2:]])
    assert find_seams(image) == ([SIDE], [SIDE])
    area = usable_area(image)
    assert set(area.reasons) == {"seams"}
    assert area.left_out == pytest.approx(2 * 16 / (2 * SIDE), rel=0.05)


def test_seams_of_a_tiled_image():
    assert find_seams(np.tile(field(), (2, 2))) == ([SIDE], [SIDE])


def test_seams_of_shifted_stitches():
    image = field(side=512)
    assert find_seams(np.vstack([image[:200], np.roll(image, 60, axis=1)[200:]])) == ([200], [])
    assert find_seams(np.hstack([image[:-60, :100], image[60:, 80:]])) == ([], [100])


def test_a_step_in_brightness_is_a_seam():
    image = field(electrons=10)
    image[130:] *= 3
    assert find_seams(image) == ([130], [])


def _jittered(image):
    shifts = np.random.default_rng(1).normal(0, 0.5, len(image))
    return np.stack(
        [ndimage.shift(r, s, order=1, mode="nearest") for r, s in zip(image, shifts, strict=True)]
    )


SEAMLESS = {
    "flicker": lambda image: image * np.random.default_rng(1).normal(1, 0.01, (SIDE, 1)),
    "jitter": _jittered,
    "drift": lambda image: ndimage.affine_transform(image, [[1.03, 0], [0.05, 1]], order=1, mode="reflect"),
    "soft edge": lambda image: image * (1 + 2 * ndimage.gaussian_filter((Y > 128).astype(float), 1.5)),
    "edge of a particle": lambda image: image + 100 * ((Y > 90) & (Y < 160) & (X > 60) & (X < 150)),
    "smoothed": lambda image: ndimage.gaussian_filter(image, 2),
    "low-passed": lambda image: np.fft.irfft2(ndimage.fourier_gaussian(np.fft.rfft2(image), 3, n=SIDE)),
    "enlarged": lambda image: ndimage.zoom(image[:128, :128], 2, order=1),
    "jpeg": lambda image: as_jpeg(exported(image), 75),
}


@pytest.mark.parametrize("change", SEAMLESS.values(), ids=SEAMLESS)
@pytest.mark.parametrize("seed", range(3))
def test_no_seams_in_one_field(change, seed):
    assert find_seams(np.asarray(change(field(seed)), dtype=np.float32)) == ([], [])


@pytest.mark.slow
def test_real_images_are_usable(data_dir):
    from stemforge.micrograph.readers import read_micrograph

    paths = sorted((data_dir / "pt-nc" / "images").glob("*.tif"))
    assert len(paths) == 11
    for path in paths:
        image = read_micrograph(path).image
        assert usable_area(image).mask.all(), path
        assert usable_area(exported(image)).mask.all(), path


def test_what_is_left_out_is_filled_without_an_edge():
    image = field()
    image[60:90, 60:200] = 0
    area = usable_area(image)
    filled = area.fill(image)
    np.testing.assert_array_equal(filled[area.mask], image[area.mask])
    inside = filled[60:90, 60:200]
    assert inside.mean() == pytest.approx(image[area.mask].mean(), rel=0.15)
    assert inside.std() == pytest.approx(np.sqrt(60), rel=0.4)
    across = np.abs(filled[60] - filled[59])[60:200].mean()
    assert across < 1.5 * np.abs(np.diff(image[:50], axis=0)).mean()
    whole = field()
    assert usable_area(whole).fill(whole) is whole


def test_points_in_the_usable_area():
    image = field()
    image[:40] = 0
    area = usable_area(image)
    points = [[10, 20], [10, 41], [10, 60], [10, 39.4], [-3, 300]]
    assert area.inside(points).tolist() == [False, True, True, False, True]
    assert area.inside(points, margin=5).tolist() == [False, False, True, False, True]


def test_what_is_left_out_is_said():
    image = field()
    image[:64] = 0
    area = usable_area(image)
    assert area.left_out == 0.25
    assert str(area) == "25.0 % of the image (25.0 % one value)"


def test_nothing_usable_is_refused():
    image = np.zeros((100, 100))
    image[50, 50] = -1
    with pytest.raises(MicrographError, match="holds no signal"):
        usable_area(image)


@pytest.mark.parametrize("shape", [(1, 2), (2, 40), (5, 5), (64, 3), (70, 64)])
def test_small_images(shape):
    image = np.random.default_rng(0).normal(size=shape)
    assert usable_area(image).mask.all()


def test_it_is_fast():
    image = field(side=512)
    usable_area(image)
    begin = time.process_time()
    usable_area(image)
    assert time.process_time() - begin < 0.5


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e31])
def test_values_of_any_size_are_judged_without_a_warning(scale):
    image = np.random.default_rng(0).normal(100, 10, (128, 128)).astype(np.float32) * np.float32(scale)
    assert usable_area(image).left_out == 0
