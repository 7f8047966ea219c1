"""Reading image files: what is taken, what calibration is found, what is refused."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from stemforge import MicrographError, read_micrograph, read_stack
from stemforge.micrograph.readers import FORMATS

GREY = (np.arange(12 * 16, dtype=np.uint8) * 7 % 251).reshape(12, 16)
COLOUR = np.stack([GREY, GREY[::-1], GREY], axis=-1)


def tiff(path, image=GREY, **options):
    tifffile.imwrite(path, image, **options)
    return path


def imagej(path, unit, per_pixel, image=GREY):
    resolution = (1 / per_pixel[0], 1 / per_pixel[1])
    return tiff(path, image, imagej=True, resolution=resolution, metadata={"unit": unit})


def hspy(path, image, scale, units, navigate=False):
    """Write with RosettaSciIO's own writer; stacks carry a navigation axis in front."""
    from rsciio.hspy import file_writer

    names = ("frame", "y", "x")[-image.ndim :]
    axes = [
        {
            "_type": "UniformDataAxis",
            "name": name,
            "size": size,
            "index_in_array": i,
            "offset": 0.0,
            "scale": scale if name != "frame" else 1.0,
            "units": units if name != "frame" else "s",
            "navigate": navigate and name == "frame",
            "is_binned": False,
        }
        for i, (name, size) in enumerate(zip(names, image.shape, strict=True))
    ]
    signal = {"data": image, "axes": axes, "original_metadata": {}}
    signal |= {"package_info": {"package": "test", "package_version": "1"}}
    signal |= {"metadata": {"General": {"title": "made"}, "Signal": {"signal_type": ""}}}
    signal |= {"attributes": {"_lazy": False, "ragged": False}, "tmp_parameters": {}}
    signal |= {"models": {}, "learning_results": {}}
    file_writer(str(path), signal)
    return path


def mrc(path, image, angstrom_per_pixel):
    """Write the smallest MRC2014 file by hand: a 1024-byte header and float32 rows."""
    height, width = image.shape
    header = bytearray(1024)
    struct.pack_into("<4i", header, 0, width, height, 1, 2)
    struct.pack_into("<3i", header, 28, width, height, 1)
    struct.pack_into(
        "<6f", header, 40, width * angstrom_per_pixel, height * angstrom_per_pixel, 1, 90, 90, 90
    )
    struct.pack_into("<3i", header, 64, 1, 2, 3)
    header[208:212] = b"MAP "
    header[212:216] = b"\x44\x44\x00\x00"
    path.write_bytes(bytes(header) + image.astype("<f4").tobytes())
    return path


@pytest.mark.parametrize(
    ("make", "sampling"),
    [
        (lambda folder: tiff(folder / "a.tif"), None),
        (lambda folder: tiff(folder / "a.tiff", GREY.astype(np.float32)), None),
        (lambda folder: tiff(folder / "A.TIF", GREY.astype(np.uint16)), None),
        (lambda folder: imagej(folder / "a.tif", "nm", (0.0293, 0.0293)), 0.293),
        (lambda folder: imagej(folder / "a.tif", "um", (2e-5, 2e-5)), 0.2),
        (lambda folder: imagej(folder / "a.tif", "micron", (2e-5, 2e-5)), 0.2),
        (lambda folder: imagej(folder / "a.tif", "\\u00B5m", (2e-5, 2e-5)), 0.2),
        (lambda folder: imagej(folder / "a.tif", "pixel", (1, 1)), None),
        (lambda folder: tiff(folder / "a.tif", np.stack([GREY] * 3, -1), photometric="rgb"), None),
        (lambda folder: hspy(folder / "a.hspy", GREY, 0.02, "nm"), 0.2),
        (lambda folder: hspy(folder / "a.hspy", GREY, 20.0, "pm"), 0.2),
        (lambda folder: hspy(folder / "a.hspy", GREY, 0.2, "Å"), 0.2),
        (lambda folder: hspy(folder / "a.hspy", GREY, 1.0, "<undefined>"), None),
        (lambda folder: mrc(folder / "a.mrc", GREY, 0.25), 0.25),
    ],
    ids=[
        "plain tiff",
        "float tiff",
        "upper case",
        "imagej nm",
        "imagej um",
        "imagej micron",
        "imagej µm as ImageJ writes it",
        "imagej pixel",
        "grey saved as RGB",
        "hspy nm",
        "hspy pm",
        "hspy Å",
        "hspy undefined",
        "mrc",
    ],
)
def test_image_and_calibration(tmp_path, make, sampling):
    path = make(tmp_path)
    micrograph = read_micrograph(path, modality="HAADF")
    np.testing.assert_array_equal(micrograph.image, GREY)
    assert micrograph.sampling == (None if sampling is None else pytest.approx(sampling, rel=1e-4))
    assert micrograph.name == path.stem
    assert micrograph.modality == "HAADF"
    assert micrograph.metadata["file"] == str(path)
    assert read_micrograph(path, sampling=0.5).sampling == 0.5


