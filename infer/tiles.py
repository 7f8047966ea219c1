"""Tiles: large images in pieces that fit in memory."""

from collections.abc import Iterator

from stemforge.errors import InputError


def tiles(shape: tuple[int, int], side: int, step: int = 1) -> Iterator[tuple[slice, slice]]:
    """Cover an image with tiles of about one size that do not overlap, row by row.

    Parameters
    ----------
    shape
        Height and width of the image [pixel].
    side
        Side of a tile [pixel], which one may exceed by half: a narrow tile at the end would cost its margin.
    step
        Tiles begin at multiples of this [pixel].

    Yields
    ------
    rows, columns
        Slices of the image.

    Examples
    --------
    >>> [(r.start, r.stop, c.start, c.stop) for r, c in tiles((3, 7), 4)]
    [(0, 3, 0, 4), (0, 3, 4, 7)]
    >>> [c.stop for _, c in tiles((8, 614), 512, step=8)]
    [614]
    """
    if side < 1:
        raise InputError(f"tile must be at least 1 pixel, not {side}")
    for rows in _parts(shape[0], side, step):
        for columns in _parts(shape[1], side, step):
            yield rows, columns


def _parts(length: int, side: int, step: int) -> list[slice]:
    number = max(1, round(length / side))
    longest = step * max(1, -(-length // (number * step)))
    return [slice(start, min(start + longest, length)) for start in range(0, length, longest)]
