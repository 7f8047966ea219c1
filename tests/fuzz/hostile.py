"""Files made to keep a reader busy for ever, or to fill the memory; each within a few kB."""

import io
import itertools
import struct
import zlib

import h5py
import microscope_files
import numpy as np
import tifffile
import yaml
from seeds import Seed


def endless_hdf5() -> bytes:
    """Return an HDF5 file that HDF5 reads for ever, without a way to interrupt it.

    The first entry of its global heap, where texts are, has the number and the length 0: HDF5 looks for the next one
    at the same place. Sixteen zeros in any file with text of variable length do that.
    """
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.attrs["version_major"] = "0"
    content = bytearray(stream.getvalue())
    heap = content.index(b"GCOL")
    content[heap + 16 : heap + 32] = bytes(16)
    return bytes(content)


def tiff_circle() -> bytes:
    """Return a TIFF whose last page says that the first comes next."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.arange(64, dtype="u1").reshape(8, 8))
    content = bytearray(stream.getvalue())
    first = struct.unpack_from("<I", content, 4)[0]
    entries = struct.unpack_from("<H", content, first)[0]
    struct.pack_into("<I", content, first + 2 + 12 * entries, first)
    return bytes(content)


def tiff_bomb(side: int = 60_000) -> bytes:
    """Return a small TIFF that says it holds a large image of zeros: 3.6 GB in strips that share their bytes."""
    strip = zlib.compress(bytes(side * 600), 9)
    rows, count = 600, side // 600
    head = 8 + 2 + 12 * 10 + 4
    place = head + 8 * count
    entries = [
        (256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1),
        (273, 4, count, head), (277, 3, 1, 1), (278, 4, 1, rows), (279, 4, count, head + 4 * count), (284, 3, 1, 1),
    ]  # fmt: skip
    content = b"II*\0" + struct.pack("<IH", 8, len(entries))
    content += b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return content + struct.pack("<I", place) * count + struct.pack("<I", len(strip)) * count + strip


def png_bomb(side: int = 13_000) -> bytes:
    """Return a PNG of a large empty picture, just below the size from which Pillow refuses one."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    rows = zlib.compress(bytes((2 * side + 1) * side), 9)
    head = struct.pack(">IIBBBBB", side, side, 16, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def dm4_without_end() -> bytes:
    """Return a DM4 file with a list of 2^60 entries without content."""
    content = microscope_files.digital_micrograph(4)
    # "Range" is a record of two numbers: as a list of records without fields, it needs no bytes to be read.
    start = content.index(b"Range") + len(b"Range") + 8 + 4
    information = struct.pack(">6q", 5, 20, 15, 0, 0, 1 << 60)
    return content[:start] + information + content[start + len(information) :]


def mrc_of(side: int) -> bytes:
    """Return an MRC file that says it has more rows than there is memory."""
    content = bytearray(microscope_files.mrc())
    struct.pack_into("<3i", content, 0, side, side, side)
    return bytes(content)


def _bomb() -> str:
    lines = [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in itertools.pairwise("abcdefghijk")]
    return "\n".join(["a: &a [x]", *lines])


def _header(number) -> bytes:
    recipe = {"name": "demo", "num_samples": number, "shard_size": 1}
    return yaml.safe_dump({"hash": "a" * 64, "kind": "simulated", "recipe": recipe}).encode()


def micrographs(folder):
    """Yield hostile images."""
    files = {
        "endless.emd": endless_hdf5(),
        "endless.hspy": endless_hdf5(),
        "circle.tif": tiff_circle(),
        "bomb.tif": tiff_bomb(),
        "bomb.png": png_bomb(),
        "endless.dm4": dm4_without_end(),
        "large.mrc": mrc_of(40_000),
    }
    return [Seed(name, {name: content}) for name, content in files.items()]


def structures(folder):
    """Yield hostile structures."""
    lattice = 'Lattice="9 0 0 0 9 0 0 0 9"'
    files = {
        "many.xyz": "99999999999\n\nPt 1 2 3\n",
        "wide.extxyz": f"1\n{lattice} Properties=species:S:1000000000:pos:R:3\nPt 1 2 3\n",
        "many.extxyz": f"99999999999\n{lattice} Properties=species:S:1:pos:R:3\nPt 1 2 3\n",
        "POSCAR": "made\n1.0\n9 0 0\n0 9 0\n0 0 9\nPt\n99999999999\nCartesian\n1 2 3\n",
    }
    return [Seed(name, {name: content.encode()}) for name, content in files.items()]


def recipes(folder):
    """Yield hostile recipes."""
    files = {
        "bomb.yaml": _bomb(),
        "circle.yaml": "a: &a [*a]",
        "deep.yaml": "[" * 100_000,
        "long.yaml": "seed: " + "9" * 100_000,
    }
    return [Seed(name, {name: content.encode()}) for name, content in files.items()]


def corpora(folder):
    """Yield hostile headers of corpora."""
    return [
        Seed(".", {"recipe.yaml": content, "shard-000000.h5": b"x"})
        for content in (_header(10**15), _header(10**30), b"recipe: " + _bomb().replace("\n", "\n ").encode())
    ]


def weights(folder):
    """Yield files without weights whose cards promise very many."""
    import torch
    from safetensors.torch import save

    from stemforge.train import Card
    from stemforge.train.card import CARD_KEY

    wide = {"atom-net": {"width": 128, "levels": 6}, "divaesr": {"blocks": 128, "features": 1024}}
    for name, settings in wide.items():
        card = Card(name, 0.3, settings=settings)
        content = save({"x": torch.ones(1)}, metadata={CARD_KEY: card.to_json()})
        yield Seed(f"{name}.safetensors", {f"{name}.safetensors": content})
