"""Damage to the bytes of a file: what disks, transfers, editors and other programs do, and what nobody would do."""

import re
import struct
import zlib

import numpy as np

_NUMBER = re.compile(rb"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
_WORD = re.compile(rb"[A-Za-z_]{2,}")

# Lengths, counts and offsets go wrong at the ends of their ranges.
_INTEGERS = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 1 << 20, 1 << 24, 0x7FFFFFFF, 0x80000000)
_INTEGERS += (0xFFFFFFFF, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
_REALS = (0.0, -1.0, 1e-300, 1e300, float("nan"), float("inf"), -float("inf"))
_NUMBERS = (b"0", b"-1", b"1", b"1e308", b"1e999", b"nan", b"inf", b"-inf", b"99999999999", b"9" * 5000)
_NUMBERS += (b"1_0", b"0x10", b"1.5", b"", b"2001-99-99", b"12:30:45", b"1e6", b"1000000000")
_PIECES = (
    b"\0",
    b"\n",
    b"\r\n",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b" ",
    b"\t",
    b",",
    b";",
    b'"',
    b"'",
    b"\\",
    b"%s",
)
_PIECES += (
    b"[" * 3000,
    b"{" * 3000,
    b"&a [*a]",
    b"<<: *x",
    b"? [a, b]\n: c",
    b"!!python/name:os.system ",
    b"#",
)
_PIECES += (b"null", b"true", b"{}", b"[]", b"- ", b": ", b"|", b">", b"\xc3", "Å".encode(), b"A" * 70000)


def mutate(content: bytes, other: bytes, rng: np.random.Generator, text: bool) -> bytes:
    """Return the bytes with one to a few kinds of damage, most of it where headers are.

    Parameters
    ----------
    content
        A sound file.
    other
        Another one of the same format, which parts are taken from.
    rng
        Decides everything.
    text
        It is a file of text: numbers and words are changed as such.
    """
    png = content.startswith(b"\x89PNG")
    data = bytearray(content)
    kinds = _TEXT if text else _BINARY
    # Of a file that is damaged a little, a reader sees more before it gives up.
    for _ in range(int(rng.geometric(0.6))):
        _pick(kinds, rng)(data, other, rng)
    # Without sums that fit, a reader would look no further.
    return _with_sums(bytes(data)) if png and rng.random() < 0.8 else bytes(data)


def _place(data, rng):
    """Choose a place; headers are at the beginning, and what they are cut into at the end."""
    if not data:
        return 0
    kind = rng.random()
    if kind < 0.4:
        return int(rng.integers(min(len(data), 128)))
    if kind < 0.75:
        return int(rng.integers(min(len(data), 1024)))
    if kind < 0.85:
        return max(0, len(data) - 1 - int(rng.integers(256)))
    return int(rng.integers(len(data)))


def _pick(items, rng):
    return items[int(rng.integers(len(items)))]


def _flip(data, other, rng):
    if data:
        for _ in range(int(rng.geometric(0.4))):
            data[_place(data, rng)] ^= 1 << int(rng.integers(8))


def _byte(data, other, rng):
    if data:
        data[_place(data, rng)] = _pick((0, 1, 0x20, 0x7F, 0x80, 0xFE, 0xFF, int(rng.integers(256))), rng)


def _integer(data, other, rng):
    """Write a length that is too large, or nothing, in the byte orders and widths of headers."""
    code = _pick("BHIQ", rng)
    value = _pick(_INTEGERS, rng) & ((1 << 8 * struct.calcsize(code)) - 1)
    _overwrite(data, struct.pack(_pick("<>", rng) + code, value), rng)


def _step(data, other, rng):
    """Make a number a little larger or smaller."""
    place = _place(data, rng)
    size = int(_pick((1, 2, 4, 8), rng))
    order = _pick(("little", "big"), rng)
    value = int.from_bytes(data[place : place + size], order) + int(rng.integers(-16, 17))
    _overwrite(data, (value % (1 << 8 * size)).to_bytes(size, order), rng, place)


def _real(data, other, rng):
    code = _pick("fd", rng)
    value = np.array(_pick(_REALS, rng))
    with np.errstate(over="ignore", under="ignore"):
        _overwrite(data, value.astype(_pick("<>", rng) + {"f": "f4", "d": "f8"}[code]).tobytes(), rng)


def _overwrite(data, piece, rng, place=None):
    place = _place(data, rng) if place is None else place
    length = min(len(piece), len(data) - place)
    data[place : place + length] = piece[:length]


def _cut(data, other, rng):
    del data[_place(data, rng) if rng.random() < 0.5 else int(rng.integers(len(data) + 1)) :]


def _insert(data, other, rng):
    place = _place(data, rng)
    piece = rng.bytes(int(rng.integers(1, 33))) if rng.random() < 0.6 else bytes(int(rng.integers(1, 600)))
    data[place:place] = piece


def _delete(data, other, rng):
    place = _place(data, rng)
    del data[place : place + int(rng.integers(1, 64))]


def _blank(data, other, rng):
    """Fill a sector with zeros, as a disk that lost power does."""
    place = _place(data, rng)
    length = min(int(_pick((16, 64, 512, 4096), rng)), len(data) - place)
    data[place : place + length] = bytes(length)


def _double(data, other, rng):
    place = _place(data, rng)
    piece = bytes(data[place : place + int(rng.integers(1, 600))])
    data[place:place] = piece * int(_pick((1, 1, 2, 50), rng))


def _move(data, other, rng):
    """Copy a part of the file over another part: tags that point to tags."""
    start = _place(data, rng)
    _overwrite(data, bytes(data[start : start + int(_pick((2, 4, 8, 12, 40), rng))]), rng)


def _splice(data, other, rng):
    place = _place(data, rng)
    data[place:] = other[int(rng.integers(len(other) + 1)) if rng.random() < 0.3 else place :]


def _number(data, other, rng):
    """Replace a number of a text."""
    _replace(data, _NUMBER, _pick(_NUMBERS, rng), rng)


def _word(data, other, rng):
    """Replace a word of a text by another of its words, or by a number."""
    words = _WORD.findall(bytes(data)) or [b"x"]
    _replace(data, _WORD, _pick(words, rng) if rng.random() < 0.7 else _pick(_NUMBERS, rng), rng)


def _replace(data, pattern, piece, rng):
    found = list(pattern.finditer(data))
    if found:
        one = _pick(found, rng)
        data[one.start() : one.end()] = piece


def _piece(data, other, rng):
    place = _place(data, rng)
    data[place:place] = _pick(_PIECES, rng)


def _lines(data, other, rng):
    """Remove, repeat or exchange lines."""
    lines = bytes(data).splitlines(keepends=True)
    if lines:
        a, b = (int(n) for n in rng.integers(len(lines), size=2))
        kind = rng.random()
        if kind < 0.35:
            del lines[a]
        elif kind < 0.65:
            lines[a:a] = [lines[b]] * int(_pick((1, 1, 20), rng))
        else:
            lines[a], lines[b] = lines[b], lines[a]
        data[:] = b"".join(lines)


_ANY = (_flip, _byte, _cut, _insert, _delete, _blank, _double, _splice)
_BINARY = (*_ANY, _integer, _integer, _integer, _step, _step, _real, _move, _number)
_TEXT = (*_ANY, _number, _number, _number, _word, _word, _piece, _piece, _lines, _lines)


def _with_sums(png: bytes) -> bytes:
    """Return a PNG whose chunks carry the sums of what is in them."""
    made, place = bytearray(png[:8]), 8
    while place + 12 <= len(png):
        length = int.from_bytes(png[place : place + 4], "big")
        chunk = png[place + 4 : place + 8 + length]
        made += png[place : place + 4] + chunk + zlib.crc32(chunk).to_bytes(4, "big")
        place += 12 + length
    return bytes(made) + png[place:]
