"""Small files in formats that no library writes, built byte by byte."""

import json
import struct

import h5py
import numpy as np

IMAGE = (np.arange(12 * 16, dtype=np.uint16) * 7 % 251).reshape(12, 16)


def digital_micrograph(version, frames=1, image=IMAGE):
    """Return a DM3 or DM4 file with an image of unsigned 16 bits, or a stack, of 0.2 Å a pixel."""

    def number(value):  # of tags, of entries, of bytes
        return struct.pack(">q" if version == 4 else ">i", value)

    def tag(name, value):
        """Encode pairs as a group of tags, and text, arrays, tuples and numbers as a tag with data."""
        group = isinstance(value, list)
        body = tags(value) if group else data(value)
        length = number(len(body)) if version == 4 else b""
        return struct.pack(">BH", 20 if group else 21, len(name)) + name.encode() + length + body

    def tags(pairs):
        return b"\0\1" + number(len(pairs)) + b"".join(tag(*pair) for pair in pairs)

    def data(value):
        if isinstance(value, str):
            info, content = [20, 4, len(value)], value.encode("utf-16-le")
        elif isinstance(value, np.ndarray):
            info, content = [20, 4, value.size], value.astype("<u2").tobytes()
        elif isinstance(value, tuple):
            info = [15, 0, len(value), *[0, 6] * len(value)]
            content = struct.pack(f"<{len(value)}f", *value)
        elif isinstance(value, float):
            info, content = [6], struct.pack("<f", value)
        else:
            info, content = [5], struct.pack("<I", value)
        return b"%%%%" + number(len(info)) + b"".join(map(number, info)) + content

    sizes = [*image.shape[::-1], frames][: 2 if frames == 1 else 3]
    axis = [("Origin", 0.0), ("Scale", 0.02), ("Units", "nm")]
    brightness = [("Origin", 0.0), ("Scale", 1.0), ("Units", "e")]
    content = [
        ("Calibrations", [("Brightness", brightness), ("Dimension", [("", axis)] * len(sizes))]),
        ("Data", np.stack([image + i for i in range(frames)])),
        ("DataType", 10),
        ("Dimensions", [("", size) for size in sizes]),
        ("PixelDepth", 2),
    ]
    microscope = [("Voltage", 60000.0), ("Illumination Mode", "STEM"), ("Range", (0.0, 1.0))]
    entry = [("ImageData", content), ("ImageTags", [("Microscope Info", microscope)]), ("Name", "made")]
    body = tags([("ImageList", [("", entry)])])
    return struct.pack(">i", version) + number(len(body)) + struct.pack(">i", 1) + body + bytes(8)


def tia(elements=1, version=0x210):
    """Return a SER file of TIA with some images of 0.2 Å a pixel."""
    wide = "<Q" if version > 0x210 else "<I"
    description, unit = b"Number", b""
    header = struct.pack("<HHHIIII", 0x4949, 0x0197, version, 0x4122, 0x4152, elements, elements)
    dimension = struct.pack("<IddI", elements, 0.0, 1.0, 0)
    dimension += struct.pack("<I", len(description)) + description + struct.pack("<I", len(unit)) + unit
    place = len(header) + struct.calcsize(wide) + 4
    header += struct.pack(wide, place + len(dimension)) + struct.pack("<I", 1) + dimension
    first = len(header) + 2 * elements * struct.calcsize(wide)
    calibration = struct.pack("<ddIddI", 0.0, 2e-11, 0, 0.0, 2e-11, 0)
    image = calibration + struct.pack("<HII", 2, *IMAGE.shape[::-1]) + IMAGE.astype("<u2").tobytes()
    tag = struct.pack("<HHI", 0x4152, 0, 1_400_000_000)
    element = image + tag
    places = [first + i * len(element) for i in range(elements)]
    ends = [place + len(image) for place in places]
    return header + b"".join(struct.pack(wide, n) for n in places + ends) + element * elements


