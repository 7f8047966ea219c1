"""Each format's own traps: calibrations that are written in odd ways, values that are no intensities, wrong kinds."""

import json
import struct

import h5py
import numpy as np
import pytest
import tifffile

from stemforge import MicrographError, read_micrograph, read_stack

GREY = (np.arange(12 * 16, dtype=np.uint8) * 7 % 251).reshape(12, 16)


def tiff(path, image=GREY, **options):
    tifffile.imwrite(path, image, **options)
    return path


# --- TIFF: calibration ---


@pytest.mark.parametrize(
    ("unit", "per_pixel", "sampling"),
    [
        ("\\u00C5", 0.293, 0.293),
        ("\\u00c5", 0.293, 0.293),
        ("Angstrom", 0.293, 0.293),
        ("nanometers", 0.0293, 0.293),
        ("microns", 2.93e-5, 0.293),
        ("pm", 29.3, 0.293),
        ("inch", 1 / 72, None),
    ],
)
def test_imagej_units(tmp_path, unit, per_pixel, sampling):
    resolution = (1 / per_pixel, 1 / per_pixel)
    path = tiff(tmp_path / "a.tif", imagej=True, resolution=resolution, metadata={"unit": unit})
    found = read_micrograph(path).sampling
    assert found == (None if sampling is None else pytest.approx(sampling, rel=1e-4))


def test_an_unknown_unit_is_named(tmp_path):
    path = tiff(tmp_path / "a.tif", imagej=True, resolution=(5, 5), metadata={"unit": "furlongs"})
    micrograph = read_micrograph(path)
    assert micrograph.sampling is None
    assert micrograph.metadata["calibration"] == "its unit 'furlongs' is no known unit of length"
    assert "sampling_in_file" not in micrograph.metadata