def test_mrc_as_mrcfile_writes_it(tmp_path):
    mrcfile = pytest.importorskip("mrcfile", reason="mrcfile (test extra) writes the file to read")
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(GREY.astype(np.float32))
        file.voxel_size = 0.25
    micrograph = read_micrograph(tmp_path / "a.mrc")
    np.testing.assert_array_equal(micrograph.image, GREY)
    assert micrograph.sampling == pytest.approx(0.25)


@pytest.mark.parametrize("mode", ["L", "I;16", "RGB", "RGBA", "LA", "P"])
def test_grey_png_in_every_dress(tmp_path, mode):
    picture = Image.fromarray(GREY)
    if mode == "I;16":
        picture = Image.fromarray(GREY.astype(np.uint16) * 257)
    elif mode == "P":
        # A palette in which entry i is not grey i: the entries' numbers are no intensities.
        picture = Image.fromarray(255 - GREY, mode="L").copy()
        picture.putpalette([255 - i for i in range(256) for _ in range(3)])
    else:
        picture = picture.convert(mode)
    picture.save(tmp_path / "a.png", dpi=(300, 300))
    micrograph = read_micrograph(tmp_path / "a.png")
    np.testing.assert_array_equal(micrograph.image, GREY * (257.0 if mode == "I;16" else 1.0))
    assert micrograph.sampling is None  # dots per inch are for print