def tia_information():
    """Return an EMI file: a binary file with the description of the SER file beside it as XML."""
    labels = [
        ("High tension", "60", "kV"),
        ("Microscope", "Microscope Titan", ""),
        ("Mode", "STEM nP SA", ""),
    ]
    data = "".join(f"<Data><Label>{a}</Label><Value>{b}</Value><Unit>{c}</Unit></Data>" for a, b, c in labels)
    description = f"<ExperimentalDescription><Root>{data}</Root></ExperimentalDescription>"
    date = "<AcquireDate>Mon Jan 13 10:20:30 2020</AcquireDate>"
    information = "<AcquireInfo><DwellTimePath>1e-6</DwellTimePath></AcquireInfo>"
    text = f"<ObjectInfo><Uuid>1</Uuid>{information}{date}{description}</ObjectInfo>"
    return b"JKF\0" * 8 + text.encode() + bytes(64)


def mrc():
    """Return an MRC2014 file of 0.25 Å a pixel: a header of 1024 bytes and rows of 32-bit floats."""
    height, width = IMAGE.shape
    header = bytearray(1024)
    struct.pack_into("<4i", header, 0, width, height, 1, 2)
    struct.pack_into("<3i", header, 28, width, height, 1)
    struct.pack_into("<6f", header, 40, width * 0.25, height * 0.25, 1, 90, 90, 90)
    struct.pack_into("<3i", header, 64, 1, 2, 3)
    header[208:212] = b"MAP "
    header[212:216] = b"\x44\x44\x00\x00"
    return bytes(header) + IMAGE.astype("<f4").tobytes()


def berkeley(path):
    """Write an EMD file as the National Center for Electron Microscopy lays it out."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"version_major": 0, "version_minor": 2})
        group = file.create_group("data/field")
        group.attrs["emd_group_type"] = 1
        group["data"] = IMAGE.T.astype("f4")
        for axis, size in enumerate(IMAGE.shape[::-1], start=1):
            group[f"dim{axis}"] = np.arange(size) * 0.02
            group[f"dim{axis}"].attrs.update({"name": "xy"[axis - 1], "units": "[n_m]"})
        for name in ("user", "microscope", "sample", "comments"):
            file.create_group(name)
        file["microscope"].attrs["voltage"] = 60.0


def velox(path):
    """Write an EMD file as Velox lays it out: an image and its description as JSON in bytes."""
    name = "0123456789abcdef0123456789abcdef"
    metadata = {
        "Core": {"MetadataDefinitionVersion": "7.9"},
        "Instrument": {"InstrumentModel": "Titan"},
        "Acquisition": {"AcquisitionStartDatetime": {"DateTime": "1400000000"}},
        "BinaryResult": {
            "PixelSize": {"width": "2e-11", "height": "2e-11"},
            "Offset": {"x": "0", "y": "0"},
            "PixelUnitX": "m",
            "PixelUnitY": "m",
            "Detector": "HAADF",
            "DetectorIndex": "0",
        },
        "Detectors": {"Detector-0": {"DetectorName": "HAADF", "DetectorType": "ScanningDetector"}},
        "Scan": {"FrameTime": "0.5", "ScanSize": {"width": "16", "height": "12"}},
        "CustomProperties": {},
    }
    text = np.frombuffer(json.dumps(metadata).encode().ljust(2000, b"\0"), "u1")
    operation = {"dataPath": f"/Data/Image/{name}", "detector": "HAADF"}
    display = {"dataPath": f"/Data/Image/{name}", "display": {"label": "HAADF"}}

    def written(value):
        return np.array([json.dumps(value).encode()], dtype=object)

    with h5py.File(path, "w") as file:
        strings = h5py.string_dtype("utf-8")
        file.create_dataset("Version", data=written({"format": "Velox", "version": "7"}), dtype=strings)
        group = file.create_group(f"Data/Image/{name}")
        group["Data"] = IMAGE[..., None]
        group["Metadata"] = text[:, None]
        for place, value in (
            ("Operations/StemInputOperation/a", operation),
            ("Presentation/Displays/ImageDisplay/a", display),
            ("Displays/ImageDisplay/a", display),
        ):
            file.create_dataset(place, data=written(value), dtype=strings)
        for place in ("SharedProperties", "Features"):
            file.create_group(place)
