"""What both processes say to each other: JSON, and the bytes of the arrays in it. No pickle: it would run code."""

import json
from collections.abc import Iterable
from typing import IO, Any

import numpy as np

_ARRAY = "__array__"
_LENGTH = 8


def encode(content: Any) -> list[bytes | memoryview]:
    """Return the parts of one message.

    Parameters
    ----------
    content
        What JSON takes, and arrays of numbers anywhere in it; their values come after the text.

    Raises
    ------
    TypeError
        Anything else.
    """
    arrays: list[np.ndarray] = []
    text = json.dumps(_without_arrays(content, arrays)).encode()
    values = [memoryview(array).cast("B") for array in arrays if array.size]
    return [len(text).to_bytes(_LENGTH, "big") + text, *values]


def send(stream: IO[bytes], parts: Iterable[bytes | memoryview]) -> None:
    """Write a message from :func:`encode` to a pipe."""
    for part in parts:
        stream.write(part)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one message.

    Raises
    ------
    EOFError
        The other side closed the stream.
    """
    content = json.loads(_exactly(stream, int.from_bytes(_exactly(stream, _LENGTH), "big")))
    return _with_arrays(content, stream)


def _without_arrays(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufc":
            raise TypeError(f"arrays of {value.dtype} cannot be sent")
        arrays.append(np.ascontiguousarray(value).reshape(value.shape))
        return {_ARRAY: [value.dtype.str, list(value.shape)]}
    if isinstance(value, dict):
        return {str(name): _without_arrays(item, arrays) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_arrays(item, arrays) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _with_arrays(value: Any, stream: IO[bytes]) -> Any:
    if isinstance(value, dict):
        if _ARRAY in value:
            dtype, shape = value[_ARRAY]
            array = np.empty(shape, np.dtype(dtype))
            view = memoryview(array).cast("B") if array.size else memoryview(b"")
            while view:
                count = stream.readinto(view)  # type: ignore[attr-defined]
                if not count:
                    raise EOFError("the stream ended in the middle of an array")
                view = view[count:]
            return array
        return {name: _with_arrays(item, stream) for name, item in value.items()}
    return [_with_arrays(item, stream) for item in value] if isinstance(value, list) else value


def _exactly(stream: IO[bytes], length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = stream.read(length - len(parts))
        if not part:
            raise EOFError("the stream ended in the middle of a message")
        parts += part
    return bytes(parts)