def test_jpeg(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.jpg", quality=100)
    micrograph = read_micrograph(tmp_path / "a.jpg")
    assert micrograph.shape == GREY.shape
    assert np.corrcoef(micrograph.image.ravel(), GREY.ravel())[0, 1] > 0.99


def save(path, image):
    Image.fromarray(image).save(path)
    return path


def palette(path):
    Image.fromarray(COLOUR).convert("P").save(path)
    return path


def cut(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    return path


def text(path, content="no image"):
    path.write_text(content)
    return path


def fifo(path):
    os.mkfifo(path)
    return path


NAN = np.where(GREY == 0, np.nan, GREY).astype(np.float32)


@pytest.mark.parametrize(
    ("make", "options", "says"),
    [
        (lambda f: save(f / "a.png", COLOUR), {}, "colour picture"),
        (lambda f: save(f / "a.jpg", COLOUR), {}, "colour picture"),
        (lambda f: palette(f / "a.png"), {}, "colour picture"),
        (lambda f: tiff(f / "a.tif", COLOUR, photometric="rgb"), {}, "colour picture"),
        (
            lambda f: tiff(
                f / "a.tif", np.moveaxis(COLOUR, -1, 0), photometric="rgb", planarconfig="separate"
            ),
            {},
            "colour picture",
        ),
        (lambda f: cut(tiff(f / "a.tif"), 300), {}, "truncated"),
        (lambda f: cut(tiff(f / "a.tif"), 4), {}, "damaged, truncated"),
        (
            lambda f: cut(tiff(f / "a.tif", np.stack([GREY] * 5), photometric="minisblack"), -100),
            {"frame": 4},
            "truncated",
        ),
        (lambda f: cut(save(f / "a.png", GREY), 90), {}, "damaged, truncated"),
        (lambda f: cut(hspy(f / "a.hspy", GREY, 1.0, "nm"), 1000), {}, "damaged, truncated"),
        (lambda f: cut(mrc(f / "a.mrc", GREY, 0.2), 1100), {}, "damaged, truncated"),
        (lambda f: text(f / "a.dm4"), {}, "damaged, truncated"),
        (lambda f: text(f / "a.tif", ""), {}, "damaged, truncated"),
        (lambda f: text(f / "a.txt"), {}, "cannot read '.txt'"),
        (lambda f: f / "missing.tif", {}, "no such file"),
        (lambda f: f, {}, "folder"),
        (lambda f: f / ("x" * 300 + ".tif"), {}, "no such file .*too long"),
        (lambda f: f / "a\0b.tif", {}, "no such file"),
        (lambda f: fifo(f / "a.tif"), {}, "no regular file"),
        (lambda f: tiff(f / "a.tif", NAN), {}, "NaN"),
        (lambda f: tiff(f / "a.tif", np.full((8, 8), 3, np.uint8)), {}, "same value"),
        (
            lambda f: tiff(f / "a.tif", np.stack([GREY] * 3), photometric="minisblack"),
            {},
            r"stack of 3 frames.*0 to 2 \(frame\)",
        ),
        (
            lambda f: tiff(f / "a.tif", np.stack([GREY] * 3), photometric="minisblack"),
            {"frame": 3},
            "0 to 2, not 3",
        ),
        (lambda f: tiff(f / "a.tif"), {"frame": -1}, "0 to 0, not -1"),
        (lambda f: tiff(f / "a.tif"), {"sampling": 0}, "sampling must be a positive"),
        (lambda f: tiff(f / "a.tif"), {"sampling": -1.0}, "sampling must be a positive"),
        (lambda f: imagej(f / "a.tif", "nm", (0.03, 0.04)), {}, "only square pixels"),
    ],
)
def test_refused(tmp_path, make, options, says):
    path = make(tmp_path)
    with pytest.raises(MicrographError, match=says) as caught:
        read_micrograph(path, **options)
    if "sampling" not in options:
        assert str(path) in str(caught.value)


def test_a_wrong_calibration_can_be_overridden(tmp_path):
    path = imagej(tmp_path / "a.tif", "nm", (0.03, 0.04))
    assert read_micrograph(path, sampling=0.3).sampling == 0.3


@pytest.mark.parametrize("ending", [".tif", ".hspy"])
def test_stack(tmp_path, ending):
    stack = np.stack([GREY, GREY[::-1], GREY // 2])
    path = tmp_path / f"run{ending}"
    if ending == ".tif":
        tiff(path, stack, photometric="minisblack")
    else:
        hspy(path, stack, 0.02, "nm", navigate=True)
    frames = read_stack(path)
    assert [frame.name for frame in frames] == ["run_000", "run_001", "run_002"]
    for frame, image in zip(frames, stack, strict=True):
        np.testing.assert_array_equal(frame.image, image)
    one = read_micrograph(path, frame=1)
    np.testing.assert_array_equal(one.image, stack[1])
    assert one.sampling == (pytest.approx(0.2) if ending == ".hspy" else None)


def test_a_single_frame_keeps_its_name(tmp_path):
    assert [m.name for m in read_stack(tiff(tmp_path / "one.tif"))] == ["one"]


def test_every_ending_has_a_reader():
    import importlib

    from stemforge.micrograph.reading.formats import _ROSETTA

    for module in {name for name, _ in _ROSETTA.values()} | {"tiff", "mrc"}:
        assert importlib.import_module(f"rsciio.{module}").file_reader
    assert {".tif", ".dm3", ".dm4", ".emd", ".ser", ".mrc", ".hspy", ".png", ".jpg"} <= set(FORMATS)


@pytest.fixture(scope="module")
def real_images():
    folder = os.environ.get("STEMFORGE_DATA_DIR")
    if not folder:
        pytest.skip("STEMFORGE_DATA_DIR is not set: no real micrographs here")
    return sorted((Path(folder) / "pt-nc" / "images").glob("*.tif"))


def test_real_images_carry_their_calibration(real_images):
    assert len(real_images) == 11
    for path in real_images:
        micrograph = read_micrograph(path)
        assert micrograph.shape == (512, 512)
        # 15 nm field of 512 pixels, in ImageJ's resolution tags and in Digital Micrograph's private ones.
        assert micrograph.sampling == pytest.approx(0.29297, rel=1e-4), path.name
        assert micrograph.image.min() > 1e4  # detector offset, as raw units