@pytest.mark.parametrize(
    ("size", "unit", "sampling"),
    [
        (0.0293, "nm", 0.293),
        (29.3, "pm", 0.293),
        (0.293, "Å", 0.293),
        (2.93e-5, "µm", 0.293),
        (2.93e-5, None, 0.293),
        (2.93e-8, "mm", 0.293),
        (1.0, "pixel", None),
        (1.0, "reference frame", None),
    ],
)
def test_ome_physical_size(tmp_path, size, unit, sampling):
    metadata = {"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeY": size}
    if unit:
        metadata |= {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    path = tiff(tmp_path / "a.ome.tif", ome=True, metadata=metadata)
    found = read_micrograph(path)
    assert found.sampling == (None if sampling is None else pytest.approx(sampling, rel=1e-4))
    np.testing.assert_array_equal(found.image, GREY)


def test_the_files_own_pixel_size_is_kept_beside_the_users(tmp_path):
    path = tiff(tmp_path / "a.tif", imagej=True, resolution=(50, 50), metadata={"unit": "nm"})
    micrograph = read_micrograph(path, sampling=0.5)
    assert micrograph.sampling == 0.5
    assert micrograph.metadata["sampling_in_file"] == pytest.approx(0.2)


def test_a_pixel_size_of_no_micrograph_is_refused_and_can_be_overridden(tmp_path):
    path = tiff(tmp_path / "a.tif", imagej=True, resolution=(1e-7, 1e-7), metadata={"unit": "m"})
    with pytest.raises(MicrographError, match=r"a\.tif: its pixel size of 1e\+17 Å is none of a micrograph"):
        read_micrograph(path)
    assert read_micrograph(path, sampling=0.3).sampling == 0.3


# --- TIFF: what values mean ---


def palette(colours):
    return {"photometric": "palette", "colormap": np.asarray(colours, np.uint16)}


def test_a_grey_palette_is_read_by_its_colours(tmp_path):
    reversed_grey = np.stack([np.arange(255, -1, -1, dtype=np.uint16) * 257] * 3)
    path = tiff(tmp_path / "a.tif", **palette(reversed_grey))
    np.testing.assert_array_equal(read_micrograph(path).image, (255.0 - GREY) * 257)


def test_zero_is_white(tmp_path):
    path = tiff(tmp_path / "a.tif", photometric="miniswhite")
    np.testing.assert_array_equal(read_micrograph(path).image, 255.0 - GREY)
    path = tiff(tmp_path / "b.tif", GREY.astype(np.uint16), photometric="miniswhite")
    np.testing.assert_array_equal(read_micrograph(path).image, 65535.0 - GREY)
    path = tiff(tmp_path / "c.tif", GREY > 100, photometric="miniswhite")
    np.testing.assert_array_equal(read_micrograph(path).image, (GREY <= 100).astype(float))


def test_grey_with_opacity(tmp_path):
    values = np.stack([GREY, np.full_like(GREY, 255)], axis=-1)
    path = tiff(tmp_path / "a.tif", values, photometric="minisblack", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read_micrograph(path).image, GREY)


@pytest.mark.parametrize("number", [3, 4, 5])
@pytest.mark.filterwarnings("ignore:.*stored as RGB")
def test_a_short_stack_as_tifffile_writes_it_is_a_stack(tmp_path, number):
    """Of three or four frames it makes the planes of a colour, unless told otherwise."""
    frames = np.random.default_rng(0).normal(100, 9, (number, 12, 16)).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", frames)
    for found, frame in zip(read_stack(tmp_path / "a.tif"), frames, strict=True):
        np.testing.assert_array_equal(found.image, frame)
    # Whole numbers could be the colours of a picture.
    tifffile.imwrite(tmp_path / "b.tif", frames.astype(np.uint16), photometric="rgb" if number < 5 else None)
    if number < 5:
        with pytest.raises(
            MicrographError, match=r"is a colour picture .* frames of a stack, save them as grey"
        ):
            read_stack(tmp_path / "b.tif")


def test_grey_in_planes_of_colour(tmp_path):
    path = tiff(tmp_path / "a.tif", np.stack([GREY] * 3), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_micrograph(path).image, GREY)


RAINBOW = np.random.default_rng(0).integers(0, 65536, (3, 256))


@pytest.mark.parametrize(
    ("image", "options", "says"),
    [
        (GREY, palette(RAINBOW), "colour picture"),
        (GREY.astype(np.float32), {"photometric": "miniswhite"}, "zero is white"),
        (
            np.stack([GREY] * 2, -1),
            {"photometric": "minisblack", "planarconfig": "contig"},
            "2 values at each",
        ),
        (
            np.stack([GREY] * 5, -1),
            {"photometric": "minisblack", "planarconfig": "contig"},
            "5 values at each",
        ),
        (np.stack([GREY] * 5), {"photometric": "minisblack", "planarconfig": "separate"}, "5 values at each"),
        (np.stack([GREY] * 4, -1), {"photometric": "separated", "planarconfig": "contig"}, "separated"),
        (GREY[:1], {}, "single line"),
        (GREY[:, :1], {}, "single line"),
    ],
)
def test_tiff_refused(tmp_path, image, options, says):
    path = tiff(tmp_path / "a.tif", image, **options)
    with pytest.raises(MicrographError, match=says) as caught:
        read_micrograph(path)
    assert str(path) in str(caught.value)


def test_a_header_that_promises_more_than_the_file_holds(tmp_path):
    path = tiff(tmp_path / "a.tif")
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages.first.tags["ImageLength"].overwrite(2**24)
    with pytest.raises(MicrographError, match=r"truncated, ends 268\d{6} bytes before"):
        read_micrograph(path)


def test_a_thumbnail_is_no_second_image(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(GREY)
        writer.write(GREY[::2, ::2], subfiletype=1)
    np.testing.assert_array_equal(read_micrograph(tmp_path / "a.tif").image, GREY)


def test_several_images_are_chosen_by_number(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(GREY)
        writer.write(GREY[:9, :9])
    with pytest.raises(MicrographError, match="holds 2 images"):
        read_micrograph(tmp_path / "a.tif")
    assert read_micrograph(tmp_path / "a.tif", signal="1").shape == (9, 9)


# --- MRC ---


def mrc(path, *, order="<", intervals=(16, 12, 1), cell=(4.0, 3.0, 1.0), stamp=True):
    header = bytearray(1024)
    struct.pack_into(f"{order}4i", header, 0, 16, 12, 1, 2)
    struct.pack_into(f"{order}3i", header, 28, *intervals)
    struct.pack_into(f"{order}6f", header, 40, *cell, 90, 90, 90)
    struct.pack_into(f"{order}3i", header, 64, 1, 2, 3)
    header[208:212] = b"MAP "
    if stamp:
        header[212:216] = b"\x44\x44\x00\x00" if order == "<" else b"\x11\x11\x00\x00"
    path.write_bytes(bytes(header) + GREY.astype(f"{order}f4").tobytes())
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("stamp", [True, False])
def test_mrc_in_both_byte_orders(tmp_path, order, stamp):
    micrograph = read_micrograph(mrc(tmp_path / "a.mrc", order=order, stamp=stamp))
    np.testing.assert_array_equal(micrograph.image, GREY)
    assert micrograph.sampling == pytest.approx(0.25)


@pytest.mark.parametrize(
    "header",
    [{"intervals": (0, 0, 0)}, {"cell": (0.0, 0.0, 0.0)}, {"intervals": (0, 0, 0), "cell": (0.0, 0.0, 0.0)}],
)
def test_mrc_without_intervals_has_no_calibration(tmp_path, header):
    micrograph = read_micrograph(mrc(tmp_path / "a.mrc", **header))
    np.testing.assert_array_equal(micrograph.image, GREY)
    assert micrograph.sampling is None


# --- EMD of Velox ---


def velox(path, images, *, spectra=False):
    """Write what RosettaSciIO needs of a Velox file: images by title, and an EDS map's empty group beside them."""
    with h5py.File(path, "w") as file:
        file["Version"] = np.array([json.dumps({"format": "Velox", "version": "11"}).encode()])
        group = file.create_group("Data/Image")
        for number, (title, image) in enumerate(images.items()):
            values = np.atleast_3d(image) if image.ndim == 2 else np.moveaxis(image, 0, -1)
            entry = group.create_group(f"{number:032x}")
            entry["Data"] = values
            content = {
                "BinaryResult": {
                    "PixelSize": {"width": "2.93e-11", "height": "2.93e-11"},
                    "Offset": {"x": "0", "y": "0"},
                    "PixelUnitX": "m",
                    "PixelUnitY": "m",
                    "DetectorIndex": "0",
                },
                "Detectors": {"Detector-0": {"DetectorName": title}},
                "Acquisition": {"AcquisitionStartDatetime": {"DateTime": "1500000000"}},
                "Scan": {"FrameTime": "1.0"},
            }
            text = np.frombuffer(json.dumps(content).encode(), np.uint8)
            entry["Metadata"] = np.tile(text[:, None], (1, values.shape[-1]))
        if spectra:
            file.create_group("Data/SpectrumImage")
            file.create_group("Displays/ImageDisplay")
    return path


COMPLEX = np.zeros((12, 16), [("realFloat", "<f4"), ("imagFloat", "<f4")])


@pytest.mark.parametrize("spectra", [False, True])
def test_velox_names_its_images(tmp_path, spectra):
    path = velox(tmp_path / "a.emd", {"BF": GREY[::-1], "HAADF": GREY, "DPC": COMPLEX}, spectra=spectra)
    micrograph = read_micrograph(path)
    np.testing.assert_array_equal(micrograph.image, GREY)
    assert micrograph.sampling == pytest.approx(0.293)
    assert micrograph.metadata["signal"] == "HAADF"
    np.testing.assert_array_equal(read_micrograph(path, signal="BF").image, GREY[::-1])
    with pytest.raises(MicrographError, match="no image is called 'DPC'; it holds BF, HAADF"):
        read_micrograph(path, signal="DPC")


def test_velox_without_haadf_asks(tmp_path):
    path = velox(tmp_path / "a.emd", {"BF": GREY, "Pt": GREY[::-1]})
    with pytest.raises(MicrographError, match="holds 2 images: BF, Pt; choose one"):
        read_stack(path)


def test_a_stack_goes_on_past_a_flat_frame(tmp_path, capsys):
    frames = np.stack([GREY, np.zeros_like(GREY), GREY[::-1]])
    path = velox(tmp_path / "a.emd", {"HAADF": frames, "DPC": COMPLEX})
    assert [frame.name for frame in read_stack(path)] == ["a_000", "a_002"]
    assert "a.emd: frame 1: every pixel has the same value" in capsys.readouterr().err.replace("\n", "")
    with pytest.raises(MicrographError, match=r"stack of 3 frames.*\(frame\)"):
        read_micrograph(path)


# --- others ---


def test_emi_without_its_ser(tmp_path):
    (tmp_path / "a.emi").write_bytes(b"JL" + b"<ObjectInfo></ObjectInfo>" * 2)
    with pytest.raises(MicrographError, match=r"beside it is none of the \.ser files"):
        read_micrograph(tmp_path / "a.emi")


def test_a_frame_of_a_stack_that_is_small_on_disk_alone(tmp_path, monkeypatch):
    """Its values, 340 MB in a file of one, are decoded once: RosettaSciIO need not read them for the axes."""
    stack = np.zeros((80, 1024, 1024), np.float32)
    stack[3] = np.random.default_rng(0).integers(0, 4, (1024, 1024))
    path = tiff(tmp_path / "a.tif", stack, compression="zlib", photometric="minisblack")
    assert path.stat().st_size < 2e6
    monkeypatch.setattr("stemforge.sandbox.child._BYTES", 5.5e8)
    monkeypatch.setattr("stemforge.sandbox.child._GROWTH", 0)
    np.testing.assert_array_equal(read_micrograph(path, frame=3).image, stack[3])
